"""What belongs to a call: its journal, recordings, transcripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, func, insert, select, update

from centralita.core.errors import NotFound
from centralita.core.ids import AgentId, CallId, LegId, RecordingId
from centralita.core.wire import Plain, to_plain
from centralita.store.database import Database
from centralita.store.records import RecordingRecord, TranscriptChannel, TranscriptRecord
from centralita.store.search import index_transcript
from centralita.store.sql import insert_new
from centralita.store.tables import (
    CallEventRow,
    JournalRow,
    RecordingPeaksRow,
    RecordingRow,
    TranscriptRow,
)
from centralita.timeline.model import CallEvent


class CallEvents:
    """Implements timeline.repositories.CallEventRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, call_id: CallId, at: datetime, type: str, data: Mapping[str, Plain]
    ) -> None:
        async with self._database.write() as session:
            session.add(CallEventRow(call_id=call_id, at=at, type=type, data=to_plain(data)))

    async def append_many(
        self, lines: Sequence[tuple[CallId, datetime, str, Mapping[str, Plain]]]
    ) -> None:
        """As `append`, of lines in the order in which they came."""
        if not lines:
            return
        async with self._database.write() as session:
            await session.execute(
                insert(CallEventRow),
                [
                    {"call_id": call_id, "at": at, "type": type, "data": dict(data)}
                    for call_id, at, type, data in lines
                ],
            )

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(CallEventRow)
                .where(CallEventRow.call_id == call_id)
                .order_by(CallEventRow.id)
            )
            return tuple(
                CallEvent(call_id=call_id, seq=seq, at=row.at, type=row.type, data=row.data)
                for seq, row in enumerate(rows, start=1)
            )


class Journals:
    """How far the journals of servers have been applied: kept in the transaction that applies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def applied(self, identity: str) -> int:
        """The number of the last record of that journal that is applied; 0 when none is."""
        async with self._database.read() as session:
            row = await session.scalar(select(JournalRow.applied).where(JournalRow.id == identity))
            return row or 0

    async def advance(self, identity: str, number: int) -> None:
        """Note that everything up to that record is applied."""
        async with self._database.write() as session:
            known = await session.scalar(
                update(JournalRow)
                .where(JournalRow.id == identity)
                .values(applied=number)
                .returning(JournalRow.id)
            )
            if known is None:
                session.add(JournalRow(id=identity, applied=number))


class Recordings:
    """Sound files and what was said in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, recording: RecordingRecord) -> bool:
        """Keep a finished recording; False if its id is known."""
        values = {
            "id": recording.recording_id,
            "call_id": recording.call_id,
            "kind": recording.kind,
            "path": recording.path,
            "channels": recording.channels,
            "duration_s": recording.duration.total_seconds(),
            "sha256": recording.sha256,
            "created_at": recording.created_at,
            "leg_id": recording.leg_id,
            "agent_id": recording.agent_id,
            "removed": recording.removed,
        }
        async with self._database.write() as session:
            return await insert_new(session, RecordingRow, values)

    async def get(self, recording_id: RecordingId) -> RecordingRecord | None:
        """The recording, or None."""
        async with self._database.read() as session:
            row = await session.get(RecordingRow, recording_id)
            return recording_of(row) if row is not None else None

    async def of_call(self, call_id: CallId) -> tuple[RecordingRecord, ...]:
        """The recordings of a call, oldest first."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(RecordingRow)
                .where(RecordingRow.call_id == call_id)
                .order_by(RecordingRow.created_at, RecordingRow.id)
            )
            return tuple(recording_of(row) for row in rows)

    async def older_than(self, before: datetime, limit: int = 100) -> tuple[RecordingRecord, ...]:
        """Recordings made before that time whose file is still there, oldest first."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(RecordingRow)
                .where(RecordingRow.created_at < before, RecordingRow.removed.is_(False))
                .order_by(RecordingRow.created_at)
                .limit(limit)
            )
            return tuple(recording_of(row) for row in rows)

    async def mark_removed(self, recording_id: RecordingId) -> None:
        """Retention has deleted the file."""
        async with self._database.write() as session:
            await session.execute(
                delete(RecordingPeaksRow).where(RecordingPeaksRow.recording_id == recording_id)
            )
            await session.execute(
                update(RecordingRow).where(RecordingRow.id == recording_id).values(removed=True)
            )

    async def without_transcript(self, limit: int = 100) -> tuple[RecordingRecord, ...]:
        """Recordings that nobody has transcribed, oldest first: what a restart has to catch up."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(RecordingRow)
                .outerjoin(TranscriptRow, TranscriptRow.recording_id == RecordingRow.id)
                .where(TranscriptRow.recording_id.is_(None), RecordingRow.removed.is_(False))
                .order_by(RecordingRow.created_at)
                .limit(limit)
            )
            return tuple(recording_of(row) for row in rows)

    async def put_transcript(self, transcript: TranscriptRecord) -> None:
        """Keep a transcript in the place of an earlier one; raises NotFound without recording."""
        async with self._database.write() as session:
            recording = await session.get(RecordingRow, transcript.recording_id)
            if recording is None:
                raise NotFound(f"no recording {transcript.recording_id}")
            await session.merge(
                TranscriptRow(
                    recording_id=transcript.recording_id,
                    language=transcript.language,
                    text=transcript.text,
                    channels=msgspec.to_builtins(transcript.channels, builtin_types=()),
                )
            )
            await index_transcript(
                session, recording.call_id, transcript.recording_id, transcript.text
            )

    async def transcripts_of_call(self, call_id: CallId) -> tuple[TranscriptRecord, ...]:
        """The transcripts of a call's recordings, in the order of the recordings."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(TranscriptRow)
                .join(RecordingRow, RecordingRow.id == TranscriptRow.recording_id)
                .where(RecordingRow.call_id == call_id)
                .order_by(RecordingRow.created_at, RecordingRow.id)
            )
            return tuple(
                TranscriptRecord(
                    recording_id=RecordingId(row.recording_id),
                    language=row.language,
                    text=row.text,
                    channels=msgspec.convert(row.channels, tuple[TranscriptChannel, ...]),
                )
                for row in rows
            )

    async def peaks(self, recording_id: RecordingId) -> tuple[tuple[int, ...], ...] | None:
        """The levels a waveform is drawn from, by channel; None until somebody has put them."""
        async with self._database.read() as session:
            row = await session.get(RecordingPeaksRow, recording_id)
            return None if row is None else tuple(tuple(levels) for levels in row.channels)

    async def put_peaks(
        self, recording_id: RecordingId, channels: tuple[tuple[int, ...], ...]
    ) -> None:
        """Keep them; the first ones stay."""
        values = {"recording_id": recording_id, "channels": [list(one) for one in channels]}
        async with self._database.write() as session:
            await insert_new(session, RecordingPeaksRow, values)

    async def count(self) -> int:
        """How many there are."""
        async with self._database.read() as session:
            return await session.scalar(select(func.count()).select_from(RecordingRow)) or 0


def recording_of(row: RecordingRow) -> RecordingRecord:
    return RecordingRecord(
        recording_id=RecordingId(row.id),
        call_id=CallId(row.call_id),
        kind=row.kind,
        path=row.path,
        channels=row.channels,
        duration=timedelta(seconds=row.duration_s),
        sha256=row.sha256,
        created_at=row.created_at,
        leg_id=LegId(row.leg_id) if row.leg_id is not None else None,
        agent_id=AgentId(row.agent_id) if row.agent_id is not None else None,
        removed=row.removed,
    )
