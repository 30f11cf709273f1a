"""A connection to SQLite that costs one visit to its thread for each statement.

The driver works in a thread. As it comes, it is asked there for a cursor, then to execute, to fetch
and to close: four times the way between two threads, each of which costs more than most of our
statements. Here a statement is carried out whole, and a transaction begins on the way of its first
statement.

A cancelled task cannot stop the thread: the statement goes on. When it was `BEGIN IMMEDIATE`, its
lock would stay with a connection that nobody uses any more, and nobody else could write. So a
cancelled task first waits for the statement's end and undoes its transaction.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")
Row = tuple[object, ...]


class WholeCursor(aiosqlite.Cursor):
    """Has all rows when its statement has been executed."""

    def __init__(self, connection: WholeStatements) -> None:
        super().__init__(connection, connection._conn.cursor())
        self._whole = connection
        self._rows: list[Row] = []

    async def execute(self, sql: str, parameters: Iterable[object] | None = None) -> WholeCursor:
        """Execute the statement and fetch what it returns."""
        await self._whole._execute(self._carry_out, sql, parameters or ())
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[object]]) -> WholeCursor:
        """Execute the statement for each of the parameters."""
        await self._whole._execute(self._carry_out_many, sql, parameters)
        return self

    async def fetchone(self) -> Row | None:  # type: ignore[override]  # we set no row factory
        """The next row."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Row]:  # type: ignore[override]
        """The next rows."""
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> list[Row]:  # type: ignore[override]
        """The rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Let go; SQLite has nothing left to do for a statement that is carried out."""
        if self._whole._connection is not None:
            self._cursor.close()

    def _carry_out(self, sql: str, parameters: Iterable[object]) -> None:
        self._whole.begin_now()
        self._cursor.execute(sql, parameters)  # type: ignore[arg-type]  # as the driver has it
        self._rows = self._cursor.fetchall() if self._cursor.description else []

    def _carry_out_many(self, sql: str, parameters: Iterable[Iterable[object]]) -> None:
        self._whole.begin_now()
        self._cursor.executemany(sql, parameters)  # type: ignore[arg-type]


class WholeStatements(aiosqlite.Connection):
    """As its base, for tasks that may be cancelled."""

    _pending = ""

    def begin(self, statement: str) -> None:
        """Execute `statement` (BEGIN in one of its forms) with whatever is executed next."""
        self._pending = statement

    def begin_now(self) -> None:
        """In the thread: begin what is to begin."""
        statement, self._pending = self._pending, ""
        if statement:
            self._conn.execute(statement)

    def cursor(self) -> WholeCursor:  # type: ignore[override]  # awaited by nobody
        """A cursor; SQLite is not asked for it."""
        return WholeCursor(self)

    async def commit(self) -> None:
        """Commit, if anything has begun."""
        self._pending = ""
        if self._conn.in_transaction:
            await self._execute(self._conn.commit)

    async def rollback(self) -> None:
        """Undo, if anything has begun."""
        self._pending = ""
        if self._conn.in_transaction:
            await self._execute(self._conn.rollback)

    async def empty_log(self) -> bool:
        """Write the log's pages into the file and cut the log; False while others read from it."""

        def empty() -> bool:
            busy, *_ = self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

        return await self._execute(empty)

    async def _execute(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((done, functools.partial(fn, *args, **kwargs)))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            undone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._tx.put_nowait((undone, self._undo))
            while not undone.done():
                try:
                    await asyncio.wait((done, undone), return_when=asyncio.ALL_COMPLETED)
                except asyncio.CancelledError:
                    continue  # the busy timeout is the longest that this can last
            done.exception()  # seen, so that nobody reports it as forgotten
            raise

    def _undo(self) -> None:
        self._pending = ""
        if self._connection is not None:
            self._connection.rollback()


async def connect(database: str, *, timeout: float) -> aiosqlite.Connection:
    """Open the file; `timeout` is how long to wait for other processes, in seconds."""
    connection = WholeStatements(lambda: _open(database, timeout), 64)
    connection._thread.daemon = True  # as SQLAlchemy has it for connections that it opens
    return await connection


def _open(database: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database,
        timeout=timeout,
        # The driver's own idea of when a transaction begins is not ours.
        isolation_level=None,
        check_same_thread=False,
    )
    _write_ahead(connection, time.monotonic() + timeout)
    # What is committed is on disk: the journal in front of us forgets what it has handed over.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What is deleted is overwritten: an erased person's name, too. Not all builds do it themselves.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _write_ahead(connection: sqlite3.Connection, deadline: float) -> None:
    """Two servers that open a new file at once: SQLite refuses one of them without waiting."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # in the connection's own thread
        else:
            return
