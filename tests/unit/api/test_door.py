"""Oversized, slow and bomb-like requests: each is ended with a clear answer, others are served."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from centralita.api.app import make_app
from centralita.api.bodies import nested_too_deeply
from centralita.api.door import Door, GuardedSite
from tests.support.desk import Desk, open_desk
from tests.support.server import free_port

_JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def _house(tmp_path: Path, **settings: Any) -> AsyncIterator[int]:
    """The API behind its door; yields the port."""
    async with open_desk(tmp_path, **settings) as desk:
        runner = web.AppRunner(make_app(desk.ports))
        await runner.setup()
        port = free_port()
        door = Door(desk.ports.settings)
        await GuardedSite(runner, "127.0.0.1", port, door).start()
        try:
            yield port
        finally:
            await runner.cleanup()


async def _said(reader: asyncio.StreamReader) -> bytes:
    """The answer, to the end of the connection."""
    async with asyncio.timeout(10):
        return await reader.read()


async def _is_served(port: int, local: str = "127.0.0.1") -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(local, 0))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await _said(reader)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


async def test_a_first_request_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with _house(tmp_path, head_time=timedelta(seconds=0.3)) as port:
        settled, slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        settled[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await settled[0].readline()).startswith(b"HTTP/1.1 200")
        slow[1].write(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert (await _said(slow[0])).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        # who has asked once may think about the next question
        settled[1].write(b"GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 " in await _said(settled[0])
        for _, writer in (settled, slow):
            writer.close()


async def test_one_address_has_so_many_connections_and_others_are_served(tmp_path: Path) -> None:
    async with _house(tmp_path, connections_per_address=3, trusted_proxies=()) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await _said(reader)).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After")
        assert await _is_served(port, local="127.0.0.2")
        for _, each in (*held, (reader, writer)):
            each.close()
        async with asyncio.timeout(5):
            while not await _is_served(port):
                pass


async def test_a_trusted_proxy_brings_many_people(tmp_path: Path) -> None:
    proxies = (ipaddress.ip_network("127.0.0.1/32"),)
    async with _house(tmp_path, connections_per_address=3, trusted_proxies=proxies) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        assert await _is_served(port)
        for _, writer in held:
            writer.close()


async def test_there_are_only_so_many_connections(tmp_path: Path) -> None:
    async with _house(tmp_path, max_connections=5) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert not await _is_served(port)
        held.pop()[1].close()
        async with asyncio.timeout(5):
            while not await _is_served(port):
                pass
        for _, writer in held:
            writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with _house(tmp_path, body_time=timedelta(seconds=0.3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert await _is_served(port)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"code":"request_timeout"' in answer
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00 a TLS handshake\r\n\r\n",
    ],
    ids=["long header", "many headers", "long line", "TLS"],
)
async def test_an_absurd_head_is_refused(tmp_path: Path, head: bytes) -> None:
    async with _house(tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        # Who goes on sending may find the connection gone before the answer is read.
        with contextlib.suppress(ConnectionResetError):
            assert b" 400 Bad Request\r\n" in (await _said(reader))[:40]
        writer.close()
        assert await _is_served(port)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


_DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    "body",
    [
        '{"document": {"start": ' + _DEEP + "}}",
        '{"document": {"start": ' + "[" * 900 + "]" * 900 + "}}",
        '{"document": ' + '{"a":' * 100_000,
        '{"document": {"n": "' + '\\"' * 400_000 + "[" * 100_000,
        '{"document": {"n": ' + "9" * 900_000 + "}}",
    ],
    ids=["deep", "deep enough", "never closed", "quotes", "digits"],
)
async def test_a_json_bomb_is_bad_input_and_no_work(desk: Desk, body: str) -> None:
    eva = await desk.sign_in("eva")
    began = time.process_time()
    answer = await eva.ask("PUT", "/api/v1/flows/main", data=body.encode(), headers=_JSON)
    print(f"{time.process_time() - began:.3f} s of CPU")
    assert answer.status == 400
    assert (await answer.json())["error"]["code"] == "invalid_input"


def test_brackets_in_strings_are_not_depth() -> None:
    assert not nested_too_deeply({"text": "[" * 1000})
    assert not nested_too_deeply([[{}]] * 1000)
    assert nested_too_deeply(json.loads("[" * 65 + "]" * 65))
    assert not nested_too_deeply(json.loads("[" * 64 + "]" * 64))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"0" * 1_100_000, {}),
        (gzip.compress(b"0" * 100_000_000, 1), {"Content-Encoding": "gzip"}),
    ],
    ids=["plain", "compressed"],
)
async def test_a_body_that_is_too_large_is_413(
    desk: Desk, body: bytes, headers: dict[str, str]
) -> None:
    answer = await desk.client.post("/api/v1/session", data=body, headers=_JSON | headers)
    assert answer.status == 413
    assert (await answer.json())["error"]["code"] == "request_entity_too_large"


async def test_a_frame_that_is_too_large_ends_that_live_feed_only(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    headers = {"Authorization": f"Bearer {eva.token}"}
    loud, quiet = [await desk.client.ws_connect("/api/v1/live", headers=headers) for _ in range(2)]
    for feed in (loud, quiet):
        assert (await feed.receive_json())["type"] == "snapshot"
    await loud.send_str("x" * 5000)
    closed = await loud.receive()
    assert closed.type is WSMsgType.CLOSE and closed.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await quiet.send_str("still here")
    await quiet.ping()
    assert not quiet.closed
    await quiet.close()
