"""Words whose time is over: they go, and that there were some stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.store.database import Database
from centralita.store.search import index_entry
from centralita.store.tables import (
    CallEventRow,
    InteractionRow,
    OutboxRow,
    RecordingRow,
    SearchTextRow,
    TaskRow,
    TranscriptRow,
)
from centralita.timeline.model import Channel, TaskKind
from centralita.timeline.sending import MessageStatus

_WRITTEN = [channel.value for channel in (Channel.SMS, Channel.EMAIL, Channel.CHAT)]
_ON_ITS_WAY = [MessageStatus.QUEUED.value, MessageStatus.SENDING.value]
_HEARD = "heard_in_call"


class Expiry:
    """Each call takes some of what is too old, the oldest first, and says how much; 0 is all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages(self, before: datetime, limit: int = 200) -> int:
        """Subject and text of emails, SMS and chats; what waits to be sent keeps them. One that
        could not be sent cannot be tried again any more. Notes of agents stay."""
        row = InteractionRow
        waiting = select(OutboxRow.interaction_id).where(OutboxRow.status.in_(_ON_ITS_WAY))
        async with self._database.write() as session:
            found = await session.scalars(
                select(row.id)
                .where(
                    row.channel.in_(_WRITTEN),
                    row.started_at < before,
                    or_(row.subject != "", row.body != ""),
                    row.id.not_in(waiting),
                )
                .order_by(row.started_at)
                .limit(limit)
            )
            entries = list(found)
            await session.execute(
                delete(OutboxRow).where(
                    OutboxRow.interaction_id.in_(entries),
                    OutboxRow.status == MessageStatus.FAILED.value,
                )
            )
            await session.execute(
                update(row).where(row.id.in_(entries)).values(subject="", body="")
            )
            for entry in entries:
                await index_entry(session, entry)
            return len(entries)

    async def transcripts(self, before: datetime, limit: int = 200) -> int:
        """What was said in recordings and messages, and to flows."""
        async with self._database.write() as session:
            return await _transcribed(session, before, limit) or await _heard(
                session, before, limit
            )


async def _transcribed(session: AsyncSession, before: datetime, limit: int) -> int:
    rows = await session.execute(
        select(RecordingRow.id, RecordingRow.call_id)
        .join(TranscriptRow, TranscriptRow.recording_id == RecordingRow.id)
        .where(RecordingRow.created_at < before, TranscriptRow.text != "")
        .order_by(RecordingRow.created_at)
        .limit(limit)
    )
    found = [(recording, call) for recording, call in rows]
    recordings, calls = [one for one, _ in found], [call for _, call in found]
    # The row stays: a recording without one would be transcribed again.
    await session.execute(
        update(TranscriptRow)
        .where(TranscriptRow.recording_id.in_(recordings))
        .values(text="", channels=[])
    )
    await session.execute(delete(SearchTextRow).where(SearchTextRow.source.in_(recordings)))
    await session.execute(
        update(TaskRow)
        .where(and_(TaskRow.call_id.in_(calls), TaskRow.kind == TaskKind.VOICEMAIL.value))
        .values(text="")
    )
    return len(recordings)


async def _heard(session: AsyncSession, before: datetime, limit: int) -> int:
    rows = await session.execute(
        select(CallEventRow.id, CallEventRow.call_id)
        .where(CallEventRow.type == _HEARD, CallEventRow.at < before)
        .order_by(CallEventRow.at)
        .limit(limit)
    )
    calls = {row.id: row.call_id for row in rows}
    await _blank_paths(session, sorted(set(calls.values())))
    await session.execute(delete(CallEventRow).where(CallEventRow.id.in_(calls)))
    return len(calls)


async def _blank_paths(session: AsyncSession, calls: Sequence[str]) -> None:
    """The way through a flow without the words; where it led to stays."""
    for row in await session.scalars(
        select(InteractionRow).where(InteractionRow.call_id.in_(calls))
    ):
        steps = [{**step, "said": "", "heard": ""} for step in row.details.get("path", [])]
        row.details = {**row.details, "path": steps}
    await session.flush()
