"""Calls that agents make: the own phone first (click-to-dial) or by the phone itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from centralita.api.schemas.oncall import StartedCall
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError, Conflict, NotFound
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId, new_id
from centralita.core.refusals import Refusal
from centralita.core.tasks import Tasks
from centralita.routing.conversations.events import OutgoingFailed, OutgoingStarted
from centralita.routing.conversations.outcomes import outcome
from centralita.routing.conversations.ports import Lines
from centralita.routing.dispatcher import Announcer, Dispatcher
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueuedCall
from centralita.server.call_log import CallLog
from centralita.telephony.attempts import Attempt, CallingParty, to_phone
from centralita.telephony.call import (
    CallArrived,
    CallControl,
    EndReason,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegRinging,
    PlaybackEnded,
    TelephonyError,
)
from centralita.telephony.clir import without_prefix
from centralita.timeline.directory import Caller, Directory

log = logging.getLogger(__name__)

NOTE = "outgoing"
"""The name of the note on legs of calls that have not been answered."""

_RINGS = timedelta(seconds=60)
# For pages and phones that answer such calls by themselves.
_ANSWER_NOW = {
    "Call-Info": "<sip:click-to-dial>;answer-after=0",
    "Alert-Info": "<sip:click-to-dial>;info=alert-autoanswer;delay=0",
}
_PUNCTUATION = re.compile(r"[\s().\-/]")


class Conversing(Protocol):
    """Who serves the customer when no agent does any more."""

    def serve_outgoing(self, arrived: CallArrived, caller: Caller, language: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingPorts:
    """What outgoing calls stand on."""

    control: CallControl
    dispatcher: Dispatcher
    lines: Lines
    announcer: Announcer
    calls: CallLog
    directory: Directory
    conversing: Conversing
    bus: Bus
    clock: Clock
    calls_for_help: Callable[[str], bool] = lambda number: False


@dataclass(slots=True, kw_only=True)
class _Call:
    """A call until it is answered. `stage` is who is waited for: agent, outside, or notice.
    Nothing stands in the way of one that is `urgent`: neither words nor limits."""

    agent_id: AgentId
    call_id: CallId
    queue_id: QueueId
    offer_id: OfferId
    agent_leg: LegId
    outside_leg: LegId
    number: str
    extension: str
    arrived: CallArrived
    caller: Caller
    by_phone: bool
    hidden: bool = False
    urgent: bool
    stage: str = "agent"
    early: bool = False
    unhear: Callable[[], None] = lambda: None


class Outgoing:
    """One for the house."""

    def __init__(self, ports: OutgoingPorts) -> None:
        self._ports = ports
        self._board = ports.dispatcher.board
        self._tasks = Tasks("outgoing calls")
        self._calls: dict[CallId, _Call] = {}

    async def close(self) -> None:
        """Let go."""
        await self._tasks.close()

    def owner(self, call_id: CallId) -> AgentId | None:
        """The agent who makes that call, until it is answered."""
        call = self._calls.get(call_id)
        return call.agent_id if call is not None else None

    def hang_up(self, call_id: CallId) -> None:
        """The agent does not want it any more."""
        call = self._calls.get(call_id)
        if call is not None:
            self._end(call.agent_leg)

    async def call(
        self, agent_id: AgentId, number: str, queue_id: QueueId, task_id: str | None
    ) -> StartedCall:
        """Click-to-dial: ring the agent's phone, then the number. Raises NotFound, Conflict."""
        number, hidden = without_prefix(_PUNCTUATION.sub("", number))
        agent = self._board.agents.get(agent_id)
        urgent = self._ports.calls_for_help(number)
        if (
            agent is not None
            and not urgent
            and queue_id in self._board.queues.keys() - agent.profile.queues
        ):
            # Its number would be shown, and its callbacks come to people who know nothing of it.
            raise Conflict(
                f"you do not serve the queue {queue_id}; call for one that you serve",
                code=Refusal.NOT_YOUR_QUEUE,
            )
        call_id = CallId(new_id("call"))
        call = await self._begin(agent_id, number, queue_id, call_id, None, task_id, hidden=hidden)
        self._tasks.spawn(self._ring_agent(call), name=f"ring {call.agent_leg}")
        interaction = self._ports.calls.calls[call_id].interaction_id
        return StartedCall(call_id=call_id, interaction_id=interaction)

    async def call_by_phone(
        self, agent_id: AgentId, arrived: CallArrived, *, hidden: bool = False
    ) -> None:
        """The agent's phone has called a number outside, and may want its own `hidden`. Raises
        NotFound, Conflict."""
        profile = self._board.agents[agent_id].profile
        queue_id = next(iter(sorted(profile.queues)), None)
        if queue_id is None and self._ports.calls_for_help(arrived.dialled):
            queue_id = next(iter(self._board.queues), None)
        if queue_id is None:
            raise Conflict("who serves no queue cannot call outside", code=Refusal.SERVES_NO_QUEUE)
        call = await self._begin(
            agent_id, arrived.dialled, queue_id, arrived.call_id, arrived.leg_id, None,
            hidden=hidden,
        )  # fmt: skip
        await self._dial_outside(call)

    # --- steps --------------------------------------------------------------------------------

    async def _begin(
        self, agent_id: AgentId, number: str, queue_id: QueueId, call_id: CallId,
        own_leg: LegId | None, task_id: str | None, *, hidden: bool,
    ) -> _Call:  # fmt: skip
        number = _PUNCTUATION.sub("", number)
        if queue_id not in self._board.queues:
            raise NotFound(f"there is no queue {queue_id}", code=Refusal.NO_SUCH_QUEUE)
        urgent = self._ports.calls_for_help(number)
        if not urgent and self._board.at_extension(number):
            raise Conflict("that is a colleague; call the extension", code=Refusal.IS_A_COLLEAGUE)
        await self._ports.lines.foresee(number, call_id=call_id, agent_id=agent_id)
        now = self._ports.clock.now()
        offer_id = OfferId(new_id("offer"))
        reserved = self._board.handovers.reserve(
            agent_id, call_id, offer_id, now, rings=own_leg is None, urgent=urgent
        )
        outside = LegId(new_id("leg"))
        extension = self._board.agents[agent_id].profile.extension
        arrived = CallArrived(
            leg_id=outside, call_id=call_id, sip_call_id="", caller=number, caller_name="",
            dialled=number, extension=extension,
        )  # fmt: skip
        call = _Call(
            agent_id=agent_id, call_id=call_id, queue_id=queue_id, offer_id=offer_id,
            agent_leg=own_leg or LegId(new_id("leg")), outside_leg=outside, number=number,
            extension=extension, arrived=arrived,
            caller=self._ports.directory.recall(number), by_phone=own_leg is not None,
            urgent=urgent, hidden=hidden and not urgent,
        )  # fmt: skip
        self._calls[call_id] = call
        call.unhear = self._ports.bus.subscribe(
            LegEvent, lambda event: self._hear(call, event), call_id=call_id
        )
        self._ports.dispatcher.carry_out(reserved)
        self._ports.calls.begin(arrived, call.caller, direction="out")
        call.caller = await self._ports.calls.who_calls(call_id, number)
        await self._ports.calls.is_on_disk(call_id)
        self._ports.bus.publish(
            OutgoingStarted(
                call_id=call_id, agent_id=agent_id, queue_id=queue_id, at=now, task_id=task_id or ""
            )
        )
        return call

    async def _ring_agent(self, call: _Call) -> None:
        attempts = to_phone(
            self._ports.lines.find(call.extension),
            caller=call.number,
            headers={"X-Centralita-Call": call.call_id, **_ANSWER_NOW},
        )
        await self._dial(call, call.agent_leg, attempts, beside=None)
        ring_time = self._board.queues[call.queue_id].ring_time
        self._limit(call, call.agent_leg, "agent", ring_time)

    async def _dial_outside(self, call: _Call) -> None:
        if self._calls.get(call.call_id) is not call:
            return  # the phone has hung up already
        call.stage = "outside"
        if not call.by_phone:
            with contextlib.suppress(TelephonyError):
                await self._play_ringing(call)
        queue = self._board.queues[call.queue_id]
        party = CallingParty(number=queue.caller_id, hidden=queue.hide_number or call.hidden)
        try:
            attempts = await self._ports.lines.open(
                call.number, call_id=call.call_id, leg_id=call.outside_leg,
                agent_id=call.agent_id, party=party,
            )  # fmt: skip
        except CentralitaError as exc:
            self._not_dialled(call, call.outside_leg, exc)
            return
        await self._dial(call, call.outside_leg, attempts, beside=call.agent_leg)
        if not call.urgent:
            self._limit(call, call.outside_leg, "outside", _RINGS)

    async def _dial(
        self, call: _Call, leg_id: LegId, attempts: Sequence[Attempt], *, beside: LegId | None
    ) -> None:
        try:
            await self._ports.control.dial(call.call_id, leg_id, attempts, beside=beside)
            self._ports.control.remember(leg_id, NOTE, call.call_id)
        except CentralitaError as exc:
            if leg_id == call.outside_leg:
                self._ports.lines.withdraw(leg_id)
            self._not_dialled(call, leg_id, exc)
            return
        if self._calls.get(call.call_id) is not call:
            self._end(leg_id)  # it is over since the INVITE went out

    def _not_dialled(self, call: _Call, leg_id: LegId, exc: CentralitaError) -> None:
        log.warning(
            "outgoing call could not be dialled",
            extra={"call_id": call.call_id, "error": str(exc)},
        )
        self._hear(call, LegEnded(leg_id=leg_id, call_id=call.call_id, reason=EndReason.REJECTED))

    def _limit(self, call: _Call, leg_id: LegId, stage: str, after: timedelta) -> None:
        async def give_up() -> None:
            await asyncio.sleep(after.total_seconds())
            if self._calls.get(call.call_id) is call and call.stage == stage:
                with contextlib.suppress(TelephonyError):
                    await self._ports.control.hang_up(leg_id, EndReason.NO_ANSWER)

        self._tasks.spawn(give_up(), name=f"limit {leg_id}")

    # --- what happens -------------------------------------------------------------------------

    def _hear(self, call: _Call, event: LegEvent) -> None:
        if self._calls.get(call.call_id) is not call:
            return
        agents = event.leg_id == call.agent_leg
        match event:
            case LegAnswered() if agents and call.stage == "agent":
                now = self._ports.clock.now()
                self._ports.dispatcher.carry_out(
                    self._board.handovers.dials(call.agent_id, call.offer_id, now)
                )
                self._tasks.spawn(self._dial_outside(call), name=f"dial {call.outside_leg}")
            case LegEnded(reason=reason) if agents:
                answered = call.by_phone or call.stage != "agent"
                self._over(call, "cancelled" if answered else "agent_no_answer", reason)
            case LegEnded(reason=reason):
                self._over(call, outcome(reason), reason)
            case LegRinging(early=early) if not agents and call.stage == "outside":
                self._tasks.spawn(self._rings(call, early), name=f"ringing {call.outside_leg}")
            case LegAnswered() if not agents:
                self._tasks.spawn(self._answered(call), name=f"answered {call.outside_leg}")
            case PlaybackEnded() if not agents and call.stage == "notice":
                self._reached(call)
            case _:
                pass

    async def _rings(self, call: _Call, early: bool) -> None:
        """The agent hears the other network's sound, if it sends some, or else our own."""
        control, heard, call.early = self._ports.control, call.early, early
        with contextlib.suppress(TelephonyError):
            if early:
                if call.by_phone:
                    await control.answer(call.agent_leg, early=True)
                await control.hear_early(call.agent_leg, call.outside_leg)
            elif heard:
                await control.unbridge(call.agent_leg)
                await self._play_ringing(call)
            elif call.by_phone:
                await control.ring(call.agent_leg)

    async def _play_ringing(self, call: _Call) -> None:
        tone = await self._ports.announcer.ringing()
        await self._ports.control.play(call.agent_leg, [tone], loop=True)

    async def _answered(self, call: _Call) -> None:
        """The law may want the one who is called to be told first that the call is recorded."""
        queue = self._board.queues[call.queue_id]
        if call.by_phone:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.answer(call.agent_leg)
        if queue.record and queue.announce_outgoing and not call.urgent:
            try:
                notice = await self._ports.announcer.recording_notice(queue.language)
                call.stage = "notice"
                await self._ports.control.play(call.outside_leg, [notice])
            except CentralitaError as exc:
                log.error("recording notice cannot be played", extra={"error": str(exc)})
            else:
                return
        self._reached(call)

    def _reached(self, call: _Call) -> None:
        if self._calls.pop(call.call_id, None) is not call:
            return
        call.unhear()
        queue, now = self._board.queues[call.queue_id], self._ports.clock.now()
        talking = QueuedCall(
            call_id=call.call_id, leg_id=call.outside_leg, queue_id=call.queue_id, queued_at=now,
            give_up_at=now + queue.max_wait, language=queue.language, caller=call.number,
            direction="out",
        )  # fmt: skip
        offer = Offer(
            offer_id=call.offer_id, call_id=call.call_id, agent_id=call.agent_id,
            queue_id=call.queue_id, made_at=now, expires_at=now, state=OfferState.ACCEPTED,
            leg_id=call.agent_leg,
        )  # fmt: skip
        for leg_id in (call.agent_leg, call.outside_leg):
            self._ports.control.remember(leg_id, NOTE, "")
        self._ports.dispatcher.reached(talking, offer)
        self._ports.conversing.serve_outgoing(call.arrived, call.caller, queue.language)

    def _over(self, call: _Call, how: str, reason: EndReason) -> None:
        del self._calls[call.call_id]
        call.unhear()
        now = self._ports.clock.now()
        made = None
        if how != "agent_no_answer":
            made = QueuedCall(
                call_id=call.call_id, leg_id=call.outside_leg, queue_id=call.queue_id,
                queued_at=now, give_up_at=now,
            )  # fmt: skip
        self._ports.dispatcher.carry_out(
            self._board.handovers.not_reached(call.agent_id, call.offer_id, made, now)
        )
        self._ports.bus.publish(
            OutgoingFailed(call_id=call.call_id, agent_id=call.agent_id, outcome=how, reason=reason)
        )
        # Whoever dialled at the phone hears its own tone for that.
        told = EndReason.NO_ANSWER if reason is EndReason.UNREACHABLE else reason
        self._end(call.agent_leg, told if call.by_phone else EndReason.CONVERSATION_ENDED)
        self._end(call.outside_leg)

    def _end(self, leg_id: LegId, reason: EndReason = EndReason.CONVERSATION_ENDED) -> None:
        self._try(self._ports.control.hang_up(leg_id, reason))

    def _try(self, command: Coroutine[object, object, None]) -> None:
        async def work() -> None:
            with contextlib.suppress(TelephonyError):
                await command

        self._tasks.spawn(work(), name="tell a phone")
