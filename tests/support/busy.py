"""A busy day: conversations, callers who wait, callers in a menu."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from centralita.core.clock import SteadyClock
from centralita.core.ids import AgentId, FlowId, QueueId
from centralita.core.wire import Plain
from centralita.store.records import AgentRecord, QueueRecord
from centralita.store.store import open_store
from centralita.telephony.edge.config import ha1
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.phones import has_tone, tone
from tests.support.server import ServerProcess
from tests.support.story import Json, Watcher, events_of, eventually, first_rung, passed

AGENT_TONE, CALLER_TONE = 1000, 600
QUEUE, NUMBER, MENU = "desk", "500", "100"
_FIRST_EXTENSION = 301


def desk_flow(goodbye: str = "Adiós") -> dict[str, Plain]:
    """The flow behind NUMBER."""
    return {
        "flow": "desk",
        "language": "es",
        "start": "wait",
        "nodes": {
            "wait": {"type": "enqueue", "queue": QUEUE, "otherwise": "bye"},
            "bye": {"type": "hangup", "prompt": goodbye},
        },
    }


async def found_desk(server: ServerProcess, agents: int) -> None:
    """Agents, their queue and its number, beside the demonstration's company."""
    store = await open_store(server.config().database_url)
    names = [str(_FIRST_EXTENSION + number) for number in range(agents)]
    for name in names:
        server.phones[name] = f"secret of {name}"
        await store.agents.put(
            AgentRecord(
                agent_id=AgentId(f"agent_{name}"),
                name=f"Agent {name}",
                extension=name,
                ha1=ha1(name, "centralita", server.phones[name]),
                status="available",
            )
        )
    await store.queues.put(
        QueueRecord(
            queue_id=QueueId(QUEUE),
            title="Desk",
            language="es",
            agents=tuple(AgentId(f"agent_{name}") for name in names),
            settings={"wrap_up": "0s", "announce_recording": False, "exit_when_empty": False},
        )
    )
    at = SteadyClock().now()
    record = await store.flows.add_version(FlowId("desk"), desk_flow(), at=at, by="test")
    await store.flows.publish(FlowId("desk"), record.version, numbers=(NUMBER,))
    await store.close()


async def is_healthy(server: ServerProcess, within: float = 20) -> None:
    """Until the server says that it serves."""
    async with aiohttp.ClientSession() as session:

        async def look() -> bool | None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{server.url}/healthz") as answer:
                    return True if answer.status == 200 else None
            return None

        await eventually(look, "the server serves", within)


@dataclass
class Talk:
    """A conversation: the caller's phone and the agent's. Each hums a tone of its own."""

    caller: PhoneCall
    agent: PhoneCall


@dataclass
class BusyDesk:
    """Everybody on the phone. Numbers of callers tell what they do: talk, wait, are in a menu."""

    server: ServerProcess
    agents: list[Phone] = field(default_factory=list)
    callers: list[Phone] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    waiting: list[PhoneCall] = field(default_factory=list)
    in_menu: list[PhoneCall] = field(default_factory=list)
    since: float = 0.0
    queue: Json = field(default_factory=dict)

    async def opens(self, sofia: Watcher, *, talking: int, waiting: int, in_menu: int) -> None:
        """As many agents as conversations; then callers who wait, then callers in the menu."""
        for number in range(talking):
            extension = str(_FIRST_EXTENSION + number)
            self.agents.append(await self.server.agent_phone(extension))
            await sofia.agent_becomes(extension, registered=True, state="idle")
        for number in range(talking):
            caller = await self.calls(f"+346005000{number:02}", NUMBER)
            caller.audio.hum(tone(CALLER_TONE, 1))
            agent = await self.an_agent_answers()
            await caller.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
            self.talks.append(Talk(caller, agent))
        for number in range(waiting):
            self.waiting.append(await self.calls(f"+346005001{number:02}", NUMBER))
        for number in range(in_menu):
            call = await self.calls(f"+346005002{number:02}", MENU)
            self.in_menu.append(call)
            await call.audio.sound()
        self.queue = await self.waits(sofia, waiting)
        self.since = time.monotonic()

    async def closes(self) -> None:
        for phone in (*self.callers, *self.agents):
            await phone.close()

    async def calls(self, caller: str, number: str) -> PhoneCall:
        """A new caller, answered."""
        phone = await self.server.caller(caller)
        self.callers.append(phone)
        call = await phone.call(number)
        await call.wait_answered()
        return call

    async def rings(self) -> PhoneCall:
        """The next call to any agent's phone."""
        _, call = await first_rung(self.agents)
        return call

    async def an_agent_answers(self) -> PhoneCall:
        """The next call to any agent, who picks up and hums."""
        call = await self.rings()
        call.accept()
        await call.wait_answered()
        call.audio.hum(tone(AGENT_TONE, 1))
        return call

    async def waits(self, sofia: Watcher, count: int) -> Json:
        """The queue, once so many wait in it."""

        async def look() -> Json | None:
            queues = (await sofia.get("/queues"))["items"]
            queue = next(dict(queue) for queue in queues if queue["id"] == QUEUE)
            return queue if queue["waiting"] == count else None

        return await eventually(look, f"{count} wait", 15)

    # --- what must still hold -------------------------------------------------------------------

    async def conversations_go_on(self) -> float:
        """Both sides still hear each other; returns the longest silence since, in seconds."""
        gaps = []
        for talk in self.talks:
            await talk.caller.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
            await talk.agent.audio.until(lambda frame: frame.has_tone(CALLER_TONE))
            gaps += [_longest_gap(call, self.since) for call in (talk.caller, talk.agent)]
        assert max(gaps) < 1
        return max(gaps)

    async def waiting_is_as_before(self, sofia: Watcher) -> None:
        """All still wait, since when they did, and hear music; who came first is served first."""
        queue = await self.waits(sofia, len(self.waiting))
        assert queue["longest_wait_since"] == self.queue["longest_wait_since"]
        for call in self.waiting:
            await call.audio.sound(above=50)

    async def first_come_is_first_served(self) -> None:
        """An agent hangs up and gets the caller who has waited longest."""
        over = self.talks.pop(0)
        await over.agent.hang_up()
        await over.caller.wait_ended()
        first = self.waiting.pop(0)
        agent = await self.an_agent_answers()
        assert agent.caller == "+34600500100"
        await first.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
        self.talks.append(Talk(first, agent))

    async def menus_take_an_answer(self) -> None:
        """The callers in the menu are asked, and choose."""
        for call in self.in_menu:
            await call.audio.sound()
            call.audio.press("3")

    async def ends(self, sofia: Watcher) -> None:
        """All hang up; each call is in the timeline, once, with what it was."""
        talks, waiting = len(self.talks), len(self.waiting)
        menus = len(self.in_menu)
        for talk in self.talks:
            await talk.caller.hang_up()
        for call in (*self.in_menu, *self.waiting):
            await call.hang_up()
        served = "+34600500100"
        for number in range(talks):
            entry = await sofia.call_of(f"+346005000{number:02}")
            assert entry["outcome"] == "conversation", entry
            assert len(events_of(entry, "conversation_started")) == 1, entry["events"]
            assert len(events_of(entry, "conversation_ended")) == 1, entry["events"]
        for number in range(waiting + 1):
            entry = await sofia.call_of(f"+346005001{number:02}")
            answered = f"+346005001{number:02}" == served
            assert entry["outcome"] == ("conversation" if answered else "abandoned"), entry
        for number in range(menus):
            entry = await sofia.call_of(f"+346005002{number:02}")
            assert ("menu", "key 3") in passed(entry), entry
        await self._recording_is_whole(sofia)
        agents = (await sofia.get("/agents"))["items"]
        assert all(agent["state"] == "idle" for agent in agents)

    async def _recording_is_whole(self, sofia: Watcher) -> None:
        """From the first word to the last, with both tones at the end."""
        entry = await sofia.recorded(await sofia.call_of("+34600500001"))
        (recording,) = entry["recordings"]
        left, right = await sofia.sound_of(recording)
        (ended,) = events_of(entry, "conversation_ended")
        print(f"talked {ended['talked']} s, recorded {len(left) / 8000:.2f} s")
        assert abs(len(left) / 8000 - float(ended["talked"])) < 0.5
        assert has_tone(left[-8000:], CALLER_TONE) and has_tone(right[-8000:], AGENT_TONE)


@asynccontextmanager
async def busy_desk(
    server: ServerProcess, sofia: Watcher, *, talking: int, waiting: int, in_menu: int
) -> AsyncIterator[BusyDesk]:
    """A desk in the middle of its day; the server was prepared with `found_desk`."""
    desk = BusyDesk(server)
    try:
        await desk.opens(sofia, talking=talking, waiting=waiting, in_menu=in_menu)
        yield desk
    finally:
        await desk.closes()


def _longest_gap(call: PhoneCall, since: float) -> float:
    """The longest time without a packet, in seconds."""
    times = [frame.at for frame in call.audio.frames if frame.at >= since]
    return max(
        (later - earlier for earlier, later in itertools.pairwise(times)), default=float("inf")
    )
