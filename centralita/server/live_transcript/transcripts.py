"""The live transcripts of the house: who is listened to follows the conversations."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from functools import partial

from centralita.asr.recognizer import Recognizer
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.ids import AgentId, CallId, LegId
from centralita.core.tasks import Tasks
from centralita.ivr.events import FlowEnded
from centralita.routing.board import Board
from centralita.routing.conversations.events import ConversationChanged, ConversationGone
from centralita.routing.conversations.exchange import Exchange
from centralita.routing.events import CallTakenOver
from centralita.server.live_transcript.ear import Ear, EarPorts
from centralita.server.live_transcript.events import (
    Hearing,
    HearingChanged,
    Saying,
    SayingChanged,
    TranscriptClosed,
    TranscriptOpened,
)
from centralita.server.live_transcript.plan import Plan, hearing, plan_for
from centralita.server.live_transcript.record import Record
from centralita.telephony.call import CallControl, TelephonyError

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Talk:
    """An agent's conversation that is to be transcribed."""

    call_id: CallId
    agent_id: AgentId
    agent_leg: LegId
    language: str
    record: Record
    plan: Plan = field(default_factory=Plan)
    hearing: Hearing = Hearing.STARTING
    ears: dict[LegId, Ear] = field(default_factory=dict)


class LiveTranscripts:
    """Listens to the conversations of the queues that want it, by events alone: a failure here
    never touches the call. What was said is kept until the call ends, and nowhere but here.

    `reserve` is how many of the recogniser's streams are left to callers in flows.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        control: CallControl,
        board: Board,
        bus: Bus,
        clock: Clock,
        *,
        reserve: int,
    ) -> None:
        self._recognizer = recognizer
        self._control = control
        self._board = board
        self._bus = bus
        self._reserve = reserve
        self._tasks = Tasks("live transcripts")
        self._ports = EarPorts(
            recognizer=recognizer, control=control, clock=clock, tasks=self._tasks
        )
        self._talks: dict[CallId, _Talk] = {}
        self._records: dict[CallId, Record] = {}
        self._inherited: set[CallId] = set()
        # A leg has one tap: the next ear waits until the one before has let go of it.
        self._stopping: dict[LegId, asyncio.Task[None]] = {}
        bus.subscribe(CallTakenOver, self._taken_over)
        bus.subscribe(ConversationChanged, self._changed)
        bus.subscribe(ConversationGone, self._gone)
        bus.subscribe(FlowEnded, self._call_ended)

    async def close(self) -> None:
        """Listen to nobody."""
        await self._tasks.close()

    # --- what happens -------------------------------------------------------------------------

    def _taken_over(self, event: CallTakenOver) -> None:
        if event.talking:
            self._inherited.add(event.call_id)

    def _changed(self, event: ConversationChanged) -> None:
        x = event.exchange
        talk = self._talks.get(x.call_id)
        if talk is None or talk.agent_leg != x.agent_leg:
            talk = self._begin(x)
        if talk is None:
            return
        self._follow(talk, self._plan(talk, x))

    def _gone(self, event: ConversationGone) -> None:
        talk = self._talks.get(event.call_id)
        if talk is None or talk.agent_id != event.agent_id:
            return
        for ear in talk.ears.values():
            self._stop(ear, forget=True)
        del self._talks[event.call_id]
        self._bus.publish(TranscriptClosed(call_id=talk.call_id, agent_id=talk.agent_id))

    def _call_ended(self, event: FlowEnded) -> None:
        self._records.pop(event.call_id, None)
        self._inherited.discard(event.call_id)

    # --- what follows -------------------------------------------------------------------------

    def _begin(self, x: Exchange) -> _Talk | None:
        queue = self._board.queues.get(x.queue_id)
        conversation = self._board.conversations.get(x.call_id)
        if queue is None or not queue.live_transcript or conversation is None:
            return None
        record = self._records.get(x.call_id)
        if record is None:
            cut = x.call_id in self._inherited
            record = self._records[x.call_id] = Record(conversation.started_at, cut=cut)
        talk = self._talks[x.call_id] = _Talk(
            call_id=x.call_id,
            agent_id=x.agent_id,
            agent_leg=x.agent_leg,
            language=conversation.call.language,
            record=record,
        )
        if record.cut:  # the brain before us may have listened to legs that are to be left alone
            for leg_id in x.legs - self._plan(talk, x).ears.keys():
                self._tasks.spawn(self._leave_alone(leg_id), name=f"leave {leg_id} alone")
        talk.hearing = hearing(self._plan(talk, x), {Hearing.STARTING})
        self._bus.publish(
            TranscriptOpened(
                call_id=talk.call_id,
                agent_id=talk.agent_id,
                language=talk.language,
                hearing=talk.hearing,
                cut=record.cut,
                sayings=record.sayings,
            )
        )
        return talk

    def _plan(self, talk: _Talk, x: Exchange) -> Plan:
        if talk.language not in self._recognizer.languages():
            return Plan(silent=Hearing.NO_MODEL)
        return plan_for(x)

    def _follow(self, talk: _Talk, plan: Plan) -> None:
        pauses = plan.silent is Hearing.PAUSED and talk.plan.silent is not Hearing.PAUSED
        talk.plan = plan
        for leg_id, ear in tuple(talk.ears.items()):
            if plan.ears.get(leg_id) is not ear.speaker:
                del talk.ears[leg_id]
                self._stop(ear, forget=plan.secret)
        if pauses:
            for saying in talk.record.mask(self._ports.clock.now()):
                self._bus.publish(
                    SayingChanged(call_id=talk.call_id, agent_id=talk.agent_id, saying=saying)
                )
        for leg_id, speaker in plan.ears.items():
            if leg_id in talk.ears:
                continue
            talk.ears[leg_id] = Ear(
                leg_id,
                speaker,
                talk.language,
                self._ports,
                spare=partial(self._spare, talk, leg_id),
                began=talk.record.began,
                number=talk.record.number,
                heard=lambda saying: self._heard(talk, saying),
                changed=lambda: self._tell(talk),
                after=self._stopping.get(leg_id),
            )
        self._tell(talk)

    def _spare(self, talk: _Talk, leg_id: LegId) -> int:
        """Half a conversation is worth little: an ear has room only if its call's others have."""
        others = (ear for ear in talk.ears.values() if ear.leg_id != leg_id)
        return self._reserve + sum(ear.lacks_stream for ear in others)

    def _stop(self, ear: Ear, *, forget: bool) -> None:
        leg_id = ear.leg_id
        task = self._stopping[leg_id] = ear.stop(forget=forget)

        def done(finished: asyncio.Task[None]) -> None:
            if self._stopping.get(leg_id) is finished:
                del self._stopping[leg_id]

        task.add_done_callback(done)

    def _heard(self, talk: _Talk, saying: Saying) -> None:
        if self._talks.get(talk.call_id) is not talk or (talk.plan.secret and saying.pii_text):
            return
        talk.record.put(saying, self._ports.clock.now())
        self._bus.publish(
            SayingChanged(call_id=talk.call_id, agent_id=talk.agent_id, saying=saying)
        )

    def _tell(self, talk: _Talk) -> None:
        now = hearing(talk.plan, {ear.state for ear in talk.ears.values()})
        if now is talk.hearing or self._talks.get(talk.call_id) is not talk:
            return
        if now is Hearing.BUSY:
            log.warning(
                "no live transcript, the recogniser is busy", extra={"call_id": talk.call_id}
            )
        talk.hearing = now
        self._bus.publish(HearingChanged(call_id=talk.call_id, agent_id=talk.agent_id, hearing=now))

    async def _leave_alone(self, leg_id: LegId) -> None:
        with contextlib.suppress(TelephonyError):
            await self._control.stop_listening(leg_id)
