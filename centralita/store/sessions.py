"""Who is signed in, where, and since when nothing was heard of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.ids import UserId
from centralita.store.access import user_of
from centralita.store.database import Database
from centralita.store.records import SessionRecord, UserRecord
from centralita.store.tables import SessionRow, UserRow

Signed = tuple[SessionRecord, UserRecord]


class Sessions:
    """A session is good until its time is over, until nothing was heard of it for `idle`, and
    while its user is active."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: SessionRecord) -> None:
        """Keep a new session, and forget those that are over."""
        async with self._database.write() as session:
            await session.execute(
                delete(SessionRow).where(SessionRow.expires_at <= record.created_at)
            )
            session.add(
                SessionRow(
                    token_hash=record.token_hash,
                    user_id=record.user_id,
                    created_at=record.created_at,
                    expires_at=record.expires_at,
                    used_at=record.used_at,
                    address=record.address,
                    program=record.program,
                    phone=record.phone,
                )
            )

    async def find(self, token_hash: str, now: datetime, idle: timedelta) -> Signed | None:
        """The session and its user, while it is good."""
        async with self._database.read() as session:
            found = await _good(session, now, idle, SessionRow.token_hash == token_hash)
            return next(iter(found), None)

    async def of_user(
        self, user_id: UserId, now: datetime, idle: timedelta
    ) -> tuple[SessionRecord, ...]:
        """The good sessions of a user, the latest first."""
        async with self._database.read() as session:
            found = await _good(session, now, idle, SessionRow.user_id == user_id)
            records = [record for record, _ in found]
            return tuple(sorted(records, key=lambda one: one.created_at, reverse=True))

    async def good(self, now: datetime, idle: timedelta) -> Mapping[str, Signed]:
        """All good sessions with their users, by the hash of their token."""
        async with self._database.read() as session:
            found = await _good(session, now, idle)
            return {pair[0].token_hash: pair for pair in found}

    async def used(self, hashes: Collection[str], at: datetime) -> None:
        """Something was heard of these."""
        if not hashes:
            return
        async with self._database.write() as session:
            await session.execute(
                update(SessionRow).where(SessionRow.token_hash.in_(hashes)).values(used_at=at)
            )

    async def set_phone(self, token_hash: str, extension: str) -> None:
        """The session's page is that extension's phone; none when it is empty."""
        async with self._database.write() as session:
            await session.execute(
                update(SessionRow)
                .where(SessionRow.token_hash == token_hash)
                .values(phone=extension)
            )

    async def no_phone(self, user_id: UserId, *, but: str = "") -> None:
        """No page of the user is a phone, `but` that of one session."""
        async with self._database.write() as session:
            await session.execute(
                update(SessionRow)
                .where(SessionRow.user_id == user_id, SessionRow.token_hash != but)
                .values(phone="")
            )

    async def end(self, token_hash: str) -> None:
        """Forget a session."""
        async with self._database.write() as session:
            await session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash))


async def _good(
    session: AsyncSession, now: datetime, idle: timedelta, *conditions: ColumnElement[bool]
) -> list[Signed]:
    rows = await session.execute(
        select(SessionRow, UserRow)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(
            SessionRow.expires_at > now,
            SessionRow.used_at > now - idle,
            UserRow.active.is_(True),
            *conditions,
        )
    )
    return [(_session(row), user_of(user)) for row, user in rows.all()]


def _session(row: SessionRow) -> SessionRecord:
    return SessionRecord(
        token_hash=row.token_hash,
        user_id=UserId(row.user_id),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        address=row.address,
        program=row.program,
        phone=row.phone,
    )
