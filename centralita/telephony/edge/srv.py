"""Where a name without a port leads (RFC 3263): SRV records, or else the name at the usual port.

Kamailio asks for itself when it calls. This is for what is known of such a name beside that: whose
calls come from its addresses, and why it does not answer. Python's own resolver knows no SRV.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Iterable
from pathlib import Path

_RESOLV_CONF = Path("/etc/resolv.conf")
_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_SRV, _IN, _OPT = 33, 1, 41
_LARGEST = 1232
# How long each server has, in seconds.
_PATIENCE = 1.5


def usual_port(transport: str) -> int:
    """Where SIP is spoken when no port is named (RFC 3261 19.1.2)."""
    return 5061 if transport == "tls" else 5060


async def places(
    host: str, port: int, transport: str, *, servers: Iterable[tuple[str, int]] | None = None
) -> list[tuple[str, int]]:
    """The hosts and ports behind a host and port, the best first. Port 0: what SRV says.

    `servers` are name servers, those of this machine by default.
    """
    if port:
        return [(host, port)]
    for server in _name_servers() if servers is None else servers:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            found = await _ask(server, f"{_SERVICES[transport]}.{host}")
            return found or [(host, usual_port(transport))]
    return [(host, usual_port(transport))]


def _name_servers() -> list[tuple[str, int]]:
    try:
        lines = _RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.split()[1] for line in lines if line.split()[:1] == ["nameserver"]]
    return [(address, 53) for address in named] or [("127.0.0.1", 53)]


class _Answer(asyncio.DatagramProtocol):
    """The first datagram that comes back."""

    def __init__(self) -> None:
        self.data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _: object) -> None:
        if not self.data.done():
            self.data.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.data.done():
            self.data.set_exception(exc)


async def _ask(server: tuple[str, int], name: str) -> list[tuple[str, int]]:
    number = secrets.token_bytes(2)
    # Connected: the kernel lets nobody else answer.
    transport, answer = await asyncio.get_running_loop().create_datagram_endpoint(
        _Answer, remote_addr=server
    )
    try:
        transport.sendto(question(number, name))
        async with asyncio.timeout(_PATIENCE):
            data = await answer.data
    finally:
        transport.close()
    if data[:2] != number:
        raise ValueError("it answers another question")
    return targets(data)


def question(number: bytes, name: str) -> bytes:
    """A query for the SRV records of a name, with room for a long answer (RFC 6891)."""
    labels = b"".join(
        bytes([len(label)]) + label for label in name.encode("idna").split(b".") if label
    )
    header = number + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
    room = b"\0" + struct.pack("!HHIH", _OPT, _LARGEST, 0, 0)
    return header + labels + b"\0" + struct.pack("!HH", _SRV, _IN) + room


def targets(data: bytes) -> list[tuple[str, int]]:
    """The hosts and ports in an answer, by priority and then by weight. Raises ValueError for what
    is no answer."""
    try:
        flags, questions, answers = struct.unpack_from("!HHH", data, 2)
        if not flags & 0x8000 or flags & 0xF not in {0, 3}:
            raise ValueError("the server does not answer")
        at = 12
        for _ in range(questions):
            at = _name(data, at)[1] + 4
        found = []
        for _ in range(answers):
            at = _name(data, at)[1]
            kind, _, _, length = struct.unpack_from("!HHIH", data, at)
            at += 10
            if kind == _SRV:
                priority, weight, port = struct.unpack_from("!HHH", data, at)
                host = _name(data, at + 6)[0]
                if host:  # a single dot: there is no such service
                    found.append((priority, -weight, host, port))
            at += length
    except (struct.error, IndexError, UnicodeError) as exc:
        raise ValueError("the answer is malformed") from exc
    return [(host, port) for _, _, host, port in sorted(found)]


def _name(data: bytes, at: int) -> tuple[str, int]:
    """The name at a place, and where it ends there."""
    labels: list[str] = []
    end = 0
    for _ in range(128):
        length = data[at]
        if length >= 0xC0:  # the rest stands elsewhere
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
        elif length:
            labels.append(data[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
        else:
            return ".".join(labels), end or at + 1
    raise ValueError("a name without an end")
