"""From events to the timeline: each call's journal as it happens, its summary at the end."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.events import Event
from centralita.core.ids import (
    AgentId,
    CallId,
    InteractionId,
    LegId,
    NodeId,
    QueueId,
    TaskId,
    new_id,
)
from centralita.core.tasks import Tasks
from centralita.core.wire import Plain, to_plain
from centralita.ivr import run
from centralita.ivr.driver import FlowEnded, NodeEntered
from centralita.recordings.recorder import RecordingMade
from centralita.routing.events import (
    AgentChanged,
    CallAbandoned,
    CallLeftQueue,
    CallQueued,
    CallRequeued,
    ConversationEnded,
    ConversationStarted,
    QueueChanged,
)
from centralita.server.adapters import Messages
from centralita.store.records import RecordingRecord
from centralita.store.store import Store
from centralita.telephony.call import CallArrived, EndReason, LegAnswered, LegEnded, LegEvent
from centralita.timeline.directory import Caller
from centralita.timeline.journal import CallSummary
from centralita.timeline.model import (
    Interaction,
    Outcome,
    PathStep,
    QueueWait,
    Talk,
    Task,
    TaskKind,
    TaskState,
)

log = logging.getLogger(__name__)

_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
# Said by NodeEntered as often as nodes are entered; the journal needs only the step.
_LEFT_OUT = frozenset({"call_id", "path", "learned", "variables", "headers"})


@dataclass(slots=True)
class CallState:
    """What is known of a call that is going on."""

    arrived: CallArrived
    caller: Caller
    entry: Interaction
    answered_at: datetime | None = None
    path: tuple[PathStep, ...] = ()
    waits: list[QueueWait] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    waiting: tuple[QueueId, datetime] | None = None
    queue_id: QueueId | None = None
    agent_id: AgentId | None = None
    reason: EndReason | None = None
    ended_at: datetime | None = None
    voicemail: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMade(Event):
    """Somebody of a queue has something to do."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingKept(Event):
    """A recording stands in the store and can be heard and transcribed."""

    made: RecordingMade
    task_id: TaskId | None


class CallLog:
    """Writes in one task, in order, behind the calls: a slow database delays nobody's audio."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, messages: Messages) -> None:
        self.calls: dict[CallId, CallState] = {}
        self._store = store
        self._bus = bus
        self._clock = clock
        self._messages = messages
        self._work: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._tasks = Tasks("call log")
        bus.subscribe(Event, self._note)

    def start(self) -> None:
        """Begin to write."""
        self._tasks.keep(self._write, name="write")

    async def close(self) -> None:
        """Write what is pending, then stop."""
        try:
            await asyncio.wait_for(self.written(), 10)
        except TimeoutError:
            log.error("journal could not be finished", extra={"pending": self._work.qsize()})
        await self._tasks.close()

    async def written(self) -> None:
        """Wait until everything that has happened so far is in the store."""
        await self._work.join()

    @property
    def pending(self) -> int:
        """How much is still to be written."""
        return self._work.qsize()

    def begin(self, arrived: CallArrived, caller: Caller, entry: Interaction) -> None:
        """A call whose entry has just been made."""
        state = CallState(arrived=arrived, caller=caller, entry=entry)
        self.calls[arrived.call_id] = state
        self._journal(arrived.call_id, arrived)

    def hears_late(self, event: LegEvent) -> None:
        """What happened on a leg of the call before its entry was there."""
        self._note(event)

    # --- events -----------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        if isinstance(event, AgentChanged | QueueChanged | CallArrived | RecordingKept | TaskMade):
            return
        call_id = getattr(event, "call_id", None)
        if isinstance(event, RecordingMade):
            self._work.put_nowait(lambda: self._keep_recording(event))
        state = self.calls.get(call_id) if call_id is not None else None
        if state is None or call_id is None:
            return
        self._journal(call_id, event)
        self._update(state, event)

    def _update(self, state: CallState, event: Event) -> None:
        now = self._clock.now()
        match event:
            case LegAnswered(leg_id=leg_id) if leg_id == state.arrived.leg_id:
                state.answered_at = now
            case LegEnded(leg_id=leg_id, reason=reason) if leg_id == state.arrived.leg_id:
                state.reason, state.ended_at = reason, now
            case NodeEntered(step=step, path=path):
                state.place = f"{step.flow}/{step.node}"
                state.path = _path(path)
            case CallQueued(queue_id=queue_id, at=at):
                state.waiting, state.queue_id = (queue_id, at), queue_id
                state.place = f"queue {queue_id}"
            case CallRequeued(queue_id=queue_id):
                state.waiting = (queue_id, now)
                state.place = f"queue {queue_id}"
            case CallLeftQueue(reason=why):
                self._close_wait(state, now, why.value)
            case CallAbandoned(queue_id=queue_id):
                self._close_wait(state, now, "abandoned")
                self._work.put_nowait(lambda: self._missed(state, queue_id, now))
            case ConversationStarted(agent_id=agent_id, queue_id=queue_id, call_id=call_id):
                self._close_wait(state, now, "answered")
                state.agent_id, state.place = agent_id, "conversation"
                self._work.put_nowait(
                    lambda: self._store.journal.with_agent(
                        call_id, queue_id=queue_id, agent_id=agent_id
                    )
                )
            case ConversationEnded(agent_id=agent_id, agent_leg=leg_id, at=at, talked=talked):
                state.talks.append(
                    Talk(agent_id=agent_id, leg_id=leg_id, since=at - talked, talked=talked)
                )
            case FlowEnded():
                self._end(state, event, now)
            case _:
                pass

    def _close_wait(self, state: CallState, now: datetime, how: str) -> None:
        if state.waiting is not None:
            queue_id, since = state.waiting
            state.waits.append(
                QueueWait(queue_id=queue_id, since=since, waited=now - since, how=how)
            )
            state.waiting = None

    def _end(self, state: CallState, ended: FlowEnded, now: datetime) -> None:
        call_id = state.arrived.call_id
        self.calls.pop(call_id, None)
        state.path = _path(ended.path)
        learned: dict[str, Plain] = {
            name: value for name, value in ended.variables.items() if value
        }
        # A message also counts when its caller hung up at the end of it: it is being stored.
        messages = self._messages.expected.values()
        state.voicemail |= any(message.call_id == call_id for message in messages)
        summary = CallSummary(
            call_id=call_id,
            ended_at=state.ended_at or now,
            outcome=_outcome(state, ended),
            ended_by=(state.reason or EndReason.FLOW_ENDED).value,
            ended_at_place=state.place,
            answered_at=state.answered_at,
            language=ended.variables.get("language", ""),
            agent_id=state.agent_id,
            queue_id=state.queue_id,
            path=state.path,
            waits=tuple(state.waits),
            talks=tuple(state.talks),
            learned=learned,
        )

        async def end() -> None:
            await self._store.journal.end_call(summary)

        self._work.put_nowait(end)
        log.info(
            "call ended",
            extra={
                "call_id": call_id,
                "outcome": summary.outcome.value,
                "ended_by": summary.ended_by,
                "place": summary.ended_at_place,
            },
        )

    # --- writing ----------------------------------------------------------------------------

    def _journal(self, call_id: CallId, event: Event) -> None:
        kind = _CAMEL.sub("_", type(event).__name__).lower()
        plain = to_plain(event)
        assert isinstance(plain, dict)
        data = {
            name.removeprefix("pii_"): value
            for name, value in plain.items()
            if name not in _LEFT_OUT
        }
        at = self._clock.now()
        self._work.put_nowait(lambda: self._store.journal.append(call_id, at, kind, data))

    async def _write(self) -> None:
        while True:
            work = await self._work.get()
            try:
                await work()
            except Exception:
                log.exception("journal line could not be written")
            finally:
                self._work.task_done()

    async def _keep_recording(self, made: RecordingMade) -> None:
        state = self.calls.get(made.call_id)
        if await self._store.recordings.get(made.recording_id) is not None:
            return  # kept by the last run, which was killed before it cleared its spool
        await self._store.recordings.add(
            RecordingRecord(
                recording_id=made.recording_id,
                call_id=made.call_id,
                kind=made.kind,
                path=made.path,
                channels=made.channels,
                duration=made.duration,
                sha256=made.sha256,
                created_at=made.at,
                leg_id=LegId(made.leg_id),
                agent_id=made.agent_id,
            )
        )
        self._messages.expected.pop(made.recording_id, None)
        task_id = None
        if made.queue:
            if state is not None:
                state.voicemail = True
            entry = state.entry if state is not None else None
            if entry is None:
                entry = await self._store.interactions.by_call(made.call_id)
            task_id = await self._make_task(TaskKind.VOICEMAIL, QueueId(made.queue), entry)
        self._bus.publish(RecordingKept(made=made, task_id=task_id))

    async def _missed(self, state: CallState, queue_id: QueueId, at: datetime) -> None:
        await self._make_task(TaskKind.MISSED_CALL, queue_id, state.entry)

    async def _make_task(
        self, kind: TaskKind, queue_id: QueueId, entry: Interaction | None
    ) -> TaskId:
        interaction_id: InteractionId | None = entry.id if entry is not None else None
        task = await self._store.tasks.add(
            Task(
                id=TaskId(new_id("task")),
                kind=kind,
                state=TaskState.OPEN,
                created_at=self._clock.now(),
                queue_id=queue_id,
                customer_id=entry.customer_id if entry is not None else None,
                interaction_id=interaction_id,
                call_id=entry.call.call_id if entry is not None and entry.call else None,
                caller=entry.call.caller if entry is not None and entry.call else "",
            )
        )
        self._bus.publish(TaskMade(task=task))
        return task.id


def _path(steps: Iterable[run.PathStep]) -> tuple[PathStep, ...]:
    """A flow's steps in the timeline's words."""
    return tuple(
        PathStep(node_id=NodeId(step.node), at=step.at, kind=step.kind, result=step.note)
        for step in steps
    )


def _outcome(state: CallState, ended: FlowEnded) -> Outcome:
    """What the call was for the caller."""
    kinds = [step.kind for step in ended.path]
    results = {step.note for step in ended.path if step.kind == "voicemail"}
    if any(talk.talked > timedelta(0) for talk in state.talks):
        return Outcome.CONVERSATION
    if state.voicemail or "saved" in results:
        return Outcome.VOICEMAIL
    if kinds and kinds[-1] == "transfer":
        return Outcome.TRANSFERRED
    if ended.outcome == "self_service":
        return Outcome.SELF_SERVICE
    if "fault" in kinds or state.reason is EndReason.WORKER_LOST:
        return Outcome.FAILED
    return Outcome.ABANDONED
