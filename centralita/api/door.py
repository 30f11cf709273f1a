"""The web's door: how many connections there may be, and how long a first request may take.

aiohttp bounds lines, headers and bodies, but waits for ever for the first request of a connection,
and takes as many connections as there are descriptors.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from aiohttp import web

from centralita.api.auth import within
from centralita.api.ports import ApiSettings

log = logging.getLogger(__name__)

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LOG_EVERY = 10.0


class Door:
    """Counts who is inside. A trusted proxy brings many people by one address."""

    def __init__(self, settings: ApiSettings) -> None:
        self.head_time = settings.head_time.total_seconds()
        self._most = settings.max_connections
        self._most_of_one = settings.connections_per_address
        self._proxies = settings.trusted_proxies
        self._inside: Counter[str] = Counter()
        self._said_at = float("-inf")

    def enter(self, address: str) -> bool:
        """Whether one more connection from there may come in; then it counts until it leaves."""
        if self._inside.total() >= self._most or (
            self._inside[address] >= self._most_of_one and not within(address, self._proxies)
        ):
            self._say(address)
            return False
        self._inside[address] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that had come in is over."""
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]

    def _say(self, address: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= _LOG_EVERY:
            self._said_at = now
            log.warning(
                "web connections refused, there are too many",
                extra={"address": address, "connections": self._inside.total()},
            )


class GuardedSite(web.BaseSite):
    """`web.TCPSite` behind a door."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, door: Door) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._door = door

    @property
    def name(self) -> str:
        """Where it is."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; raises OSError when the port cannot be had."""
        await super().start()
        handlers = self._runner.server
        assert handlers is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Guest(self._door, handlers()), self._host, self._port, backlog=128
        )


class _Guest(asyncio.Protocol):
    """One connection: passes everything on to aiohttp, once it has been let in."""

    def __init__(self, door: Door, handler: asyncio.Protocol) -> None:
        self._door = door
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._address: str | None = None
        self._head: bytes | None = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._door.enter(address):
            transport.write(_BUSY)
            transport.close()
            return
        self._address, self._transport = address, transport
        self._timer = asyncio.get_running_loop().call_later(self._door.head_time, self._too_slow)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._address is None:
            return
        self._stop_timer()
        self._door.leave(self._address)
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._address is None:
            return
        if self._head is not None:
            self._head = self._head[-3:] + data
            if b"\r\n\r\n" in self._head or b"\n\n" in self._head:
                self._head = None
                self._stop_timer()
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._address is not None else None

    def pause_writing(self) -> None:
        if self._address is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if self._address is not None:
            self._handler.resume_writing()

    def _too_slow(self) -> None:
        assert self._transport is not None
        self._transport.write(_TOO_SLOW)
        self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
