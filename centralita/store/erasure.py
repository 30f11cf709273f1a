"""Erasing a person: what is left are entries of which nobody can tell whose they were."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Text, cast, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import CallId, CustomerId
from centralita.core.refusals import Refusal
from centralita.store.calls import recording_of
from centralita.store.database import Database
from centralita.store.records import RecordingRecord
from centralita.store.sql import containing
from centralita.store.tables import (
    CallEventRow,
    CaseRow,
    CustomerRow,
    IdentityRow,
    InteractionRow,
    MergeMoveRow,
    MergeRow,
    OutboundCallRow,
    OutboxRow,
    RecordingPeaksRow,
    RecordingRow,
    SearchTextRow,
    TagRow,
    TaskRow,
    TranscriptRow,
)

_REBUILD = text("INSERT INTO search_index(search_index) VALUES ('rebuild')")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much there was. `identities` are the numbers and addresses, and `task_ids` the tasks, to
    be forgotten elsewhere."""

    interactions: int
    recordings: int
    cases: int
    tasks: int
    merges: int
    identities: tuple[str, ...]
    task_ids: tuple[str, ...] = ()


class Erasure:
    """Takes a customer out of everything that is kept.

    Entries stay with their times, channel, agent, queue and outcome, for the figures; words,
    numbers, names, transcripts and recordings go, and so do cases, tasks, what waits to be sent,
    and the records of merges, in which earlier names stand.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recordings(self, customer_id: CustomerId) -> tuple[RecordingRecord, ...]:
        """The recordings whose files must go first. Raises NotFound for nobody's id, and Conflict
        while the customer is on the phone: what is said now would be kept."""
        async with self._database.read() as session:
            if await session.get(CustomerRow, customer_id) is None:
                raise NotFound(f"no customer {customer_id}", code=Refusal.NO_SUCH_CUSTOMER)
            calls = await _calls(session, customer_id, live=True)
            if calls:
                raise Conflict(
                    "a call with this customer goes on; wait until it is over",
                    code=Refusal.CALL_GOES_ON,
                )
            rows = await session.scalars(
                select(RecordingRow).where(
                    RecordingRow.call_id.in_(await _calls(session, customer_id)),
                    RecordingRow.removed.is_(False),
                )
            )
            return tuple(recording_of(row) for row in rows)

    async def erase(self, customer_id: CustomerId) -> Erased:
        """Everything in one transaction; then what the database file still has of it is
        overwritten. Raises as `recordings` does."""
        erased = await self._erase(customer_id)
        if self._database.is_sqlite:
            async with self._database.write() as session:
                # Words that are deleted stay in the index until its parts are merged.
                await session.execute(_REBUILD)
            await self._database.forget_log()
        return erased

    async def _erase(self, customer_id: CustomerId) -> Erased:
        async with self._database.write() as session:
            customer = await session.get(CustomerRow, customer_id)
            if customer is None:
                raise NotFound(f"no customer {customer_id}", code=Refusal.NO_SUCH_CUSTOMER)
            if await _calls(session, customer_id, live=True):
                raise Conflict(
                    "a call with this customer goes on; wait until it is over",
                    code=Refusal.CALL_GOES_ON,
                )
            calls = await _calls(session, customer_id)
            entries = list(
                await session.scalars(
                    select(InteractionRow.id).where(InteractionRow.customer_id == customer_id)
                )
            )
            identities = tuple(
                await session.scalars(
                    select(IdentityRow.value).where(IdentityRow.customer_id == customer_id)
                )
            )
            recordings = await _sound(session, calls)
            await session.execute(delete(CallEventRow).where(CallEventRow.call_id.in_(calls)))
            await session.execute(
                update(OutboundCallRow).where(OutboundCallRow.call_id.in_(calls)).values(number="")
            )
            # Tasks and messages refer to entries, entries to cases, all of them to the customer.
            tasks = await _delete(
                session,
                TaskRow,
                or_(
                    TaskRow.customer_id == customer_id,
                    TaskRow.interaction_id.in_(entries),
                    TaskRow.call_id.in_(calls),
                ),
            )
            await _delete(session, OutboxRow, OutboxRow.customer_id == customer_id)
            await _words(session, entries)
            await _candidates(session, customer_id)
            cases = await _delete(session, CaseRow, CaseRow.customer_id == customer_id)
            merges = await _merges(session, customer_id)
            await session.execute(delete(IdentityRow).where(IdentityRow.customer_id == customer_id))
            await session.delete(customer)
            return Erased(
                interactions=len(entries),
                recordings=recordings,
                cases=len(cases),
                tasks=len(tasks),
                task_ids=tuple(tasks),
                merges=merges,
                identities=identities,
            )


async def _calls(
    session: AsyncSession, customer_id: CustomerId, *, live: bool = False
) -> list[CallId]:
    statement = select(InteractionRow.call_id).where(
        InteractionRow.customer_id == customer_id, InteractionRow.call_id.is_not(None)
    )
    if live:
        statement = statement.where(InteractionRow.ended_at.is_(None))
    return [CallId(call_id) for call_id in await session.scalars(statement) if call_id]


async def _sound(session: AsyncSession, calls: list[CallId]) -> int:
    """Transcripts, waveforms; of the recordings only that there were some."""
    of_calls = select(RecordingRow.id).where(RecordingRow.call_id.in_(calls)).scalar_subquery()
    for table in (TranscriptRow, RecordingPeaksRow):
        await session.execute(delete(table).where(table.recording_id.in_(of_calls)))
    found = await session.scalar(
        select(func.count()).select_from(RecordingRow).where(RecordingRow.call_id.in_(calls))
    )
    await session.execute(
        update(RecordingRow).where(RecordingRow.call_id.in_(calls)).values(removed=True)
    )
    return found or 0


async def _delete(session: AsyncSession, table: type[object], condition: object) -> list[str]:
    gone = await session.execute(
        delete(table).where(condition).returning(table.id)  # type: ignore[attr-defined,arg-type]
    )
    return [str(ident) for (ident,) in gone.all()]


async def _words(session: AsyncSession, entries: list[str]) -> None:
    """What was said and written, and whose it was."""
    for table in (SearchTextRow, TagRow):
        await session.execute(delete(table).where(table.interaction_id.in_(entries)))
    for row in await session.scalars(select(InteractionRow).where(InteractionRow.id.in_(entries))):
        row.customer_id = row.case_id = row.external_id = None
        row.subject = row.body = row.notes = row.caller = ""
        if row.direction == "out":
            row.dialled = ""
        row.candidates, row.tags = [], []
        blank = {"result": "", "said": "", "heard": ""}
        path = [{**step, **blank} for step in row.details.get("path", [])]
        row.details = {**row.details, "path": path, "learned": {}} if row.details else {}
    await session.flush()


async def _candidates(session: AsyncSession, customer_id: CustomerId) -> None:
    """Entries of which this customer was one of those whose they may be."""
    rows = await session.scalars(
        select(InteractionRow).where(
            cast(InteractionRow.candidates, Text).like(containing(customer_id), escape="\\")
        )
    )
    for row in rows:
        row.candidates = [ident for ident in row.candidates if ident != customer_id]
    await session.flush()


async def _merges(session: AsyncSession, customer_id: CustomerId) -> int:
    """The records of merges that led to this customer, and all that led to those."""
    wanted, known = {str(customer_id)}, set[str]()
    found: set[str] = set()
    while wanted:
        rows = await session.execute(
            select(MergeRow.id, MergeRow.former_id, MergeRow.into_id).where(
                or_(MergeRow.into_id.in_(wanted), MergeRow.former_id.in_(wanted))
            )
        )
        known |= wanted
        wanted = set()
        for merge_id, former, into in rows:
            found.add(merge_id)
            # A former customer who was parted again is somebody else by now.
            if into in known and await session.get(CustomerRow, former) is None:
                wanted |= {former} - known
    await session.execute(delete(MergeMoveRow).where(MergeMoveRow.merge_id.in_(found)))
    await session.execute(delete(MergeRow).where(MergeRow.id.in_(found)))
    return len(found)
