"""What a test waits for and looks at through the API, as a supervisor would."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import soundfile
import yaml

from centralita.core.ids import FlowId, QueueId
from centralita.ivr.loader import load
from centralita.store.store import open_store
from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.server import ApiClient, ServerProcess

T = TypeVar("T")
Json = dict[str, Any]


async def eventually(
    look: Callable[[], Awaitable[T | None]], what: str | Callable[[], str], within: float = 10
) -> T:
    """What `look` returns, once it is not None: it asks another process.

    `what` is said when it is not; a function can say what there was in its place.
    """
    async with asyncio.timeout(within + 5):
        deadline = asyncio.get_running_loop().time() + within
        while True:
            found = await look()
            if found is not None:
                return found
            if asyncio.get_running_loop().time() >= deadline:
                said = what if isinstance(what, str) else what()
                raise AssertionError(f"{said}: not within {within} s")
            await asyncio.sleep(0.02)


async def first_rung(phones: Iterable[Phone], within: float = 15) -> tuple[Phone, PhoneCall]:
    """The phone of these that rings first, and its call."""

    async def look() -> tuple[Phone, PhoneCall] | None:
        for phone in phones:
            if not phone.incoming.empty():
                return phone, phone.incoming.get_nowait()
        return None

    return await eventually(look, "a phone rings", within)


async def set_queues(
    server: ServerProcess, queues: Sequence[str] = ("sales", "support"), **settings: Any
) -> None:
    """Change the settings of these queues; before the server starts."""
    store = await open_store(server.config().database_url)
    for name in queues:
        queue = await store.queues.get(QueueId(name))
        assert queue is not None
        await store.queues.put(replace(queue, settings={**queue.settings, **settings}))
    await store.close()


async def publish_flow(server: ServerProcess, number: str, text: str) -> None:
    """Let a flow, written as YAML, answer a number; before the server starts."""
    document = yaml.safe_load(text)
    load(document)  # a mistake in the test is told here, and not by a refused call
    flow_id = FlowId(document["flow"])
    store = await open_store(server.config().database_url)
    record = await store.flows.add_version(flow_id, document, at=datetime.now(UTC), by="test")
    await store.flows.publish(flow_id, record.version, numbers=(number,))
    await store.close()


class Watcher:
    """Sofía, the supervisor, who sees everything."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        self.since = datetime.now(UTC) - timedelta(seconds=1)

    async def get(self, path: str) -> Json:
        """The JSON at a path."""
        return dict(await self.api.get(path))

    async def agent(self, name: str) -> Json:
        """An agent as of now."""
        agents = (await self.get("/agents"))["items"]
        return next(dict(agent) for agent in agents if agent["id"] == f"agent_{name}")

    async def agent_becomes(self, name: str, *, within: float = 10, **wanted: object) -> Json:
        """Until all these fields have these values."""
        agent: Json = {}

        async def look() -> Json | None:
            agent.update(await self.agent(name))
            return agent if all(agent[key] == value for key, value in wanted.items()) else None

        return await eventually(look, lambda: f"{name} becomes {wanted}, was {agent}", within)

    async def frees(self, name: str) -> None:
        """The supervisor makes an agent available."""
        status, answer = await self.api.post(
            f"/agents/agent_{name}/status", {"status": "available"}
        )
        assert status == 200, answer

    async def goes_home(self, name: str) -> None:
        """An agent's call is over and finished, and the agent available, as in the beginning."""

        async def look() -> Json | None:
            agent = await self.agent(name)
            if agent["state"] == "wrap_up":
                # Nobody is at the page any more to save it; it may end by itself meanwhile.
                await self.api.post(f"/agents/agent_{name}/wrap-up/finish", {})
            return agent if agent["state"] == "idle" else None

        await eventually(look, f"{name} is idle")
        await self.frees(name)
        await self.agent_becomes(name, state="idle", status="available")

    async def ready(self, *names: str) -> None:
        """These agents can be offered a call."""
        for name in names:
            await self.agent_becomes(name, registered=True, state="idle", status="available")

    async def call_of(
        self, number: str, *, state: str = "ended", since: datetime | None = None
    ) -> Json:
        """The newest call of that number, with its details, once it is in that state."""
        since_text = quote((since or self.since).isoformat())

        async def look() -> Json | None:
            path = f"/calls?limit=1&state={state}&number={quote(number)}&since={since_text}"
            items = (await self.get(path))["items"]
            return await self.get(f"/calls/{items[0]['id']}") if items else None

        return await eventually(look, f"call of {number} {state}", 15)

    async def recorded(self, call: Json, count: int = 1) -> Json:
        """The call, once it has so many recordings and a transcript of each."""

        async def look() -> Json | None:
            now = await self.get(f"/calls/{call['id']}")
            whole = len(now["recordings"]) == len(now["transcripts"]) == count
            return now if whole else None

        return await eventually(look, "recording and transcript", 20)

    async def sound_of(self, recording: Json) -> list[Samples]:
        """The channels of a recording at 8 kHz, downloaded."""
        audio = await self.api.bytes(recording["audio"].removeprefix("/api/v1"))
        sound, rate = soundfile.read(io.BytesIO(audio), dtype="int16", always_2d=True)
        assert rate == 8000
        return [np.array(sound[:, number]) for number in range(sound.shape[1])]

    async def task_of(self, call: Json, *, with_text: bool = False) -> Json:
        """The open task that a call left."""

        async def look() -> Json | None:
            tasks = (await self.get("/tasks?state=open&limit=200"))["items"]
            mine = [dict(task) for task in tasks if task["call_id"] == call["id"]]
            return mine[0] if mine and (mine[0]["text"] or not with_text) else None

        return await eventually(look, "a task for the queue", 20)


@asynccontextmanager
async def watcher(server: ServerProcess) -> AsyncIterator[Watcher]:
    """Sofía signs in."""
    async with server.api("sofia") as api:
        yield Watcher(api)


def events_of(call: Json, kind: str) -> list[Json]:
    """The data of a call's events of that type."""
    return [dict(event["data"]) for event in call["events"] if event["type"] == kind]


def passed(call: Json) -> list[tuple[str, str]]:
    """The nodes a call passed, with their results."""
    return [(step["node_id"], step["result"]) for step in call["path"]]
