"""Somebody who sends RTP to a port, asked or not, and notes what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.core.tasks import Tasks
from centralita.telephony.phone.g711 import encode
from tests.support.telephony import tone

_HEADER = struct.Struct(">BBHII")
_PCMA, _KEYS, _FRAME = 8, 101, 160


class RtpSource(asyncio.DatagramProtocol):
    """A UDP socket on `local`."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.local = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self._came = asyncio.Event()
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 30)
        self._ssrc = secrets.randbits(32)
        self._tasks = Tasks("rtp source")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.BaseTransport)
        self._transport = transport  # type: ignore[assignment]  # not a subclass before 3.12
        self.local = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self.heard.append(data)
        self._came.set()

    async def hears(self, packets: int = 1, within: float = 5.0) -> None:
        """Return when so many more packets have come."""
        wanted = len(self.heard) + packets
        async with asyncio.timeout(within):
            while len(self.heard) < wanted:
                self._came.clear()
                await self._came.wait()

    def send(self, to: tuple[str, int], payload: bytes, kind: int = _PCMA) -> None:
        """One packet, 20 ms after the one before it."""
        header = _HEADER.pack(0x80, kind, self._sequence, self._timestamp, self._ssrc)
        assert self._transport is not None
        self._transport.sendto(header + payload, to)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + _FRAME) & 0xFFFFFFFF

    def press(self, to: tuple[str, int], digit: int) -> None:
        """A key by RFC 4733."""
        for step in range(4):
            payload = struct.pack(">BBH", digit, (0x80 if step == 3 else 0) | 10, _FRAME * step)
            self.send(to, payload, _KEYS)

    def hum(self, to: tuple[str, int], hertz: float, *, a_second: int = 50) -> None:
        """Send a tone, so many packets a second, until told to `stop`."""
        samples = tone(hertz, 0.02)
        self._tasks.spawn(self._hum(to, encode(samples), a_second), name="hum")

    async def stop(self) -> None:
        """Send no more."""
        await self._tasks.close()
        self._tasks = Tasks("rtp source")

    async def _hum(self, to: tuple[str, int], payload: bytes, a_second: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for _ in range(max(1, a_second // 50)):
                self.send(to, payload)
            due = max(due + 0.02, loop.time() - 0.2)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def close(self) -> None:
        """Free the port."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def rtp_source(local: str = "127.0.0.1") -> AsyncIterator[RtpSource]:
    """An open source."""
    source = RtpSource()
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: source, local_addr=(local, 0))
    try:
        yield source
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await source.stop()
        source.close()
