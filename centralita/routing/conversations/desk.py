"""The desk: carries out what agents do in conversations, and keeps their exchanges."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from centralita.core.errors import CentralitaError, Conflict, NotFound
from centralita.core.ids import AgentId, CallId, LegId
from centralita.core.refusals import Refusal
from centralita.routing.actions import Conversation
from centralita.routing.conversations.consulting import Consulting
from centralita.routing.conversations.events import (
    CallHeld,
    CallTransferred,
    ConferenceStarted,
    ConsultationAnswered,
    ConsultationEnded,
    ConversationChanged,
    ConversationGone,
    RecordingPaused,
)
from centralita.routing.conversations.exchange import (
    AgentGone,
    AgentLeft,
    Cancel,
    Confer,
    Consult,
    Exchange,
    FellSilent,
    HandOver,
    Happening,
    LetGo,
    Phase,
    PhoneHolds,
    Recorded,
    Third,
    ThirdAnswered,
    ThirdGone,
    ThirdRings,
    ToPerson,
    agent_listens,
    sound,
    step,
)
from centralita.routing.conversations.ports import DeskPorts
from centralita.routing.conversations.referring import Referring
from centralita.routing.conversations.sounding import Sounding
from centralita.routing.conversations.targets import (
    Connected,
    Target,
    ToAgent,
    ToQueue,
    describe,
)
from centralita.routing.offer import OfferState
from centralita.telephony.call import (
    EndReason,
    KeptLeg,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegHeld,
    LegRinging,
    LegSilent,
    TelephonyError,
    TransferRequested,
)

log = logging.getLogger(__name__)


class Desk:
    """One for the whole house. What may be done is decided in `exchange`, who is busy by the
    board. Methods raise NotFound for a call that nobody talks in, and Conflict."""

    def __init__(self, ports: DeskPorts) -> None:
        self.exchanges: dict[CallId, Exchange] = {}
        self._board = ports.board
        self._control = ports.control
        self._bus = ports.bus
        self._clock = ports.clock
        self._house = ports.dispatcher
        self._tasks = ports.tasks
        self._tones = ports.tones
        self.sounding = Sounding(ports.control, ports.tasks, ports.tones.music, ports.tones.ringing)
        self._consulting = Consulting(ports, self._not_rung)
        self._referring = Referring(ports, self)
        # The legs of third parties and of phones that consult by themselves.
        self._legs: dict[LegId, CallId] = {}
        self._handing_over: CallId | None = None

    # --- conversations begin and end ----------------------------------------------------------

    def begin(self, talk: Conversation) -> None:
        """Caller and agent are to hear each other."""
        call = talk.call
        record = self._board.queues[call.queue_id].record
        x = Exchange(
            call_id=call.call_id,
            queue_id=call.queue_id,
            caller_leg=call.leg_id,
            agent_id=talk.offer.agent_id,
            agent_leg=talk.agent_leg,
            since=self._clock.now(),
            recording=Recorded.ON if record else Recorded.OFF,
            direction=call.direction,
            transferred_from=call.transferred_by,
        )
        self.exchanges[call.call_id] = x
        self.sounding.begin(call.call_id, sound(x), x.legs)
        self._changed(x)

    def over(self, call_id: CallId, agent_leg: LegId) -> None:
        """The agent's part has ended, as the board sees it."""
        x = self.exchanges.get(call_id)
        if x is None or x.agent_leg != agent_leg:
            return
        del self.exchanges[call_id]
        self.sounding.forget(call_id)
        if x.holds:
            self._held(x, held=False)
        if x.third is not None:
            self._let_go(x, x.third, "gone")
        if self._handing_over != call_id:
            self.sounding.part(call_id, x.caller_leg)
        self._bus.publish(ConversationGone(call_id=call_id, agent_id=x.agent_id))

    # --- what agents do -----------------------------------------------------------------------

    def exchange(self, call_id: CallId) -> Exchange:
        """The conversation of a call. Raises NotFound."""
        x = self.exchanges.get(call_id)
        if x is None:
            raise NotFound(f"nobody talks in call {call_id}", code=Refusal.CALL_OVER)
        return x

    def at(self, agent_id: AgentId) -> Exchange | None:
        """The conversation of an agent."""
        return next((x for x in self.exchanges.values() if x.agent_id == agent_id), None)

    def do(self, call_id: CallId, what: Happening) -> None:
        """Hold, Resume, Swap, Complete, Confer or Cancel."""
        self._happened(self.exchange(call_id), what)

    def hang_up(self, call_id: CallId) -> None:
        """The agent leaves."""
        if not self.agent_gone(call_id):
            self._house.carry_out(self._board.handovers.hang_up(call_id, self._clock.now()))

    async def consult(
        self, call_id: CallId, target: Target, *, own_leg: LegId | None = None
    ) -> None:
        """The caller waits while the agent talks with somebody else first.

        `own_leg` is the second call of an agent's phone that has called somebody by itself.
        """
        x, target = await self._allowed(call_id, target)
        if x.third is not None:
            raise Conflict("one consultation at a time", code=Refusal.ALREADY_CONSULTING)
        third = replace(self._consulting.choose(x, target), own_leg=own_leg)
        self._watch(call_id, third)
        self._happened(x, Consult(third))
        self._consulting.begin(self.exchanges[call_id], third)

    async def transfer(self, call_id: CallId, target: Target) -> None:
        """Blind: the agent's part is over at once."""
        x, target = await self._allowed(call_id, target)
        self._consulting.check(x, target)
        if x.third is not None:
            self._happened(x, Cancel())
        kind, name = describe(target)
        now = self._clock.now()
        self._bus.publish(
            CallTransferred(
                call_id=call_id, agent_id=x.agent_id, how="blind", kind=kind, pii_target=name
            )
        )
        match target:
            case ToQueue(queue_id=queue_id):
                self._house.carry_out(
                    self._board.handovers.to_queue(
                        call_id, queue_id, now, front=False, why="transferred"
                    )
                )
            case ToAgent(agent_id=agent_id):
                self._house.carry_out(self._board.handovers.to_agent(call_id, agent_id, now))
            case _:
                self._house.carry_out(self._board.transferred(call_id, now))
                self._house.send_on(call_id, target, x.agent_id)

    def park(self, call_id: CallId) -> str:
        """The caller waits in a slot, whose number is returned."""
        x = self.exchange(call_id)
        if x.third is not None:
            self._happened(x, Cancel())
        self._house.carry_out(self._board.parking.park(call_id, self._clock.now()))
        parked = self._board.parking.parked_call(call_id)
        assert parked is not None
        return parked.slot

    def pick_up(self, slot: str, agent_id: AgentId) -> None:
        """Ring the agent's phone for a parked caller."""
        self._house.carry_out(self._board.parking.pick_up(slot, agent_id, self._clock.now()))

    async def keys(self, call_id: CallId, digits: str) -> None:
        """Send keys to whom the agent talks to."""
        x = self.exchange(call_id)
        leg_id = x.caller_leg
        if x.phase is Phase.CONSULTING and x.with_third and x.third is not None:
            leg_id = x.third.leg_id
        if not any(leg_id in group for group in sound(x).groups):
            raise Conflict("nobody is there to hear keys", code=Refusal.NOT_TALKING)
        await self._control.send_digits(leg_id, digits)

    def recorded(self, call_id: CallId, recording: Recorded) -> None:
        """The recording was paused, goes on, or cannot be made."""
        x = self.exchange(call_id)
        if x.recording is recording:
            return
        if Recorded.OFF not in (x.recording, recording):
            paused = recording is Recorded.PAUSED
            self._bus.publish(RecordingPaused(call_id=call_id, agent_id=x.agent_id, paused=paused))
        self._put(replace(x, recording=recording))

    # --- what phones do -----------------------------------------------------------------------

    def knows(self, leg_id: LegId) -> bool:
        """Whether the leg is a third party's, or the second call of a phone."""
        return leg_id in self._legs

    def hear(self, event: LegEvent) -> None:
        """Something happened on such a leg."""
        x = self.exchanges.get(self._legs.get(event.leg_id, CallId("")))
        if isinstance(event, LegEnded):
            self._legs.pop(event.leg_id, None)
            self._referring.forget(event.leg_id)
        if x is None or x.third is None:
            return
        third = x.third
        match event:
            case LegEnded():
                self._third_gone(x, event.reason)
            case LegRinging(early=early):
                if third.own_leg is not None and early:
                    self._tell(self._control.answer(third.own_leg, early=True))
                elif third.own_leg is not None:
                    self._tell(self._control.ring(third.own_leg))
                if event.leg_id == third.leg_id:
                    self._happened(x, ThirdRings(early))
            case LegAnswered(leg_id=leg_id) if leg_id == third.leg_id:
                self._answered(x, third)
            case LegHeld(leg_id=leg_id, held=held):
                self._happened(x, PhoneHolds(leg_id, held))
            case TransferRequested():
                self.asked(x.call_id, event)
            case LegSilent():
                self.fell_silent(event)
            case _:
                pass

    def phone_holds(self, call_id: CallId, leg_id: LegId, held: bool) -> None:
        """The agent's phone put the caller on hold, or took the caller back."""
        x = self.exchanges.get(call_id)
        if x is not None:
            self._happened(x, PhoneHolds(leg_id, held))

    def fell_silent(self, event: LegSilent) -> None:
        """No sound comes from a leg any more, or it comes again. Who listens to it is told."""
        x = self.exchanges.get(event.call_id)
        if x is None:
            return
        self._happened(x, FellSilent(event.leg_id, event.silent))
        y = self.exchanges[event.call_id]
        if event.silent and y != x and agent_listens(y, event.leg_id):
            self._tasks.spawn(self._say_unheard(y), name=f"nobody is heard in {y.call_id}")

    async def _say_unheard(self, x: Exchange) -> None:
        talk = self._board.conversations.get(x.call_id)
        language = talk.call.language if talk is not None else ""
        try:
            words = await self._tones.unheard(language)
            await self._control.play(x.agent_leg, [words])
        except CentralitaError as exc:
            log.warning("agent is not told of a silent line", extra={"error": str(exc)})

    def agent_gone(self, call_id: CallId) -> bool:
        """The agent's leg is over. False when the board has to say what becomes of the caller."""
        x = self.exchanges.get(call_id)
        if x is None:
            return False
        y, consequences = step(x, AgentGone(), self._clock.now())
        if AgentLeft() in consequences:
            return False
        self._put(y)
        self._follow(x, y, consequences)
        return True

    def asked(self, call_id: CallId, event: TransferRequested) -> None:
        """A phone sent REFER, for the caller or with the name of its other call."""
        self._referring.asked(call_id, event)

    def refused(self, event: TransferRequested) -> None:
        """A phone that is no agent's sent REFER."""
        self._referring.refused(event)

    def leg_over(self, leg_id: LegId) -> None:
        """An agent's leg has ended: its phone can be told nothing more."""
        self._referring.forget(leg_id)

    async def farewell(self, leg_id: LegId, reason: EndReason) -> None:
        """End an agent's leg; a phone that sent REFER is told of the success first."""
        await self._referring.farewell(leg_id, reason)

    # --- after another brain's death ----------------------------------------------------------

    @property
    def legs(self) -> frozenset[LegId]:
        """The legs that `knows`."""
        return frozenset(self._legs)

    @property
    def ringing_legs(self) -> frozenset[LegId]:
        """Those of third parties who have not answered."""
        thirds = (x.third for x in self.exchanges.values())
        return frozenset(third.leg_id for third in thirds if third and not third.answered)

    def take_over(self, x: Exchange) -> None:
        """Put back a conversation of the server before this one; `go_on` follows."""
        self.exchanges[x.call_id] = x
        if x.third is not None:
            self._watch(x.call_id, x.third)
            self._house.carry_out(self._board.handovers.restore(x.third, x))
        self._bus.publish(ConversationChanged(call_id=x.call_id, exchange=x))

    def go_on(self, legs: Mapping[LegId, KeptLeg]) -> None:
        """Set up what sounds; a third party who is not there any more is gone."""
        for x in tuple(self.exchanges.values()):
            third = x.third
            if third is not None:
                its = [third.leg_id] + ([third.own_leg] if third.own_leg is not None else [])
                if any(leg not in legs or legs[leg].ended is not None for leg in its):
                    self._third_gone(x, EndReason.WORKER_LOST)
                elif not third.answered:
                    self._consulting.limit(x, third)
        for x in self.exchanges.values():
            self.sounding.begin(x.call_id, sound(x), x.legs)

    # --- within -------------------------------------------------------------------------------

    async def _allowed(self, call_id: CallId, target: Target) -> tuple[Exchange, Target]:
        """The conversation, and the target as what it is, once the agent may call it."""
        target = self._consulting.named(target)
        await self._consulting.allow(self.exchange(call_id), target)
        return self.exchange(call_id), target

    def _watch(self, call_id: CallId, third: Third) -> None:
        self._legs[third.leg_id] = call_id
        if third.own_leg is not None:
            self._legs[third.own_leg] = call_id

    def _answered(self, x: Exchange, third: Third) -> None:
        self._happened(x, ThirdAnswered())
        self._house.carry_out(self._board.handovers.consulted(third, x.queue_id, self._clock.now()))
        if third.own_leg is not None:
            self._tell(self._control.answer(third.own_leg))
        talk = self._board.conversations[x.call_id]
        self._bus.publish(
            ConsultationAnswered(
                call_id=x.call_id,
                agent_id=x.agent_id,
                leg_id=third.leg_id,
                record=self._board.queues[x.queue_id].record,
                language=talk.call.language,
            )
        )

    def rings(self, call_id: CallId, leg_id: LegId) -> bool:
        """Whether this third party is still wanted and has not answered."""
        x = self.exchanges.get(call_id)
        third = x.third if x is not None else None
        return third is not None and third.leg_id == leg_id and not third.answered

    def _not_rung(self, call_id: CallId, leg_id: LegId, reason: EndReason) -> None:
        self._legs.pop(leg_id, None)
        x = self.exchanges.get(call_id)
        if x is not None and x.third is not None and x.third.leg_id == leg_id:
            self._third_gone(x, reason)

    def _third_gone(self, x: Exchange, reason: EndReason) -> None:
        self._happened(x, ThirdGone(), how=self._consulting.refusal(reason))

    def _happened(
        self, x: Exchange, event: Happening, how: OfferState = OfferState.WITHDRAWN
    ) -> None:
        y, consequences = step(x, event, self._clock.now())
        self._put(y)
        if isinstance(event, Confer) and y.third is not None and y.phase is not x.phase:
            self._bus.publish(
                ConferenceStarted(call_id=x.call_id, agent_id=x.agent_id, leg_id=y.third.leg_id)
            )
        self._follow(x, y, consequences, how)

    def _follow(
        self,
        x: Exchange,
        y: Exchange,
        consequences: Sequence[object],
        how: OfferState = OfferState.WITHDRAWN,
    ) -> None:
        for consequence in consequences:
            match consequence:
                case LetGo(third=third):
                    ended = "cancelled" if how is OfferState.WITHDRAWN else "gone"
                    self._let_go(x, third, ended, how)
                case HandOver(third=third):
                    self._hand_over(y, third)
                case ToPerson():
                    self._house.carry_out(
                        self._board.handovers.to_queue(
                            x.call_id, x.queue_id, self._clock.now(), front=True, why="agent"
                        )
                    )

    def _hand_over(self, x: Exchange, third: Third) -> None:
        call_id = x.call_id
        now = self._clock.now()
        kind = "agent" if third.agent_id is not None else "number"
        if x.holds:
            self._held(x, held=False)
        self._put(replace(x, phase=Phase.TALKING, phone_holds=False, third=None), quietly=True)
        self._forget(third)
        self._consulted(x, third, "completed")
        self._bus.publish(
            CallTransferred(
                call_id=call_id, agent_id=x.agent_id, how="attended", kind=kind,
                pii_target=third.agent_id or third.number,
            )
        )  # fmt: skip
        self._handing_over = call_id
        try:
            if third.agent_id is not None and third.offer_id is not None:
                self._house.adopt(third.leg_id, third.offer_id)
                self._house.carry_out(self._board.handovers.hand_over(call_id, third, now))
            else:
                self._tell(self._control.bridge(x.caller_leg, third.leg_id))
                self._house.carry_out(self._board.transferred(call_id, now))
                self._house.send_on(
                    call_id,
                    Connected(
                        leg_id=third.leg_id,
                        number=third.number,
                        acquainted=third.joined_at is not None,
                    ),
                    x.agent_id,
                )
        finally:
            self._handing_over = None
        if third.own_leg is not None:
            self._end(third.own_leg)

    def _let_go(
        self, x: Exchange, third: Third, ended: str, how: OfferState = OfferState.WITHDRAWN
    ) -> None:
        for leg_id in (third.leg_id, third.own_leg):
            if leg_id is not None and leg_id in self._legs:
                self._consulting.unwanted(leg_id)
                self._end(leg_id)
        self._forget(third)
        self._consulted(x, third, ended)
        talk = self._board.conversations.get(x.call_id)
        call = talk.call if talk is not None else self._consulting.call_of(x)
        self._house.carry_out(self._board.handovers.release(third, call, how, self._clock.now()))

    def _consulted(self, x: Exchange, third: Third, how: str) -> None:
        talked = self._clock.now() - third.since if third.answered else timedelta(0)
        self._bus.publish(
            ConsultationEnded(
                call_id=x.call_id, agent_id=x.agent_id, leg_id=third.leg_id, how=how, talked=talked
            )
        )

    def _forget(self, third: Third) -> None:
        self._legs.pop(third.leg_id, None)
        if third.own_leg is not None:
            self._legs.pop(third.own_leg, None)

    def _end(self, leg_id: LegId) -> None:
        self._tasks.spawn(self.farewell(leg_id, EndReason.CONVERSATION_ENDED), name=f"end {leg_id}")

    def _tell(self, command: Coroutine[object, object, None]) -> None:
        self._tasks.spawn(_quietly(command), name="tell a phone")

    def _put(self, x: Exchange, *, quietly: bool = False) -> None:
        before = self.exchanges.get(x.call_id)
        if before is None or x == before:
            return
        self.exchanges[x.call_id] = x
        if quietly:
            return
        if x.holds is not before.holds:
            self._held(x, held=x.holds)
        self.sounding.want(x.call_id, sound(x))
        self._changed(x)

    def _held(self, x: Exchange, *, held: bool) -> None:
        self._bus.publish(
            CallHeld(call_id=x.call_id, agent_id=x.agent_id, held=held, at=self._clock.now())
        )

    def _changed(self, x: Exchange) -> None:
        self._house.remember(x.call_id)
        self._bus.publish(ConversationChanged(call_id=x.call_id, exchange=x))


async def _quietly(command: Coroutine[object, object, None]) -> None:
    with contextlib.suppress(TelephonyError):  # that leg has just ended
        await command
