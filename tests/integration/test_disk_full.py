"""The disk fills up while people call, and has space again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from centralita.telephony.phone.phone import Phone
from tests.support.phones import tone
from tests.support.server import ServerProcess
from tests.support.story import Json, Watcher, events_of, eventually, set_queues, watcher

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root"),
]
SIZE_MB, KEEP_FREE_MB = 96, 32


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, which is small."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path, leave_mb: int = 0) -> Path:
    """A file that takes all space but so much."""
    filler = folder / "filler"
    with filler.open("ab") as file:
        space = os.statvfs(folder)
        size = space.f_bavail * space.f_frsize - (leave_mb << 20)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(size, 1))
        while not leave_mb:  # until nothing goes in any more
            try:
                os.write(file.fileno(), bytes(4096))
            except OSError as exc:
                assert exc.errno == errno.ENOSPC
                break
    return filler


@asynccontextmanager
async def _conversation(server: ServerProcess, ana: Phone, caller: str) -> AsyncIterator[None]:
    """Caller and agent, who hear each other."""
    phone = await server.caller(caller)
    try:
        call = await phone.call("110")
        await call.wait_answered()
        talk = await asyncio.wait_for(ana.incoming.get(), 15)
        talk.accept()
        talk.audio.hum(tone(1000, 1))
        await call.audio.until(lambda frame: frame.has_tone(1000), within=5)
        yield
        await call.audio.until(lambda frame: frame.has_tone(1000), within=5)
        await call.hang_up()
        await talk.wait_ended()
    finally:
        await phone.close()


async def _health(server: ServerProcess, *, recordings: bool) -> Json:
    """The health, once its part about recordings says so."""

    async def look() -> Json | None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/healthz") as answer:
                health = dict(await answer.json())
        return health if health["recordings"]["ok"] is recordings else None

    return await eventually(look, f"recordings {recordings}", 15)


async def _ended(sofia: Watcher, caller: str) -> Json:
    return await sofia.call_of(caller)


async def test_a_full_disk_stops_recordings_and_no_call(small_disk: Path) -> None:
    server = ServerProcess(small_disk, extra=f"[recordings]\nkeep_free_mb = {KEEP_FREE_MB}\n")
    await server.prepare()
    await set_queues(
        server, wrap_up="0s", ring_time="5s", announce_recording=False, exit_when_empty=False
    )
    async with server:
        ana = await server.agent_phone("201")
        async with watcher(server) as sofia:
            await sofia.ready("ana")
            # Nearly full: what is being recorded is kept as far as it got, and the call goes on.
            async with _conversation(server, ana, "+34600700001"):
                filler = await asyncio.to_thread(_fill, small_disk, KEEP_FREE_MB // 2)
                health = await _health(server, recordings=False)
                assert health["status"] == "degraded"
                assert "nothing is recorded" in health["recordings"]["message"]
            first = await sofia.recorded(await _ended(sofia, "+34600700001"))
            async with _conversation(server, ana, "+34600700002"):
                pass
            second = await _ended(sofia, "+34600700002")
            assert (second["outcome"], second["recordings"]) == ("conversation", [])
            assert len(events_of(second, "recording_failed")) == 1
            # Wholly full: neither journal nor database can write. The calls do not notice.
            await asyncio.to_thread(_fill, small_disk)
            async with _conversation(server, ana, "+34600700003"):
                pass
            filler.unlink()
            third = await _ended(sofia, "+34600700003")
            assert third["outcome"] == "conversation"
            await _health(server, recordings=True)
            async with _conversation(server, ana, "+34600700004"):
                await asyncio.sleep(1.0)  # something is said
            last = await sofia.recorded(await _ended(sofia, "+34600700004"))
            for call in (first, last):
                left, right = await sofia.sound_of(call["recordings"][0])
                assert len(left) == len(right) > 0
            assert "nothing is recorded until there is space" in server.log.read_text()
        await ana.close()
    assert "left out" not in server.log.read_text()
