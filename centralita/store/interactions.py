"""The entries of the timelines, calls among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Row, Table, and_, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import NotFound
from centralita.core.ids import (
    AgentId,
    CallId,
    CaseId,
    CustomerId,
    InteractionId,
    QueueId,
    RecordingId,
)
from centralita.core.refusals import Refusal
from centralita.core.wire import to_plain
from centralita.store.database import Database
from centralita.store.outbox import sending_of
from centralita.store.records import Cursor, Part
from centralita.store.redirects import current
from centralita.store.search import index_entry
from centralita.store.sql import insert_new, part
from centralita.store.tables import (
    CaseRow,
    Id,
    InteractionRow,
    JsonObject,
    RecordingRow,
    TaskRow,
    TranscriptRow,
)
from centralita.store.writing import write_tags
from centralita.timeline.model import (
    SPOKEN,
    CallDetails,
    CallSummary,
    Channel,
    Direction,
    Interaction,
    Outcome,
    PathStep,
    QueueWait,
    Talk,
    TaskState,
)
from centralita.timeline.repositories import Annotation, CallFilter, Tally
from centralita.timeline.sending import Sending

_TABLE = cast(Table, InteractionRow.__table__)
# Executed for each call, and made once: to make a statement takes longer than to execute it.
_END_CALL = (
    update(_TABLE)
    .where(_TABLE.c.call_id == bindparam("call"), _TABLE.c.ended_at.is_(None))
    .values(
        ended_at=bindparam("ended_at"),
        agent_id=func.coalesce(bindparam("agent", type_=Id), _TABLE.c.agent_id),
        queue_id=func.coalesce(bindparam("queue", type_=Id), _TABLE.c.queue_id),
        subject=func.coalesce(func.nullif(bindparam("subject"), ""), _TABLE.c.subject),
        body=func.coalesce(func.nullif(bindparam("body"), ""), _TABLE.c.body),
        outcome=bindparam("outcome"),
        details=bindparam("details"),
    )
    .returning(_TABLE.c.id)
)
_TOUCH = (
    update(_TABLE)
    .where(_TABLE.c.call_id == bindparam("call"), _TABLE.c.ended_at.is_(None))
    .values(
        queue_id=func.coalesce(bindparam("queue", type_=Id), _TABLE.c.queue_id),
        agent_id=func.coalesce(bindparam("agent", type_=Id), _TABLE.c.agent_id),
    )
)
_ENTRY_OF = select(_TABLE.c.id).where(_TABLE.c.call_id == bindparam("call"))
_BY_CALL = select(InteractionRow).where(InteractionRow.call_id == bindparam("call"))
_RECORDINGS = (
    select(RecordingRow.call_id, RecordingRow.id)
    .where(RecordingRow.call_id.in_(bindparam("calls", expanding=True)))
    .order_by(RecordingRow.created_at, RecordingRow.id)
)
# Read for each pop.
_RECENT = (
    select(_TABLE)
    .where(_TABLE.c.customer_id == bindparam("customer"))
    .order_by(_TABLE.c.started_at.desc(), _TABLE.c.id.desc())
    .limit(bindparam("most"))
)
_TALLY = select(
    func.count(),
    func.sum(case((_TABLE.c.channel.in_([one.value for one in SPOKEN]), 1), else_=0)),
    func.sum(
        case(
            (
                and_(
                    _TABLE.c.started_at >= bindparam("since"),
                    _TABLE.c.direction == Direction.IN.value,
                    _TABLE.c.ended_at.is_not(None),
                ),
                1,
            ),
            else_=0,
        )
    ),
    func.max(case((_TABLE.c.disposition != "", 1), else_=0)),
    select(func.count())
    .select_from(CaseRow)
    .where(CaseRow.customer_id == bindparam("customer"))
    .scalar_subquery(),
    select(func.count())
    .select_from(TaskRow)
    .where(TaskRow.customer_id == bindparam("customer"), TaskRow.state == TaskState.OPEN.value)
    .scalar_subquery(),
).where(_TABLE.c.customer_id == bindparam("customer"))
_LAST_DISPOSITION = (
    select(_TABLE.c.disposition, _TABLE.c.started_at)
    .where(_TABLE.c.customer_id == bindparam("customer"), _TABLE.c.disposition != "")
    .order_by(_TABLE.c.started_at.desc(), _TABLE.c.id.desc())
    .limit(1)
)


# Of what was said in a call a pop shows the beginning, in signs.
_SAID = 280


class Interactions:
    """Implements timeline.repositories.InteractionRepository, and the lists the API shows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, interaction_id: InteractionId) -> Interaction | None:
        async with self._database.read() as session:
            return await _one(session, InteractionRow.id == interaction_id)

    async def by_call(self, call_id: CallId) -> Interaction | None:
        async with self._database.read() as session:
            rows = await session.scalars(_BY_CALL, {"call": call_id})
            return next(iter(await interactions_of(session, rows)), None)

    async def by_external_id(self, external_id: str, channel: str) -> Interaction | None:
        """The entry of a channel that came from another system under that id."""
        async with self._database.read() as session:
            there = await _one(session, InteractionRow.external_id == external_id)
            if there is None or there.channel.value == channel:
                return there
            # Ids of two systems may be the same: that of the second one has its channel before it.
            return await _one(session, InteractionRow.external_id == f"{channel}:{external_id}")

    async def add(self, interaction: Interaction) -> tuple[Interaction, bool]:
        async with self._database.write() as session:
            values = _values(interaction)
            customer_id = await current(session, interaction.customer_id)
            if customer_id != interaction.customer_id:
                values["customer_id"] = customer_id
                interaction = replace(interaction, customer_id=CustomerId(customer_id or ""))
            if await insert_new(session, InteractionRow, values):
                if interaction.subject or interaction.body or interaction.notes:
                    await index_entry(session, interaction.id)
                return interaction, True
            call, external_id = interaction.call, interaction.external_id
            there = (
                await _one(session, InteractionRow.call_id == call.call_id)
                if call is not None
                else await _one(session, InteractionRow.external_id == external_id)
            )
            if there is not None and call is None and there.channel is not interaction.channel:
                # That of another system: see `by_external_id`.
                own_id = f"{interaction.channel.value}:{external_id}"
                interaction = replace(interaction, external_id=own_id)
                if await insert_new(session, InteractionRow, values | {"external_id": own_id}):
                    if interaction.subject or interaction.body or interaction.notes:
                        await index_entry(session, interaction.id)
                    return interaction, True
                there = await _one(session, InteractionRow.external_id == own_id)
            if there is None:
                raise NotFound(f"interaction {interaction.id} clashes with one that is not there")
            return there, False

    async def end_call(self, summary: CallSummary) -> None:
        values = {
            "call": summary.call_id,
            "ended_at": summary.ended_at,
            "agent": summary.agent_id,
            "queue": summary.queue_id,
            "subject": summary.subject,
            "body": summary.body,
            "outcome": summary.outcome.value,
            "details": _kept(summary),
        }
        async with self._database.write() as session:
            ended = (await session.execute(_END_CALL, values)).scalar()
            if ended is None:
                if await session.scalar(_ENTRY_OF, {"call": summary.call_id}) is None:
                    raise NotFound(f"no call {summary.call_id} in the timeline")
            elif summary.subject or summary.body:
                await index_entry(session, ended)

    async def touch(
        self, call_id: CallId, *, queue_id: QueueId | None, agent_id: AgentId | None
    ) -> None:
        async with self._database.write() as session:
            await session.execute(_TOUCH, {"call": call_id, "queue": queue_id, "agent": agent_id})

    async def annotate(self, interaction_id: InteractionId, annotation: Annotation) -> Interaction:
        async with self._database.write() as session:
            row = await session.get(InteractionRow, interaction_id)
            if row is None:
                raise NotFound(f"no interaction {interaction_id}", code=Refusal.NO_SUCH_CONTACT)
            if annotation.notes is not None:
                row.notes = annotation.notes
            if annotation.disposition is not None:
                row.disposition = annotation.disposition
            if annotation.tags is not None:
                row.tags = list(annotation.tags)
                await write_tags(session, interaction_id, annotation.tags)
            if annotation.set_case:
                row.case_id = annotation.case_id
            await session.flush()
            if annotation.notes is not None:
                await index_entry(session, interaction_id)
            return await _existing(session, interaction_id)

    async def assign(self, interaction_id: InteractionId, customer_id: CustomerId) -> Interaction:
        async with self._database.write() as session:
            row = await session.get(InteractionRow, interaction_id)
            if row is None:
                raise NotFound(f"no interaction {interaction_id}", code=Refusal.NO_SUCH_CONTACT)
            if row.customer_id != customer_id:
                row.case_id = None  # the case belongs to the customer it was with before
            row.customer_id, row.candidates = customer_id, []
            await session.flush()
            return await _existing(session, interaction_id)

    async def recent(self, customer_id: CustomerId, limit: int) -> tuple[Interaction, ...]:
        async with self._database.read() as session:
            rows = await session.execute(_RECENT, {"customer": customer_id, "most": limit})
            return tuple(await interactions_of(session, rows))

    async def timeline(
        self,
        customer_id: CustomerId,
        *,
        limit: int,
        after: Cursor | None = None,
        channel: Channel | None = None,
        since: InteractionId | None = None,
    ) -> Part[Interaction]:
        """The customer's entries, newest first; `since` is the entry to begin with (NotFound when
        it is not the customer's)."""
        row = InteractionRow
        statement = select(row).where(row.customer_id == customer_id)
        if channel is not None:
            statement = statement.where(row.channel == channel.value)
        async with self._database.read() as session:
            if since is not None:
                first = await session.get(InteractionRow, since)
                if first is None or first.customer_id != customer_id:
                    raise NotFound(f"this customer has no interaction {since}")
                at = first.started_at
                statement = statement.where(
                    (row.started_at < at) | ((row.started_at == at) & (row.id <= since))
                )
            rows, following = await part(
                session, statement, InteractionRow.started_at, InteractionRow.id,
                limit=limit, after=after,
            )  # fmt: skip
            return Part(tuple(await interactions_of(session, rows)), following)

    async def calls(
        self, wanted: CallFilter, *, limit: int, after: Cursor | None = None
    ) -> Part[Interaction]:
        """Calls, newest first."""
        row = InteractionRow
        conditions: list[ColumnElement[bool]] = [row.call_id.is_not(None)]
        if wanted.customer_id is not None:
            conditions.append(row.customer_id == wanted.customer_id)
        if wanted.agent_id is not None:
            conditions.append(row.agent_id == wanted.agent_id)
        if wanted.queue_id is not None:
            conditions.append(row.queue_id == wanted.queue_id)
        if wanted.direction is not None:
            conditions.append(row.direction == wanted.direction.value)
        if wanted.outcome is not None:
            conditions.append(row.outcome == wanted.outcome.value)
        if wanted.live is not None:
            conditions.append(row.ended_at.is_(None) if wanted.live else row.ended_at.is_not(None))
        if wanted.number is not None:
            conditions.append((row.caller == wanted.number) | (row.dialled == wanted.number))
        if wanted.since is not None:
            conditions.append(row.started_at >= wanted.since)
        if wanted.until is not None:
            conditions.append(row.started_at < wanted.until)
        async with self._database.read() as session:
            rows, following = await part(
                session, select(row).where(*conditions), row.started_at, row.id,
                limit=limit, after=after,
            )  # fmt: skip
            return Part(tuple(await interactions_of(session, rows)), following)

    async def said_in(self, entries: Sequence[Interaction]) -> Mapping[InteractionId, str]:
        whose = {ident: entry.id for entry in entries for ident in entry.recording_ids}
        said: dict[InteractionId, str] = {}
        if not whose:
            return said
        async with self._database.read() as session:
            rows = await session.execute(
                select(TranscriptRow.recording_id, func.substr(TranscriptRow.text, 1, _SAID)).where(
                    TranscriptRow.recording_id.in_(whose)
                )
            )
            for recording_id, beginning in rows.all():
                entry_id = whose[RecordingId(recording_id)]
                said[entry_id] = max(said.get(entry_id, ""), beginning, key=len)
        return {ident: beginning for ident, beginning in said.items() if beginning}

    async def tally(self, customer_id: CustomerId, since: datetime) -> Tally:
        asked = {"customer": customer_id}
        async with self._database.read() as session:
            found = (await session.execute(_TALLY, {**asked, "since": since})).one()
            entries, calls, contacts, disposed, cases, tasks = (count or 0 for count in found)
            disposition, at = "", None
            if disposed:
                disposition, at = (await session.execute(_LAST_DISPOSITION, asked)).one()
        return Tally(
            calls=calls,
            messages=entries - calls,
            contacts=contacts,
            cases=cases,
            open_tasks=tasks,
            disposition=disposition,
            disposition_at=at,
        )

    async def unfinished_calls(self) -> tuple[Interaction, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(InteractionRow)
                .where(InteractionRow.call_id.is_not(None), InteractionRow.ended_at.is_(None))
                .order_by(InteractionRow.started_at)
            )
            return tuple(await interactions_of(session, rows))


def _values(entry: Interaction) -> dict[str, object]:
    call = entry.call
    return {
        "id": entry.id,
        "channel": entry.channel.value,
        "direction": entry.direction.value,
        "customer_id": entry.customer_id,
        "case_id": entry.case_id,
        "agent_id": entry.agent_id,
        "queue_id": entry.queue_id,
        "started_at": entry.started_at,
        "ended_at": entry.ended_at,
        "subject": entry.subject,
        "body": entry.body,
        "disposition": entry.disposition,
        "notes": entry.notes,
        "external_id": entry.external_id,
        "call_id": call.call_id if call is not None else None,
        "caller": call.caller if call is not None else "",
        "dialled": call.dialled if call is not None else "",
        "outcome": call.outcome.value if call is not None and call.outcome is not None else None,
        "candidates": list(entry.candidates),
        "tags": list(entry.tags),
        "details": _kept(call) if call is not None else {},
        "created_by": entry.created_by,
        "created_at": entry.created_at,
        "by_hand": entry.by_hand,
    }


def _kept(call: CallDetails | CallSummary) -> dict[str, object]:
    """What `_details` reads again."""
    return {
        "answered_at": to_plain(call.answered_at),
        "ended_by": call.ended_by,
        "ended_at_place": call.ended_at_place,
        "language": call.language,
        "path": msgspec.to_builtins(call.path),
        "waits": msgspec.to_builtins(call.waits),
        "talks": msgspec.to_builtins(call.talks),
        "learned": to_plain(call.learned),
    }


async def _one(session: AsyncSession, condition: ColumnElement[bool]) -> Interaction | None:
    rows = await session.scalars(select(InteractionRow).where(condition))
    return next(iter(await interactions_of(session, rows)), None)


async def _existing(session: AsyncSession, interaction_id: InteractionId) -> Interaction:
    found = await _one(session, InteractionRow.id == interaction_id)
    if found is None:
        raise NotFound(f"no interaction {interaction_id}", code=Refusal.NO_SUCH_CONTACT)
    return found


async def interactions_of(
    session: AsyncSession, rows: Iterable[InteractionRow | Row[Any]]
) -> Sequence[Interaction]:
    """Rows of the table, as objects or as they are, with what belongs to them elsewhere."""
    found = list(rows)
    recordings: dict[str, list[RecordingId]] = {}
    calls = [row.call_id for row in found if row.call_id is not None]
    if calls:
        for call_id, recording_id in await session.execute(_RECORDINGS, {"calls": calls}):
            recordings.setdefault(call_id, []).append(RecordingId(recording_id))
    written = [
        row.id
        for row in found
        if row.direction == Direction.OUT and row.channel in (Channel.EMAIL, Channel.SMS)
    ]
    sending = await sending_of(session, written)
    return [
        _interaction(row, tuple(recordings.get(row.call_id or "", ())), sending.get(row.id))
        for row in found
    ]


def _interaction(
    row: InteractionRow | Row[Any], recordings: tuple[RecordingId, ...], sending: Sending | None
) -> Interaction:
    return Interaction(
        id=InteractionId(row.id),
        channel=Channel(row.channel),
        direction=Direction(row.direction),
        started_at=row.started_at,
        customer_id=CustomerId(row.customer_id) if row.customer_id is not None else None,
        ended_at=row.ended_at,
        subject=row.subject,
        body=row.body,
        external_id=row.external_id,
        case_id=CaseId(row.case_id) if row.case_id is not None else None,
        agent_id=AgentId(row.agent_id) if row.agent_id is not None else None,
        queue_id=QueueId(row.queue_id) if row.queue_id is not None else None,
        disposition=row.disposition,
        notes=row.notes,
        candidates=tuple(CustomerId(ident) for ident in row.candidates),
        call=_details(row, row.details) if row.call_id is not None else None,
        recording_ids=recordings,
        tags=tuple(row.tags),
        sending=sending,
        created_by=row.created_by,
        created_at=row.created_at,
        by_hand=row.by_hand,
    )


class _Kept(msgspec.Struct, kw_only=True):
    """The parts of CallDetails that are kept as JSON (`learned` apart, which is JSON already)."""

    answered_at: datetime | None = None
    ended_by: str = ""
    ended_at_place: str = ""
    language: str = ""
    path: tuple[PathStep, ...] = ()
    waits: tuple[QueueWait, ...] = ()
    talks: tuple[Talk, ...] = ()


def _details(row: InteractionRow | Row[Any], details: JsonObject) -> CallDetails:
    kept = msgspec.convert(details, _Kept)
    return CallDetails(
        call_id=CallId(row.call_id or ""),
        caller=row.caller,
        dialled=row.dialled,
        answered_at=kept.answered_at,
        outcome=Outcome(row.outcome) if row.outcome is not None else None,
        ended_by=kept.ended_by,
        ended_at_place=kept.ended_at_place,
        language=kept.language,
        path=kept.path,
        waits=kept.waits,
        talks=kept.talks,
        learned=details.get("learned", {}),
    )
