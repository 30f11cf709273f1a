"""RTP from people who are not in the conversation: a real worker, real packets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.telephony.call import CallArrived, DigitReceived, LegAnswered, LegsBridged
from tests.support.rtp_source import rtp_source
from tests.support.telephony import RealOutside, RealStage, real_stage, tone, write_wav

_PLAYED, _SPOKEN, _STRANGE = 450, 700, 1000


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as stage:
        yield stage


async def _conversation(stage: RealStage) -> tuple[RealOutside, RealOutside]:
    """A caller who hums, and an agent who hears it."""
    caller = await stage.calls("100")
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)
    await caller.call.wait_answered()
    agent = await stage.dials(caller)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await agent.call.wait_answered()
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    await stage.log.next(LegsBridged, agent.leg_id)
    caller.call.audio.hum(tone(_SPOKEN, 0.4))
    await agent.call.audio.until(lambda frame: frame.has_tone(_SPOKEN))
    return caller, agent


@pytest.mark.parametrize("where", ["127.0.0.66", "127.0.0.1"], ids=["elsewhere", "same host"])
async def test_a_stranger_who_floods_a_conversation_changes_nothing(
    stage: RealStage, where: str
) -> None:
    caller, agent = await _conversation(stage)
    agent.call.audio.hum(tone(_PLAYED, 0.4))
    async with rtp_source(where) as stranger:
        stranger.hum(caller.call.audio.peer, _STRANGE, a_second=2000)
        first = len(agent.call.audio.frames)
        await agent.call.audio.until(lambda _: len(agent.call.audio.frames) > first + 150)
        heard = agent.call.audio.frames[first + 5 :]
        assert not [frame for frame in heard if frame.has_tone(_STRANGE)]
        clear = sum(frame.has_tone(_SPOKEN) for frame in heard)
        print(f"{clear} of {len(heard)} frames are the caller's")
        # The flood costs nothing of the caller's audio: a loaded machine may.
        assert clear > 0.9 * len(heard)
        await caller.call.audio.until(lambda frame: frame.has_tone(_PLAYED))
        assert not stranger.heard


async def test_keys_that_a_stranger_sends_are_nobodys(stage: RealStage) -> None:
    caller, _ = await _conversation(stage)
    async with rtp_source("127.0.0.66") as stranger:
        for _ in range(20):
            stranger.press(caller.call.audio.peer, 7)
        caller.call.audio.press("5")
        assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == "5"
    digits = [event.digit for event in stage.log.seen if isinstance(event, DigitReceived)]
    assert digits == ["5"]


# --- phones of which the SDP does not tell the truth --------------------------------------------


async def _offered(stage: RealStage, tmp_path: Path, host: str, port: int) -> tuple[str, int]:
    """A call whose SDP names that address, and which is played a tone: where its audio goes to."""
    async with asyncio.TaskGroup() as group:
        offering = group.create_task(
            stage.caller.offers(
                "100",
                f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
                f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            )
        )
        arrived = await stage.log.next(CallArrived)
        await stage.control.answer(arrived.leg_id)
    found = re.search(r"m=audio (\d+) ", offering.result().body)
    assert offering.result().status == 200 and found is not None
    music = write_wav(tmp_path / "music.wav", tone(_PLAYED, 0.5))
    await stage.control.play(arrived.leg_id, [music], loop=True)
    return "127.0.0.1", int(found[1])


async def test_a_phone_behind_a_router_is_found_and_kept(stage: RealStage, tmp_path: Path) -> None:
    """The SDP has an address that leads nowhere: who is heard first is the phone."""
    port = await _offered(stage, tmp_path, "192.0.2.7", 40000)
    async with rtp_source("127.0.0.9") as phone, rtp_source("127.0.0.66") as stranger:
        phone.hum(port, _SPOKEN)
        await phone.hears(10)
        stranger.hum(port, _STRANGE, a_second=500)
        await phone.hears(100)
        assert not stranger.heard
        # Its router forgets it while it is silent: the stranger does not get its place.
        await phone.stop()
        await phone.hears(150)
        assert not stranger.heard


async def test_a_stranger_who_is_first_is_out_when_the_phone_speaks(
    stage: RealStage, tmp_path: Path
) -> None:
    async with rtp_source() as phone, rtp_source("127.0.0.66") as stranger:
        port = await _offered(stage, tmp_path, *phone.local)
        stranger.hum(port, _STRANGE, a_second=500)
        await stranger.hears()
        phone.hum(port, _SPOKEN)
        await phone.hears(10)
        before = len(stranger.heard)
        await phone.hears(50)
        assert len(stranger.heard) <= before + 1  # one may have been under way


async def test_a_phone_comes_back_by_another_port_after_a_silence(
    stage: RealStage, tmp_path: Path
) -> None:
    async with rtp_source() as phone, rtp_source() as again:
        port = await _offered(stage, tmp_path, *phone.local)
        phone.hum(port, _SPOKEN)
        await phone.hears(10)
        again.hum(port, _SPOKEN)
        await phone.hears(50)
        assert not again.heard
        await phone.stop()
        await again.hears(10, within=10)


async def test_a_new_offer_moves_the_audio(stage: RealStage) -> None:
    caller, agent = await _conversation(stage)
    async with rtp_source("127.0.0.9") as elsewhere:
        host, port = elsewhere.local
        caller.call.move_to(host, port)
        await caller.call.hold(False)
        elsewhere.hum(caller.call.audio.peer, _SPOKEN)
        await elsewhere.hears(50)
        await agent.call.audio.until(lambda frame: frame.has_tone(_SPOKEN))
