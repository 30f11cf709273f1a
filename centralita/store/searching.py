"""Finding what was said by its words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec
from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.ids import CustomerId, RecordingId
from centralita.store.database import Database
from centralita.store.interactions import interactions_of
from centralita.store.records import Cursor, Part, TranscriptChannel
from centralita.store.sql import part
from centralita.store.tables import CustomerRow, InteractionRow, SearchTextRow, TranscriptRow
from centralita.timeline.model import Channel, Interaction
from centralita.timeline.words import Piece, holds, snippet, terms_of

# Both have the same words in their index, and take each term as the beginning of one.
_SQLITE = "SELECT rowid AS id FROM search_index WHERE search_index MATCH :query"
_POSTGRES = (
    "SELECT id FROM search_texts"
    " WHERE array_to_tsvector(string_to_array(words, ' ')) @@ CAST(:query AS tsquery)"
)


Place = Literal["subject", "body", "notes", "transcript"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A text with what was looked for. `place` is `subject`, `body`, `notes` or `transcript`; of a
    transcript also the recording, and the time of the first word found in it."""

    place: Place
    pieces: tuple[Piece, ...]
    recording_id: RecordingId | None = None
    at: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry in which something was found. `customer_name` is empty when there is none."""

    entry: Interaction
    customer_name: str
    found: tuple[Found, ...]


class Searching:
    """Searches in the texts of all entries and in the transcripts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self,
        query: str,
        *,
        limit: int,
        after: Cursor | None = None,
        customer_id: CustomerId | None = None,
        channel: Channel | None = None,
    ) -> Part[Hit]:
        """Entries with a text that has all words of `query`, newest first; none for no words."""
        terms = terms_of(query)
        if not terms:
            return Part((), None)
        row = InteractionRow
        statement = select(row).where(row.id.in_(self._matching(terms)))
        if customer_id is not None:
            statement = statement.where(row.customer_id == customer_id)
        if channel is not None:
            statement = statement.where(row.channel == channel.value)
        async with self._database.read() as session:
            rows, following = await part(
                session, statement, row.started_at, row.id, limit=limit, after=after
            )
            entries = await interactions_of(session, rows)
            names = await _names(session, entries)
            spoken = await _transcripts(session, entries)
        # In a thread: each of them may be as long as a book.
        found = await asyncio.to_thread(lambda: [_found(entry, spoken, terms) for entry in entries])
        return Part(
            tuple(
                Hit(
                    entry=entry,
                    customer_name=names.get(entry.customer_id or "", ""),
                    found=places,
                )
                for entry, places in zip(entries, found, strict=True)
            ),
            following,
        )

    def _matching(self, terms: Sequence[str]) -> Select[str]:
        if self._database.is_sqlite:
            query, sql = " AND ".join(f'"{term}"*' for term in terms), _SQLITE
        else:
            query, sql = " & ".join(f"'{term}':*" for term in terms), _POSTGRES
        ids = text(sql).bindparams(query=query).columns(id=SearchTextRow.id.type)
        return select(SearchTextRow.interaction_id).where(
            SearchTextRow.id.in_(select(ids.subquery().c.id))
        )


async def _names(session: AsyncSession, entries: Sequence[Interaction]) -> dict[str, str]:
    ids = {entry.customer_id for entry in entries if entry.customer_id is not None}
    found = await session.execute(
        select(CustomerRow.id, CustomerRow.name).where(CustomerRow.id.in_(ids))
    )
    names: dict[str, str] = dict(found.all())
    return names


async def _transcripts(
    session: AsyncSession, entries: Sequence[Interaction]
) -> dict[str, TranscriptRow]:
    ids = [ident for entry in entries for ident in entry.recording_ids]
    rows = await session.scalars(select(TranscriptRow).where(TranscriptRow.recording_id.in_(ids)))
    return {row.recording_id: row for row in rows}


def _found(
    entry: Interaction, spoken: dict[str, TranscriptRow], terms: Sequence[str]
) -> tuple[Found, ...]:
    texts: tuple[tuple[Place, str], ...] = (
        ("subject", entry.subject),
        ("body", entry.body),
        ("notes", entry.notes),
    )
    found = [
        Found(place=place, pieces=pieces)
        for place, said in texts
        if (pieces := snippet(said, terms))
    ]
    for recording_id in entry.recording_ids:
        row = spoken.get(recording_id)
        if row is not None and (pieces := snippet(row.text, terms)):
            at = _first(row, terms)
            found.append(Found(place="transcript", pieces=pieces, recording_id=recording_id, at=at))
    return tuple(found)


def _first(row: TranscriptRow, terms: Sequence[str]) -> timedelta | None:
    """When the first of `terms` is said."""
    channels = msgspec.convert(row.channels, tuple[TranscriptChannel, ...])
    times = [word.start for one in channels for word in one.words if holds(word.text, terms)]
    return min(times, default=None)
