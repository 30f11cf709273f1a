"""An agent's own day, from the journals of calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from centralita.core.ids import AgentId, CallId
from centralita.store.database import Database
from centralita.store.tables import CallEventRow, InteractionRow
from centralita.timeline.day import MATTER, CallOfDay, Day, Line, day_of


class Days:
    """Reads what the figures of a day are made of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, agent_id: AgentId, since: datetime, until: datetime
    ) -> tuple[Day, dict[CallId, CallOfDay]]:
        """What an agent did from `since` (included) to `until`, and the calls in it."""
        row = CallEventRow
        async with self._database.read() as session:
            found = await session.execute(
                select(row.call_id, row.at, row.type, row.data)
                .where(
                    row.type.in_(MATTER),
                    row.at >= since,
                    row.at < until,
                    row.data["agent_id"].as_string() == agent_id,
                )
                .order_by(row.id)
            )
            lines = [
                Line(call_id=CallId(call_id), at=at, type=kind, data=data)
                for call_id, at, kind, data in found.all()
            ]
            day = day_of(lines, until)
            ids: Sequence[str] = sorted({line.call_id for line in lines})
            entries = await session.execute(
                select(
                    InteractionRow.call_id,
                    InteractionRow.id,
                    InteractionRow.caller,
                    InteractionRow.customer_id,
                ).where(InteractionRow.call_id.in_(ids))
            )
            calls = {
                CallId(call_id or ""): CallOfDay(
                    interaction_id=interaction_id, caller=caller, customer_id=customer_id
                )
                for call_id, interaction_id, caller, customer_id in entries.all()
            }
        return day, calls
