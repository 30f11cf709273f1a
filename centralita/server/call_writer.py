"""From the journal to the store: in order, exactly once, and later when the database is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError, Unavailable
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, TaskId
from centralita.core.tasks import Tasks
from centralita.core.wire import Plain, to_plain
from centralita.journal.journal import Journal
from centralita.journal.segment import Record
from centralita.recordings.recorder import RecordingMade
from centralita.routing.conversations.events import OutgoingStarted
from centralita.routing.events import ConversationStarted
from centralita.server.call_records import (
    CallBegan,
    CallCarried,
    CallClosed,
    Happening,
    RecordingKept,
    TaskArose,
    TaskMade,
    TaskWorked,
    caller_of,
    decode,
)
from centralita.store.records import RecordingRecord
from centralita.store.store import Store
from centralita.timeline.directory import Caller, Directory, Provisional
from centralita.timeline.model import Direction, Task, TaskKind, TaskState

log = logging.getLogger(__name__)

_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
# Said by NodeEntered as often as nodes are entered; the journal's line needs only the step.
_LEFT_OUT = frozenset({"call_id", "path", "learned", "variables", "headers"})
# A record may wait so long for others to share its transaction, in seconds.
_GATHER = 0.25
# What one transaction takes of the journal, in bytes: some hundred records.
_BATCH = 128 * 1024
# A transaction that takes longer than this is given up, and tried again.
_PATIENCE = 15.0
_PAUSES = (0.1, 2.0)

Line = tuple[CallId, datetime, str, dict[str, Plain]]


class CallWriter:
    """One task that applies the journal's records.

    The number of the last applied record is kept in the transaction that applies it. A commit
    whose answer is lost with the connection is therefore never repeated.
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        directory: Directory,
        bus: Bus,
        *,
        known: Callable[[CallId], Caller | None],
        identified: Callable[[CallId, Caller], None],
    ) -> None:
        """`known` says who a caller is by now, None if nobody has been able to tell; `identified`
        hears it once the caller is stored."""
        self._journal = journal
        self._store = store
        self._directory = directory
        self._bus = bus
        self._known = known
        self._identified = identified
        self._applied = 0
        self._news = asyncio.Condition()
        self._hurry = asyncio.Event()
        self._tasks = Tasks("call writer")
        self.refusal = ""

    def start(self, *, after: int) -> None:
        """Apply the records behind that number, and then what comes."""
        self._applied = after
        self._tasks.keep(self._write, name="write")

    async def close(self) -> None:
        """Stop; what is not applied stays in the journal."""
        await self._tasks.close()

    @property
    def pending(self) -> int:
        """How many records are not in the store yet."""
        return self._journal.last - self._applied

    async def written(self) -> None:
        """Wait until everything that is in the journal by now is in the store."""
        wanted = self._journal.last
        self._hurry.set()
        await self._journal.flushed(wanted, within=60)
        async with self._news:
            await self._news.wait_for(lambda: self._applied >= wanted)

    async def _write(self) -> None:
        reader = self._journal.reader(after=self._applied)
        while True:
            await self._journal.beyond(self._applied)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHER):
                    await self._hurry.wait()
            self._hurry.clear()
            records = await self._journal.read_next(reader, size=_BATCH)
            if records:
                await self._put(records)
                await self._advance(records[-1].number)
            else:
                await self._advance(self._journal.on_disk)  # what is damaged was logged

    async def _advance(self, number: int) -> None:
        self._journal.applied(number)
        async with self._news:
            self._applied = number
            self._news.notify_all()

    async def _put(self, records: Sequence[Record]) -> None:
        """Apply them, however long the database is away."""
        pause, longest = _PAUSES
        while True:
            try:
                async with asyncio.timeout(_PATIENCE):
                    news = await self._apply(records)
            except (Unavailable, OSError) as exc:  # TimeoutError is an OSError
                self._is_away(str(exc) or f"no answer within {_PATIENCE:.0f} s")
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            except Exception as exc:
                if len(records) > 1:
                    for record in records:
                        await self._put((record,))
                    return
                await self._leave_out(records[0], exc)
                return
            else:
                break
        if self.refusal:
            self.refusal = ""
            log.warning("database is back", extra={"pending": self.pending})
        for event in news:
            self._bus.publish(event)

    def _is_away(self, reason: str) -> None:
        if not self.refusal:
            log.error("database is away, calls go on", extra={"error": reason})
        self.refusal = reason

    async def _leave_out(self, record: Record, error: Exception) -> None:
        """One record that the database will never take must not keep the others out."""
        log.error(
            "journal record cannot be stored, it is left out",
            extra={"record": record.number, "pii_data": record.data.hex()},
            exc_info=error,
        )
        with contextlib.suppress(CentralitaError):
            await self._store.journals.advance(self._journal.identity, record.number)

    async def _apply(self, records: Sequence[Record]) -> list[Event]:
        """One transaction; returns what is to be told when it is committed."""
        happenings = [(record.number, decode(record.data)) for record in records]
        callers = await self._who_called(happening for _, happening in happenings)
        news: list[Event] = []
        async with self._store.transaction():
            identity = self._journal.identity
            applied = await self._store.journals.applied(identity)
            lines: list[Line] = []
            for number, happening in happenings:
                if number > applied:
                    for event in happening.events:
                        await self._apply_event(event, happening.at, callers, lines, news)
                news += await self._news_of(happening)
            await self._store.call_events.append_many(lines)
            await self._store.journals.advance(identity, max(applied, records[-1].number))
        for call_id, caller in callers.items():
            self._identified(call_id, caller)
        return news

    async def _who_called(self, happenings: Iterable[Happening]) -> dict[CallId, Caller]:
        """Those who began a call, as they are known by now."""
        return {
            event.call_id: self._known(event.call_id)
            or await self._directory.identify(event.number)
            for happening in happenings
            for event in happening.events
            if isinstance(event, CallBegan) and event.known != "anonymous"
        }

    async def _apply_event(
        self,
        event: Event,
        at: datetime,
        callers: dict[CallId, Caller],
        lines: list[Line],
        settled: list[Event],
    ) -> None:
        journal = self._store.journal
        match event:
            case CallCarried():
                pass
            case CallBegan(call_id=call_id, arrived=arrived):
                caller = callers.get(call_id) or caller_of(event)
                if isinstance(caller, Provisional) and caller.new:
                    caller = callers[call_id] = await self._directory.keep(caller)
                await journal.begin_call(
                    call_id,
                    at,
                    caller=caller,
                    dialled=arrived.dialled,
                    direction=Direction(event.direction),
                    interaction_id=event.interaction_id,
                )
                if event.direction == "in":  # of the others OutgoingStarted tells
                    lines.append(_line(arrived, call_id, at))
            case CallClosed(summary=summary):
                await journal.end_call(summary)
            case TaskArose(task=task):
                await self._add(await self._of_its_call(task))
            case TaskWorked():
                await self._work(event, at)
            case _:
                if isinstance(event, ConversationStarted | OutgoingStarted):
                    await journal.with_agent(
                        event.call_id, queue_id=event.queue_id, agent_id=event.agent_id
                    )
                    if isinstance(event, ConversationStarted):
                        settled += await self._settle(event, at)
                elif isinstance(event, RecordingMade):
                    await self._store.recordings.add(_recording(event))
                lines.append(_line(event, CallId(getattr(event, "call_id")), at))  # noqa: B009

    async def _of_its_call(self, task: Task) -> Task:
        entry = await self._store.interactions.by_call(task.call_id) if task.call_id else None
        if entry is None:
            return task
        return replace(
            task,
            interaction_id=entry.id,
            customer_id=entry.customer_id,
            caller=entry.call.caller if entry.call is not None else task.caller,
        )

    async def _add(self, task: Task) -> None:
        """Who calls again and again before anybody calls back is called back once."""
        tasks = self._store.tasks
        missed = task.kind is TaskKind.MISSED_CALL and task.caller
        if not missed or not await tasks.missed_of(task.caller):
            await tasks.add(task)

    async def _settle(self, started: ConversationStarted, at: datetime) -> list[Event]:
        """Who talks to somebody at last need not be called back for having reached nobody."""
        entry = await self._store.interactions.by_call(started.call_id)
        caller = entry.call.caller if entry is not None and entry.call is not None else ""
        missed = await self._store.tasks.missed_of(caller) if caller else ()
        if not missed:
            return []
        by = await self._name_of(started.agent_id)
        for task in missed:
            await self._store.tasks.set_state(task.id, TaskState.DONE, at, by)
        found = [await self._store.tasks.get(task.id) for task in missed]
        return [TaskMade(task=task) for task in found if task is not None]

    async def _name_of(self, agent_id: AgentId) -> str:
        agent = await self._store.agents.get(agent_id)
        return agent.name if agent is not None else agent_id

    async def _work(self, worked: TaskWorked, at: datetime) -> None:
        """Whoever has done or taken the task by hand in the meantime was first."""
        tasks = self._store.tasks
        task = await tasks.get(worked.task_id)
        if task is None or task.state is TaskState.DONE:
            return
        if worked.done:
            by = await self._name_of(worked.agent_id)
            await tasks.set_state(worked.task_id, TaskState.DONE, at, by)
        elif task.agent_id is None:
            await tasks.give(worked.task_id, worked.agent_id, before=None)

    async def _news_of(self, happening: Happening) -> list[Event]:
        """Tasks and recordings that others wait for."""
        news: list[Event] = []
        task_id: TaskId | None = None
        for event in happening.events:
            if isinstance(event, TaskArose):
                task = await self._store.tasks.get(event.task.id)
                if task is not None:
                    task_id = task.id
                    news.append(TaskMade(task=task))
            elif isinstance(event, TaskWorked):
                task = await self._store.tasks.get(event.task_id)
                if task is not None:
                    news.append(TaskMade(task=task))
        for event in happening.events:
            if isinstance(event, RecordingMade):
                news.append(RecordingKept(made=event, task_id=task_id))
        return news


def _line(event: Event, call_id: CallId, at: datetime) -> Line:
    """An event as a line of the call's journal."""
    plain = to_plain(event)
    assert isinstance(plain, dict)
    kind = _CAMEL.sub("_", type(event).__name__).lower()
    data = {
        name.removeprefix("pii_"): value for name, value in plain.items() if name not in _LEFT_OUT
    }
    return call_id, at, kind, data


def _recording(made: RecordingMade) -> RecordingRecord:
    return RecordingRecord(
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
