"""The brain's side of the keeper: asks for processes and knows how they are."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from centralita.core.errors import Unavailable
from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.server.supervision import (
    ALIVE_EVERY,
    WIRE,
    Alive,
    Children,
    ChildState,
    Closing,
    Keep,
    Kill,
    LetEnd,
    Serving,
)

log = logging.getLogger(__name__)


class KeeperLink:
    """A `ProcessKeeper` in another process: `await KeeperLink.connect(socket)`.

    Should the keeper die, the kernel ends this process, too (see `supervisor.die_with_parent`).
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._children: dict[str, ChildState] = {}
        self._tasks = Tasks("keeper link")

    @classmethod
    async def connect(cls, socket: Path) -> KeeperLink:
        """Join the keeper at `socket`; its children are known when this returns."""
        reader, writer = await asyncio.open_unix_connection(socket)
        link = cls(reader, writer)
        first = await WIRE.receive(reader)
        if not isinstance(first, Children):
            raise Unavailable(f"the keeper at {socket} does not answer")
        link._take(first)
        link._tasks.spawn(link._read(), name="read")
        link._tasks.spawn(link._live(), name="live")
        return link

    def keep(self, spec: ProcessSpec) -> None:
        self._send(Keep(spec=spec))

    def let_end(self, name: str) -> None:
        self._send(LetEnd(name=name))

    def pid(self, name: str) -> int | None:
        child = self._children.get(name)
        return child.pid if child is not None else None

    def names(self) -> tuple[str, ...]:
        return tuple(self._children)

    def restarts(self, name: str) -> int:
        return self._children[name].restarts

    def last_words(self, name: str) -> str:
        child = self._children.get(name)
        return child.last_words if child is not None else ""

    def kill(self, name: str) -> None:
        self._send(Kill(name=name))

    def serving(self) -> None:
        self._send(Serving())

    def expect_ends(self) -> None:
        self._send(Closing())

    async def close(self) -> None:
        """Leave; the keeper ends its children when the brain has ended."""
        await self._tasks.close()
        self._writer.close()

    def _send(self, message: object) -> None:
        WIRE.send(self._writer, message)

    def _take(self, message: Children) -> None:
        self._children = {child.name: child for child in message.children}

    async def _read(self) -> None:
        while (message := await WIRE.receive(self._reader)) is not None:
            if isinstance(message, Children):
                self._take(message)
        log.error("keeper has gone")

    async def _live(self) -> None:
        while True:
            self._send(Alive())
            await asyncio.sleep(ALIVE_EVERY.total_seconds())
