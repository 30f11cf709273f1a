"""The machine's clock jumps by an hour, and nobody on the phone notices."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from centralita.server.telephony import edge_config
from tests.support.busy import AGENT_TONE, NUMBER, QUEUE, busy_desk, found_desk, is_healthy
from tests.support.edge import written_down
from tests.support.server import ServerProcess
from tests.support.story import Json, Watcher, events_of, watcher
from tests.support.wall_clock import WallClock


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _since(sofia: Watcher) -> str:
    """Since when the first in the queue has waited."""
    queues = (await sofia.get("/queues"))["items"]
    return str(next(queue["longest_wait_since"] for queue in queues if queue["id"] == QUEUE))


def _lasted(entry: Json) -> float:
    return (_at(entry["ended_at"]) - _at(entry["started_at"])).total_seconds()


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)], ids=["on", "back"])
async def test_a_jump_of_the_clock_ends_no_wait_and_no_registration_and_spoils_no_figure(
    tmp_path: Path, jump: timedelta
) -> None:
    # In their sandboxes they could not read what the time is.
    server = ServerProcess(tmp_path, extra="[limits]\nstop_grace = 1s\nsandbox = no\n")
    clock = WallClock(tmp_path)
    server.env = clock.env
    await server.prepare()
    await found_desk(server, agents=3)
    await server.start()
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=3, waiting=3, in_menu=2) as desk,
    ):
        began = time.monotonic()
        since = await _since(sofia)
        await written_down(edge_config(server.config()).registrations, phones=3)
        await asyncio.sleep(1.5)  # the edge's launcher looks at what is written twice a second
        clock.jump(jump)
        await server.log_has("registrations are kept")
        assert await desk.conversations_go_on() < 1
        assert await _since(sofia) == since

        # Whoever takes over now has only the new time to look at.
        brain = server.brain
        brain.send_signal(signal.SIGKILL)
        await asyncio.to_thread(brain.wait, 10)
        await is_healthy(server)
        await server.log_has("the time of the calls that go on is kept")
        assert await desk.conversations_go_on() < 1
        await desk.waiting_is_as_before(sofia)
        assert await _since(sofia) == since
        await desk.menus_take_an_answer()

        # A phone registers anew, a page signs in anew, a call comes and is served.
        await desk.agents[0].register()
        async with watcher(server) as another:
            await another.agent_becomes("301", registered=True)
        over = desk.talks.pop(0)
        await over.caller.hang_up()
        lasted = time.monotonic() - began
        await desk.an_agent_answers()
        served = desk.waiting.pop(0)
        await served.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
        waited = time.monotonic() - began
        desk.waiting.append(await desk.calls("+34600500109", NUMBER))
        await desk.waits(sofia, 3)
        for call in (served, *desk.waiting, *desk.in_menu, *(talk.caller for talk in desk.talks)):
            await call.hang_up()

        first = await sofia.call_of("+34600500000")
        print(
            f"talked {_lasted(first):.1f} s by the timeline, at least {lasted:.1f} s by the watch"
        )
        assert lasted < _lasted(first) < lasted + 60
        (ended,) = events_of(first, "conversation_ended")
        assert lasted < float(ended["talked"]) < lasted + 60
        next_one = await sofia.call_of("+34600500100")
        (started,) = events_of(next_one, "conversation_started")
        print(f"waited {started['waited']} s by the timeline, {waited:.1f} s by the watch")
        assert abs(float(started["waited"]) - waited) < 60
        assert next_one["outcome"] == "conversation"
        for number in ("+34600500101", "+34600500102", "+34600500109"):
            assert (await sofia.call_of(number))["outcome"] == "abandoned"
    assert await server.stop() == 0
    log = server.log.read_text()
    before_the_end = log[: log.index("Stopping: no new calls")]
    assert "phone unregistered" not in before_the_end
