"""As a service: what systemd hears of us, and how far its unit lets us reach."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.tasks import Tasks
from centralita.server.keeper import Keeper
from centralita.server.service_manager import ServiceManager
from tests.integration.test_keeper import brain_of
from tests.integration.test_supervisor import until
from tests.support.server import ROOT, ServerProcess

UNIT = ROOT / "deploy" / "systemd" / "centralita.service"


class Systemd:
    """A service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._inlet = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._inlet.bind(address)
        self.heard: list[list[str]] = []

    async def hears(self, line: str, within: float = 40) -> list[str]:
        """The message with this line; those before it are in `heard`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(within):
            while True:
                message = (await loop.sock_recv(self._inlet, 4096)).decode().splitlines()
                self.heard.append(message)
                if line in message:
                    return message

    def forget(self) -> None:
        """What has been said so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._inlet.recv(4096)
        self.heard.clear()

    def close(self) -> None:
        self._inlet.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    manager = Systemd(str(tmp_path / "notify"))
    yield manager
    manager.close()


async def test_a_service_says_when_it_serves_reloads_and_stops(
    tmp_path: Path, systemd: Systemd
) -> None:
    server = ServerProcess(tmp_path)
    server.env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    await server.prepare()
    tasks = Tasks("operator")
    starting = tasks.spawn(server.start(), name="start")
    try:
        assert "STATUS=Takes calls" in await systemd.hears("READY=1")
        await starting
        await systemd.hears("WATCHDOG=1")

        os.kill(server.pid, signal.SIGUSR2)
        reloading = await systemd.hears("RELOADING=1")
        # systemd compares it with its own clock.
        assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in reloading)
        # The keeper has become another program meanwhile, and still knows whom to tell.
        await systemd.hears("READY=1")
        await systemd.hears("WATCHDOG=1")
        assert "NOTIFY_SOCKET" not in server.brain.environ()
    finally:
        os.kill(server.pid, signal.SIGTERM)
        await systemd.hears("STOPPING=1")
        assert await server.stop() == 0
        await tasks.close()


async def test_the_watchdog_hears_nothing_while_the_brain_stands_still(
    tmp_path: Path, systemd: Systemd
) -> None:
    """Also when the keeper, who would do the talking, is as lively as ever."""
    keeper = Keeper(
        tmp_path / "keeper.sock",
        brain_of(tmp_path),
        hangs_after=timedelta(seconds=7),
        manager=ServiceManager(str(tmp_path / "notify")),
    )
    tasks = Tasks("keeper")
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        ended.set_result(await keeper.run())

    tasks.spawn(run(), name="run")
    await systemd.hears("READY=1")
    await systemd.hears("WATCHDOG=1")
    story = tmp_path / "story"
    await until(story.exists)
    await until(lambda: story.read_text().endswith("\n"))
    os.kill(int(story.read_text().split()[0]), signal.SIGSTOP)
    systemd.forget()
    await systemd.hears("STATUS=The brain died and is started again; calls go on")
    assert [message for message in systemd.heard if "WATCHDOG=1" in message] == []
    # Its successor is heard again.
    await systemd.hears("READY=1")
    await systemd.hears("WATCHDOG=1")
    keeper.stop()
    await ended
    await tasks.close()


async def test_an_abstract_address_is_understood_and_a_deaf_manager_stops_nobody() -> None:
    name = f"centralita-{os.getpid()}"
    systemd = Systemd(f"\0{name}")
    ServiceManager(f"@{name}").status("hello")
    assert await systemd.hears("STATUS=hello") == ["STATUS=hello"]
    systemd.close()
    ServiceManager(f"@{name}").ready("nobody hears this")
    ServiceManager("").alive()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_exposes_little() -> None:
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"exposure level for centralita\.service: ([0-9.]+)", judged.stdout)
    assert found is not None, judged.stdout
    # Newer systemds know more to judge by, so it is not quite the same everywhere.
    assert float(found[1]) <= 2.5


def test_the_unit_waits_for_what_the_server_needs() -> None:
    unit = UNIT.read_text(encoding="utf-8")
    assert "\nType=notify\n" in unit
    # A brain that hangs is replaced with all calls going on; systemd would end them.
    assert "\nWatchdogSec=2min\n" in unit
    # One child that is killed for its memory must not end the others.
    assert "\nOOMPolicy=continue\n" in unit
    for call in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        assert call in unit
