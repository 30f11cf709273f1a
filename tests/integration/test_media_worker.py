"""What only a real worker process can show: sound, codecs, encryption, and its death."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from centralita.core.ids import LegId, new_id
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    DialError,
    DigitReceived,
    EndReason,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegsBridged,
    PlaybackEnd,
    PlaybackEnded,
    RecordingStopped,
    TelephonyError,
    TransferRequested,
    WorkerLost,
    WorkerUp,
)
from centralita.telephony.link import WorkerLink
from tests.support.telephony import RealOutside, RealStage, real_stage, tone, write_wav

SILENCE = np.zeros(160, dtype=np.int16)


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as stage:
        yield stage


async def answered(stage: RealStage) -> RealOutside:
    caller = await stage.calls("100")
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)
    await caller.call.wait_answered()
    return caller


async def together(stage: RealStage) -> tuple[RealOutside, RealOutside]:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await agent.call.wait_answered()
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    await stage.log.next(LegsBridged, agent.leg_id)
    return caller, agent


async def hears(listener: RealOutside, speaker: RealOutside) -> float:
    """Seconds from the first word to the listener's ear."""
    waiting = asyncio.gather(listener.call.audio.sound(within=3), return_exceptions=True)
    began = time.monotonic()
    await speaker.call.audio.say(tone(600, 0.4))
    (heard,) = await waiting
    assert not isinstance(heard, BaseException), "nothing was heard"
    return heard.at - began


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (EndReason.BUSY, 486),
        (EndReason.UNREACHABLE, 404),
        (EndReason.NO_SUCH_NUMBER, 404),
        (EndReason.LINE_REFUSED, 403),
        (EndReason.LINE_DOWN, 502),
        (EndReason.NO_ANSWER, 480),
        (EndReason.SHUTDOWN, 503),
        (EndReason.DECLINED, 603),
        (EndReason.NOT_ACCEPTED, 488),
        (EndReason.FLOW_ENDED, 480),
    ],
)
async def test_each_reason_is_refused_with_its_code(
    stage: RealStage, reason: EndReason, status: int
) -> None:
    caller = await stage.calls("100")
    await stage.control.hang_up(caller.leg_id, reason)
    await caller.call.wait_ended()
    assert caller.call.status == status


async def test_a_prompt_is_heard_and_silence_follows_the_stop(
    stage: RealStage, tmp_path: Path
) -> None:
    music = write_wav(tmp_path / "music.wav", tone(440, 0.5))
    caller = await answered(stage)
    sound = asyncio.gather(caller.call.audio.sound())
    await stage.control.play(caller.leg_id, [music], loop=True)
    await sound
    stopped = time.monotonic()
    await stage.control.stop_playing(caller.leg_id)
    quiet = await caller.call.audio.silence()
    assert quiet.at - stopped < 0.25


@pytest.mark.parametrize("files", [1, 2])
async def test_a_loop_is_heard_round_after_round(
    stage: RealStage, tmp_path: Path, files: int
) -> None:
    music = write_wav(tmp_path / "music.wav", tone(450, 0.3))
    caller = await answered(stage)
    await stage.control.play(caller.leg_id, [music] * files, loop=True)
    for _ in range(200):  # four seconds of it
        await caller.call.audio.until(lambda frame: frame.has_tone(450))
    assert not [e for e in stage.log.of(caller.leg_id) if isinstance(e, PlaybackEnded)]
    await stage.control.stop_playing(caller.leg_id)
    assert (await stage.log.next(PlaybackEnded, caller.leg_id)).how is PlaybackEnd.STOPPED


async def test_early_media_is_heard_before_the_answer(stage: RealStage, tmp_path: Path) -> None:
    notice = write_wav(tmp_path / "notice.wav", tone(440, 0.5))
    caller = await stage.calls("100")
    sound = asyncio.gather(caller.call.audio.sound())
    await stage.control.answer(caller.leg_id, early=True)
    await stage.control.play(caller.leg_id, [notice], loop=True)
    await sound
    assert not caller.call.answered.is_set()


async def test_a_missing_prompt_is_named(stage: RealStage) -> None:
    caller = await answered(stage)
    with pytest.raises(TelephonyError, match=r"there is no sound file /none\.wav"):
        await stage.control.play(caller.leg_id, [Path("/none.wav")])


async def test_keys_by_sip_info_count_as_well(stage: RealStage) -> None:
    caller = await answered(stage)
    assert await caller.call.info_digit("7") == 200
    assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == "7"


def _event(key: str, duration: int, *, end: bool = False) -> bytes:
    return struct.pack(">BBH", "0123456789*#".index(key), 0x8A if end else 10, duration)


Packets = list[tuple[bytes, int | None]]
_PAUSE: Packets = [(b"", None)] * 5


def _only_ends(keys: str) -> Packets:
    """Gear that sends nothing but the three last packets of each key."""
    return [
        packet
        for number, key in enumerate(keys)
        for packet in [(_event(key, 800, end=True), number * 1600)] * 3 + _PAUSE
    ]


def _lost_between() -> Packets:
    """Of the first key only the first packet comes, of the second not the first two."""
    return [
        (_event("1", 160), 0),
        *_PAUSE,
        (_event("1", 480), 960),
        (_event("1", 800, end=True), 960),
    ]


def _held_for_nine_seconds() -> Packets:
    """RFC 4733 2.5.1.3: beyond 65535 units an event goes on as another segment."""
    first = [(_event("5", min(0xFFFF, 1600 * step)), 0) for step in range(1, 42)]
    second = [(_event("5", 1600 * step), 0xFFFF) for step in range(1, 5)]
    return [
        *first,
        *second,
        *[(_event("5", 6400, end=True), 0xFFFF)] * 3,
        *_PAUSE,
        *[(_event("7", 800, end=True), 0xFFFF + 9000)] * 3,
    ]


def _moving_time() -> Packets:
    """A relay that moves the time of each packet on."""
    moving: Packets = []
    for number, key in enumerate("113"):
        begin = number * 2400
        steps = [(_event(key, 160 * step), begin + 160 * (step - 1)) for step in range(1, 6)]
        ends = [(_event(key, 800, end=True), begin + 640 + 160 * more) for more in range(3)]
        moving += [*steps, *ends, *_PAUSE]
    return moving


@pytest.mark.parametrize(
    ("packets", "keys"),
    [
        (_only_ends("4711"), "4711"),
        (_lost_between(), "11"),
        (_held_for_nine_seconds(), "57"),
        (_moving_time(), "113"),
    ],
    ids=["only ends", "lost between", "nine seconds", "moving time"],
)
async def test_keys_are_told_apart_by_their_time(
    stage: RealStage, packets: Packets, keys: str
) -> None:
    caller = await answered(stage)
    caller.call.audio.press_by_hand(packets)
    caller.call.audio.press_by_hand(_PAUSE)
    heard = [(await stage.log.next(DigitReceived, caller.leg_id)).digit for _ in keys]
    assert "".join(heard) == keys
    await caller.call.audio.until(lambda _: not caller.call.audio.by_hand_left)
    await caller.presses("#")
    assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == "#"  # and nothing between


async def test_keys_that_we_press_are_heard(stage: RealStage) -> None:
    """The worker calls itself, so that it also hears what it sends."""
    caller = await answered(stage)
    out = LegId(new_id("leg"))
    address = f"{stage.settings.sip_address}:{stage.settings.sip_port}"
    await stage.control.dial(
        caller.call_id,
        out,
        [Attempt(uri=f"sip:200@{address}", caller="100")],
        beside=caller.leg_id,
    )
    arrived = await stage.log.next(CallArrived)
    await stage.control.answer(arrived.leg_id)
    await stage.log.next(LegAnswered, out)
    await stage.control.send_digits(out, "4#2")
    keys = [(await stage.log.next(DigitReceived, arrived.leg_id)).digit for _ in range(3)]
    assert keys == ["4", "#", "2"]


async def test_what_the_caller_says_comes_as_pcm_until_nobody_listens(stage: RealStage) -> None:
    caller = await answered(stage)
    path = str(stage.folder / "sink")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sink:
        sink.bind(path)
        sink.setblocking(False)
        await stage.control.listen(caller.leg_id, AudioSink(path=path, stream=7))
        speaking = asyncio.gather(caller.call.audio.say(tone(600, 0.5)))
        loudest = 0.0
        while loudest < 5000:
            frame = await asyncio.wait_for(loop.sock_recv(sink, 1000), 3)
            assert frame[:4] == (7).to_bytes(4, "big")
            assert len(frame) == 4 + 320
            loudest = float(np.abs(np.frombuffer(frame[4:], dtype="<i2").astype(int)).max())
        await speaking
        await stage.control.stop_listening(caller.leg_id)
        # What was under way when the worker obeyed; nothing may come after it.
        await caller.call.audio.until(lambda frame: True)
        await caller.call.audio.until(lambda frame: True)
        while True:
            try:
                sink.recv(1000)
            except BlockingIOError:
                break
        for _ in range(5):
            await caller.call.audio.until(lambda frame: True)
        with pytest.raises(BlockingIOError):
            sink.recv(1000)


def lag(left: NDArray[np.int16], right: NDArray[np.int16]) -> int:
    """By how many samples `right` is later than `left`, from their correlation."""
    size = 1 << (len(left) + len(right)).bit_length()
    spectrum = np.fft.rfft(right, size) * np.conj(np.fft.rfft(left, size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)))
    return shift if shift < size // 2 else shift - size


async def recorded_lag(stage: RealStage, caller: RealOutside, agent: RealOutside) -> int:
    """Both say the same noise at the same instant: by how many samples the tracks differ."""
    files = {caller.leg_id: stage.folder / "c.wav", agent.leg_id: stage.folder / "a.wav"}
    await stage.control.start_recording(files)
    noise = (np.random.default_rng(1).standard_normal(8000) * 3000).astype(np.int16)
    await asyncio.gather(caller.call.audio.say(noise), agent.call.audio.say(noise))
    await asyncio.gather(caller.call.audio.say(SILENCE), agent.call.audio.say(SILENCE))
    for leg_id in files:
        await stage.control.stop_recording(leg_id)
        await stage.log.next(RecordingStopped, leg_id)
    (left, rate), (right, _) = (soundfile.read(path, dtype="int16") for path in files.values())
    assert rate == 8000
    assert np.abs(left).max() > 3000 < np.abs(right).max()
    return lag(left, right)


async def test_two_tracks_of_a_recording_are_aligned_within_20_ms(stage: RealStage) -> None:
    caller, agent = await together(stage)
    lags = [abs(await recorded_lag(stage, caller, agent)) for _ in range(3)]
    # The phones' own ticks, and a frame that comes late on a busy machine, are not the recorder's.
    assert sorted(lags)[1] <= 160, f"{[lag / 8 for lag in lags]} ms"


async def test_what_is_being_recorded_is_readable_by_us_alone(stage: RealStage) -> None:
    caller, _ = await together(stage)
    track = stage.folder / "c.wav"
    await stage.control.start_recording({caller.leg_id: track})
    await caller.call.audio.say(tone(600, 0.4))
    await stage.control.stop_recording(caller.leg_id)
    await stage.log.next(RecordingStopped, caller.leg_id)
    assert track.stat().st_mode & 0o777 == 0o600


async def test_both_hear_each_other_and_nothing_when_apart(stage: RealStage) -> None:
    caller, agent = await together(stage)
    assert await hears(agent, caller) < 0.3
    assert await hears(caller, agent) < 0.3
    await stage.control.unbridge(caller.leg_id)
    await caller.call.audio.silence()
    before = len(caller.call.audio.frames)
    await agent.call.audio.say(tone(600, 0.4))
    assert all(frame.rms < 300 for frame in caller.call.audio.frames[before:])


async def test_the_prompt_is_cut_and_both_hear_each_other_at_once(
    stage: RealStage, tmp_path: Path
) -> None:
    """An agent who answers in the middle of an announcement need not wait for its end."""
    notice = write_wav(tmp_path / "notice.wav", tone(440, 5))
    caller = await answered(stage)
    await stage.control.play(caller.leg_id, [notice])
    agent = await stage.dials(caller)
    sound = asyncio.gather(agent.call.audio.sound())
    speaking = asyncio.gather(caller.call.audio.say(tone(600, 2)))
    began = time.monotonic()
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    (heard,) = await sound
    assert heard.at - began < 0.3
    quiet = await caller.call.audio.silence()
    assert quiet.at - began < 0.3
    await speaking


async def test_sound_comes_back_after_a_hold(stage: RealStage) -> None:
    caller, agent = await together(stage)
    await agent.holds(True)
    assert (await stage.log.next(LegHeld, agent.leg_id)).held
    await agent.holds(False)
    assert not (await stage.log.next(LegHeld, agent.leg_id)).held
    assert await hears(agent, caller) < 0.5
    assert await hears(caller, agent) < 0.5


async def test_refer_from_an_agent_calls_nobody_by_itself(stage: RealStage) -> None:
    """The brain decides about transfers; the worker must not follow REFER on its own."""
    _, agent = await together(stage)
    stage.phone.requests.clear()
    assert await agent.call.refer(f"sip:202@{stage.phone.address}") == 202
    await stage.log.next(TransferRequested, agent.leg_id)
    await stage.calls("fence")
    assert "INVITE" not in [request.method for request in stage.phone.requests]


async def test_refer_outside_a_conversation_is_declined(stage: RealStage) -> None:
    caller = await answered(stage)
    assert await caller.call.refer("sip:900@127.0.0.1") == 603


async def test_a_transfer_reaches_the_other_side_as_refer(stage: RealStage) -> None:
    caller = await answered(stage)
    await stage.control.transfer(caller.leg_id, "sip:202@127.0.0.1")
    refer = await stage.caller.request_of("REFER")
    assert "sip:202@127.0.0.1" in refer.get("Refer-To")


async def test_the_dialled_phone_sees_the_caller_and_our_headers(stage: RealStage) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    assert agent.call.caller == "+34600111222"
    assert agent.call.invite.get("X-Centralita-Call") == caller.call_id
    assert re.findall(r"^m=(\w+)", agent.call.invite.body, re.MULTILINE) == ["audio"]


async def test_withdrawing_cancels_the_phone_within_200_ms(stage: RealStage) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.rings()
    began = time.monotonic()
    await stage.control.hang_up(agent.leg_id, EndReason.OFFER_WITHDRAWN)
    await agent.call.wait_ended()
    assert agent.call.times["ended"] - began < 0.2
    assert "CANCEL" in [request.method for request in stage.phone.requests]


async def test_a_uri_that_cannot_be_called_is_refused_at_once(stage: RealStage) -> None:
    caller = await answered(stage)
    with pytest.raises(DialError, match="cannot call"):
        await stage.control.dial(
            caller.call_id,
            caller.leg_id,
            [Attempt(uri="not a uri"), Attempt(uri="nor this", way="other")],
            beside=caller.leg_id,
        )


async def test_caller_id_diversion_and_headers_reach_the_call(stage: RealStage) -> None:
    await stage.caller.call(
        "100",
        display="Ana Pérez",
        headers={
            "Diversion": "<sip:+34911000000@trunk>;reason=no-answer",
            "X-Campaign": "spring",
            "P-Asserted-Identity": "<sip:+34999@anywhere>",
        },
    )
    arrived = await stage.log.next(CallArrived)
    assert (arrived.caller, arrived.caller_name) == ("+34600111222", "Ana Pérez")
    assert (arrived.dialled, arrived.diversion) == ("100", "+34911000000")
    assert arrived.headers["x-campaign"] == "spring"


# --- what is offered, what is taken ---------------------------------------------------------------


def offer(*codecs: str, profile: str = "RTP/AVP", extra: str = "") -> str:
    """An SDP that offers these codecs, written as `9 G722/8000`."""
    numbers = " ".join(codec.split()[0] for codec in codecs)
    maps = "".join(f"a=rtpmap:{codec}\r\n" for codec in codecs)
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 40000 {profile} {numbers} 101\r\n{maps}"
        f"a=rtpmap:101 telephone-event/8000\r\n{extra}a=sendrecv\r\n"
    )


async def answer_to(stage: RealStage, sdp: str) -> tuple[str, LegAnswered]:
    """The SDP with which an offer is answered, and what the brain hears of it."""
    asking = asyncio.gather(stage.caller.offers("100", sdp))
    arrived = await stage.log.next(CallArrived)
    await stage.control.answer(arrived.leg_id)
    up = await stage.log.next(LegAnswered, arrived.leg_id)
    (answer,) = await asking
    assert answer.status == 200
    return answer.body, up


@pytest.mark.parametrize(
    ("offered", "codec"),
    [
        ("0 PCMU/8000", "PCMU/8000"),
        ("8 PCMA/8000", "PCMA/8000"),
        ("9 G722/8000", "G722/16000"),
        ("111 opus/48000/2", "opus/48000"),
    ],
)
async def test_each_codec_is_taken(stage: RealStage, offered: str, codec: str) -> None:
    answer, up = await answer_to(stage, offer(offered))
    assert up.codec.lower() == codec.lower()
    assert f"a=rtpmap:{offered}" in answer
    assert not up.encrypted


async def test_srtp_is_taken_where_it_is_offered(stage: RealStage) -> None:
    key = base64.b64encode(secrets.token_bytes(30)).decode()
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
    answer, up = await answer_to(stage, offer("8 PCMA/8000", profile="RTP/SAVP", extra=crypto))
    assert "RTP/SAVP " in answer
    assert re.search(r"^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\S+", answer, re.MULTILINE)
    assert up.encrypted


async def test_an_offer_without_a_common_codec_is_refused(stage: RealStage) -> None:
    asking = asyncio.gather(stage.caller.offers("100", offer("18 G729/8000")))
    (answer,) = await asking
    assert answer.status == 488


# --- its end --------------------------------------------------------------------------------------


async def test_a_killed_worker_ends_each_of_its_legs(stage: RealStage) -> None:
    caller, agent = await together(stage)
    stage.kill()
    await stage.log.next(WorkerLost)
    for leg in (caller, agent):
        ended = await stage.log.next(LegEnded, leg.leg_id)
        assert ended.reason is EndReason.WORKER_LOST
    assert stage.link.leg_count == 0
    assert not stage.link.workers


async def test_a_frozen_worker_is_reported_and_its_legs_end_with_it(stage: RealStage) -> None:
    caller = await answered(stage)
    stage.freeze()
    assert await asyncio.wait_for(stage.hung.get(), 12) == "media w1"
    stage.kill()
    ended = await stage.log.next(LegEnded, caller.leg_id)
    assert ended.reason is EndReason.WORKER_LOST


async def test_a_worker_that_is_started_again_takes_calls(stage: RealStage) -> None:
    await answered(stage)
    await stage.log.next(WorkerUp)
    stage.kill()
    await stage.log.next(WorkerLost)
    (spec,) = stage.link.specs(stage.folder)
    second = await asyncio.create_subprocess_exec(*spec.argv, stderr=asyncio.subprocess.DEVNULL)
    try:
        await stage.log.next(WorkerUp, within=15)
        await answered(stage)
    finally:
        second.terminate()
        await second.wait()


async def test_a_new_brain_finds_the_worker_as_it_is(stage: RealStage) -> None:
    await stage.log.next(WorkerUp)
    assert stage.link.workers[next(iter(stage.link.workers))].max_calls == 50


async def test_a_call_rings_until_a_brain_is_there(stage: RealStage) -> None:
    await stage.link.close()
    late = await stage.caller.call("100")
    await asyncio.wait_for(late.ringing.wait(), 5)
    await stage.new_brain()
    (arriving,) = stage.link.arriving
    arrived = await stage.log.next(CallArrived)
    assert arrived.call_id == arriving
    await stage.control.answer(arrived.leg_id)
    await late.wait_answered()


async def test_a_draining_worker_refuses_new_calls_and_keeps_the_others(
    stage: RealStage, tmp_path: Path
) -> None:
    prompt = write_wav(tmp_path / "prompt.wav", tone(440, 0.1))
    caller = await answered(stage)
    (worker,) = stage.link.workers
    await stage.link.drain(worker)
    late = await stage.caller.call("100")
    await late.wait_ended()
    assert late.status == 503
    await stage.control.play(caller.leg_id, [prompt])
    await stage.log.next(PlaybackEnded, caller.leg_id)
    await stage.dials(caller)  # who waits here can still be given an agent


async def test_a_full_worker_refuses_with_503() -> None:
    async with real_stage(max_calls=5) as stage:
        callers = [await answered(stage), await answered(stage)]
        third = await stage.caller.call("100")
        await third.wait_ended()
        assert third.status == 503
        for caller in callers:  # there is room for an agent for each who waits
            await stage.dials(caller)
        await stage.dials(callers[0])  # and for one to be asked
        with pytest.raises(DialError, match="full"):
            await stage.dials(callers[1])


async def test_thirty_calls_in_a_row_leave_nothing_behind(stage: RealStage, tmp_path: Path) -> None:
    prompt = write_wav(tmp_path / "prompt.wav", tone(440, 0.2))
    for _ in range(30):
        caller = await answered(stage)
        await stage.control.play(caller.leg_id, [prompt], loop=True)
        await stage.control.listen(caller.leg_id, AudioSink(path="/nowhere", stream=1))
        await caller.hangs_up()
        await stage.log.next(LegEnded, caller.leg_id)
    assert stage.link.leg_count == 0


async def test_a_leg_that_nobody_serves_is_ended_and_told_of(
    stage: RealStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lost:
        # The news of the call is lost between worker and brain, by whatever fault.
        lost.setattr(WorkerLink, "_took_place", lambda *_: None)
        call = await stage.caller.call("100")
        await asyncio.wait_for(call.settled.wait(), 15)
    assert call.status == 500
    assert (stage.link.legs_astray, stage.link.astray_lately, stage.link.leg_count) == (1, 1, 0)
    caller = await answered(stage)  # others are served
    await caller.hangs_up()
