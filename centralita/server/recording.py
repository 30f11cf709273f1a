"""What is recorded of conversations: begun, paused and ended with them."""

from __future__ import annotations

import contextlib

from centralita.core.bus import Bus
from centralita.core.errors import NotFound
from centralita.core.ids import AgentId, CallId, LegId
from centralita.core.tasks import Tasks
from centralita.ivr.events import FlowEnded, TransferAnswered
from centralita.recordings.recorder import Recorder
from centralita.routing.board import Board
from centralita.routing.conversations.desk import Desk
from centralita.routing.conversations.events import ConsultationAnswered
from centralita.routing.conversations.exchange import Recorded
from centralita.routing.events import ConversationEnded, ConversationStarted


class Recordings:
    """Every agent's part of a call is a recording of its own, caller left and agent right. What a
    third party says until it has the caller is one more, of one channel."""

    def __init__(self, recorder: Recorder, desk: Desk, bus: Bus, tasks: Tasks) -> None:
        self._recorder = recorder
        self._desk = desk
        self._tasks = tasks
        # Calls of which an agent's part was recorded, so that what follows it is, too.
        self._recorded: dict[CallId, str] = {}
        bus.subscribe(ConversationStarted, self._started)
        bus.subscribe(ConversationEnded, self._ended)
        bus.subscribe(ConsultationAnswered, self._consulted)
        bus.subscribe(TransferAnswered, self._transferred)
        bus.subscribe(FlowEnded, self._call_ended)

    async def take_over(self, board: Board) -> None:
        """After the calls of another brain were taken over: record what is not being recorded."""
        for talk in board.conversations.values():
            call_id = talk.call.call_id
            if not board.queues[talk.call.queue_id].record:
                continue
            if self._desk.exchange(call_id).recording is Recorded.PAUSED:
                await self._recorder.pause(call_id, True)
            if not self._recorder.records(call_id):
                legs = (talk.call.leg_id, talk.agent_leg)
                self._record(call_id, legs, talk.call.language, talk.offer.agent_id)

    def _started(self, event: ConversationStarted) -> None:
        if event.record:
            self._recorded[event.call_id] = event.language
            legs = (event.caller_leg, event.agent_leg)
            self._record(event.call_id, legs, event.language, event.agent_id)

    def _ended(self, event: ConversationEnded) -> None:
        self._tasks.spawn(self._recorder.stop(event.call_id), name=f"keep {event.call_id}")

    def _consulted(self, event: ConsultationAnswered) -> None:
        if event.record:
            self._record(event.call_id, (event.leg_id,), event.language, event.agent_id)

    def _transferred(self, event: TransferAnswered) -> None:
        language = self._recorded.get(event.call_id)
        if language is not None:
            self._record(event.call_id, (event.caller_leg, event.leg_id), language, None)

    def _call_ended(self, event: FlowEnded) -> None:
        self._recorded.pop(event.call_id, None)

    def _record(
        self, call_id: CallId, legs: tuple[LegId, ...], language: str, agent_id: AgentId | None
    ) -> None:
        async def start() -> None:
            recording_id = await self._recorder.start(
                call_id, legs, kind="conversation", language=language, agent_id=agent_id
            )
            if not self._recorder.runs(recording_id):
                with contextlib.suppress(NotFound):  # the conversation is over
                    self._desk.recorded(call_id, Recorded.OFF)

        self._tasks.spawn(start(), name=f"record {call_id}")
