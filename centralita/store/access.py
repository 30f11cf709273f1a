"""Who may come in: users and API tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from centralita.core.errors import NotFound
from centralita.core.ids import AgentId, UserId
from centralita.store.database import Database
from centralita.store.records import ApiTokenRecord, Role, UserRecord
from centralita.store.tables import ApiTokenRow, SessionRow, UserRow


class Users:
    """Everybody who can sign in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UserId) -> UserRecord | None:
        """The user, or None."""
        async with self._database.read() as session:
            row = await session.get(UserRow, user_id)
            return user_of(row) if row is not None else None

    async def by_name(self, username: str) -> UserRecord | None:
        """The user of that name, in any case of letters."""
        async with self._database.read() as session:
            row = await session.scalar(
                select(UserRow).where(UserRow.username == username.strip().casefold())
            )
            return user_of(row) if row is not None else None

    async def all(self) -> tuple[UserRecord, ...]:
        """All users by name."""
        async with self._database.read() as session:
            rows = await session.scalars(select(UserRow).order_by(UserRow.username))
            return tuple(user_of(row) for row in rows)

    async def put(self, user: UserRecord) -> None:
        """Keep a user, new or changed; raises Conflict when another one has the name."""
        async with self._database.write() as session:
            await session.merge(
                UserRow(
                    id=user.user_id,
                    username=user.username.strip().casefold(),
                    name=user.name,
                    role=user.role.value,
                    password_hash=user.password_hash,
                    agent_id=user.agent_id,
                    active=user.active,
                )
            )
            if not user.active:
                await session.execute(delete(SessionRow).where(SessionRow.user_id == user.user_id))

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Keep a new hash."""
        async with self._database.write() as session:
            await session.execute(
                update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash)
            )


class ApiTokens:
    """Tokens of programs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: ApiTokenRecord) -> None:
        """Keep a new token."""
        async with self._database.write() as session:
            session.add(
                ApiTokenRow(
                    id=token.token_id,
                    name=token.name,
                    role=token.role.value,
                    token_hash=token.token_hash,
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                    last_used_at=token.last_used_at,
                )
            )

    async def find(self, token_hash: str, now: datetime) -> ApiTokenRecord | None:
        """The token with that hash, unless it has expired."""
        async with self._database.read() as session:
            row = await session.scalar(
                select(ApiTokenRow).where(ApiTokenRow.token_hash == token_hash)
            )
            if row is None or (row.expires_at is not None and row.expires_at <= now):
                return None
            return _token(row)

    async def used(self, token_id: str, at: datetime) -> None:
        """Note that it was used."""
        async with self._database.write() as session:
            await session.execute(
                update(ApiTokenRow).where(ApiTokenRow.id == token_id).values(last_used_at=at)
            )

    async def all(self) -> tuple[ApiTokenRecord, ...]:
        """All tokens, newest first."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(ApiTokenRow).order_by(ApiTokenRow.created_at.desc())
            )
            return tuple(_token(row) for row in rows)

    async def revoke(self, token_id: str) -> None:
        """Forget a token; raises NotFound."""
        async with self._database.write() as session:
            row = await session.get(ApiTokenRow, token_id)
            if row is None:
                raise NotFound(f"no token {token_id}")
            await session.delete(row)


def user_of(row: UserRow) -> UserRecord:
    """A row as a user."""
    return UserRecord(
        user_id=UserId(row.id),
        username=row.username,
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        agent_id=AgentId(row.agent_id) if row.agent_id is not None else None,
        active=row.active,
    )


def _token(row: ApiTokenRow) -> ApiTokenRecord:
    return ApiTokenRecord(
        token_id=row.id,
        name=row.name,
        role=Role(row.role),
        token_hash=row.token_hash,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
