"""Another brain takes over in the middle of a busy day: calls go on, and nothing is missing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.support.busy import busy_desk, found_desk, is_healthy
from tests.support.server import ServerProcess
from tests.support.story import watcher


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path)
    await running.prepare()
    await found_desk(running, agents=20)
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest.mark.parametrize("how", ["killed", "renewed"])
async def test_another_brain_takes_over_and_nobody_loses_the_call(
    server: ServerProcess, how: str
) -> None:
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=20, waiting=10, in_menu=5) as desk,
    ):
        first, children = server.brain, server.children()
        if how == "killed":
            first.send_signal(signal.SIGKILL)
        else:
            os.kill(server.pid, signal.SIGUSR2)
        gone = time.monotonic()
        await asyncio.to_thread(first.wait, 10)
        await is_healthy(server)
        print(f"a brain was back {time.monotonic() - gone:.2f} s after the first was {how}")
        silence = await desk.conversations_go_on()
        print(f"longest silence in a conversation: {silence * 1000:.0f} ms")
        await desk.waiting_is_as_before(sofia)
        await desk.menus_take_an_answer()
        await desk.first_come_is_first_served()
        await desk.ends(sofia)
        if how == "renewed":  # the keeper, too: the same process runs the program anew
            assert "-P" in psutil.Process(server.pid).cmdline()
            assert len(server.children()) == len(children)
            assert server.children() - children == {server.brain.pid}


async def test_a_mistake_in_the_configuration_is_told_and_nothing_is_renewed(
    server: ServerProcess,
) -> None:
    brain = server.brain
    config = server.config().source
    assert config is not None
    text = config.read_text()
    config.write_text(text + "\n[madia]\n", encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)
    await server.log_has("not renewed, the next would not start")
    await server.log_has("[madia]: there is no such section")
    assert brain.is_running()
    config.write_text(text, encoding="utf-8")
    os.kill(server.pid, signal.SIGUSR2)
    await asyncio.to_thread(brain.wait, 20)
    await is_healthy(server)
