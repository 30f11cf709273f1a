"""The index of what was said: kept in the transaction that writes the text."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.store.sql import insert_new
from centralita.store.tables import InteractionRow, SearchTextRow
from centralita.timeline.words import index_of


async def index_entry(session: AsyncSession, interaction_id: str) -> None:
    """Make subject, body and notes of an entry found as they stand now."""
    found = await session.execute(
        select(InteractionRow.subject, InteractionRow.body, InteractionRow.notes).where(
            InteractionRow.id == interaction_id
        )
    )
    for texts in found:
        await _put(session, interaction_id, "", index_of(*texts))


async def index_transcript(
    session: AsyncSession, call_id: str, recording_id: str, text: str
) -> None:
    """Make a transcript found, by the entry of its call."""
    interaction_id = await session.scalar(
        select(InteractionRow.id).where(InteractionRow.call_id == call_id)
    )
    if interaction_id is not None:
        await _put(session, interaction_id, recording_id, index_of(text))


async def _put(session: AsyncSession, interaction_id: str, source: str, words: str) -> None:
    row = SearchTextRow
    this = (row.interaction_id == interaction_id, row.source == source)
    if not words:
        await session.execute(delete(row).where(*this))
        return
    values = {"interaction_id": interaction_id, "source": source, "words": words}
    if not await insert_new(session, row, values):
        await session.execute(update(row).where(*this).values(words=words))
