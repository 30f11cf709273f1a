"""The connection to SQLite or PostgreSQL: how it is opened, and what a transaction is."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from centralita.core.errors import CentralitaError, Conflict, InvalidInput, Unavailable
from centralita.core.refusals import Refusal
from centralita.store.sqlite_connection import WholeStatements, connect

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT = 5.0
_FORGET_TRIES, _FORGET_PAUSE = 10, 0.2
# Any number of ours: keeps two servers that start at once from migrating at once.
MIGRATION_LOCK = 0x43_45_4E_54


class StoreError(CentralitaError):
    """The database did something that we did not expect."""

    code = "store"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or is too busy."""

    code = "database_unavailable"


def database_url(url: str) -> URL:
    """`url` with the driver that we use. Takes `sqlite:///file`, `postgresql://...`, or a path."""
    if "://" not in url:
        return URL.create("sqlite+aiosqlite", database=url)
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise InvalidInput(f"not a database URL; write {_EXAMPLES}") from exc
    match parsed.get_backend_name():
        case "sqlite":
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+asyncpg")
        case other:
            raise InvalidInput(f'"{other}" is not a database that we know; write {_EXAMPLES}')


# The transaction or view that the current task is in, if it is in one.
_joined: ContextVar[tuple[Database | None, AsyncSession | None]] = ContextVar(
    "joined", default=(None, None)
)
_EXAMPLES = "sqlite:///data/centralita.db or postgresql://user:password@host/name"


class Database:
    """An engine, and the two ways of using it."""

    def __init__(self, url: str, *, password: str | None = None) -> None:
        self.url = database_url(url)
        if password is not None:
            self.url = self.url.set(password=password)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            file = self.url.database or ":memory:"
            self._engine = create_async_engine(
                self.url, async_creator=lambda: connect(file, timeout=BUSY_TIMEOUT)
            )
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
            _make_private(self.url.database)
        else:
            self._engine = create_async_engine(self.url, pool_pre_ping=True, pool_size=10)
        self._writing = asyncio.Lock()
        self._writer = self._engine.execution_options(write=True)

    @property
    def engine(self) -> AsyncEngine:
        """For migrations and tests."""
        return self._engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction for all reads and writes of this task within the block."""
        async with self.write() as session:
            token = _joined.set((self, session))
            try:
                yield session
            finally:
                _joined.reset(token)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """One consistent view for all reads of this task within the block, and one connection."""
        async with self.read() as session:
            token = _joined.set((self, session))
            try:
                yield session
            finally:
                _joined.reset(token)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A consistent view of the data."""
        joined = self._joined_session()
        if joined is not None:
            yield joined
            return
        with Translated():
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed at the end of the block, undone if it raises."""
        joined = self._joined_session()
        if joined is not None:
            yield joined
            await joined.flush()
            return
        with Translated():
            if self.is_sqlite:
                # SQLite has one writer: waiting here costs less than its own busy loop.
                async with self._writing, AsyncSession(self._writer) as session, session.begin():
                    yield session
            else:
                async with AsyncSession(self._writer) as session, session.begin():
                    yield session

    def _joined_session(self) -> AsyncSession | None:
        database, session = _joined.get()
        return session if database is self else None

    async def upgrade(self) -> None:
        """Bring the tables to what this release needs. Existing data stays."""
        with Translated():
            await self._try_to_connect()
            async with self._writer.begin() as connection:
                # Alembic's context is one for the process: nobody may be in it while we wait.
                if self.is_sqlite:
                    await connection.execute(text("SELECT 1"))  # with it, the transaction begins
                else:
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                    )
                await connection.run_sync(_upgrade)

    async def _try_to_connect(self) -> None:
        """Raises DatabaseUnavailable with the server's own reason (no such database, password)."""
        try:
            async with self._engine.connect():
                pass
        except DBAPIError as exc:
            reason = exc.orig.__cause__ or exc.orig if exc.orig is not None else exc
            raise DatabaseUnavailable(f"the database cannot be opened: {reason}") from exc

    async def ping(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    async def forget_log(self) -> None:
        """SQLite: write what is committed into the file, and empty the log beside it, in which
        older versions of pages stand. Somebody who reads at length puts that off."""
        for attempt in range(_FORGET_TRIES):
            if attempt:
                await asyncio.sleep(_FORGET_PAUSE)
            async with self._writing, self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert isinstance(driver, WholeStatements)
                if await driver.empty_log():
                    return
        log.warning("the database's log could not be emptied; the next start does it")

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another process has
    # written in between, whatever the busy timeout: writers say so at the beginning.
    write = connection.get_execution_options().get("write", False)
    driver = connection.connection.driver_connection
    assert isinstance(driver, WholeStatements)
    driver.begin("BEGIN IMMEDIATE" if write else "BEGIN")


def _make_private(file: str | None) -> None:
    if file is None or file == ":memory:":
        return
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # It holds people's names and numbers: for us alone, also its -wal and -shm files.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


class Translated:
    """Database errors as ours, with what is safe to show: never the values of a statement."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        match error:
            case IntegrityError():
                raise Conflict(
                    "this exists already, or refers to what does not exist",
                    code=Refusal.ALREADY_THERE,
                ) from error
            case PoolTimeout():
                raise DatabaseUnavailable("all connections to the database are busy") from error
            case OperationalError():
                raise DatabaseUnavailable(f"the database does not serve: {error.orig}") from error
            case DBAPIError() if error.connection_invalidated:
                raise DatabaseUnavailable("the connection to the database broke") from error
            case SQLAlchemyError():
                raise StoreError(f"the database refused: {type(error).__name__}") from error
            case OSError():
                raise DatabaseUnavailable(f"the database cannot be reached: {error}") from error
