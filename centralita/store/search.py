"""The index of what was said: kept in the transaction that writes the text."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.store.sql import insert_new
from centralita.store.tables import InteractionRow, SearchTextRow
from centralita.timeline.words import index_of

# The words of this many signs are found in about a millisecond.
_LONG = 5000


async def index_entry(session: AsyncSession, interaction_id: str) -> None:
    """Make subject, body and notes of an entry found as they stand now."""
    found = await session.execute(
        select(InteractionRow.subject, InteractionRow.body, InteractionRow.notes).where(
            InteractionRow.id == interaction_id
        )
    )
    for texts in found:
        await _put(session, interaction_id, "", await _words(*texts))


async def index_transcript(
    session: AsyncSession, call_id: str, recording_id: str, text: str
) -> None:
    """Make a transcript found, by the entry of its call."""
    interaction_id = await session.scalar(
        select(InteractionRow.id).where(InteractionRow.call_id == call_id)
    )
    if interaction_id is not None:
        await _put(session, interaction_id, recording_id, await _words(text))


async def _words(*texts: str) -> str:
    """The words of some texts; of long ones, found in a thread."""
    if sum(map(len, texts)) < _LONG:
        return index_of(*texts)
    return await asyncio.to_thread(index_of, *texts)


async def _put(session: AsyncSession, interaction_id: str, source: str, words: str) -> None:
    row = SearchTextRow
    this = (row.interaction_id == interaction_id, row.source == source)
    if not words:
        await session.execute(delete(row).where(*this))
        return
    values = {"interaction_id": interaction_id, "source": source, "words": words}
    if not await insert_new(session, row, values):
        await session.execute(update(row).where(*this).values(words=words))
