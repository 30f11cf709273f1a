"""Several media workers: calls are spread, a full one is passed over, one retires, one is added."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import PhoneCall, PhoneError
from tests.support.busy import (
    AGENT_TONE,
    CALLER_TONE,
    NUMBER,
    BusyDesk,
    busy_desk,
    found_desk,
    is_healthy,
)
from tests.support.phones import has_tone, tone
from tests.support.server import ServerProcess
from tests.support.story import events_of, eventually, watcher

# Room for four calls in each worker: a caller who waits has room for an agent.
_MAX_CALLS = 8


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(
        tmp_path,
        media=f"workers = 2\nmax_calls = {_MAX_CALLS}",
        extra="[limits]\nstop_grace = 1s\n",
    )
    await running.prepare()
    await found_desk(running, agents=8)
    await running.start()
    yield running
    assert await running.stop() == 0


def _worker_of(call: PhoneCall) -> int:
    """The SIP port of the media worker that has the call."""
    found = re.search(r":(\d+)", call.remote_contact.partition("@")[2] or call.remote_contact)
    assert found is not None, call.remote_contact
    return int(found[1])


def _spread(calls: list[PhoneCall]) -> list[int]:
    """How many of the calls are in each worker."""
    return sorted(Counter(map(_worker_of, calls)).values())


def _set_workers(server: ServerProcess, workers: int) -> None:
    """What an operator does: another number in sip.conf, and `systemctl reload`."""
    config = server.config().source
    assert config is not None
    text = re.sub(r"^workers = \d+$", f"workers = {workers}", config.read_text(), flags=re.M)
    config.write_text(text, encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)


async def _renewed(server: ServerProcess, brain: psutil.Process) -> None:
    await asyncio.to_thread(brain.wait, 20)
    await is_healthy(server)


async def _legs(server: ServerProcess) -> dict[str, float]:
    """The legs alive in each connected worker."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as answer:
        text = await answer.text()
    found = re.findall(r'^centralita_worker_legs\{worker="(.+)"\} (.+)$', text, re.MULTILINE)
    return {worker: float(legs) for worker, legs in found}


async def _has_workers(server: ServerProcess, *names: str) -> None:
    async def look() -> bool | None:
        return sorted(await _legs(server)) == sorted(names) or None

    await eventually(look, f"workers {names}", 15)


async def _refused(server: ServerProcess) -> int:
    phone = await server.caller("+34600599999")
    try:
        with pytest.raises(PhoneError) as refused:
            await (await phone.call(NUMBER)).wait_answered()
    finally:
        await phone.close()
    return refused.value.status


async def test_calls_are_spread_and_who_waits_in_a_full_worker_is_still_given_an_agent(
    server: ServerProcess,
) -> None:
    async with watcher(server) as sofia:
        desk = BusyDesk(server)
        try:
            for number in range(8):
                desk.waiting.append(await desk.calls(f"+346005001{number:02}", NUMBER))
            print("calls in each worker:", _spread(desk.waiting))
            assert _spread(desk.waiting) == [4, 4]
            # Each has room for as many legs again, which are the agents'.
            assert await _legs(server) == {"worker-0": 4.0, "worker-1": 4.0}
            assert await _refused(server) == 503
            # Two of one worker leave: the next two find it, whichever is asked first.
            full, *_ = (_worker_of(call) for call in desk.waiting)
            leaving = [call for call in desk.waiting if _worker_of(call) != full][:2]
            for call in leaving:
                desk.waiting.remove(call)
                await call.hang_up()
            await desk.waits(sofia, 6)
            for number in (8, 9):
                desk.waiting.append(await desk.calls(f"+346005001{number:02}", NUMBER))
                assert _worker_of(desk.waiting[-1]) != full
            for call in desk.waiting:
                call.audio.hum(tone(CALLER_TONE, 1))
            for number in range(8):
                desk.agents.append(await server.agent_phone(str(301 + number)))
            for _ in range(8):
                agent = await desk.an_agent_answers()
                await agent.audio.until(lambda frame: frame.has_tone(CALLER_TONE))
            for call in desk.waiting:
                await call.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
            assert await _legs(server) == {"worker-0": 8.0, "worker-1": 8.0}
        finally:
            await desk.closes()


async def test_a_worker_is_added_and_another_retires_while_people_talk(
    server: ServerProcess,
) -> None:
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=6, waiting=0, in_menu=0) as desk,
    ):
        old = {talk.caller.sip_call_id: _worker_of(talk.caller) for talk in desk.talks}
        brain = server.brain
        _set_workers(server, 3)
        await _renewed(server, brain)
        await _has_workers(server, "worker-0", "worker-1", "worker-2")
        waiting = [await desk.calls(f"+346005001{number:02}", NUMBER) for number in range(6)]
        newest = max(map(_worker_of, waiting))
        print("calls in each worker:", _spread(waiting))
        assert newest not in old.values()
        there = [call for call in waiting if _worker_of(call) == newest]
        assert len(there) >= 2
        assert await desk.conversations_go_on() < 1

        # It has calls when it is to go: it keeps them, gets no other, and ends with the last.
        brain, retiring = server.brain, server.child("worker-2.json")
        _set_workers(server, 2)
        await _renewed(server, brain)
        for call in waiting:
            if call not in there:
                await call.hang_up()
        late = [await desk.calls(f"+346005002{number:02}", NUMBER) for number in range(2)]
        assert newest not in map(_worker_of, late)
        assert await desk.conversations_go_on() < 1
        for talk in desk.talks[2:]:  # four agents are free for whoever has waited longest
            await talk.caller.hang_up()
        for _ in there:
            await desk.an_agent_answers()
        for call in there:
            await call.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
        assert retiring.is_running()
        for call in there:
            await call.hang_up()
        await asyncio.to_thread(retiring.wait, 10)
        await _has_workers(server, "worker-0", "worker-1")
        desk.talks = desk.talks[:2]
        assert await desk.conversations_go_on() < 1
        for talk in desk.talks:
            await talk.caller.hang_up()
        for number in range(6):
            entry = await sofia.call_of(f"+346005000{number:02}")
            assert entry["outcome"] == "conversation", entry
            assert entry["ended_by"] == "remote_hangup", entry


async def test_a_worker_is_renewed_when_its_last_call_is_over(server: ServerProcess) -> None:
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=2, waiting=0, in_menu=0) as desk,
    ):
        drained = server.child("worker-0.json")
        drained.send_signal(signal.SIGUSR1)
        calls = []
        for number in range(3):
            calls.append(await desk.calls(f"+346005001{number:02}", NUMBER))
            took = calls[-1].times["answered"] - calls[-1].times["invite"]
            print(f"answered after {took * 1000:.0f} ms")  # every other one is sent on
        assert len(set(map(_worker_of, calls))) == 1
        assert await desk.conversations_go_on() < 1
        for talk in desk.talks:
            await talk.caller.hang_up()
        await asyncio.to_thread(drained.wait, 10)

        async def look() -> bool | None:
            return (await _legs(server)).get("worker-0") == 0.0 or None

        await eventually(look, "worker-0 is back", 10)
        more = [await desk.calls(f"+346005002{number:02}", NUMBER) for number in range(2)]
        assert len(set(map(_worker_of, more))) == 2


async def test_of_two_workers_one_is_killed_and_the_other_goes_on(server: ServerProcess) -> None:
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=4, waiting=0, in_menu=0) as desk,
    ):
        killed = server.child("worker-0.json")
        port = server.config().sip.worker_port
        lost = {
            f"+346005000{number:02}": talk
            for number, talk in enumerate(desk.talks)
            if _worker_of(talk.caller) == port
        }
        desk.talks = [talk for talk in desk.talks if talk not in lost.values()]
        assert len(lost) == len(desk.talks) == 2
        loop = asyncio.get_running_loop()
        await asyncio.sleep(3)  # they talk
        killed.send_signal(signal.SIGKILL)
        at = loop.time()
        calls = []
        for number in range(2):
            calls.append(await desk.calls(f"+346005001{number:02}", NUMBER))
            print(f"a new call was answered {loop.time() - at:.2f} s after the kill")

        async def look() -> bool | None:
            return "worker-0" in await _legs(server) or None

        await eventually(look, "worker-0 is back", 5)
        print(f"the worker was back {loop.time() - at:.2f} s after the kill")
        silence = await desk.conversations_go_on()
        print(f"longest silence in the others' conversations: {silence * 1000:.0f} ms")
        for caller in lost:
            entry = await sofia.call_of(caller)
            assert (entry["outcome"], entry["ended_by"]) == ("conversation", "worker_lost"), entry
            recorded = await sofia.recorded(entry)
            left, right = await sofia.sound_of(recorded["recordings"][0])
            assert has_tone(left[-4000:], CALLER_TONE) and has_tone(right[-4000:], AGENT_TONE)
            (ended,) = events_of(entry, "conversation_ended")
            print(f"talked {ended['talked']} s, recorded {len(left) / 8000:.2f} s")
            assert float(ended["talked"]) - len(left) / 8000 < 1.5
        for talk in desk.talks:
            await talk.caller.hang_up()
        for caller in {f"+346005000{number:02}" for number in range(4)} - set(lost):
            entry = await sofia.call_of(caller)
            assert (entry["outcome"], entry["ended_by"]) == ("conversation", "remote_hangup"), entry
