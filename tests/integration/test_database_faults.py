"""A real PostgreSQL is stopped while people call, and comes back: nobody notices on the phone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from centralita.core.tasks import Tasks
from centralita.store.store import open_store
from centralita.telephony.phone.phone import Phone
from centralita.timeline.repositories import CallFilter
from tests.support.phones import tone
from tests.support.postgres import Postgres, postgres_server
from tests.support.server import ServerProcess
from tests.support.story import Json, eventually, set_queues, watcher

pytestmark = pytest.mark.timeout(300)
# A minute by the wish of CENTRALITA_OUTAGE_S; a part of it shows the same.
OUTAGE_S = float(os.environ.get("CENTRALITA_OUTAGE_S", "12"))


@pytest.fixture
def database() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@asynccontextmanager
async def _serving(folder: Path, database: Postgres) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(folder, extra=f"[database]\nurl = {database.url}\n")
    await server.prepare()
    await set_queues(
        server, wrap_up="0s", ring_time="5s", announce_recording=False, exit_when_empty=False
    )
    async with server:
        yield server


async def _health(server: ServerProcess) -> Json:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as answer:
            return dict(await answer.json())


async def _is_served(server: ServerProcess, number: str, caller: str) -> None:
    """A call that is answered and hears something."""
    phone = await server.caller(caller)
    try:
        call = await phone.call(number)
        await call.wait_answered()
        await call.audio.sound(within=10)
        await call.hang_up()
    finally:
        await phone.close()


async def _talks(server: ServerProcess, agent: Phone, caller: str) -> None:
    """A conversation in which the agent is heard."""
    phone = await server.caller(caller)
    try:
        call = await phone.call("110")
        await call.wait_answered()
        talk = await asyncio.wait_for(agent.incoming.get(), 10)
        talk.accept()
        talk.audio.hum(tone(1000, 1))
        await call.audio.until(lambda frame: frame.has_tone(1000), within=5)
        await asyncio.sleep(0.5)  # they talk
        await call.hang_up()
        await talk.wait_ended()
    finally:
        await phone.close()


async def test_calls_go_on_while_the_database_is_stopped_and_are_stored_once_afterwards(
    tmp_path: Path, database: Postgres
) -> None:
    callers: list[str] = []
    talkers: list[str] = []
    async with _serving(tmp_path, database) as server:
        ana = await server.agent_phone("201")
        async with watcher(server) as sofia:
            await sofia.ready("ana")
        talkers.append("+34600500001")
        await _talks(server, ana, talkers[-1])
        await asyncio.to_thread(database.stop)
        stopped = time.monotonic()
        tasks = Tasks("callers")
        number = 0
        while time.monotonic() - stopped < OUTAGE_S:
            number += 1
            callers.append(f"+346006{number:05d}")
            tasks.spawn(_is_served(server, "100", callers[-1]), name=f"call {number}")
            talkers.append(f"+346005{number:05d}")
            if number > 1:
                await _talks(server, ana, talkers[-1])
            else:
                talkers.pop()
            health = await _health(server)
            assert (health["status"], health["database"]["ok"]) == ("degraded", False)
        await tasks.settle(within=20)
        assert len(tasks) == 0
        await asyncio.to_thread(database.start)
        back = time.monotonic()

        async def caught_up() -> bool | None:
            health = await _health(server)
            pending = health["database"]["detail"].get("pending", 1)
            return (health["database"]["ok"] and pending == 0) or None

        await eventually(caught_up, "the journal in the database", 20)
        print(f"{len(callers)} calls and {len(talkers)} conversations, outage of {OUTAGE_S:.0f} s,")
        print(f"in the database {time.monotonic() - back:.1f} s after it was back")
        await ana.close()
    assert "left out" not in server.log.read_text()
    store = await open_store(database.url)
    try:
        for caller in (*callers, *talkers):
            found = await store.interactions.calls(_of(caller), limit=10)
            (entry,) = found.items
            assert entry.ended_at is not None and entry.customer_id is not None
            assert entry.call is not None
            lines = [line.type for line in await store.call_events.of_call(entry.call.call_id)]
            assert lines.count("call_arrived") == lines.count("flow_ended") == 1
            if caller in talkers:
                assert len(entry.recording_ids) == 1
                assert lines.count("conversation_started") == 1
    finally:
        await store.close()
    with contextlib.suppress(FileNotFoundError):
        assert len(list((server.data / "journal").glob("*.journal"))) <= 2


def _of(number: str) -> CallFilter:
    return CallFilter(number=number)
