"""A TCP connection's way to a server, which can be pulled out: with a word, or without any."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from centralita.core.tasks import Tasks

_Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


@dataclass
class Cable:
    """Passes on what comes to its port to `server`."""

    port: int = 0
    server: tuple[str, int] = ("127.0.0.1", 0)
    away: bool = False
    _tasks: Tasks = field(default_factory=lambda: Tasks("cable"))
    _pairs: list[_Pair] = field(default_factory=list)
    _dead: set[asyncio.StreamWriter] = field(default_factory=set)

    def break_connections(self) -> None:
        """Both ends hear at once that their connection has ended."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    def unplug(self) -> None:
        """Nothing passes any more, and nobody is told; the connections of now never come back."""
        self.away = True
        self._dead.update(writer for pair in self._pairs for writer in pair)

    def plug_in(self) -> None:
        """New connections pass again."""
        self.away = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection has come to the port."""
        if self.away:
            self._dead.add(writer)
            self._pairs.append((writer, writer))
            return
        there, further = await asyncio.open_connection(*self.server)
        self._pairs.append((writer, further))
        self._tasks.spawn(self._pass(reader, further), name="to the server")
        self._tasks.spawn(self._pass(there, writer), name="from the server")

    async def close(self) -> None:
        """End everything."""
        await self._tasks.close()
        self.break_connections()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65536):
                if writer not in self._dead:
                    writer.write(some)
        if writer not in self._dead:
            writer.close()


@asynccontextmanager
async def cable() -> AsyncIterator[Cable]:
    """A way for as long as the block lasts; where it leads is said later."""
    made = Cable()
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = int(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        await made.close()
