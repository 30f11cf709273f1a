"""An event loop whose time leaps to the next timer as soon as nobody has anything to do."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class _Leaping(selectors.BaseSelector):
    """Instead of waiting, moves the time on. Waiting without a timer would be for ever."""

    def __init__(self) -> None:
        self.time = 0.0
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits and nothing will ever happen")
        self.time += max(timeout, 0.0)
        return []

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """For tests in which minutes pass, without threads and sockets.

    A test module asks for it by `VIRTUAL_TIME = True`.
    """

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.time


class LoopClock:
    """The wall clock of a virtual loop."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.broken = False

    def now(self) -> datetime:
        if self.broken:
            self.broken = False
            raise OSError("the clock stopped")
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())
