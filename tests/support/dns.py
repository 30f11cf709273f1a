"""A small name server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator, Mapping
from typing import cast

Service = tuple[int, int, int, str]
"""Priority, weight, port and host of an SRV record."""
_A, _SRV = 1, 33


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class NameServer(asyncio.DatagramProtocol):
    """Knows `hosts` and `services` and nothing else; with `silent` it says nothing."""

    def __init__(self, hosts: Mapping[str, str], services: Mapping[str, list[Service]]) -> None:
        self.hosts = dict(hosts)
        self.services = dict(services)
        self.silent = False
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: tuple[str | None, int]) -> None:
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        (kind,) = struct.unpack_from("!H", data, at + 1)
        name = ".".join(labels).lower()
        self.asked.append(name)
        if self.silent or self._transport is None:
            return
        records = []
        if kind == _A and name in self.hosts:
            records.append(ipaddress.ip_address(self.hosts[name]).packed)
        elif kind == _SRV:
            for priority, weight, port, host in self.services.get(name, []):
                records.append(struct.pack("!HHH", priority, weight, port) + _labels(host))
        known = name in self.hosts or name in self.services
        # A name's owner is written as a pointer to the question.
        body = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(record)) + record for record in records
        )
        header = data[:2] + struct.pack(
            "!HHHHH", 0x8580 | (0 if known else 3), 1, len(records), 0, 0
        )
        self._transport.sendto(header + data[12 : at + 5] + body, client)


@contextlib.asynccontextmanager
async def name_server(
    hosts: Mapping[str, str],
    services: Mapping[str, list[Service]],
    address: tuple[str, int] = ("127.0.0.1", 0),
) -> AsyncIterator[tuple[NameServer, tuple[str, int]]]:
    """It, and where it is."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(hosts, services), local_addr=address
    )
    try:
        yield server, transport.get_extra_info("sockname")
    finally:
        transport.close()
