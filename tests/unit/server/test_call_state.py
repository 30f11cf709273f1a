"""A call's state, and the records that bring it back: they grow with the call and no faster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from centralita.core.events import Event
from centralita.core.ids import CallId, InteractionId, LegId
from centralita.ivr.events import FlowEnded, NodeEntered
from centralita.ivr.run import PathStep
from centralita.server.call_records import CallClosed, call_began, encode, shortened
from centralita.server.call_state import CallState, begin, remember, replay, step
from centralita.telephony.call import CallArrived, LegAnswered
from centralita.timeline.directory import Unidentified

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
CALL, LEG = CallId("call_1"), LegId("leg_1")
ARRIVED = CallArrived(
    call_id=CALL, leg_id=LEG, sip_call_id="a", caller="+34600111222", caller_name="", dialled="100"
)


class Caller:
    """A call whose records are counted."""

    def __init__(self) -> None:
        began = call_began(ARRIVED, Unidentified("+34600111222"), InteractionId("int_1"))
        self.state: CallState = begin(began, NOON)
        self.path: tuple[PathStep, ...] = ()
        self.written = 0
        self._write(began, NOON)

    def does(self, event: Event, at: datetime) -> None:
        event = shortened(event, self.state.steps)
        step(self.state, event, at)
        self._write(event, at)

    def walks(self, steps: int) -> None:
        """Through a menu that leads back to itself: the result of a step is known with the next."""
        for number in range(steps):
            at = NOON + timedelta(seconds=len(self.path))
            before = self.path[:-1] + tuple(_with_result(last) for last in self.path[-1:])
            self.path = (*before, PathStep(at=at, flow="main", node="menu", kind="menu"))
            entered = NodeEntered(
                call_id=CALL, step=self.path[-1], learned={"n": str(number)}, path=self.path
            )
            self.does(entered, at)

    def _write(self, event: Event, at: datetime) -> None:
        data = encode(at, [event])
        self.written += len(data)
        remember(self.state, event, at, data)


def _with_result(last: PathStep) -> PathStep:
    return PathStep(at=last.at, flow=last.flow, node=last.node, kind=last.kind, note="key 1")


def test_a_way_of_any_length_is_brought_back_as_it_was() -> None:
    caller = Caller()
    caller.walks(3)
    caller.does(LegAnswered(call_id=CALL, leg_id=LEG), NOON + timedelta(seconds=3))
    caller.walks(100)
    assert tuple(caller.state.steps) == caller.path
    again = replay(caller.state.history)
    assert again == caller.state
    # and so once more, from what was carried
    assert again is not None
    assert replay(again.history) == caller.state


def test_what_is_written_and_what_is_carried_grow_with_the_way_and_no_faster() -> None:
    caller = Caller()
    caller.walks(100)
    written, carried = caller.written, sum(map(len, caller.state.history))
    caller.walks(900)
    assert caller.written < 11 * written
    assert sum(map(len, caller.state.history)) < 11 * carried
    assert carried < written


def test_a_flow_that_was_taken_over_ends_with_its_whole_way() -> None:
    caller = Caller()
    caller.walks(100)
    last = _with_result(caller.path[-1])
    ended = FlowEnded(
        call_id=CALL, flow="main", version=1, outcome="self_service",
        path=(*caller.path[-32:-1], last), variables={},
    )  # fmt: skip
    (closed,) = step(caller.state, ended, NOON + timedelta(minutes=3))
    assert isinstance(closed, CallClosed)
    assert len(closed.summary.path) == 100
    assert closed.summary.path[0].at == caller.path[0].at
    assert closed.summary.path[-1].result == "key 1"
