"""Another sip.conf while people talk: its trunks are in force after a reload."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest_asyncio

from tests.support.busy import NUMBER, busy_desk, found_desk, is_healthy
from tests.support.provider import Provider
from tests.support.server import ApiClient, ServerProcess
from tests.support.sip import udp_party
from tests.support.story import watcher


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path)
    await running.prepare()
    await found_desk(running, agents=6)
    await running.start()
    yield running
    assert await running.stop() == 0


def account(provider: Provider, secret: Path, username: str) -> str:
    host, port = provider.party.local
    return (
        f"\n[trunk:acme]\nregistrar = {host}:{port}\nusername = {username}\n"
        f"password_file = {secret}\nprobe = no\n"
    )


async def reload(server: ServerProcess, text: str) -> None:
    """What an operator does: another sip.conf, and `systemctl reload`."""
    config = server.config().source
    assert config is not None
    config.write_text(text, encoding="utf-8")
    brain = server.brain
    os.kill(server.pid, signal.SIGUSR2)
    await asyncio.to_thread(brain.wait, 20)


async def trunks(server: ServerProcess) -> list[str]:
    async with ApiClient(server.url, "admin", server.users["admin"]) as admin:
        return [item["name"] for item in json.loads(await admin.bytes("/trunks"))["items"]]


async def test_a_trunk_is_added_changed_and_removed_while_people_talk(
    server: ServerProcess, tmp_path: Path
) -> None:
    source = server.config().source
    assert source is not None
    before = source.read_text()
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    async with (
        udp_party("127.0.0.3") as party,
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=2, waiting=1, in_menu=0) as desk,
    ):
        provider = Provider(party, server.sip)
        edge = server.child("edge.launcher")

        # One that is new: we register there; and somebody calls in that moment.
        await reload(server, before + account(provider, secret, "1"))
        await server.log_has("edge is started again")
        began = time.monotonic()
        late = await desk.calls("+34600500199", NUMBER)
        print(f"a call that came in just then was taken after {time.monotonic() - began:.2f} s")
        register = await provider.request("REGISTER", answered=False)
        assert register["contact"].startswith("<sip:acme-")
        await is_healthy(server)
        assert await trunks(server) == ["loopback", "acme"]
        assert not edge.is_running()
        assert await desk.conversations_go_on() < 1
        await late.hang_up()

        # It is another account now.
        await reload(server, before + account(provider, secret, "2"))
        async with asyncio.timeout(20):
            while "sip:2@" not in (await provider.request("REGISTER", answered=False))["to"]:
                pass
        await is_healthy(server)
        assert await desk.conversations_go_on() < 1

        # It is gone.
        await reload(server, before)
        await is_healthy(server)
        assert await trunks(server) == ["loopback"]
        assert await desk.conversations_go_on() < 1
        await desk.waiting_is_as_before(sofia)

        # Nothing has changed: Kamailio goes on as it is.
        edge = server.child("edge.launcher")
        await reload(server, before)
        await is_healthy(server)
        assert server.child("edge.launcher") == edge
        assert edge.status() != psutil.STATUS_ZOMBIE
        await desk.first_come_is_first_served()
        await desk.ends(sofia)
