"""A server is stopped on a busy day: who is served to the end, and what the others are told."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from centralita.telephony.phone.phone import PhoneError
from tests.support.busy import AGENT_TONE, CALLER_TONE, NUMBER, busy_desk, found_desk
from tests.support.phones import has_tone, tone
from tests.support.server import ServerProcess
from tests.support.story import watcher
from tests.support.telephony import write_wav

_GOODBYE_TONE = 1500
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def test_sigterm_under_load_serves_whom_it_can_and_tells_the_others(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, extra="[limits]\nstop_grace = 8s\n")
    await server.prepare()
    await found_desk(server, agents=5)
    own_words = server.data / "prompts" / "es" / "closing-notice.wav"
    own_words.parent.mkdir(parents=True)
    write_wav(own_words, tone(_GOODBYE_TONE, 1))
    await server.start()
    async with (
        watcher(server) as sofia,
        busy_desk(server, sofia, talking=5, waiting=4, in_menu=2) as desk,
    ):
        psutil.Process(server.pid).send_signal(signal.SIGTERM)
        await server.log_has("waiting for those that are left")

        late = await server.caller("+34600599999")
        with pytest.raises(PhoneError) as refused:
            await (await late.call(NUMBER)).wait_answered()
        assert refused.value.status == 503
        await late.close()

        # Conversations end by themselves, and agents are still rung for those who wait.
        over = desk.talks.pop(0)
        await over.caller.hang_up()
        await desk.an_agent_answers()
        served = desk.waiting.pop(0)
        await served.audio.until(lambda frame: frame.has_tone(AGENT_TONE))
        await desk.menus_take_an_answer()
        assert await desk.conversations_go_on() < 1

        # The others are told, each at the same time.
        interrupted = [served, *desk.waiting, *(talk.caller for talk in desk.talks)]
        async with asyncio.TaskGroup() as group:
            for call in interrupted:
                group.create_task(
                    call.audio.until(lambda frame: frame.has_tone(_GOODBYE_TONE), within=15)
                )
        for call in interrupted:
            await call.wait_ended()
        assert await server.stop() == 0
    await server.start()
    async with watcher(server) as sofia:
        for number in range(5):
            entry = await sofia.call_of(f"+346005000{number:02}", since=_LONG_AGO)
            ended_by = "remote_hangup" if number == 0 else "shutdown"
            assert (entry["outcome"], entry["ended_by"]) == ("conversation", ended_by), entry
        for number in range(4):
            entry = await sofia.call_of(f"+346005001{number:02}", since=_LONG_AGO)
            assert entry["ended_by"] == "shutdown", entry
            if number == 0:  # who came first was served
                assert entry["outcome"] == "conversation", entry
                continue
            assert entry["outcome"] == "abandoned", entry
            task = await sofia.task_of(entry)
            assert (task["kind"], task["queue_id"]) == ("missed_call", "desk")
        entry = await sofia.recorded(await sofia.call_of("+34600500001", since=_LONG_AGO))
        left, right = await sofia.sound_of(entry["recordings"][0])
        assert has_tone(left[8000:16000], CALLER_TONE) and has_tone(right[8000:16000], AGENT_TONE)
    assert await server.stop() == 0
