"""What agents do with calls, between the API and the desk."""

from __future__ import annotations

from typing import Literal, Protocol

from centralita.api import live_messages as live
from centralita.api.schemas import oncall as o
from centralita.core.errors import Unavailable
from centralita.core.ids import AgentId, CallId, LegId, QueueId
from centralita.core.refusals import Refusal
from centralita.recordings.recorder import Recorder
from centralita.routing.conversations.desk import Desk
from centralita.routing.conversations.exchange import (
    Cancel,
    Complete,
    Confer,
    Exchange,
    Hold,
    Phase,
    Recorded,
    Resume,
    Swap,
    Third,
    sound,
)
from centralita.routing.conversations.targets import (
    Target,
    ToAgent,
    ToFlow,
    ToNumber,
    ToQueue,
    ToVoicemail,
)
from centralita.telephony.call import TelephonyError
from centralita.telephony.clir import without_prefix

_ApiTarget = o.ToQueue | o.ToAgent | o.ToNumber | o.ToVoicemail | o.ToFlow


class Calling(Protocol):
    """Calls that agents make."""

    def owner(self, call_id: CallId) -> AgentId | None: ...

    def hang_up(self, call_id: CallId) -> None: ...

    async def call(
        self, agent_id: AgentId, number: str, queue_id: QueueId, task_id: str | None
    ) -> o.StartedCall: ...


class Conversations:
    """`api.ports.ConversationControl` over the desk, the recorder and outgoing calls."""

    def __init__(self, desk: Desk, recorder: Recorder, calling: Calling) -> None:
        self._desk = desk
        self._recorder = recorder
        self._calling = calling

    def owner(self, call_id: CallId) -> AgentId:
        """The agent who has the call now."""
        return self._calling.owner(call_id) or self._desk.exchange(call_id).agent_id

    async def hang_up(self, call_id: CallId) -> None:
        """Leave."""
        if self._calling.owner(call_id) is not None:
            self._calling.hang_up(call_id)
        else:
            self._desk.hang_up(call_id)

    async def hold(self, call_id: CallId) -> None:
        """Let the caller wait."""
        self._desk.do(call_id, Hold())

    async def resume(self, call_id: CallId) -> None:
        """Take the caller back."""
        self._desk.do(call_id, Resume())

    async def keys(self, call_id: CallId, keys: str) -> None:
        """Send keys."""
        await self._desk.keys(call_id, keys)

    async def transfer(self, call_id: CallId, to: _ApiTarget) -> None:
        """Give the caller away."""
        await self._desk.transfer(call_id, _target(to))

    async def consult(self, call_id: CallId, to: o.ToQueue | o.ToAgent | o.ToNumber) -> None:
        """Ask somebody first."""
        await self._desk.consult(call_id, _target(to))

    async def swap(self, call_id: CallId) -> None:
        """To the other one of the two."""
        self._desk.do(call_id, Swap())

    async def complete(self, call_id: CallId) -> None:
        """Leave the two alone."""
        self._desk.do(call_id, Complete())

    async def confer(self, call_id: CallId) -> None:
        """All three."""
        self._desk.do(call_id, Confer())

    async def cancel(self, call_id: CallId) -> None:
        """Back to the caller."""
        self._desk.do(call_id, Cancel())

    async def pause_recording(self, call_id: CallId, paused: bool) -> None:
        """Record silence, or again what is said; returns when it is so."""
        recording = self._desk.exchange(call_id).recording
        if recording is Recorded.OFF:
            return
        if paused:  # from here on keys are nobody's business, also those on their way
            self._desk.recorded(call_id, Recorded.PAUSED)
        try:
            await self._recorder.pause(call_id, paused)
        except TelephonyError as exc:
            raise Unavailable(
                f"the recording could not be changed: {exc}", code=Refusal.RECORDING_UNCHANGED
            ) from exc
        if not paused:
            self._desk.recorded(call_id, Recorded.ON)

    async def park(self, call_id: CallId) -> str:
        """Let the caller wait in a slot."""
        return self._desk.park(call_id)

    async def pick_up(self, slot: str, agent_id: AgentId) -> None:
        """Take a parked caller."""
        self._desk.pick_up(slot, agent_id)

    async def call(self, agent_id: AgentId, wanted: o.CallRequest) -> o.StartedCall:
        """Call somebody."""
        queue_id = QueueId(wanted.queue_id)
        return await self._calling.call(agent_id, wanted.to, queue_id, wanted.task_id)


def _target(to: _ApiTarget) -> Target:
    match to:
        case o.ToQueue(queue_id=queue_id):
            return ToQueue(queue_id=QueueId(queue_id))
        case o.ToAgent(agent_id=agent_id):
            return ToAgent(agent_id=AgentId(agent_id))
        case o.ToNumber(number=number):
            dialled, hidden = without_prefix(number)
            return ToNumber(number=dialled, hidden=hidden)
        case o.ToVoicemail(queue_id=queue_id):
            return ToVoicemail(queue_id=QueueId(queue_id))
        case o.ToFlow(flow_id=flow_id, node=node):
            return ToFlow(flow_id=flow_id, node=node or "")


def shown(x: Exchange) -> live.Conversation:
    """A conversation as the pages show it."""
    consults = x.third is not None and x.phase is not Phase.CONFERENCE
    state: Literal["talking", "held", "consulting", "conference"]
    if consults:
        state = "consulting"
    elif x.phase is Phase.CONFERENCE:
        state = "conference"
    else:
        state = "held" if x.holds else "talking"
    third_talks = consults and x.with_third
    return live.Conversation(
        call_id=x.call_id,
        agent_id=x.agent_id,
        state=state,
        direction="out" if x.direction == "out" else "in",
        with_="third" if third_talks else "caller",
        third=_third(x, x.third) if x.third is not None else None,
        recording=x.recording.value,
        since=x.since,
        unheard=_unheard(x),
    )


def _unheard(x: Exchange) -> tuple[Literal["caller", "third", "agent"], ...]:
    places: list[tuple[Literal["caller", "third", "agent"], LegId | None]] = [
        ("caller", x.caller_leg),
        ("third", x.third.leg_id if x.third is not None else None),
        ("agent", x.agent_leg),
    ]
    return tuple(name for name, leg_id in places if leg_id in x.silent)


def _third(x: Exchange, third: Third) -> live.ThirdParty:
    state: Literal["ringing", "talking", "held"] = "ringing"
    if third.answered:
        state = "held" if third.leg_id in sound(x).music else "talking"
    kind: Literal["agent", "number", "queue"] = "number"
    if third.queue_id is not None:
        kind = "queue"
    elif third.agent_id is not None:
        kind = "agent"
    return live.ThirdParty(
        kind=kind,
        label=third.label,
        number=third.number,
        agent_id=third.agent_id,
        state=state,
        since=third.since,
    )
