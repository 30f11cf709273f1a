"""How many requests one may make, and that no body keeps the loop from the calls."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from centralita.api.http import TooManyRequests
from centralita.api.pace import FILE, REQUEST, Pace
from centralita.api.ports import ApiSettings
from centralita.core.clock import ManualClock
from tests.support.desk import Desk, open_desk
from tests.support.stalls import stalls

PROXY = (ipaddress.ip_network("127.0.0.1/32"),)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = {"stranger_requests": 20, "stranger_rate": 1, "session_requests": 30}
    async with open_desk(tmp_path, trusted_proxies=PROXY, **settings) as desk:
        yield desk


async def test_strangers_count_by_their_address_and_are_told_when_to_come_back(desk: Desk) -> None:
    here, elsewhere = ({"X-Forwarded-For": f"192.0.2.{last}"} for last in (1, 2))
    said = [(await desk.client.get("/healthz", headers=here)).status for _ in range(25)]
    assert said == [200] * 20 + [429] * 5
    answer = await desk.client.get("/api/v1/me", headers=here)
    assert answer.status == 429 and answer.headers["Retry-After"] == "1"
    assert (await answer.json())["error"]["code"] == "too_many_requests"
    assert (await desk.client.get("/healthz", headers=elsewhere)).status == 200
    desk.clock.advance(timedelta(seconds=2))
    assert (await desk.client.get("/healthz", headers=here)).status == 200


async def test_an_office_behind_one_address_works_on_whatever_a_stranger_there_does(
    desk: Desk,
) -> None:
    people = [await desk.sign_in(name) for name in ("ana", "leo", "sol", "eva")]
    for person in people:
        await person.get("/me")
    while (await desk.client.get("/healthz")).status == 200:
        pass
    for person in people:
        for _ in range(25):
            await person.get("/me")
    assert (await desk.try_sign_in("ana")).status == 429


async def test_a_session_has_its_own_measure_and_others_theirs(desk: Desk) -> None:
    ana, leo = await desk.sign_in("ana"), await desk.sign_in("leo")
    said = [(await ana.ask("GET", "/api/v1/me")).status for _ in range(32)]
    assert said == [200] * 30 + [429] * 2
    await leo.get("/me")
    desk.clock.advance(timedelta(seconds=1))
    await ana.get("/me")


async def test_guessed_tokens_spend_what_strangers_have(desk: Desk) -> None:
    said = []
    for number in range(30):
        headers = {"Authorization": f"Bearer cs_{number}"}
        said.append((await desk.client.get("/api/v1/me", headers=headers)).status)
    assert said == [401] * 20 + [429] * 10


def test_two_hundred_pages_behind_one_address_are_opened_at_once() -> None:
    settings = ApiSettings(region="ES", version="1", recordings_dir=Path())
    pace = Pace(ManualClock(), settings)
    for number in range(200):
        for _ in range(40):
            pace.begins("", "192.0.2.1", FILE)
        pace.begins("", "192.0.2.1", REQUEST)  # is anybody signed in?
        pace.begins("", "192.0.2.1", REQUEST)  # the name and the password
        for _ in range(30):
            pace.begins(f"session {number}", "192.0.2.1", REQUEST)
            pace.admitted(f"session {number}", "192.0.2.1")


def test_a_large_body_costs_like_many_requests() -> None:
    settings = ApiSettings(region="ES", version="1", recordings_dir=Path())
    pace = Pace(ManualClock(), settings)
    sent = 0
    with pytest.raises(TooManyRequests):
        while sent < 1000:
            pace.begins("a session", "192.0.2.1", REQUEST)
            pace.admitted("a session", "192.0.2.1")
            pace.brings("a session", "192.0.2.1", 1_000_000)
            sent += 1
    assert 40 < sent < 80


# --- the loop -----------------------------------------------------------------------------------

NASTY = (b'["', b"[", b'{"a":', b'"\\"', b"\xff", b"[[],", b"9")
# Less than what keeps a caller from an answer; a body of 1 MB took 200 ms of CPU for each request.
LONGEST = 0.05


@contextmanager
def _crowd(port: int, size: int, request: bytes) -> Iterator[list[int]]:
    """Connections of their own threads, which send the same request again and again."""
    over, answers = threading.Event(), [0]

    def send() -> None:
        while not over.is_set():
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                try:
                    connection.sendall(request)
                    answers[0] += bool(connection.recv(65535))
                except OSError:
                    continue

    threads = [threading.Thread(target=send, daemon=True) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()


def _request(endpoint: Endpoint, body: bytes, token: str) -> bytes:
    path = PREFIX + endpoint.path.replace("{id}", "main")
    head = (
        f"{endpoint.method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def test_strangers_with_large_bodies_do_not_keep_the_loop(tmp_path: Path) -> None:
    sign_in = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "sign_in")
    async with open_desk(tmp_path, stranger_requests=1_000_000) as desk:
        port = desk.server.port
        assert port is not None
        for nasty in (b'["', b" "):
            request = _request(sign_in, nasty * (980_000 // len(nasty)), "")
            with _crowd(port, 8, request) as answers:
                async with stalls() as found, asyncio.timeout(60):
                    while answers[0] < 40:
                        await asyncio.sleep(0.01)
            print(f"{nasty!r}: {found.longest * 1000:.0f} ms of CPU, {found.looks} looks")
            assert found.longest < LONGEST


async def test_no_body_of_people_who_may_send_it_keeps_the_loop(tmp_path: Path) -> None:
    async with open_desk(tmp_path, failures_per_address=999) as desk:
        eva = await desk.sign_in("eva")
        port = desk.server.port
        assert port is not None
        for endpoint in (one for one in ENDPOINTS if one.body is not None):
            for nasty in NASTY:
                body = nasty * (endpoint.max_body // len(nasty))
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                request = _request(endpoint, body, eva.token)
                async with stalls() as found:
                    writer.write(request)
                    assert b" 400 " in await reader.readline(), (endpoint.name, nasty)
                writer.close()
                desk.clock.advance(timedelta(seconds=1))
                assert found.longest < LONGEST, (endpoint.name, nasty)


async def test_a_long_note_is_indexed_away_from_the_loop(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        ana = await desk.sign_in("ana")
        words = " ".join(f"palabra{number} acción" for number in range(12_000))[:200_000]
        note = {"channel": "note", "identity": "+34600111222", "body": words}
        async with stalls() as found:
            await ana.post("/interactions", note, status=201)
            hits = await ana.get("/search", q="palabra9000")
        assert len(hits["items"]) == 1
        assert found.longest < LONGEST
