"""Stories of callers and agents, told on scripted telephony in virtual time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from centralita.core.errors import NotFound
from centralita.core.ids import AgentId, QueueId
from centralita.routing.agent import AgentProfile, AgentState, AgentStatus
from centralita.routing.conversations.targets import ToNumber
from centralita.routing.events import (
    CallQueued,
    CallRequeued,
    ConversationEnded,
    ConversationStarted,
    LeaveReason,
    OfferSettled,
    QueueChanged,
    TransferRefused,
    WrapUpStarted,
)
from centralita.routing.offer import OfferState
from centralita.routing.queue import QueueConfig
from centralita.telephony.call import EndReason
from tests.support.center import Center, open_center

VIRTUAL_TIME = True

SALES = QueueConfig(
    queue_id=QueueId("sales"),
    title="Sales",
    wrap_up=timedelta(seconds=30),
    max_wait=timedelta(minutes=5),
    exit_key="*",
)
PATIENT = QueueConfig(
    queue_id=QueueId("patient"), title="Patient", exit_when_empty=False, announce_recording=False
)
AGENTS = tuple(
    AgentProfile(
        agent_id=AgentId(name),
        name=name,
        extension=extension,
        queues=frozenset({SALES.queue_id, PATIENT.queue_id}),
    )
    for name, extension in (("ana", "201"), ("bea", "202"))
)


@pytest.fixture
async def center() -> AsyncIterator[Center]:
    async with open_center((SALES, PATIENT), AGENTS) as center:
        yield center


async def test_a_caller_reaches_the_agent_and_both_hear_each_other(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    await center.until(lambda: caller.hears == "ana")
    assert leg.caller == "+34600111222"
    assert leg.headers["X-Centralita-Call"] == caller.leg.call_id
    caller.hangs_up()
    await ana.becomes(AgentState.WRAP_UP)
    await center.until(lambda: center.end_of(leg) is EndReason.CONVERSATION_ENDED)
    (ended,) = center.of(ConversationEnded)
    assert ended.ended_by == "caller"


async def test_the_waiting_hear_the_notice_and_then_music(center: Center) -> None:
    center.agent("ana").signs_in()
    caller = await center.dial()
    await center.until(lambda: caller.hears == "notice.wav")
    center.control.hears_out(caller.leg)
    await center.until(lambda: caller.hears == "music.wav")
    assert caller.leg.looping


async def test_the_place_in_the_queue_is_told_and_music_goes_on(center: Center) -> None:
    await center.dial("patient")
    second = await center.dial("patient")
    await center.until(lambda: second.hears == "music.wav")
    await center.passes(PATIENT.announce_every.total_seconds())
    await center.until(lambda: second.hears == "position-2.wav")
    center.control.hears_out(second.leg)
    await center.until(lambda: second.hears == "music.wav")


async def test_nobody_waits_in_silence_when_announcements_cannot_be_made(center: Center) -> None:
    center.announcements.broken = True
    center.agent("ana").signs_in()
    caller = await center.dial()
    await center.until(lambda: caller.hears == "music.wav")


async def test_two_answers_in_the_same_instant_make_one_conversation(center: Center) -> None:
    """Bea's phone is picked up in the instant in which her offer has expired and Ana answers."""
    ana, bea = center.agent("ana"), center.agent("bea")
    bea.signs_in()
    caller = await center.dial()
    late = await bea.rings()
    ana.signs_in()
    # The lease ends and Ana is rung; nothing of it has reached Bea's phone yet.
    center.dispatcher.carry_out(center.board.expire(center.clock.now() + SALES.ring_time))
    center.control.answers(late)
    center.control.answers(await ana.rings())
    await center.until(lambda: caller.hears == "ana")
    await center.until(lambda: center.end_of(late) is not None)
    assert len(center.of(ConversationStarted)) == 1
    assert bea.now.state is AgentState.IDLE
    assert ana.now.state is AgentState.IN_CALL


async def test_an_agent_who_answers_and_drops_costs_the_caller_nothing(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    first = await center.dial("patient")
    leg = await ana.answers()
    second = await center.dial("patient")
    await center.passes(2)
    center.control.hangs_up(leg)
    await center.until(lambda: bool(center.of(CallRequeued)))
    assert (ana.now.status, ana.now.reason) == (AgentStatus.ON_BREAK, "dropped_call")
    assert center.board.position(first.leg.call_id) == 1
    assert center.board.position(second.leg.call_id) == 2
    assert center.board.calls[first.leg.call_id].queued_at == center.of(CallQueued)[0].at
    await center.until(lambda: first.hears == "music.wav")
    assert first.returned == []


async def test_who_was_dropped_is_offered_on_at_once(center: Center) -> None:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    bea.signs_in()
    center.control.hangs_up(leg)
    await bea.answers()
    await center.until(lambda: caller.hears == "bea")
    assert caller.returned == []


async def test_a_conversation_that_the_agent_ends_goes_back_to_the_flow(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    await center.passes(60)
    center.control.hangs_up(leg)
    assert (await caller.is_back()).reason is None
    assert center.of(ConversationEnded)[0].talked >= timedelta(seconds=60)
    (wrap_up,) = center.of(WrapUpStarted)
    assert wrap_up.agent_id == "ana"


async def test_a_phone_that_nobody_answers_sends_its_agent_on_a_break(center: Center) -> None:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.rings()
    await center.passes(10)
    bea.signs_in()
    await center.passes(10)
    await center.until(lambda: center.end_of(leg) is not None)
    assert (ana.now.status, ana.now.reason) == (AgentStatus.ON_BREAK, "no_answer")
    await bea.answers()
    await center.until(lambda: caller.hears == "bea")


@pytest.mark.parametrize(
    ("reason", "state", "said"),
    [
        (EndReason.DECLINED, OfferState.DECLINED, "declined"),
        (EndReason.BUSY, OfferState.DECLINED, "declined"),
        (EndReason.UNREACHABLE, OfferState.UNREACHABLE, "unreachable"),
        (EndReason.NO_SUCH_NUMBER, OfferState.UNREACHABLE, "unreachable"),
        (EndReason.LINE_DOWN, OfferState.UNREACHABLE, "unreachable"),
        (EndReason.LINE_REFUSED, OfferState.UNREACHABLE, "unreachable"),
    ],
)
async def test_each_refusal_is_called_by_its_name(
    center: Center, reason: EndReason, state: OfferState, said: str
) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    await center.dial("patient")
    center.control.refuses(await ana.rings(), reason)
    await center.until(lambda: bool(center.of(OfferSettled)))
    assert center.of(OfferSettled)[0].state is state
    assert (ana.now.status, ana.now.reason) == (AgentStatus.ON_BREAK, said)


async def test_a_phone_that_we_cannot_dial_blames_nobody_and_the_next_one_is_tried(
    center: Center,
) -> None:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    await center.passes(1)
    bea.signs_in()
    center.control.unreachable.add("sip:201@phones")
    await center.dial()
    await center.passes(2)
    await bea.rings()
    assert (ana.now.status, ana.now.state) == (AgentStatus.AVAILABLE, AgentState.IDLE)
    assert center.of(OfferSettled)[0].state is OfferState.WITHDRAWN


async def test_a_caller_whose_name_cannot_be_written_is_announced_without_one(
    center: Center,
) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    center.control.unspeakable.add("Juan Perez")
    caller = await center.dial("patient", caller="Juan Perez")
    await ana.answers()
    await center.until(lambda: caller.hears == "ana")
    assert center.of(OfferSettled)[0].state is OfferState.ACCEPTED


@pytest.mark.parametrize("reason", [EndReason.WORKER_LOST, EndReason.FAULT])
async def test_what_fails_on_our_side_sends_no_agent_on_a_break(
    center: Center, reason: EndReason
) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial("patient")
    center.control.refuses(await ana.rings(), reason)
    await center.until(lambda: bool(center.of(OfferSettled)))
    assert ana.now.status is AgentStatus.AVAILABLE
    await center.passes(2)
    await ana.answers()  # offered again, without anybody's doing
    await center.until(lambda: caller.hears == "ana")


async def test_hanging_up_while_an_agent_rings_frees_the_agent(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.rings()
    caller.hangs_up()
    await center.until(lambda: center.end_of(leg) is not None)
    await ana.becomes(AgentState.IDLE)
    assert ana.now.status is AgentStatus.AVAILABLE
    assert [event.waiting for event in center.of(QueueChanged)][-1] == 0
    assert center.board.offers == {}


async def test_a_caller_who_is_gone_before_the_phone_is_dialled_blames_nobody(
    center: Center,
) -> None:
    """The hang-up is known to telephony before its event has reached routing."""
    ana = center.agent("ana")
    caller = await center.dial("patient")
    await center.until(lambda: caller.hears == "music.wav")
    ana.signs_in()  # an offer is made, and its dialling is about to begin
    caller.hangs_up()
    await center.until(lambda: ana.now.state is AgentState.IDLE and not center.board.calls)
    assert ana.now.status is AgentStatus.AVAILABLE
    assert [event.state for event in center.of(OfferSettled)] == [OfferState.WITHDRAWN]


async def test_a_free_agent_does_not_wait_for_anothers_wrap_up(center: Center) -> None:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    first = await center.dial()
    await ana.answers()
    first.hangs_up()
    await ana.becomes(AgentState.WRAP_UP)
    bea.signs_in()
    await center.dial()
    await bea.rings()
    assert ana.now.state is AgentState.WRAP_UP


async def test_who_finishes_writing_gets_the_next_caller_at_once(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    first = await center.dial()
    await ana.answers()
    first.hangs_up()
    await ana.becomes(AgentState.WRAP_UP)
    await center.dial()
    center.dispatcher.extend_wrap_up(ana.agent_id, timedelta(seconds=60))
    await center.passes(40)
    assert ana.now.state is AgentState.WRAP_UP
    center.dispatcher.finish_wrap_up(ana.agent_id)
    await ana.rings()


async def test_wrap_up_ends_by_itself(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    first = await center.dial()
    await ana.answers()
    first.hangs_up()
    await ana.becomes(AgentState.WRAP_UP)
    await center.dial()
    await center.passes(SALES.wrap_up.total_seconds())
    await ana.rings()


async def test_an_agent_whose_phone_is_gone_is_offered_nothing(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    center.dispatcher.registration("201", False)
    center.dispatcher.phone_lost("201")
    assert not ana.now.free
    caller = await center.dial()
    assert (await caller.is_back()).reason is LeaveReason.EMPTY
    ana.signs_in()
    center.dispatcher.registration("201", False)
    patient = await center.dial("patient")
    center.dispatcher.registration("201", True)
    await ana.answers()
    await center.until(lambda: patient.hears == "ana")


async def test_a_killed_watch_of_deadlines_is_replaced_and_no_caller_lost(
    center: Center, caplog: pytest.LogCaptureFixture
) -> None:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    caller = await center.dial()
    await ana.rings()
    bea.signs_in()
    with caplog.at_level(logging.ERROR):
        await center.passes(19)
        center.clock.broken = True  # the next look at the time is the watch's own
        await center.passes(1.3)
    assert "task failed" in caplog.text
    await bea.answers()
    await center.until(lambda: caller.hears == "bea")


async def test_too_long_a_wait_ends(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    first = await center.dial()
    await ana.answers()
    second = await center.dial()
    await center.passes(SALES.max_wait.total_seconds() + 0.1)
    assert (await second.is_back()).reason is LeaveReason.MAX_WAIT
    assert first.returned == []


async def test_a_key_lets_the_waiting_leave(center: Center) -> None:
    center.agent("ana").signs_in()
    await center.dial()
    caller = await center.dial()
    caller.presses("1")
    caller.presses("*")
    assert (await caller.is_back()).reason is LeaveReason.KEY


async def test_an_agent_gives_the_caller_away_by_refer(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    await center.passes(30)
    center.control.refers(leg, "sip:900@centralita")
    returned = await caller.is_back()
    assert (returned.reason, returned.to) == (None, ToNumber(number="sip:900@centralita"))
    await ana.becomes(AgentState.WRAP_UP)
    await center.until(lambda: center.end_of(leg) is not None)
    assert center.end_of(caller.leg) is None
    assert len(center.of(WrapUpStarted)) == 1


async def test_an_agent_who_may_not_send_a_caller_there_goes_on_with_the_conversation(
    center: Center,
) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    center.control.refers(leg, "sip:666@centralita")
    await center.until(lambda: bool(center.of(TransferRefused)))
    (refused,) = center.of(TransferRefused)
    assert (refused.agent_id, refused.reason) == ("ana", "numbers with 666 are not allowed")
    assert caller.hears == "ana"
    center.control.refers(leg, "sip:900@centralita")
    returned = await caller.is_back()
    assert (returned.to, returned.by) == (ToNumber(number="sip:900@centralita"), "ana")


async def test_the_held_caller_hears_music(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    await center.until(lambda: caller.hears == "ana")
    center.control.holds(leg, True)
    await center.until(lambda: caller.leg.playing != ())
    assert caller.leg.looping
    center.control.holds(leg, False)
    await center.until(lambda: caller.leg.playing == ())


async def test_an_unknown_queue_keeps_nobody(center: Center) -> None:
    with pytest.raises(NotFound, match="no queue nowhere"):
        await center.dial("nowhere")
    assert center.board.calls == {}


@pytest.mark.parametrize("turns", range(5))
async def test_closing_in_the_instant_of_a_change_ends_the_watch_over_time(turns: int) -> None:
    async with open_center((PATIENT,), AGENTS) as center:
        await center.dial("patient")
        await center.passes(1)
        center.agent("ana").chooses(AgentStatus.AVAILABLE)
        for _ in range(turns):  # of the event loop
            await center.passes(0)
        await center.dispatcher.close()


async def test_places_are_told_again_and_again_until_somebody_answers(center: Center) -> None:
    ana = center.agent("ana")
    caller = await center.dial("patient")
    await center.passes(95)
    heard = [path.name for path in caller.leg.played]
    assert heard.count("position-1.wav") == 3
    ana.signs_in()
    await ana.answers()
    await center.passes(120)
    assert [path.name for path in caller.leg.played].count("position-1.wav") == 3
