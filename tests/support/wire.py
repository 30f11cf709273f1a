"""SIP as bytes: sends whatever it is given, and keeps what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from typing import cast

_STATUS = re.compile(rb"SIP/2\.0 (\d{3}) ")
_LENGTH = re.compile(rb"(?mi)^(?:Content-Length|l)[ \t]*:[ \t]*(\d+)")


def header(message: bytes, name: str) -> bytes:
    """The first value of a header, by its long name; empty when it is not there."""
    found = re.search(rb"(?mi)^" + name.encode() + rb"[ \t]*:[ \t]*(.*?)\r?$", message)
    return found[1] if found else b""


def headers(message: bytes, name: str) -> list[bytes]:
    """All values of a header."""
    return re.findall(rb"(?mi)^" + name.encode() + rb"[ \t]*:[ \t]*(.*?)\r?$", message)


def status_of(message: bytes) -> int:
    """The status of an answer; 0 for a request."""
    found = _STATUS.match(message)
    return int(found[1]) if found else 0


class Wire(asyncio.Protocol, asyncio.DatagramProtocol):
    """A UDP socket or TCP connection to one address. Answers to `probe` are not kept."""

    def __init__(self, server: tuple[str, int], transport_name: str) -> None:
        self.answers: list[bytes] = []
        self.closed = asyncio.Event()
        self.local = ("", 0)
        self._server = server
        self._name = transport_name
        self._transport: asyncio.BaseTransport | None = None
        self._buffer = b""
        self._came = asyncio.Event()
        self._probes: dict[bytes, asyncio.Event] = {}

    def send(self, data: bytes) -> None:
        """Put it on the wire."""
        if self._name == "udp":
            cast(asyncio.DatagramTransport, self._transport).sendto(data)
        else:
            cast(asyncio.WriteTransport, self._transport).write(data)

    async def final(self, within: float = 5.0) -> int:
        """The first final status that has come, or comes in time; 0 for none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._finals():
                    await self.came()
        return next(iter(self._finals()), 0)

    async def came(self) -> None:
        """Wait for the next message."""
        self._came.clear()
        await self._came.wait()

    @property
    def statuses(self) -> set[int]:
        """Of everything that came."""
        return {status_of(answer) for answer in self.answers}

    async def probe(self, within: float = 10.0) -> None:
        """Return when an OPTIONS of ours has been answered."""
        call_id = f"probe-{secrets.token_hex(8)}".encode()
        self._probes[call_id] = asyncio.Event()
        self.send(self.request("OPTIONS", call_id.decode()))
        async with asyncio.timeout(within):
            await self._probes[call_id].wait()

    def request(self, method: str, call_id: str) -> bytes:
        """A plain request without a body."""
        host, port = self.local
        return (
            f"{method} sip:centralita SIP/2.0\r\n"
            f"Via: SIP/2.0/{self._name.upper()} {host}:{port};rport"
            f";branch=z9hG4bK{secrets.token_hex(8)}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:probe@centralita>;tag={secrets.token_hex(4)}\r\n"
            "To: <sip:centralita>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    def leave_calls(self) -> None:
        """End the calls that were answered: ACK and BYE."""
        for answer in self.answers:
            if status_of(answer) == 200 and header(answer, "CSeq").endswith(b"INVITE"):
                for method in (b"ACK", b"BYE"):
                    self.send(self._within_dialog(answer, method))

    def _within_dialog(self, answer: bytes, method: bytes) -> bytes:
        contact = re.search(rb"<([^>]+)>", header(answer, "Contact"))
        assert contact is not None
        number = int(header(answer, "CSeq").split()[0]) + (method == b"BYE")
        host, port = self.local
        via = f"SIP/2.0/{self._name.upper()} {host}:{port};rport".encode()
        return b"\r\n".join((
            b"%b %b SIP/2.0" % (method, contact[1]),
            b"Via: %b;branch=z9hG4bK%b" % (via, secrets.token_hex(8).encode()),
            *(b"Route: " + route for route in reversed(headers(answer, "Record-Route"))),
            b"Max-Forwards: 70",
            b"From: " + header(answer, "From"),
            b"To: " + header(answer, "To"),
            b"Call-ID: " + header(answer, "Call-ID"),
            b"CSeq: %d %b" % (number, method),
            b"Content-Length: 0\r\n\r\n",
        ))  # fmt: skip

    def _finals(self) -> list[int]:
        return [status for answer in self.answers if (status := status_of(answer)) >= 200]

    # --- the socket -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.local = transport.get_extra_info("sockname")

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def error_received(self, exc: Exception) -> None:
        """What we send may be too large for a datagram."""

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._take(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self._take(head.lstrip(b"\r\n") + b"\r\n\r\n" + rest[:length])
            self._buffer = rest[length:]

    def _take(self, message: bytes) -> None:
        probe = self._probes.get(header(message, "Call-ID"))
        if probe is not None:
            probe.set()
        elif message.strip(b"\0\r\n"):
            self.answers.append(message)
            self._came.set()

    async def served(self, within: float = 10.0) -> None:
        """Say no more, and return when all that was sent has been dealt with."""
        if self._name == "udp":
            async with wire(self._server) as witness:
                for _ in range(2):  # the server has several ears
                    await witness.probe(within)
            return
        with contextlib.suppress(OSError):  # it has closed already
            cast(asyncio.WriteTransport, self._transport).write_eof()
        async with asyncio.timeout(within):
            await self.closed.wait()

    def close(self) -> None:
        """Free the socket."""
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def wire(
    server: tuple[str, int], transport: str = "udp", *, local: str = "127.0.0.1"
) -> AsyncIterator[Wire]:
    """An open wire from `local` to `server`."""
    loop = asyncio.get_running_loop()
    opened = Wire(server, transport)
    if transport == "udp":
        await loop.create_datagram_endpoint(
            lambda: opened, remote_addr=server, local_addr=(local, 0)
        )
    else:
        await loop.create_connection(lambda: opened, *server, local_addr=(local, 0))
    try:
        yield opened
    finally:
        opened.close()
