"""Calls to the outside: who made which, how long they lasted, what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.ids import CallId, LegId
from centralita.outbound.policy import Running, Wanted
from centralita.outbound.rules import Allowed, Kind, Originator, Usage, Verdict
from centralita.store.database import Database
from centralita.store.tables import OutboundCallRow

# Any number of ours: askers on several machines wait for each other here.
_LOCK = 0x4F_55_54_42
_MICRO = 1_000_000


class OutboundCalls:
    """Implements outbound.policy.OutboundLedger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, wanted: Wanted, now: datetime, since: datetime, judge: Callable[[Usage], Verdict]
    ) -> Verdict:
        async with self._database.write() as session:
            if not self._database.is_sqlite:  # there, a writer has the database for itself
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            verdict = judge(await _usage(session, wanted.who, now, since))
            if isinstance(verdict, Allowed):
                session.add(
                    OutboundCallRow(
                        leg_id=wanted.leg_id,
                        call_id=wanted.call_id,
                        originator=wanted.who.key,
                        number=verdict.number.text,
                        emergency=verdict.number.emergency,
                        price_micros=int(verdict.price * _MICRO),
                        started_at=now,
                        answered_at=None,
                        ended_at=None,
                        seconds=0.0,
                        cost_micros=0,
                    )
                )
            return verdict

    async def answered(self, leg_id: LegId, at: datetime) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(OutboundCallRow)
                .where(OutboundCallRow.leg_id == leg_id, OutboundCallRow.answered_at.is_(None))
                .values(answered_at=at)
            )

    async def ended(self, leg_id: LegId, at: datetime) -> None:
        async with self._database.write() as session:
            row = await session.get(OutboundCallRow, leg_id)
            if row is None or row.ended_at is not None:
                return
            row.ended_at = at
            row.seconds = _lasted(row, at)
            row.cost_micros = _cost(row, at)

    async def running(self) -> Sequence[Running]:
        async with self._database.read() as session:
            return [_running(row) for row in await _open_rows(session)]

    async def usage(self, who: Originator, now: datetime, since: datetime) -> Usage:
        async with self._database.read() as session:
            return await _usage(session, who, now, since)

    async def spent(self, now: datetime, since: datetime) -> Decimal:
        async with self._database.read() as session:
            over = await session.scalar(
                select(func.sum(OutboundCallRow.cost_micros)).where(
                    OutboundCallRow.started_at >= since
                )
            )
            going_on = sum(
                _cost(row, now) for row in await _open_rows(session) if row.started_at >= since
            )
            return Decimal(int(over or 0) + going_on) / _MICRO


async def _open_rows(session: AsyncSession) -> Sequence[OutboundCallRow]:
    rows = await session.scalars(select(OutboundCallRow).where(OutboundCallRow.ended_at.is_(None)))
    return rows.all()


async def _usage(session: AsyncSession, who: Originator, now: datetime, since: datetime) -> Usage:
    """Calls count for the day on which they began."""
    row = OutboundCallRow
    own = row.originator == who.key
    found = await session.execute(
        select(
            func.count(),
            func.sum(row.seconds),
            func.sum(case((own, 1), else_=0)),
            func.sum(case((own, row.seconds), else_=0.0)),
        ).where(row.started_at >= since)
    )
    calls, seconds, own_calls, own_seconds = (value or 0 for value in found.one())
    going_on = await _open_rows(session)
    for one in going_on:
        if one.started_at >= since:
            lasted = _lasted(one, now)
            seconds += lasted
            own_seconds += lasted if one.originator == who.key else 0.0
    return Usage(
        own_calls=own_calls,
        own_time=timedelta(seconds=own_seconds),
        calls=calls,
        time=timedelta(seconds=seconds),
        running=len(going_on),
    )


def _lasted(row: OutboundCallRow, at: datetime) -> float:
    """Since the answer, in seconds."""
    if row.answered_at is None:
        return 0.0
    return max((at - row.answered_at).total_seconds(), 0.0)


def _cost(row: OutboundCallRow, at: datetime) -> int:
    return round(_lasted(row, at) * row.price_micros / 60)


def _running(row: OutboundCallRow) -> Running:
    kind, _, ident = row.originator.partition(":")
    return Running(
        leg_id=LegId(row.leg_id),
        call_id=CallId(row.call_id),
        who=Originator(kind=Kind(kind), ident=ident),
        number=row.number,
        emergency=row.emergency,
        price=Decimal(row.price_micros) / _MICRO,
        started_at=row.started_at,
        answered_at=row.answered_at,
    )
