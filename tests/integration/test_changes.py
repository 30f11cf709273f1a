"""Flows, queues, agents and sip.conf are changed again and again under load: no call is lost."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path

from centralita.core.clock import SteadyClock
from centralita.core.ids import AgentId, FlowId, QueueId
from centralita.core.tasks import Tasks
from centralita.store.records import AgentRecord, QueueRecord
from centralita.store.store import open_store
from centralita.telephony.edge.config import ha1
from tests.support.busy import AGENT_TONE, MENU, NUMBER, QUEUE, busy_desk, desk_flow, found_desk
from tests.support.server import ServerProcess
from tests.support.story import events_of, watcher

_ROUNDS = 3


@dataclass
class Arrivals:
    """Callers who keep coming, one after the other, to the menu and to the queue."""

    server: ServerProcess
    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    stop: bool = False

    async def come(self) -> None:
        tasks = Tasks("callers")
        number = 0
        while not self.stop:
            caller = f"+34600600{number:03}"
            tasks.spawn(self._calls(caller, (MENU, NUMBER)[number % 2]), name=caller)
            number += 1
            await asyncio.sleep(0.3)  # they arrive as they like
        await tasks.settle(within=50)

    async def _calls(self, caller: str, number: str) -> None:
        phone = await self.server.caller(caller)
        try:
            call = await phone.call(number)
            await call.wait_answered(within=30)
            self.waited.append(call.times["answered"] - call.times["invite"])
            await call.audio.sound(above=50, within=15)
            await asyncio.sleep(1)  # they listen
            assert not call.ended.is_set(), "cut off"
            await call.hang_up()
            self.answered.append(caller)
        except Exception as exc:
            self.failed.append(f"{caller}: {exc!r}")
        finally:
            await phone.close()


async def _change_the_store(server: ServerProcess, number: int) -> None:
    """Another version of the flow, other settings of the queue, one agent more and one less."""
    store = await open_store(server.config().database_url)
    try:
        at = SteadyClock().now()
        flow = desk_flow(f"Adiós, versión {number}")
        record = await store.flows.add_version(FlowId("desk"), flow, at=at, by="test")
        await store.flows.publish(FlowId("desk"), record.version, numbers=(NUMBER,))
        queue = await store.queues.get(QueueId(QUEUE))
        assert queue is not None
        newcomer = AgentId(f"agent_new{number}")
        await store.agents.put(
            AgentRecord(
                agent_id=newcomer,
                name=f"New {number}",
                extension=f"4{number:02}",
                ha1=ha1(f"4{number:02}", "centralita", "secret"),
                status="available",
            )
        )
        agents = (*(agent for agent in queue.agents if "new" not in agent), newcomer)
        settings = {**queue.settings, "ring_time": f"{15 + number}s"}
        await store.queues.put(replace(queue, agents=agents, settings=settings))
        await store.queues.put(
            QueueRecord(
                queue_id=QueueId(f"extra{number}"), title="Extra", language="en", agents=agents
            )
        )
    finally:
        await store.close()
    os.kill(server.pid, signal.SIGHUP)


def _change_sip_conf(server: ServerProcess, number: int) -> None:
    config = server.config().source
    assert config is not None
    text = re.sub(r"^workers = \d+$", f"workers = {1 + number % 2}", config.read_text(), flags=re.M)
    config.write_text(f"{text}\n[number:7{number}]\nflow = desk\n", encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)


async def test_changes_under_load_cost_no_call(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, media="workers = 1")
    await server.prepare()
    await found_desk(server, agents=10)
    await server.start()
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=10, waiting=5, in_menu=5) as desk,
    ):
        arrivals = Arrivals(server)
        tasks = Tasks("changes")
        coming = tasks.spawn(arrivals.come(), name="arrivals")
        for number in range(1, _ROUNDS + 1):
            await _change_the_store(server, number)
            await asyncio.sleep(1)  # calls arrive
            brain = server.brain
            _change_sip_conf(server, number)
            await asyncio.to_thread(brain.wait, 20)
            await asyncio.sleep(3)  # and go on arriving
        arrivals.stop = True
        await coming
        silence = await desk.conversations_go_on()
        print(f"{len(arrivals.answered)} calls arrived during {2 * _ROUNDS} changes,")
        print(f"{len(arrivals.failed)} failed; longest silence: {silence * 1000:.0f} ms")
        print(f"longest wait for an answer: {max(arrivals.waited):.1f} s")
        assert not arrivals.failed
        for call in (*desk.waiting, *desk.in_menu):
            assert not call.ended.is_set()
            await call.audio.sound(above=50)
        for caller in arrivals.answered:
            entry = await sofia.call_of(caller)
            assert entry["ended_by"] == "remote_hangup", entry
        for talk in desk.talks:
            await talk.caller.hang_up()
        for number in range(10):
            entry = await sofia.call_of(f"+346005000{number:02}")
            assert (entry["outcome"], entry["ended_by"]) == ("conversation", "remote_hangup")
            assert len(events_of(entry, "conversation_started")) == 1, entry["events"]
        # Whoever has waited is served by the flow's and the queue's newest form.
        agent = await desk.an_agent_answers()
        await agent.wait_answered()
        await desk.waiting[0].audio.until(lambda frame: frame.has_tone(AGENT_TONE))
        for call in (*desk.waiting, *desk.in_menu):
            await call.hang_up()
    assert await server.stop() == 0
