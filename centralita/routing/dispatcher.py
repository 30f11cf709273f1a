"""The dispatcher: carries out what the board decides, and tells the board what happened."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, OfferId, new_id
from centralita.core.tasks import Tasks
from centralita.routing.agent import AgentStatus
from centralita.routing.board import (
    Action,
    Board,
    ConnectCall,
    EndAgentLeg,
    ResumeWaiting,
    ReturnCaller,
    RingAgent,
)
from centralita.routing.conversations.desk import Desk
from centralita.routing.conversations.events import CallParked
from centralita.routing.conversations.ports import DeskPorts, Lines, Tones
from centralita.routing.conversations.targets import Outward
from centralita.routing.events import (
    CallQueued,
    CallRequeued,
    ConversationEnded,
    ConversationStarted,
    LeaveReason,
    OfferMade,
    OfferSettled,
)
from centralita.routing.notes import NOTE, QueueNote, write_note
from centralita.routing.offer import Offer, OfferState
from centralita.routing.ordered import Deadlines
from centralita.routing.queue import QueuedCall
from centralita.telephony.attempts import to_phone
from centralita.telephony.call import (
    CallControl,
    DialError,
    DigitReceived,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegHeld,
    LegSilent,
    NoSuchLeg,
    PlaybackEnd,
    PlaybackEnded,
    TelephonyError,
    TransferRequested,
)

log = logging.getLogger(__name__)

_REFUSALS = {
    EndReason.UNREACHABLE: OfferState.UNREACHABLE,
    EndReason.NO_SUCH_NUMBER: OfferState.UNREACHABLE,
    EndReason.LINE_DOWN: OfferState.UNREACHABLE,
    EndReason.LINE_REFUSED: OfferState.UNREACHABLE,
    EndReason.REJECTED: OfferState.UNREACHABLE,
    EndReason.BUSY: OfferState.DECLINED,
    EndReason.DECLINED: OfferState.DECLINED,
}
_BROKEN = frozenset({EndReason.MEDIA_TIMEOUT, EndReason.WORKER_LOST, EndReason.FAULT})
# No phone said no: the agent has nothing to do with it.
_OURS = frozenset({EndReason.WORKER_LOST, EndReason.FAULT})
# How long a call that could not be offered waits for the next try.
_TRY_AGAIN = timedelta(seconds=2)
# After these a caller's note is written anew.
_NOTED = CallParked | CallQueued | CallRequeued | OfferMade | OfferSettled | ConversationStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The caller is back with the flow. `reason` is None after a conversation.

    `to` is where the agent `by` has sent the caller, if anywhere.
    """

    reason: LeaveReason | None
    to: Outward | None = None
    by: AgentId | None = None


class Announcer(Tones, Protocol):
    """What waiting callers hear. Files are ready to be played."""

    async def recording_notice(self, language: str) -> Path: ...

    async def position(self, position: int, language: str) -> Sequence[Path]: ...


@dataclass(slots=True)
class _Waiting:
    """A caller in our hands: whom to tell when it leaves, and what it hears."""

    call: QueuedCall
    on_return: Callable[[Returned], None]
    announced_at: datetime
    music: bool = False
    talking: bool = False


def _nobody(returned: Returned) -> None:
    """Who hears of a caller taken over until its flow has rejoined."""
    log.error("a caller came back from the queue, and no flow was there")


class Dispatcher:
    """One for the whole house. All decisions are the board's; this drives phones and time."""

    def __init__(
        self,
        board: Board,
        control: CallControl,
        bus: Bus,
        clock: Clock,
        announcer: Announcer,
        lines: Lines,
    ) -> None:
        self.board = board
        self._control = control
        self._bus = bus
        self._clock = clock
        self._announcer = announcer
        self._phones = lines
        self._tasks = Tasks("dispatcher")
        self.desk = Desk(
            DeskPorts(
                board=board,
                control=control,
                bus=bus,
                clock=clock,
                lines=lines,
                tones=announcer,
                dispatcher=self,
                tasks=self._tasks,
            )
        )
        self._callers: dict[CallId, _Waiting] = {}
        self._legs: dict[LegId, OfferId] = {}
        self._offer_legs: dict[OfferId, LegId] = {}
        # When callers are told their place. Who has left is taken out when that time comes.
        self._announcements: Deadlines[CallId] = Deadlines()
        self._retry_at: datetime | None = None
        self._changed = asyncio.Event()
        self._stops: list[Callable[[], None]] = []

    def start(self) -> None:
        """Put the agents on the board and begin to watch time and phones."""
        self._stops.append(self._bus.subscribe(LegEvent, self._on_leg))
        self.carry_out(self.board.open(self._clock.now()))
        self._tasks.keep(self._deadlines, name="deadlines")

    async def close(self) -> None:
        """Let go of everything; calls stay as they are."""
        for stop in self._stops:
            stop()
        await self._tasks.close()

    # --- what others ask ----------------------------------------------------------------------

    def enqueue(self, call: QueuedCall, on_return: Callable[[Returned], None]) -> None:
        """Take a caller. Raises NotFound for an unknown queue. `on_return` is called once."""
        self._callers[call.call_id] = _Waiting(
            call=call, on_return=on_return, announced_at=self._clock.now()
        )
        try:
            actions = self.board.enqueue(call, self._clock.now())
        except Exception:
            del self._callers[call.call_id]
            raise
        self.carry_out(actions)
        if call.call_id in self.board.calls:
            self._announce_later(self._callers[call.call_id])
            self._tasks.spawn(self._welcome(call), name=f"welcome {call.call_id}")

    def take_over(self, note: QueueNote, legs: Mapping[LegId, KeptLeg]) -> bool:
        """Put back a caller of the server before this one, with place, wait, offer and agent.

        `legs` are those that the media workers kept. Nothing is decided before `go_on`. False
        when queue or agent are gone: the flow asks again.
        """
        if note.parked is not None:
            self._callers[note.call.call_id] = _Waiting(
                call=note.call, on_return=_nobody, announced_at=self._clock.now()
            )
            self.carry_out(self.board.parking.take_over(note.parked))
            return True
        ringing = note.offer is not None and note.talking_since is None
        if note.offer is not None and ringing and note.offer.leg_id not in legs:
            # Its phone was never rung: the caller waits, and is offered anew.
            note = QueueNote(call=replace(note.call, offer_id=None))
        try:
            actions = self.board.take_over(note.call, note.offer, note.talking_since)
        except NotFound as exc:
            log.warning(
                "call cannot go back to its queue",
                extra={"call_id": note.call.call_id, "error": str(exc)},
            )
            return False
        self._callers[note.call.call_id] = _Waiting(
            call=note.call,
            on_return=_nobody,
            announced_at=self._clock.now(),
            talking=note.talking_since is not None,
        )
        if note.offer is not None and note.offer.leg_id is not None:
            self._legs[note.offer.leg_id] = note.offer.offer_id
            self._offer_legs[note.offer.offer_id] = note.offer.leg_id
        self.carry_out(actions)
        conversation = self.board.conversations.get(note.call.call_id)
        if note.exchange is not None and conversation is not None:
            self.desk.take_over(note.exchange)
        elif conversation is not None:
            self.desk.begin(conversation)
        return True

    def rejoin(self, call_id: CallId, on_return: Callable[[Returned], None]) -> bool:
        """As `enqueue` for a caller taken over; False when there is none of that name."""
        caller = self._callers.get(call_id)
        if caller is None:
            return False
        caller.on_return = on_return
        return True

    def go_on(self, legs: Mapping[LegId, KeptLeg]) -> None:
        """All are back, and what they missed was told: music for the waiting, and decide again."""
        for leg_id, offer_id in tuple(self._legs.items()):
            conversation = self.board.conversation_of(offer_id)
            if conversation is None:
                continue
            if leg_id not in legs:
                lost = LegEnded(
                    leg_id=leg_id, call_id=conversation.call.call_id, reason=EndReason.WORKER_LOST
                )
                self._agent_leg(offer_id, lost)
        self.desk.go_on(legs)
        for caller in self._callers.values():
            if not caller.talking:
                # What it heard may have ended meanwhile.
                self._tasks.spawn(self._music(caller.call), name=f"music {caller.call.call_id}")
        self.carry_out(self.board.match_all(self._clock.now()))

    @property
    def ringing_legs(self) -> frozenset[LegId]:
        """The legs of agents, and of those whom they consult, that have not been answered."""
        return frozenset(
            leg_id for leg_id, offer_id in self._legs.items() if offer_id in self.board.offers
        ).union(self.desk.ringing_legs)

    @property
    def agent_legs(self) -> frozenset[LegId]:
        """The legs of agents and of those whom they consult, ringing or talking."""
        return frozenset(self._legs) | self.desk.legs

    def is_agents(self, leg_id: LegId) -> bool:
        """Whether the leg is an agent's, ringing or talking."""
        return leg_id in self._legs

    def choose_status(self, agent_id: AgentId, status: AgentStatus, reason: str) -> None:
        """The agent, or a supervisor, chose a status."""
        self.carry_out(self.board.choose_status(agent_id, status, reason, self._clock.now()))

    def registration(self, extension: str, registered: bool) -> None:
        """A phone registered or went away."""
        for agent_id in self.board.at_extension(extension):
            self.carry_out(self.board.registration(agent_id, registered, self._clock.now()))

    def phone_lost(self, extension: str) -> None:
        """A phone that went away has not come back."""
        for agent_id in self.board.at_extension(extension):
            self.carry_out(self.board.phone_lost(agent_id, self._clock.now()))

    def finish_wrap_up(self, agent_id: AgentId) -> None:
        """The agent is done writing up."""
        self.carry_out(self.board.finish_wrap_up(agent_id, self._clock.now()))

    def extend_wrap_up(self, agent_id: AgentId, by: timedelta) -> None:
        """The agent needs more time."""
        self.carry_out(self.board.extend_wrap_up(agent_id, by, self._clock.now()))

    # --- what happens -------------------------------------------------------------------------

    def _on_leg(self, event: LegEvent) -> None:
        offer_id = self._legs.get(event.leg_id)
        if offer_id is not None:
            self._agent_leg(offer_id, event)
            return
        if self.desk.knows(event.leg_id):
            self.desk.hear(event)
            return
        caller = self._callers.get(event.call_id)
        if caller is not None and caller.call.leg_id == event.leg_id:
            self._caller_leg(caller, event)
        if isinstance(event, TransferRequested):
            self.desk.refused(event)  # only agents give callers away

    def _agent_leg(self, offer_id: OfferId, event: LegEvent) -> None:
        now = self._clock.now()
        match event:
            case LegAnswered(leg_id=leg_id):
                self.carry_out(self.board.agent_answered(offer_id, leg_id, now))
            case LegEnded(leg_id=leg_id, reason=reason):
                del self._legs[leg_id]
                self._offer_legs.pop(offer_id, None)
                self.desk.leg_over(leg_id)
                talk = self.board.conversation_of(offer_id)
                if talk is not None and self.desk.agent_gone(talk.call.call_id):
                    return
                if reason in _OURS and talk is None:
                    self._not_rung(offer_id)
                    return
                how = _REFUSALS.get(reason, OfferState.NO_ANSWER)
                self.carry_out(
                    self.board.agent_leg_ended(offer_id, how, now, broken=reason in _BROKEN)
                )
            case LegHeld(leg_id=leg_id, call_id=call_id, held=held):
                self.desk.phone_holds(call_id, leg_id, held)
            case LegSilent():
                self.desk.fell_silent(event)
            case TransferRequested(call_id=call_id):
                self.desk.asked(call_id, event)
            case _:
                pass

    def _caller_leg(self, caller: _Waiting, event: LegEvent) -> None:
        match event:
            case LegEnded(call_id=call_id):
                del self._callers[call_id]
                self.carry_out(self.board.caller_gone(call_id, self._clock.now()))
            case DigitReceived(call_id=call_id, digit=digit):
                self.carry_out(self.board.key_pressed(call_id, digit, self._clock.now()))
            case LegSilent():
                self.desk.fell_silent(event)
            case PlaybackEnded(call_id=call_id, how=PlaybackEnd.COMPLETED) if not caller.talking:
                self._tasks.spawn(self._music(caller.call), name=f"music {call_id}")
            case _:
                pass

    def reached(self, call: QueuedCall, offer: Offer) -> None:
        """The one whom an agent has called has answered; `rejoin` says who hears of the end."""
        now = self._clock.now()
        self._callers[call.call_id] = _Waiting(
            call=call, on_return=_nobody, announced_at=now, talking=True
        )
        if offer.leg_id is not None:
            self.adopt(offer.leg_id, offer.offer_id)
        self.carry_out(self.board.handovers.reached(call, offer, now))

    # --- what the desk wants --------------------------------------------------------------------

    def send_on(self, call_id: CallId, outward: Outward, by: AgentId) -> None:
        """The caller goes back to the flow, which takes it there for that agent."""
        self._hand_back(self._callers.pop(call_id), Returned(reason=None, to=outward, by=by))

    def _hand_back(self, caller: _Waiting, returned: Returned) -> None:
        """To the flow, once the caller hears nothing of the conversation any more."""
        call_id = caller.call.call_id
        self._control.remember(caller.call.leg_id, NOTE, "")
        if not self.desk.sounding.is_parting(call_id):
            caller.on_return(returned)
            return

        async def parted() -> None:
            await self.desk.sounding.parted(call_id)
            caller.on_return(returned)

        self._tasks.spawn(parted(), name=f"hand back {call_id}")

    def adopt(self, leg_id: LegId, offer_id: OfferId) -> None:
        """The leg of one who was consulted is an agent's from now on."""
        self._legs[leg_id] = offer_id
        self._offer_legs[offer_id] = leg_id
        self._control.remember(leg_id, NOTE, offer_id)

    def desk_rings(self, call_id: CallId, leg_id: LegId) -> bool:
        """Whether this third party is still wanted and has not answered."""
        return self.desk.rings(call_id, leg_id)

    # --- what the board wants -----------------------------------------------------------------

    def carry_out(self, actions: Sequence[Action]) -> None:
        """Do and tell what the board wants."""
        self._changed.set()
        changed: set[CallId] = set()
        for action in actions:
            match action:
                case Event():
                    if isinstance(action, _NOTED):
                        changed.add(action.call_id)
                    self._bus.publish(action)
                    if isinstance(action, ConversationEnded):
                        self.desk.over(action.call_id, action.agent_leg)
                case ReturnCaller(call_id=call_id, reason=reason):
                    caller = self._callers.pop(call_id, None)
                    if caller is not None:
                        self._hand_back(caller, Returned(reason=reason))
                case RingAgent():
                    leg_id = LegId(new_id("leg"))
                    self._legs[leg_id] = action.offer.offer_id
                    self._offer_legs[action.offer.offer_id] = leg_id
                    self._tasks.spawn(self._ring(action, leg_id), name=f"ring {leg_id}")
                case EndAgentLeg(offer_id=offer_id):
                    self._tasks.spawn(self._end_leg(offer_id), name=f"end {offer_id}")
                case ConnectCall():
                    caller = self._callers.get(action.conversation.call.call_id)
                    if caller is not None:
                        caller.talking, caller.call = True, action.conversation.call
                    self.desk.begin(action.conversation)
                case ResumeWaiting(call=call):
                    caller = self._callers.get(call.call_id)
                    if caller is not None:
                        caller.talking, caller.call = False, call
                        self._announce_later(caller)
                    self._tasks.spawn(self._music(call), name=f"music {call.call_id}")
        for call_id in changed:
            self.remember(call_id)

    def remember(self, call_id: CallId) -> None:
        """Leave with the caller's leg where the caller is, should a server have to take over."""
        conversation = self.board.conversations.get(call_id)
        if conversation is not None:
            note = QueueNote(
                call=conversation.call,
                offer=conversation.offer,
                talking_since=conversation.started_at,
                exchange=self.desk.exchanges.get(call_id),
            )
        elif (call := self.board.calls.get(call_id)) is not None:
            offer = self.board.offers.get(call.offer_id) if call.offer_id is not None else None
            if offer is not None:
                offer = replace(offer, leg_id=self._offer_legs.get(offer.offer_id))
            note = QueueNote(call=call, offer=offer)
        elif (parked := self.board.parking.parked_call(call_id)) is not None:
            note = QueueNote(call=parked.call, parked=parked)
        else:
            return
        self._control.remember(note.call.leg_id, NOTE, write_note(note))

    async def _ring(self, action: RingAgent, leg_id: LegId) -> None:
        call, offer = action.call, action.offer
        try:
            try:
                await self._dial(action, leg_id, call.caller, call.caller_name)
            except DialError as exc:
                # What a caller says of himself must not keep him from being served.
                log.error(
                    "agent could not be rung in the caller's name, trying without",
                    extra={"offer_id": offer.offer_id, "error": str(exc)},
                )
                await self._dial(action, leg_id, "", "")
            # With a note its end is told to whoever takes over, too.
            self._control.remember(leg_id, NOTE, offer.offer_id)
        except NoSuchLeg:
            # The caller hung up in this instant; that leg's end withdraws the offer, and nobody
            # is to blame.
            self._legs.pop(leg_id, None)
            self._offer_legs.pop(offer.offer_id, None)
            return
        except TelephonyError as exc:
            log.error(
                "agent could not be rung, the call is offered again soon",
                extra={"offer_id": offer.offer_id, "call_id": call.call_id, "error": str(exc)},
            )
            self._legs.pop(leg_id, None)
            self._offer_legs.pop(offer.offer_id, None)
            self._not_rung(offer.offer_id)
            return
        if (
            offer.offer_id not in self.board.offers
            and self.board.conversation_of(offer.offer_id) is None
        ):
            # Withdrawn while the INVITE was on its way to the worker.
            await self._end_leg(offer.offer_id)

    async def _dial(self, action: RingAgent, leg_id: LegId, caller: str, name: str) -> None:
        attempts = to_phone(
            self._phones.find(action.extension),
            caller=caller,
            caller_name=name,
            headers={"X-Centralita-Call": action.call.call_id},
        )
        await self._control.dial(action.call.call_id, leg_id, attempts, beside=action.call.leg_id)

    def _not_rung(self, offer_id: OfferId) -> None:
        """No phone rang, by a fault of ours: nobody's break, and another try in a moment."""
        self.carry_out(self.board.not_rung(offer_id, self._clock.now()))
        self._retry_at = self._retry_at or self._clock.now() + _TRY_AGAIN
        self._changed.set()

    async def _end_leg(self, offer_id: OfferId) -> None:
        leg_id = self._offer_legs.get(offer_id)
        if leg_id is None:
            return
        await self.desk.farewell(leg_id, EndReason.CONVERSATION_ENDED)

    # --- what the waiting hear ----------------------------------------------------------------

    async def _welcome(self, call: QueuedCall) -> None:
        queue = self.board.queues[call.queue_id]
        if not (queue.record and queue.announce_recording):
            await self._music(call)
            return
        try:
            notice = await self._announcer.recording_notice(call.language)
        except CentralitaError as exc:
            log.error("recording notice cannot be made", extra={"error": str(exc)})
            await self._music(call)
            return
        if self._still_waits(call):
            with contextlib.suppress(TelephonyError):
                await self._control.play(call.leg_id, [notice])  # music when it has ended

    async def _music(self, call: QueuedCall) -> None:
        music = await self._announcer.music()
        if self._still_waits(call) or self.board.parking.parked_call(call.call_id) is not None:
            with contextlib.suppress(TelephonyError):
                await self._control.play(call.leg_id, [music], loop=True)

    async def _tell_position(self, caller: _Waiting) -> None:
        call = caller.call
        position = self.board.position(call.call_id)
        try:
            files = await self._announcer.position(position, call.language)
        except CentralitaError as exc:
            log.error("position cannot be announced", extra={"error": str(exc)})
            return  # the music goes on
        if self._still_waits(call):
            with contextlib.suppress(TelephonyError):
                await self._control.play(call.leg_id, files)

    def _still_waits(self, call: QueuedCall) -> bool:
        return call.call_id in self.board.calls

    # --- time ---------------------------------------------------------------------------------

    async def _deadlines(self) -> None:
        while True:
            self._changed.clear()
            wait = self._seconds_to_next()
            # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            now = self._clock.now()
            if self._retry_at is not None and self._retry_at <= now:
                self._retry_at = None
                self.carry_out(self.board.match_all(now))
            deadline = self.board.next_deadline()
            if deadline is not None and deadline <= now:
                self.carry_out(self.board.expire(now))
            for call_id in self._announcements.due(now):
                caller = self._callers.get(call_id)
                if caller is None or not self._still_waits(caller.call):
                    self._announcements.drop(call_id)
                    continue
                caller.announced_at = now
                self._announce_later(caller)
                self._tasks.spawn(self._tell_position(caller), name="position")

    def _announce_later(self, caller: _Waiting) -> None:
        every = self.board.queues[caller.call.queue_id].announce_every
        self._announcements.put(caller.call.call_id, caller.announced_at + every)

    def _seconds_to_next(self) -> float | None:
        times = (self.board.next_deadline(), self._announcements.next(), self._retry_at)
        first = min((time for time in times if time is not None), default=None)
        if first is None:
            return None
        return max((first - self._clock.now()).total_seconds(), 0.0) + 0.001
