"""The web of a running server while strangers hold connections and send bombs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import ApiClient, ServerProcess

_SLOW = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{",
    b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
)


@asynccontextmanager
async def _crowd(server: ServerProcess, size: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """People who begin and do not go on, a byte now and then."""
    held = [await asyncio.open_connection("127.0.0.1", server.ports.http) for _ in range(size)]
    for number, (_, writer) in enumerate(held):
        writer.write(_SLOW[number % len(_SLOW)])

    async def drip() -> None:
        while True:
            for number, (_, writer) in enumerate(held):
                if number % len(_SLOW) in (1, 2) and not writer.is_closing():
                    writer.write(b"x")
            await asyncio.sleep(0.5)

    async def read(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(drip())]
        tasks += [group.create_task(read(reader)) for reader, _ in held]
        try:
            yield [reader for reader, _ in held]
        finally:
            for task in tasks:
                task.cancel()
            for _, writer in held:
                writer.close()


async def _watch(live: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in live:
        pass


@pytest.mark.timeout(300)
async def test_others_are_served_while_a_crowd_holds_connections_and_sends_bombs(
    tmp_path: Path,
) -> None:
    async with ServerProcess(tmp_path) as server:
        async with (
            server.api("ana") as ana,
            ApiClient(server.url, "admin", server.users["admin"]) as admin,
            _crowd(server, 600) as crowd,
            asyncio.TaskGroup() as group,
        ):
            live = await ana.live()
            assert (await live.receive_json())["type"] == "snapshot"
            watching = group.create_task(_watch(live))
            bomb = '{"document": {"start": ' + "[" * 400_000
            async with aiohttp.ClientSession(headers=admin.headers) as session:
                for _ in range(20):
                    async with session.put(
                        f"{server.url}/api/v1/flows/main",
                        data=bomb,
                        headers={"Content-Type": "application/json"},
                    ) as answer:
                        assert answer.status == 400
                    assert await ana.get("/me")
            # those who never ask are sent away, and people go on
            async with asyncio.timeout(150):
                while sum(reader.at_eof() for reader in crowd) < len(crowd):
                    assert await ana.get("/queues")
                    await asyncio.sleep(0.2)
            assert not watching.done()
            await live.close()
