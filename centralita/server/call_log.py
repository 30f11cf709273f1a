"""From events to the timeline: each call's journal as it happens, its summary at the end.

What happens is written to the journal on this machine's disk first (`centralita/journal`), and from
there to the store (`call_writer.py`). A database that is slow or away costs nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.events import Event
from centralita.core.ids import CallId, InteractionId, new_id
from centralita.ivr.events import FlowEnded
from centralita.journal.journal import Journal
from centralita.journal.segment import Record
from centralita.recordings.recorder import RecordingMade
from centralita.server.call_records import (
    CallBegan,
    CallCarried,
    CallClosed,
    call_began,
    decode,
    encode,
    is_journaled,
    masked,
    shortened,
)
from centralita.server.call_state import (
    CallState,
    begin,
    interrupted,
    remember,
    replay,
    step,
    task_of,
)
from centralita.server.call_writer import CallWriter
from centralita.store.store import Store
from centralita.telephony.call import CallArrived, LegEvent
from centralita.timeline.directory import Caller, Directory, Unidentified

log = logging.getLogger(__name__)

# A database slower than this must not keep a caller waiting for the answer, in seconds.
_LOOKUP = 1.0
# A disk slower than this must not keep a caller waiting for the answer, in seconds.
_ON_DISK = 1.0
# How long a stored recording waits for its journal record before its spool is kept instead.
_RECORDING_ON_DISK = 60.0
# Of so many calls that are over it is known that they were ours.
_REMEMBERED = 10_000
# What a start reads of the journal at a time, in bytes.
_CHUNK = 1024 * 1024
# How long a start, and an end, wait for the store to take what the journal has.
_CATCH_UP = 10.0


class CallLog:
    """What is known of the calls that go on, and the way of what happens into the store."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        directory: Directory,
        bus: Bus,
        clock: Clock,
        *,
        default_queue: Callable[[], str] = str,
    ) -> None:
        """`default_queue` calls back who was lost before having been sent to any."""
        self.calls: dict[CallId, CallState] = {}
        # The newest calls that are over: agents still write them up, and their last legs end.
        self._over: dict[CallId, None] = {}
        self._journal = journal
        self._store = store
        self._clock = clock
        self._directory = directory
        self._default_queue = default_queue
        self._writer = CallWriter(
            journal, store, directory, bus, known=self._known, identified=self._is_identified
        )
        journal.carry = self._carried
        bus.subscribe(Event, self._note)

    async def open(self) -> None:
        """Read the journal; `recover` comes next. Raises Conflict when another server has it."""
        await self._journal.open()

    async def recover(self, held: Collection[CallId] = ()) -> int:
        """Bring back the calls of the last run that media workers still hold, close the others as
        interrupted, and begin to write. Returns how many were closed."""
        reader = self._journal.reader(after=0)
        while records := await self._journal.read_next(reader, size=_CHUNK):
            for record in records:
                self._replay(record)
        lost = [state for call_id, state in self.calls.items() if call_id not in held]
        for state in lost:
            self._write(self._clock.now(), *interrupted(state, self._default_queue()))
            del self.calls[state.arrived.call_id]
            self._is_over(state.arrived.call_id)
        applied = await self._store.journals.applied(self._journal.identity)
        if applied > self._journal.last:
            log.error(
                "journal is older than the database, going on from there",
                extra={"journal": self._journal.last, "database": applied},
            )
            self._journal.skip_to(applied)
        await self._know_again()
        self._journal.rotate()
        self._writer.start(after=applied)
        return len(lost) + await self._close_unknown(held)

    async def _know_again(self) -> None:
        """The callers of calls that go on, who were not in the store yet when they called."""
        for state in self.calls.values():
            caller = state.caller
            if isinstance(caller, Unidentified):
                caller = await self._directory.identify(caller.number)
                state.looked_up = True
            state.caller = await self._directory.keep(caller)

    async def _close_unknown(self, held: Collection[CallId]) -> int:
        """Calls that the store has open and the journal does not know: it was lost, or is new."""
        try:
            await asyncio.wait_for(self.written(), _CATCH_UP)
        except TimeoutError:
            log.warning("journal is not in the store yet", extra={"pending": self.pending})
            return 0
        return await self._store.journal.close_unfinished(keep=frozenset(held))

    async def close(self) -> None:
        """Write what is pending as far as the database takes it, then stop."""
        if self._journal.is_open:
            try:
                await asyncio.wait_for(self.written(), _CATCH_UP)
            except TimeoutError:
                log.warning(
                    "database does not take the journal, the next start goes on with it",
                    extra={"pending": self.pending},
                )
        await self._writer.close()
        await self._journal.close()

    async def written(self) -> None:
        """Wait until everything that has happened so far is in the store."""
        await self._writer.written()

    async def written_down(self) -> bool:
        """Wait until everything that has happened so far is on disk; False when it takes long."""
        return await self._journal.flushed(within=_RECORDING_ON_DISK)

    @property
    def pending(self) -> int:
        """How many records are still to be stored."""
        return self._writer.pending

    @property
    def store_is_away(self) -> str:
        """Why the database does not take what happens; empty when it does."""
        return self._writer.refusal

    @property
    def disk_refuses(self) -> str:
        """Why the disk does not take the journal; empty when it does."""
        return self._journal.refusal

    def begin(self, arrived: CallArrived, caller: Caller, *, direction: str = "in") -> None:
        """A call that has just arrived, on its way to the disk; `caller` is what is remembered.
        Ask `who_calls` and `is_on_disk` next."""
        began = call_began(arrived, caller, InteractionId(new_id("int")), direction=direction)
        now = self._clock.now()
        self.calls[arrived.call_id] = begin(began, now)
        self._write(now, began)
        self._journal.hurry()

    async def who_calls(self, call_id: CallId, number: str, region: str | None = None) -> Caller:
        """Look up, as `Directory.who_is`, who began a call or is called in it, but for no longer
        than a second. Without an answer it is who is remembered, and looked up again when the
        entry is stored."""
        state = self.calls[call_id]
        found = await self._look_up(call_id, number, region)
        # One who was stored in the meantime stays who that was.
        if found is not None and not state.looked_up:
            state.caller, state.looked_up = found, True
        return state.caller

    async def is_on_disk(self, call_id: CallId) -> None:
        """Wait until a call that has begun is on disk, but for no longer than a second."""
        if not await self._journal.flushed(within=_ON_DISK):
            log.error(
                "call is taken before it is on disk",
                extra={"call_id": call_id, "error": self._journal.refusal},
            )

    async def _look_up(self, call_id: CallId, number: str, region: str | None) -> Caller | None:
        if self.store_is_away:
            return None
        try:
            async with asyncio.timeout(_LOOKUP):
                return await self._directory.who_is(number, region)
        except Exception as exc:
            log.warning(
                "caller could not be looked up, the call goes on without",
                extra={"call_id": call_id, "error": str(exc) or type(exc).__name__},
            )
            return None

    def hears_late(self, event: LegEvent) -> None:
        """What happened on a leg of the call before it began here."""
        self._note(event)

    # --- events -----------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        if not is_journaled(event):
            return
        call_id: CallId | None = getattr(event, "call_id", None)
        state = self.calls.get(call_id) if call_id is not None else None
        now = self._clock.now()
        if state is None:
            if isinstance(event, RecordingMade):  # of a call that is over
                task = task_of(event, now)
                self._write(now, event, *([task] if task is not None else []))
            elif call_id in self._over:
                self._write(now, masked(event))
            return
        event = shortened(event, state.steps)
        if state.masked:
            event = masked(event)
        follows = step(state, event, now)
        self._write(now, event, *follows)
        for closed in follows:
            if isinstance(closed, CallClosed):
                self._end(closed)

    def _write(self, at: datetime, *events: Event) -> None:
        data = encode(at, events)
        state = self.calls.get(CallId(getattr(events[0], "call_id")))  # noqa: B009
        if state is not None:
            remember(state, events[0], at, data)
        self._journal.append(data)

    def _end(self, closed: CallClosed) -> None:
        self.calls.pop(closed.call_id, None)
        self._is_over(closed.call_id)
        log.info(
            "call ended",
            extra={
                "call_id": closed.call_id,
                "outcome": closed.summary.outcome.value,
                "ended_by": closed.summary.ended_by,
                "place": closed.summary.ended_at_place,
            },
        )

    def _is_over(self, call_id: CallId) -> None:
        self._over[call_id] = None
        if len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]

    def _known(self, call_id: CallId) -> Caller | None:
        state = self.calls.get(call_id)
        return state.caller if state is not None and state.looked_up else None

    def _is_identified(self, call_id: CallId, caller: Caller) -> None:
        state = self.calls.get(call_id)
        if state is not None:
            state.caller, state.looked_up = caller, True

    # --- the journal's files ----------------------------------------------------------------

    def _carried(self) -> Iterable[bytes]:
        """The calls that go on, for the beginning of a new file."""
        now = self._clock.now()
        return [
            encode(
                now,
                [CallCarried(call_id=call_id, heard_at=state.heard_at, records=state.history)],
            )
            for call_id, state in self.calls.items()
        ]

    def _replay(self, record: Record) -> None:
        happening = decode(record.data)
        for event in happening.events:
            match event:
                case CallBegan(call_id=call_id):
                    state = begin(event, happening.at)
                    remember(state, event, happening.at, record.data)
                    self.calls[call_id] = state
                case CallCarried(call_id=call_id, heard_at=heard_at, records=records):
                    brought = replay(records)
                    if brought is not None:
                        brought.heard_at = heard_at
                        self.calls[call_id] = brought
                case CallClosed(call_id=call_id) | FlowEnded(call_id=call_id):
                    self.calls.pop(call_id, None)
                    self._is_over(call_id)
                case _:
                    known = self.calls.get(CallId(getattr(event, "call_id", None) or ""))
                    if known is not None:
                        step(known, event, happening.at)
                        remember(known, event, happening.at, record.data)
