"""Phones that others wrote reach people through our menus, and both sides hear each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile

from centralita.telephony.phone.g711 import Samples
from tests.support.phones import baresip, chirp, has_tone, linphonec, offset_of, sipp, sound, tone
from tests.support.server import ServerProcess
from tests.support.speech import speak
from tests.support.story import Json, Watcher, events_of, passed, set_queues, watcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

_CALLER_HUM, _AGENT_HUM = 600, 1000
_CALLER_CHIRP, _AGENT_CHIRP = chirp(0.12, 500, 2500), chirp(0.12, 2800, 900)


def _says(text: str, language: str = "es") -> Samples:
    return np.frombuffer(speak(text, language, before=0, after=0), dtype="<i2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("phones"))
    await running.prepare()
    await set_queues(running, wrap_up="0s", announce_recording=False)
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest_asyncio.fixture(loop_scope="module")
async def sofia(server: ServerProcess) -> AsyncIterator[Watcher]:
    async with watcher(server) as watching:
        yield watching


async def _both_heard(sofia: Watcher, number: str) -> tuple[Json, list[Samples]]:
    """The call's recording has the caller on the left and the agent on the right, only so."""
    call = await sofia.recorded(await sofia.call_of(number))
    assert call["outcome"] == "conversation"
    (recording,) = call["recordings"]
    assert recording["channels"] == 2
    left, right = await sofia.sound_of(recording)
    assert has_tone(left, _CALLER_HUM) and not has_tone(left, _AGENT_HUM)
    assert has_tone(right, _AGENT_HUM) and not has_tone(right, _CALLER_HUM)
    return call, [left, right]


def _agent_microphone() -> Samples:
    return sound(0.8, _AGENT_CHIRP, 0.3, tone(_AGENT_HUM, 30))


async def test_two_baresips_talk_after_a_menu_in_spanish(
    server: ServerProcess, sofia: Watcher, tmp_path: Path
) -> None:
    number = "+34600111222"
    said = sound(2.0, _says("ventas"), 4.0, _CALLER_CHIRP, 0.3, tone(_CALLER_HUM, 30))
    async with (
        baresip(
            tmp_path / "ana", server.sip, "201", _agent_microphone(),
            password=server.phones["201"], answers=True,
        ) as ana,
        baresip(tmp_path / "carmen", server.sip, number, said) as carmen,
    ):  # fmt: skip
        await sofia.ready("ana")
        await carmen.dial(server.uri("100"))
        await carmen.happens("CALL_ESTABLISHED")
        await ana.happens("CALL_ESTABLISHED")
        await carmen.hears(5.5)
        await carmen.hang_up()
        await ana.happens("CALL_CLOSED")
        await carmen.happens("CALL_CLOSED")
        # What the phones themselves recorded.
        at_ana, at_carmen = await ana.heard(), await carmen.heard()
    assert has_tone(at_ana, _CALLER_HUM) and not has_tone(at_ana, _AGENT_HUM)
    assert has_tone(at_carmen, _AGENT_HUM)
    call, (left, right) = await _both_heard(sofia, number)
    assert passed(call)[2:] == [("menu", "speech"), ("sales", "")]
    assert events_of(call, "heard_in_call")[0]["text"] == "ventas"
    caller_at, caller_alike = offset_of(_CALLER_CHIRP, left)
    agent_at, agent_alike = offset_of(_AGENT_CHIRP, right)
    print(
        f"recording: caller's chirp at {caller_at:.3f} s (likeness {caller_alike:.2f}), "
        f"agent's at {agent_at:.3f} s ({agent_alike:.2f})"
    )
    assert caller_alike > 0.4 and agent_alike > 0.4


async def test_the_call_stands_in_the_customers_timeline(
    server: ServerProcess, sofia: Watcher
) -> None:
    (customer,) = (await sofia.get("/customers?identity=%2B34600111222"))["items"]
    assert customer["name"] == "Carmen Ruiz"
    entries = (await sofia.get(f"/customers/{customer['id']}/timeline"))["items"]
    entry = entries[0]
    assert entry["channel"] == "call"
    assert [item["channel"] for item in entries[1:]].count("email") >= 1
    call = await sofia.recorded(await sofia.get(f"/calls/{entry['call']['call_id']}"))
    assert [step["node_id"] for step in call["path"]] == [
        "welcome", "welcome-known", "menu", "sales",
    ]  # fmt: skip
    (wait,) = call["waits"]
    assert (wait["queue_id"], wait["how"]) == ("sales", "answered")
    (talk,) = call["talks"]
    assert talk["agent_id"] == "agent_ana" and talk["talked_s"] > 4
    assert entry["recording_ids"] == [call["recordings"][0]["id"]]
    assert [channel["speaker"] for channel in call["transcript"]["channels"]] == ["caller", "agent"]
    kinds = [event["type"] for event in call["events"]]
    for kind in ("call_arrived", "offer_made", "conversation_started", "flow_ended"):
        assert kind in kinds
    audio = f"{server.url}{call['recordings'][0]['audio']}"
    async with aiohttp.ClientSession(headers=sofia.api.headers) as session:
        async with session.get(audio, headers={"Range": "bytes=0-3"}) as part:
            assert (part.status, await part.read()) == (206, b"fLaC")


async def test_key_nine_leads_to_the_english_menu_which_understands_support(
    server: ServerProcess, sofia: Watcher, tmp_path: Path
) -> None:
    number = "+447700900123"
    said = sound(5.0, _says("support", "en"), 4.0, tone(_CALLER_HUM, 30))
    async with (
        baresip(
            tmp_path / "marta", server.sip, "203", _agent_microphone(),
            password=server.phones["203"], answers=True,
        ) as marta,
        baresip(tmp_path / "emily", server.sip, number, said) as emily,
    ):  # fmt: skip
        await sofia.ready("marta")
        await emily.dial(server.uri("100"))
        await emily.happens("CALL_ESTABLISHED")
        await emily.hears(1.5)
        await emily.press("9")
        await marta.happens("CALL_ESTABLISHED")
        await emily.hears(5.0)
        await emily.hang_up()
        await marta.happens("CALL_CLOSED")
        assert has_tone(await marta.heard(), _CALLER_HUM)
    call, _ = await _both_heard(sofia, number)
    assert ("menu", "key 9") in passed(call) and passed(call)[-1][0] == "support"
    assert call["learned"]["topic"] == "support"
    assert call["talks"][0]["agent_id"] == "agent_marta"


@pytest.mark.parametrize("how", ["info", "rfc4733"])
async def test_sipp_reaches_an_agent_by_keys(
    how: str, server: ServerProcess, sofia: Watcher, tmp_path: Path
) -> None:
    number = f"+3460012345{len(how)}"
    agent = await server.agent_phone("202")
    await sofia.ready("luis")
    calling = sipp(tmp_path, server.sip, number, key="1", how=how)
    async with calling as finished:
        call = await asyncio.wait_for(agent.incoming.get(), 20)
        assert call.caller == number
        call.accept()
        await call.wait_answered()
        assert await finished() == 0
        await call.wait_ended()
    await agent.register(expires=0)
    await agent.close()
    entry = await sofia.call_of(number)
    assert ("menu", "key 1") in passed(entry) and entry["outcome"] == "conversation"
    keys = events_of(entry, "digit_received")
    assert [key["digit"] for key in keys] == ["1"]


async def test_linphonec_says_support_and_talks_to_an_agent(
    server: ServerProcess, sofia: Watcher, tmp_path: Path
) -> None:
    number = "+34655666777"
    agent = await server.agent_phone("203")
    await sofia.ready("marta")
    said = sound(2.5, _says("soporte"), 3.0, tone(_CALLER_HUM, 30))
    heard = tmp_path / "heard.wav"
    async with linphonec(tmp_path / "elena", number, said, heard) as elena:
        await elena.command(f"call {server.uri('100')}")
        await elena.says("Media streams established")
        call = await asyncio.wait_for(agent.incoming.get(), 20)
        assert call.caller == number
        call.audio.hum(tone(_AGENT_HUM, 1))
        call.accept()
        await call.audio.until(lambda frame: frame.has_tone(_CALLER_HUM), within=15)
        await asyncio.sleep(1)  # they talk
        await elena.command("terminate")
        await call.wait_ended()
        await elena.says("ended")
    await agent.register(expires=0)
    await agent.close()
    samples, rate = await asyncio.to_thread(soundfile.read, heard, dtype="int16", always_2d=True)
    assert has_tone(np.array(samples[:, 0]), _AGENT_HUM, rate)
    entry, _ = await _both_heard(sofia, number)
    assert ("menu", "speech") in passed(entry) and entry["learned"]["topic"] == "soporte"


async def test_both_channels_of_a_recording_keep_step(
    server: ServerProcess, sofia: Watcher
) -> None:
    number = "+34600111333"
    agent = await server.agent_phone("202")
    caller = await server.caller(number)
    await sofia.ready("luis")
    call = await caller.call("110")
    ringing = await asyncio.wait_for(agent.incoming.get(), 15)
    ringing.accept()
    await ringing.wait_answered()
    ringing.audio.hum(tone(_AGENT_HUM, 1, 2000))
    call.audio.hum(tone(_CALLER_HUM, 1, 2000))
    left_after = []
    for pause in (1.0, 2.0, 3.0):
        await asyncio.sleep(pause)  # people say something now and then
        first, second = await asyncio.gather(
            call.audio.say(_CALLER_CHIRP), ringing.audio.say(_AGENT_CHIRP)
        )
        left_after.append(first - second)
    await asyncio.sleep(0.5)  # what was said last is still on its way
    await call.hang_up()
    await ringing.wait_ended()
    await caller.close()
    await agent.register(expires=0)
    await agent.close()
    _, (left, right) = await _both_heard(sofia, number)
    # Three times: find the two chirps near each other, blank them, look on.
    lags, likeness = [], []
    for _ in left_after:
        at, alike = offset_of(_CALLER_CHIRP, left)
        other, other_alike = offset_of(
            _AGENT_CHIRP, right[max(0, int(at * 8000) - 2400) : int(at * 8000) + 6000]
        )
        other += max(0.0, at - 0.3)
        assert alike > 0.4 and other_alike > 0.4
        lags.append((at, at - other))
        likeness.append((round(alike, 2), round(other_alike, 2)))
        start = int(at * 8000)
        left[start : start + len(_CALLER_CHIRP)] = 0
    lags.sort()
    errors = [(lag - sent) * 1000 for (_, lag), sent in zip(lags, left_after, strict=True)]
    print("channels apart by (ms):", [round(error, 1) for error in errors], "likeness:", likeness)
    # A packet that comes late moves one side by a frame, for a while: nobody hears that.
    assert abs(sorted(errors)[1]) < 20.5 and all(abs(error) < 40.5 for error in errors)


async def test_a_message_left_by_baresip_is_a_task_with_its_words(
    server: ServerProcess, sofia: Watcher, tmp_path: Path
) -> None:
    number = "+34611222333"
    said = sound(7.0, _says("soporte"), 0.4, _says("ventas"), 8.0)
    async with baresip(tmp_path / "isabel", server.sip, number, said) as isabel:
        await isabel.dial(server.uri("190"))
        await isabel.happens("CALL_ESTABLISHED")
        await isabel.happens("CALL_CLOSED", within=30)  # silence ends it, then we say good-bye
    call = await sofia.recorded(await sofia.call_of(number))
    assert call["outcome"] == "voicemail" and ("message", "saved") in passed(call)
    assert call["recordings"][0]["kind"] == "voicemail"
    task = await sofia.task_of(call, with_text=True)
    assert (task["kind"], task["queue_id"]) == ("voicemail", "sales")
    print("message understood:", task["text"])
    assert "soporte" in task["text"] and "ventas" in task["text"]
    (message,) = await sofia.sound_of(call["recordings"][0])
    assert len(message) > 8000


async def test_a_message_counts_when_the_caller_hangs_up_after_it(
    server: ServerProcess, sofia: Watcher
) -> None:
    number = "+34622333444"
    caller = await server.caller(number)
    call = await caller.call("190")
    await call.wait_answered()
    await call.audio.until(lambda frame: frame.has_tone(1000) and frame.rms > 2000, within=15)
    await call.audio.silence()
    await call.audio.say(sound(0.5, _says("pedido"), 1.0))
    await call.hang_up()
    await caller.close()
    entry = await sofia.recorded(await sofia.call_of(number))
    assert entry["outcome"] == "voicemail"
    assert "pedido" in (await sofia.task_of(entry, with_text=True))["text"]


@pytest.mark.parametrize(
    ("codec", "encryption", "negotiated"),
    [
        ("PCMA/8000/1", "srtp-mand", "PCMA/8000"),
        ("G722/16000/1", "", "G722/16000"),
        ("opus/48000/2", "", "opus/48000"),
    ],
)
async def test_encrypted_and_wideband_callers_are_heard_and_hear(
    server: ServerProcess,
    sofia: Watcher,
    tmp_path: Path,
    codec: str,
    encryption: str,
    negotiated: str,
) -> None:
    """The tone they send is in their message, and the beep before it is in what they heard."""
    number = f"+34633445{ord(negotiated[0]):03}"
    said = sound(5.0, tone(_CALLER_HUM, 4), 8.0)
    async with baresip(
        tmp_path / "phone", server.sip, number, said, codec=codec, encryption=encryption
    ) as phone:
        await phone.dial(server.uri("190"))
        await phone.happens("CALL_ESTABLISHED")
        await phone.hears(9.0)
        await phone.hang_up()
        await phone.happens("CALL_CLOSED")
        assert np.abs((await phone.heard()).astype(np.int32)).max() > 2000
    call = await sofia.recorded(await sofia.call_of(number))
    (answered,) = [event for event in call["events"] if event["type"] == "leg_answered"]
    assert answered["data"]["codec"] == negotiated
    assert answered["data"]["encrypted"] is (encryption != "")
    (message,) = await sofia.sound_of(call["recordings"][0])
    assert has_tone(message, _CALLER_HUM)
