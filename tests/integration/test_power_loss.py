"""Everything is killed at once, at any moment, again and again: no call is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import signal
from pathlib import Path

import psutil
import pytest
import soundfile

from centralita.core.tasks import Tasks
from centralita.recordings.files import open_sound
from centralita.store.store import open_store
from centralita.telephony.phone.phone import PhoneError
from centralita.timeline.model import TaskKind
from centralita.timeline.repositories import CallFilter
from centralita.vault.keyring import Keyring
from tests.support.server import ServerProcess
from tests.support.story import set_queues

# Fifty by the wish of CENTRALITA_POWER_LOSSES; the moment of each is another one every time.
ROUNDS = int(os.environ.get("CENTRALITA_POWER_LOSSES", "4"))
CALLS = 4

pytestmark = pytest.mark.timeout(60 + 30 * ROUNDS)


async def _leaves_a_message(server: ServerProcess, caller: str, answered: list[str]) -> None:
    """Calls and talks until the power fails."""
    phone = await server.caller(caller)
    try:
        call = await phone.call("190")
        await call.wait_answered()
        answered.append(caller)
        await call.audio.sound(within=10)
        await asyncio.sleep(30)  # until the power fails
    except (PhoneError, TimeoutError, AssertionError):
        pass
    finally:
        with contextlib.suppress(PhoneError):
            await phone.close()


def _power_fails(server: ServerProcess) -> None:
    """Every process of the server, all in one go."""
    keeper = psutil.Process(server.pid)
    processes = [*keeper.children(recursive=True), keeper]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)  # nobody may tidy up after another one
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


async def test_power_failures_at_any_moment_lose_no_call_and_no_recording(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    await server.prepare()
    await set_queues(server, announce_recording=False)
    answered: list[str] = []
    chance = random.Random()
    for round_ in range(ROUNDS):
        await server.start()
        tasks = Tasks("callers")
        for number in range(CALLS):
            caller = f"+34600{round_:03d}{number:03d}"
            tasks.spawn(_leaves_a_message(server, caller, answered), name=caller)
            await asyncio.sleep(0.05)
        await asyncio.sleep(chance.uniform(0.0, 9.0))
        await asyncio.to_thread(_power_fails, server)
        await tasks.close()
        # What the worst moment leaves: the beginning of a record.
        newest = max((server.data / "journal").glob("*.journal"))
        with newest.open("ab") as file:
            file.write(os.urandom(chance.randrange(0, 40)))
    await server.start()
    assert await server.stop() == 0
    log = server.log.read_text()
    assert "left out" not in log and "records are lost" not in log
    print(f"{ROUNDS} power failures, {len(answered)} calls answered,")
    print(f"{log.count('journal ends in a record that was never finished')} tails cut off")
    store = await open_store(server.config().database_url)
    kept, ids = 0, set[str]()
    try:
        for caller in answered:
            (entry,) = (await store.interactions.calls(CallFilter(number=caller), limit=5)).items
            assert entry.call is not None and entry.ended_at is not None
            assert entry.call.ended_by in ("interrupted", "remote_hangup")
            ids.add(entry.call.call_id)
            lines = [line.type for line in await store.call_events.of_call(entry.call.call_id)]
            assert lines.count("call_arrived") == 1
            for recording in await store.recordings.of_call(entry.call.call_id):
                path = server.config().recordings_dir / recording.path
                with open_sound(path, Keyring(server.config().keys_dir)) as sound:
                    info = soundfile.info(io.BytesIO(sound.read()))
                assert info.frames / info.samplerate == recording.duration.total_seconds()
                kept += 1
        assert await store.recordings.count() == kept
        tasks_made = (await store.tasks.list(limit=1000)).items
        # Somebody hears each message, and calls back who had not left one: one task for each call.
        assert len({task.call_id for task in tasks_made}) == len(tasks_made)
        assert ids <= {task.call_id for task in tasks_made}
        assert sum(task.kind is TaskKind.VOICEMAIL for task in tasks_made) == kept
    finally:
        await store.close()
    print(f"{kept} messages recovered")
    spool = server.config().recordings_dir / "spool"
    assert [path for path in spool.iterdir() if path.suffix == ".json"] == []
