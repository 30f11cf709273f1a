"""The outbox: what was written to customers, and how far each message is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.channels.ledger import Again, Failed, Sent, Taken, Verdict
from centralita.channels.protocol import OF_SERVER, Letter, Place
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import CustomerId, InteractionId, MessageId, TemplateId
from centralita.core.refusals import Refusal
from centralita.outbound.messages import Written
from centralita.store.database import Database
from centralita.store.records import Cursor, Part
from centralita.store.redirects import current
from centralita.store.sql import part, part_of
from centralita.store.tables import InteractionRow, OutboxRow, UtcDateTime
from centralita.timeline.model import Channel
from centralita.timeline.sending import MessageStatus, Sending
from centralita.timeline.templates import OutgoingMessage

_QUEUED, _SENDING, _SENT, _FAILED = (status.value for status in MessageStatus)


class Outbox:
    """Implements channels.ledger.Ledger, and what the API shows and asks for.

    A message is noted as `sending` before it is tried and as something else after it, each in a
    transaction of its own: whatever dies in between, it is known which messages may have gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, message: OutgoingMessage) -> None:
        """Keep a message whose interaction is stored already; it is due at once."""
        async with self._database.write() as session:
            session.add(
                OutboxRow(
                    id=message.id,
                    interaction_id=message.interaction_id,
                    customer_id=await current(session, message.customer_id),
                    channel=message.channel.value,
                    to=message.to,
                    status=message.status.value,
                    template_id=message.template_id,
                    created_at=message.created_at,
                    created_by=message.created_by,
                    tries=message.tries,
                    tried_since=None,
                    next_at=message.created_at,
                    trouble=message.trouble,
                    answer=message.answer,
                    sent_at=message.sent_at,
                )
            )

    async def written(self, channel: Channel, by: str, since: datetime) -> Written:
        """How many messages of a channel were written since then: by one, and by all."""
        mine = func.coalesce(func.sum(case((OutboxRow.created_by == by, 1), else_=0)), 0)
        async with self._database.read() as session:
            own, whole = (
                await session.execute(
                    select(mine, func.count()).where(
                        OutboxRow.status.in_(tuple(MessageStatus)),  # by its index
                        OutboxRow.created_at >= since,
                        OutboxRow.channel == channel.value,
                    )
                )
            ).one()
        return Written(own=int(own), all=int(whole))

    async def get(self, message_id: MessageId) -> OutgoingMessage:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(OutboxRow, message_id)
            if row is None:
                raise NotFound(f"no message {message_id}")
            return _message(row)

    async def list(
        self,
        *,
        limit: int,
        after: Cursor | None = None,
        statuses: Collection[MessageStatus] = tuple(MessageStatus),
    ) -> Part[OutgoingMessage]:
        """Messages, oldest first."""
        statement = select(OutboxRow).where(
            OutboxRow.status.in_([status.value for status in statuses])
        )
        async with self._database.read() as session:
            found = await part(
                session, statement, OutboxRow.created_at, OutboxRow.id,
                limit=limit, after=after, newest_first=False,
            )  # fmt: skip
            return part_of(found, _message)

    async def retry(self, message_id: MessageId, now: datetime) -> OutgoingMessage:
        """Somebody wants it tried at once, with as much patience as the first time.

        Raises NotFound, and Conflict when it has gone or is just being tried."""
        async with self._database.write() as session:
            row = await session.get(OutboxRow, message_id, with_for_update=True)
            if row is None:
                raise NotFound(f"no message {message_id}")
            if row.status in (_SENT, _SENDING):
                raise Conflict(
                    "this message has been sent, or is being sent", code=Refusal.SENT_ALREADY
                )
            row.status, row.next_at = _QUEUED, now
            row.tries, row.tried_since, row.trouble, row.answer = 0, None, "", ""
            await session.flush()
            return _message(row)

    # --- the ledger -------------------------------------------------------------------------

    async def take(self, channel: str, now: datetime) -> Taken | None:
        async with self._database.write() as session:
            row = await session.scalar(
                select(OutboxRow)
                .where(
                    OutboxRow.channel == channel,
                    OutboxRow.status == _QUEUED,
                    OutboxRow.next_at <= now,
                )
                .order_by(OutboxRow.next_at, OutboxRow.tries, OutboxRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if row is None:
                return None
            row.status = _SENDING
            row.tries += 1
            row.tried_since = row.tried_since or now
            (taken,) = await _taken(session, [row])
            return taken

    async def next_due(self, channel: str) -> datetime | None:
        async with self._database.read() as session:
            due: datetime | None = await session.scalar(
                select(func.min(OutboxRow.next_at)).where(
                    OutboxRow.channel == channel, OutboxRow.status == _QUEUED
                )
            )
            return due

    async def left_over(self, channel: str) -> tuple[Taken, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(OutboxRow)
                .where(OutboxRow.channel == channel, OutboxRow.status == _SENDING)
                .order_by(OutboxRow.created_at, OutboxRow.id)
            )
            return await _taken(session, rows.all())

    async def settle(self, letter: Letter, verdict: Verdict) -> Place | None:
        async with self._database.write() as session:
            row = await session.get(OutboxRow, letter.id, with_for_update=True)
            if row is None:
                return None
            match verdict:
                case Sent(at=at):
                    row.status, row.next_at, row.sent_at = _SENT, None, at
                    row.trouble = row.answer = ""
                case Again():
                    row.status, row.next_at = _QUEUED, verdict.at
                    row.trouble, row.answer = verdict.trouble.value, verdict.answer
                case Failed():
                    row.status, row.next_at = _FAILED, None
                    row.trouble, row.answer = verdict.trouble.value, verdict.answer
            return Place(
                message_id=MessageId(row.id),
                interaction_id=InteractionId(row.interaction_id),
                customer_id=CustomerId(row.customer_id),
            )

    async def hold(self, channel: str, now: datetime, verdict: Again) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(OutboxRow)
                .where(
                    OutboxRow.channel == channel,
                    OutboxRow.status == _QUEUED,
                    OutboxRow.next_at <= now,
                )
                .values(
                    next_at=verdict.at,
                    tried_since=func.coalesce(OutboxRow.tried_since, literal(now, UtcDateTime())),
                    trouble=verdict.trouble.value,
                    answer=verdict.answer,
                )
            )

    async def release(self, channel: str, now: datetime) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(OutboxRow)
                .where(
                    OutboxRow.channel == channel,
                    OutboxRow.status == _QUEUED,
                    OutboxRow.trouble.in_([trouble.value for trouble in OF_SERVER]),
                )
                .values(next_at=now)
            )


async def sending_of(session: AsyncSession, interactions: Sequence[str]) -> dict[str, Sending]:
    """How far the messages are that some entries are."""
    if not interactions:
        return {}
    rows = await session.scalars(
        select(OutboxRow).where(OutboxRow.interaction_id.in_(interactions))
    )
    return {
        row.interaction_id: Sending(
            message_id=MessageId(row.id),
            status=MessageStatus(row.status),
            tries=row.tries,
            trouble=row.trouble,
            next_at=row.next_at,
            sent_at=row.sent_at,
        )
        for row in rows
    }


async def _taken(session: AsyncSession, rows: Sequence[OutboxRow]) -> tuple[Taken, ...]:
    """With the texts, which are the interactions'."""
    texts = await session.execute(
        select(InteractionRow.id, InteractionRow.subject, InteractionRow.body).where(
            InteractionRow.id.in_([row.interaction_id for row in rows])
        )
    )
    by_entry = {ident: (subject, body) for ident, subject, body in texts}
    return tuple(
        Taken(
            letter=Letter(
                id=MessageId(row.id),
                to=row.to,
                subject=by_entry[row.interaction_id][0],
                body=by_entry[row.interaction_id][1],
                written_at=row.created_at,
            ),
            tries=row.tries,
            since=row.tried_since or row.created_at,
        )
        for row in rows
    )


def _message(row: OutboxRow) -> OutgoingMessage:
    return OutgoingMessage(
        id=MessageId(row.id),
        interaction_id=InteractionId(row.interaction_id),
        customer_id=CustomerId(row.customer_id),
        channel=Channel(row.channel),
        to=row.to,
        created_at=row.created_at,
        created_by=row.created_by,
        template_id=TemplateId(row.template_id) if row.template_id is not None else None,
        status=MessageStatus(row.status),
        tries=row.tries,
        trouble=row.trouble,
        answer=row.answer,
        next_at=row.next_at,
        sent_at=row.sent_at,
    )
