"""The audit log's rows: appended one after the other, never changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.audit.entry import Draft, Entry, Tip, chained
from centralita.store.database import Database
from centralita.store.tables import AuditRow

# Any number of ours: writers on several machines wait for each other here.
_LOCK = 0x41_55_44_49


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; None is any. `since` is included, `until` not."""

    who: str | None = None
    action: str | None = None
    object: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """Implements audit.log.AuditRepository. There is no way here to change or remove an entry, and
    the database has triggers against it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, drafts: Callable[[Tip], Sequence[Draft]]) -> Tip:
        async with self._database.write() as session:
            if not self._database.is_sqlite:  # there, a writer has the database for itself
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            tip = await self._tip(session)
            for draft in drafts(tip):
                entry = chained(tip, draft)
                session.add(AuditRow(**_values(entry)))
                tip = entry.tip
            await session.flush()
            return tip

    async def after(self, seq: int, limit: int) -> Sequence[Entry]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(AuditRow).where(AuditRow.seq > seq).order_by(AuditRow.seq).limit(limit)
            )
            return [_entry(row) for row in rows]

    async def list(
        self, wanted: AuditFilter, *, limit: int, before: int | None = None
    ) -> tuple[tuple[Entry, ...], int | None]:
        """Entries, newest first, before that number; and what to give as `before` for more."""
        statement = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit + 1)
        for column, value in (
            (AuditRow.who, wanted.who),
            (AuditRow.action, wanted.action),
            (AuditRow.object, wanted.object),
            (AuditRow.outcome, wanted.outcome),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if wanted.since is not None:
            statement = statement.where(AuditRow.at >= wanted.since)
        if wanted.until is not None:
            statement = statement.where(AuditRow.at < wanted.until)
        if before is not None:
            statement = statement.where(AuditRow.seq < before)
        async with self._database.read() as session:
            found = [_entry(row) for row in await session.scalars(statement)]
        entries = tuple(found[:limit])
        return entries, entries[-1].seq if len(found) > limit else None

    @staticmethod
    async def _tip(session: AsyncSession) -> Tip:
        row = (
            await session.execute(
                select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)
            )
        ).first()
        return Tip(row.seq, row.hash) if row is not None else Tip()


def _values(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


def _entry(row: AuditRow) -> Entry:
    return Entry(
        seq=row.seq,
        at=row.at,
        who=row.who,
        name=row.name,
        address=row.address,
        action=row.action,
        object=row.object,
        outcome=row.outcome,
        details=row.details,
        prev=row.prev,
        hash=row.hash,
    )
