"""A connection to SQLite whose statements are never left in the middle.

The driver works in a thread, which a cancelled task cannot stop: the statement goes on. When it was
`BEGIN IMMEDIATE`, its lock stays with a connection that nobody uses any more, and nobody else can
write. Here a cancelled task first waits for the statement's end and undoes its transaction.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")


class WholeStatements(aiosqlite.Connection):
    """As its base, for tasks that may be cancelled."""

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
        if self._connection is not None:
            self._connection.rollback()


async def connect(database: str, *, timeout: float) -> aiosqlite.Connection:
    """Open the file; `timeout` is how long to wait for other processes, in seconds."""
    connection = WholeStatements(
        lambda: sqlite3.connect(database, timeout=timeout, check_same_thread=False), 64
    )
    connection._thread.daemon = True  # as SQLAlchemy has it for connections that it opens
    return await connection
