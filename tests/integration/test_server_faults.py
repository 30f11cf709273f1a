"""What breaks under a whole server, and what callers and agents notice of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest
import pytest_asyncio

from centralita.core.tasks import Tasks
from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall, PhoneError
from tests.support.phones import has_tone, sound, tone
from tests.support.server import ServerProcess
from tests.support.speech import speak
from tests.support.story import (
    Json,
    Watcher,
    events_of,
    eventually,
    first_rung,
    passed,
    set_queues,
    watcher,
)
from tests.support.telephony import write_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NOTICE_TONE = 1700
_NAMES = {"201": "ana", "202": "luis", "203": "marta"}


def _says(text: str) -> Samples:
    return np.frombuffer(speak(text, before=0, after=0), dtype="<i2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("faults"))
    await running.prepare()
    await set_queues(
        running, wrap_up="0s", ring_time="2s", announce_recording=False, exit_when_empty=False
    )
    # A notice that would keep agent and caller apart for long, if it were heard out.
    await set_queues(running, ("support",), announce_recording=True)
    notice = running.data / "prompts" / "es" / "recording-notice.wav"
    notice.parent.mkdir(parents=True)
    write_wav(notice, tone(_NOTICE_TONE, 20))
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest_asyncio.fixture(loop_scope="module")
async def sofia(server: ServerProcess) -> AsyncIterator[Watcher]:
    async with watcher(server) as watching:
        yield watching


@asynccontextmanager
async def _agents(
    server: ServerProcess, sofia: Watcher, *extensions: str
) -> AsyncIterator[list[Phone]]:
    """These agents' phones are registered, and only they; each agent is free."""
    phones: list[Phone] = []
    try:
        for extension in extensions:
            phones.append(await server.agent_phone(extension))
            await sofia.frees(_NAMES[extension])
        await sofia.ready(*(_NAMES[extension] for extension in extensions))
        yield phones
    finally:
        for phone in phones:
            await phone.hang_up()
            with contextlib.suppress(PhoneError):
                await phone.register(expires=0)
            await phone.close()
        for extension in extensions:
            await sofia.agent_becomes(_NAMES[extension], registered=False)


@asynccontextmanager
async def _call(server: ServerProcess, caller: str, number: str) -> AsyncIterator[PhoneCall]:
    """A call that has been answered; hung up in the end."""
    phone = await server.caller(caller)
    try:
        call = await phone.call(number)
        await call.wait_answered()
        yield call
    finally:
        await phone.hang_up()
        await phone.close()


async def _rings(phone: Phone, within: float = 15) -> PhoneCall:
    return await asyncio.wait_for(phone.incoming.get(), within)


async def _first_rung(phones: list[Phone]) -> tuple[PhoneCall, Phone]:
    """The call of the phone that rings first, and the other phone."""
    rung, call = await first_rung(phones)
    (other,) = (phone for phone in phones if phone is not rung)
    return call, other


async def _answers(phone: Phone) -> PhoneCall:
    call = await _rings(phone)
    call.accept()
    await call.wait_answered()
    return call


async def _health(server: ServerProcess) -> Json:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as answer:
            return dict(await answer.json())


async def _asr_is(server: ServerProcess, ok: bool) -> Json:
    async def look() -> Json | None:
        health = await _health(server)
        return health if health["asr"]["ok"] is ok else None

    return await eventually(look, f"asr {ok}")


# --- the recogniser -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
async def test_a_recogniser_lost_while_a_caller_speaks_costs_one_question(
    server: ServerProcess, sofia: Watcher, how: signal.Signals
) -> None:
    caller = "+34600222001" if how is signal.SIGKILL else "+34600222021"
    async with _agents(server, sofia, "201") as (ana,):
        async with _call(server, caller, "100") as call:
            await call.audio.sound()
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(call.audio.say(sound(0.5, _says("soporte"))))
                await asyncio.sleep(0.8)  # in mid-word
                lost = server.child("centralita.asr")
                lost.send_signal(how)
                await speaking
            killed = time.monotonic()
            await asyncio.to_thread(lost.wait, 20)  # one that hangs is ended by the house
            print(f"replaced {time.monotonic() - killed:.1f} s after it was lost")
            await _asr_is(server, True)
            await call.audio.sound(within=10)  # asked again
            await call.audio.say(sound(1.0, _says("ventas")))
            talk = await _answers(ana)
            print(f"understood again {time.monotonic() - killed:.1f} s after the kill")
            await talk.audio.sound(above=-1)
    entry = await sofia.call_of(caller)
    assert entry["learned"]["topic"] == "ventas" and entry["outcome"] == "conversation"


async def test_without_any_recogniser_callers_are_served_by_keys(
    server: ServerProcess, sofia: Watcher
) -> None:
    async def keep_killing() -> None:
        while True:
            with contextlib.suppress(AssertionError, psutil.NoSuchProcess):
                server.child("centralita.asr").send_signal(signal.SIGKILL)
            await asyncio.sleep(0.02)

    killer = Tasks("killer")
    killer.spawn(keep_killing(), name="kill recognisers")
    try:
        health = await _asr_is(server, False)
        assert health["status"] == "degraded"
        assert health["asr"]["message"] == (
            "no recogniser is connected; callers are served by keys"
        )
        async with _agents(server, sofia, "201") as (ana,):
            async with _call(server, "+34600222002", "100") as call:
                await call.audio.sound()
                call.audio.press("1")
                await _answers(ana)
    finally:
        await killer.close()
    entry = await sofia.call_of("+34600222002")
    assert ("menu", "key 1") in passed(entry) and entry["outcome"] == "conversation"
    await _asr_is(server, True)


# --- agents and their phones --------------------------------------------------------------------


async def test_an_agent_who_answers_and_drops_does_not_cost_the_caller_their_place(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201", "202") as phones:
        async with _call(server, "+34600222003", "110") as call:
            dropping, other = await _first_rung(phones)
            dropping.accept()
            await dropping.wait_answered()
            await dropping.hang_up()
            dropped = time.monotonic()
            second = await _rings(other)
            print(f"next agent rung {(second.times['invite'] - dropped) * 1000:.0f} ms after")
            second.accept()
            second.audio.hum(tone(1000, 1))
            await call.audio.until(lambda frame: frame.has_tone(1000))
    entry = await sofia.call_of("+34600222003")
    assert len(events_of(entry, "call_requeued")) == 1
    agents = [offer["agent_id"] for offer in events_of(entry, "offer_made")]
    assert len(set(agents)) == 2
    # Whoever drops a call at once is probably not there.
    dropper = await sofia.agent(agents[0].removeprefix("agent_"))
    assert (dropper["status"], dropper["reason"]) == ("on_break", "dropped_call")
    # Both waits count from the caller's first moment in the queue.
    first_started, second_started = events_of(entry, "conversation_started")
    assert second_started["waited"] >= first_started["waited"]


async def test_a_caller_who_hangs_up_while_an_agent_rings_frees_the_agent(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201") as (ana,):
        async with _call(server, "+34600222004", "110") as call:
            ringing = await _rings(ana)
            await call.hang_up()
            await ringing.wait_ended()
            after = ringing.times["ended"] - call.times["hung_up"]
            print(f"agent's phone silent {after * 1000:.0f} ms after the caller hung up")
            assert after < 0.2
            await sofia.agent_becomes("ana", state="idle", status="available")
    entry = await sofia.call_of("+34600222004")
    assert (entry["outcome"], entry["ended_by"]) == ("abandoned", "remote_hangup")
    assert entry["ended_at_place"] == "queue sales"
    task = await sofia.task_of(entry)
    assert (task["kind"], task["queue_id"]) == ("missed_call", "sales")
    queues = (await sofia.get("/queues"))["items"]
    assert [queue["waiting"] for queue in queues] == [0, 0]


async def test_an_agent_who_answers_is_heard_at_once_whatever_the_caller_listens_to(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "203") as (marta,):
        async with _call(server, "+34600222022", "100") as call:
            await call.audio.sound()
            call.audio.press("2")
            talk = await _rings(marta)
            talk.audio.hum(tone(1000, 1))
            await call.audio.until(lambda frame: frame.has_tone(_NOTICE_TONE))
            call.audio.hum(tone(600, 1))
            talk.accept()
            by_caller = await call.audio.until(lambda frame: frame.has_tone(1000))
            by_agent = await talk.audio.until(lambda frame: frame.has_tone(600))
            last = max(by_caller.at, by_agent.at) - talk.times["accepted"]
            print(f"both heard each other {last * 1000:.0f} ms after the answer")
            assert last < 0.3
            await call.hang_up()
            await talk.wait_ended()
            notice = [frame for frame in call.audio.frames if frame.at > by_caller.at + 0.1]
            assert not any(frame.has_tone(_NOTICE_TONE) for frame in notice)


async def test_one_call_rings_one_of_two_free_agents(server: ServerProcess, sofia: Watcher) -> None:
    async with _agents(server, sofia, "201", "202") as phones:
        async with _call(server, "+34600222005", "110") as call:
            answered, other = await _first_rung(phones)
            answered.accept()
            answered.audio.hum(tone(1000, 1))
            await call.audio.until(lambda frame: frame.has_tone(1000))
            assert other.incoming.empty()
    assert len(events_of(await sofia.call_of("+34600222005"), "offer_made")) == 1


async def test_an_agent_who_does_not_answer_is_given_a_break_and_the_next_one_rings(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201", "202") as phones:
        async with _call(server, "+34600222006", "110"):
            missed, other = await _first_rung(phones)
            name = "ana" if other is phones[1] else "luis"
            await _answers(other)
            agent = await sofia.agent_becomes(name, status="on_break")
            print("break reason:", agent["reason"])
            assert agent["reason"] == "no_answer"
            await missed.wait_ended()


async def test_a_phone_that_unregisters_takes_its_agent_out_and_shows_it(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201", "202") as (ana, luis):
        await ana.register(expires=0)
        agent = await sofia.agent_becomes("ana", registered=False)
        assert agent["status"] == "available"
        async with _call(server, "+34600222007", "110"):
            await _answers(luis)
            assert ana.incoming.empty()


async def test_a_phone_that_is_restarted_again_and_again_still_rings(
    server: ServerProcess, sofia: Watcher
) -> None:
    left_behind = [await server.agent_phone("203") for _ in range(5)]
    for phone in left_behind:
        await phone.close()  # its plug is pulled: it takes nothing back
    phone = await server.agent_phone("203")
    try:
        await sofia.frees("marta")
        await sofia.ready("marta")
        async with _call(server, "+34600222012", "100") as call:
            await call.audio.sound()
            call.audio.press("2")
            talk = await _answers(phone)
            talk.audio.hum(tone(1000, 1))
            await call.audio.until(lambda frame: frame.has_tone(1000))
    finally:
        await phone.close()
        await sofia.api.post("/agents/agent_marta/status", {"status": "logged_out"})


# --- the processes beside us --------------------------------------------------------------------


async def test_a_killed_media_worker_ends_its_calls_by_name_and_is_back_in_seconds(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201") as (ana,):
        phone = await server.caller("+34600222008")
        call = await phone.call("110")
        await call.wait_answered()
        call.audio.hum(tone(600, 1))
        talk = await _answers(ana)
        await talk.audio.until(lambda frame: frame.has_tone(600))
        await asyncio.sleep(1.5)  # they talk
        server.child("centralita.telephony.worker").send_signal(signal.SIGKILL)
        killed = time.monotonic()
        entry = await sofia.call_of("+34600222008")
        assert entry["ended_by"] == "worker_lost"
        await phone.close()
    async with _agents(server, sofia, "202") as (luis,):
        async with _taken(server, "+34600222009", "110"):
            print(f"new calls {time.monotonic() - killed:.1f} s after the kill")
            assert time.monotonic() - killed < 10
            await _answers(luis)
    entry = await sofia.recorded(entry)
    left, _ = await sofia.sound_of(entry["recordings"][0])
    assert has_tone(left, 600)


@asynccontextmanager
async def _taken(server: ServerProcess, caller: str, number: str) -> AsyncIterator[PhoneCall]:
    """A call, tried until it is answered: the house is just coming back."""
    for _ in range(40):
        phone = await server.caller(caller)
        call = await phone.call(number)
        try:
            await call.wait_answered(1.0)
        except PhoneError:
            await phone.close()
            await asyncio.sleep(0.1)
            continue
        try:
            yield call
            await call.hang_up()
        finally:
            await phone.close()
        return
    raise AssertionError(f"no call is taken:\n{server.tail()}")


async def test_a_killed_kamailio_costs_no_conversation_and_is_back_in_seconds(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _agents(server, sofia, "201", "202") as phones:
        async with _call(server, "+34600222010", "110") as call:
            talk, other = await _first_rung(phones)
            talk.accept()
            await talk.wait_answered()
            talk.audio.hum(tone(1000, 1))
            await call.audio.until(lambda frame: frame.has_tone(1000))
            launcher = server.child("edge.launcher")
            launcher.children()[0].send_signal(signal.SIGKILL)
            killed = time.monotonic()
            await asyncio.to_thread(launcher.wait, 5)
            # What the two say does not pass through Kamailio.
            await call.audio.until(lambda frame: frame.has_tone(1000), within=1)
            async with _taken(server, "+34600222011", "110") as second:
                print(f"new calls {time.monotonic() - killed:.1f} s after the kill")
                assert time.monotonic() - killed < 10
                # The other agent's phone has not registered again, and is rung.
                answered = await _answers(other)
                answered.audio.hum(tone(1000, 1))
                await second.audio.until(lambda frame: frame.has_tone(1000))
                await call.audio.until(lambda frame: frame.has_tone(1000), within=1)
            await call.hang_up()
            await talk.wait_ended()
    assert (await sofia.call_of("+34600222010"))["outcome"] == "conversation"


# --- who is calling -----------------------------------------------------------------------------


async def test_an_unknown_number_becomes_a_provisional_customer(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _call(server, "+34699123123", "100") as call:
        await call.audio.sound()
    entry = await sofia.call_of("+34699123123")
    customer = await sofia.get(f"/customers/{entry['customer_id']}")
    assert customer["provisional"]
    assert [identity["value"] for identity in customer["identities"]] == ["+34699123123"]


async def test_an_anonymous_caller_stays_anonymous(server: ServerProcess, sofia: Watcher) -> None:
    began = datetime.now(UTC)
    async with _call(server, "anonymous", "100") as call:
        await call.audio.sound()

    async def look() -> Json | None:
        items = (await sofia.get("/calls?limit=5&state=ended"))["items"]
        mine = [
            dict(item)
            for item in items
            if datetime.fromisoformat(item["started_at"]) > began
            and item["caller"] in ("", "anonymous")
        ]
        return mine[0] if mine else None

    entry = await eventually(look, "the anonymous call")
    assert entry["customer_id"] is None and entry["candidates"] == []


async def test_a_number_that_two_customers_share_is_a_choice(
    server: ServerProcess, sofia: Watcher
) -> None:
    async with _call(server, "+34600333444", "100") as call:
        await call.audio.sound()
    entry = await sofia.call_of("+34600333444")
    assert entry["customer_id"] is None and len(entry["candidates"]) == 2
    names = {
        (await sofia.get(f"/customers/{candidate}"))["name"] for candidate in entry["candidates"]
    }
    assert names == {"Lucía Moreno", "Pedro Moreno"}


async def test_a_number_that_nobody_answers_is_not_found(server: ServerProcess) -> None:
    phone = await server.caller()
    call = await phone.call("555")
    with pytest.raises(PhoneError) as refused:
        await call.wait_answered()
    await phone.close()
    assert refused.value.status == 404


# --- bad input ----------------------------------------------------------------------------------


async def test_bad_api_input_is_refused_with_its_place(sofia: Watcher) -> None:
    status, answer = await sofia.api.post("/agents/agent_ana/status", {"status": "asleep"})
    assert status == 400
    print("bad status:", answer)
    error = answer["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["place"]) == ("invalid_input", "$.status")
    status, answer = await sofia.api.post(
        "/interactions", {"channel": "sms", "body": "hola", "identity": "no number"}
    )
    assert status in (400, 422)
    print("bad identity:", answer)


# --- stop and start -----------------------------------------------------------------------------


async def test_sigterm_lets_a_conversation_finish_and_a_restart_loses_nothing(
    tmp_path: Path,
) -> None:
    server = ServerProcess(tmp_path)
    await server.prepare()
    await set_queues(server, wrap_up="0s", announce_recording=False)
    await server.start()
    async with watcher(server) as sofia:
        ana = await server.agent_phone("201")
        await sofia.ready("ana")
        await sofia.api.post("/agents/agent_marta/status", {"status": "on_break", "reason": "café"})
        phone = await server.caller("+34600111222")
        call = await phone.call("110")
        await call.wait_answered()
        talk = await _answers(ana)
        talk.audio.hum(tone(1000, 1))
        await call.audio.until(lambda frame: frame.has_tone(1000))
    psutil.Process(server.pid).send_signal(signal.SIGTERM)
    await _draining(server)
    late = await server.caller("+34600111333")
    refused = await late.call("110")
    with pytest.raises(PhoneError) as no:
        await refused.wait_answered()
    print("a new call while draining:", no.value.status)
    assert no.value.status == 503
    await call.audio.until(lambda frame: frame.has_tone(1000), within=1)  # still talking
    await call.hang_up()
    await talk.wait_ended()
    began = time.monotonic()
    assert await server.stop() == 0
    print(f"exit 0, {time.monotonic() - began:.1f} s after the last call")
    for each in (ana, phone, late):
        await each.close()
    await server.start()
    async with watcher(server) as sofia:
        marta = await sofia.agent("marta")
        assert (marta["status"], marta["reason"]) == ("on_break", "café")
        assert (await sofia.agent("ana"))["status"] == "available"
        entry = await sofia.call_of("+34600111222", since=datetime(2020, 1, 1, tzinfo=UTC))
        assert entry["outcome"] == "conversation" and entry["ended_by"] == "remote_hangup"
        await sofia.recorded(entry)
    assert await server.stop() == 0


async def _draining(server: ServerProcess) -> None:
    async def look() -> bool | None:
        return (await _health(server))["status"] == "down" or None

    await eventually(look, "draining")
