"""Takes live audio off its sockets before the next frames find them full.

Linux queues only ten datagrams on a Unix socket (net.unix.max_dgram_qlen), and media workers drop
what does not fit, as their clock must not wait. All callers' frames come in one burst each 20 ms.
So each stream has a socket to itself, and a thread does nothing but read them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_MOST_AT_ONCE: Final = 100
_LARGEST_DATAGRAM: Final = 65536

# A loop that is ten seconds of a full worker behind gains nothing by remembering more.
_MOST_WAITING: Final = 16_000


class AudioInlet:
    """Hands datagrams, several at a time and in order, to `take` in the event loop."""

    def __init__(self, paths: Sequence[Path], take: Callable[[list[bytes]], None]) -> None:
        self._paths = tuple(paths)
        self._take = take
        self._loop = asyncio.get_running_loop()
        # One counter for each thread: neither writes the other's.
        self._read_count = 0
        self._delivered = 0
        self._selector = selectors.DefaultSelector()
        self._sockets = [_bound(path) for path in paths]
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ)
        self._stop, self._stopped = os.pipe()
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read, name="audio", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading and remove the sockets."""
        os.write(self._stopped, b"!")
        self._thread.join()
        self._selector.close()
        for descriptor in (self._stop, self._stopped):
            os.close(descriptor)
        for each in self._sockets:
            each.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _read(self) -> None:
        # Where we may: before the decoders, which have all the time that one chunk lasts.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        while True:
            datagrams: list[bytes] = []
            for key, _ in self._selector.select():
                if not isinstance(key.fileobj, socket.socket):
                    return
                with contextlib.suppress(BlockingIOError):
                    for _ in range(_MOST_AT_ONCE):
                        datagrams.append(key.fileobj.recv(_LARGEST_DATAGRAM))
            if self._read_count - self._delivered < _MOST_WAITING:
                self._read_count += len(datagrams)
                self._loop.call_soon_threadsafe(self._deliver, datagrams)

    def _deliver(self, datagrams: list[bytes]) -> None:
        self._delivered += len(datagrams)
        self._take(datagrams)


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    audio = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    audio.setblocking(False)
    audio.bind(str(path))
    return audio
