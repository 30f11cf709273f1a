"""Words on the page while they are spoken: real speech, real phones and the whole server."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import PhoneCall
from tests.support.busy import is_healthy
from tests.support.hearing import music, steadily
from tests.support.live_feed import Feed, live_feed
from tests.support.office import Office, open_office
from tests.support.server import ApiClient
from tests.support.speech import speak
from tests.support.story import first_rung
from tests.support.telephony import tone

pytestmark = pytest.mark.asyncio(loop_scope="module")

# From the end of what was said: 0.8 s of silence make it final. The rest is for a busy machine.
FINAL_WITHIN = 3.0
# From the beginning of what was said.
PARTIAL_WITHIN = 3.0


def says(text: str) -> Samples:
    return np.frombuffer(speak(text, before=0.1, after=0.1), dtype="<i2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with open_office(tmp_path_factory.mktemp("office"), live_transcript=True) as office:
        yield office


@asynccontextmanager
async def talking(office: Office, number: str) -> AsyncIterator[tuple[PhoneCall, PhoneCall, str]]:
    """A caller and Ana, both silent, and the call's id."""
    async with office.connected(number) as (caller, ana):
        call = await office.sofia.call_of(number, state="live")
        yield caller, ana, call["id"]


async def does(page: ApiClient, call_id: str, what: str) -> None:
    status, answer = await page.post(f"/calls/{call_id}/{what}", {})
    assert status == 204, answer


async def exchange_words(feed: Feed, caller: PhoneCall, ana: PhoneCall) -> None:
    """The caller speaks, then Ana; each is told while and soon after speaking."""
    for call, speaker, text, word in (
        (caller, "caller", "necesito ayuda con la factura por favor", "factura"),
        (ana, "agent", "buenos días un momento número de cliente", "cliente"),
    ):
        began = time.monotonic()
        ended = await call.audio.say(says(text))
        final = await feed.hears(speaker, word)
        first = await feed.first_of(speaker)
        print(f"{speaker}: first words {first - began:.2f} s after the beginning,")
        print(f"  all of them {final - ended:.2f} s after the end")
        assert first - began < PARTIAL_WITHIN and first < final
        assert final - ended < FINAL_WITHIN


async def test_both_sides_are_told_while_they_speak(office: Office) -> None:
    server = office.server
    async with server.api("ana") as page, server.api("luis") as other:
        async with live_feed(page) as mine, live_feed(other) as luis:
            async with live_feed(office.sofia.api) as sofia:
                async with talking(office, "+34600555201") as (caller, ana, call_id):
                    await mine.becomes("listening")
                    await caller.audio.say(says("gracias"))
                    await mine.hears("caller", "gracias")
                    assert sofia.hearing == "listening" and sofia.sayings() == []
                    read = f"/calls/{call_id}/live-transcript"
                    assert await office.sofia.api.put(read) == 204
                    await exchange_words(mine, caller, ana)
                    await sofia.hears("caller", "factura")
                    await sofia.hears("agent", "cliente")
                    async with live_feed(page) as reloaded:
                        (known,) = reloaded.messages[0][1]["transcripts"]
                        assert (known["call_id"], known["cut"]) == (call_id, False)
                        sayings = known["sayings"]
                        assert [one["speaker"] for one in sayings] == ["caller", "caller", "agent"]
                        times = [0, *(one["at_s"] for one in sayings), 60]
                        assert times == sorted(set(times))
                    await caller.hang_up()
                    await ana.wait_ended()
                await mine.becomes("")
    assert luis.sayings() == [] and luis.hearing == ""
    entry = await office.sofia.recorded(await office.sofia.call_of("+34600555201"))
    (kept,) = entry["transcripts"]
    assert "factura" in kept["channels"][0]["text"]


async def test_nothing_is_told_while_the_recording_is_paused(office: Office) -> None:
    async with office.server.api("ana") as page, live_feed(page) as feed:
        async with talking(office, "+34600555202") as (caller, ana, call_id):
            await feed.becomes("listening")
            await does(page, call_id, "recording/pause")
            await feed.becomes("paused")
            before = len(feed.sayings())
            await asyncio.gather(
                caller.audio.say(says("cuatro cinco seis siete")),
                ana.audio.say(says("ocho nueve tres dos")),
            )
            await asyncio.sleep(2)  # as long as words may take to come
            assert len(feed.sayings()) == before
            await does(page, call_id, "recording/resume")
            await feed.becomes("listening")
            await caller.audio.say(says("gracias"))
            await feed.hears("caller", "gracias")
            await caller.hang_up()
            await ana.wait_ended()
    assert feed.words().isdisjoint({"cuatro", "cinco", "seis", "siete", "ocho", "nueve"})
    log = office.server.log.read_text(encoding="utf-8")
    assert not [word for word in ("cuatro", "siete", "gracias", "factura") if word in log]


async def test_on_hold_nothing_is_heard_and_after_it_goes_on(office: Office) -> None:
    async with office.server.api("ana") as page, live_feed(page) as feed:
        async with talking(office, "+34600555203") as (caller, ana, call_id):
            await feed.becomes("listening")
            await does(page, call_id, "hold")
            await feed.becomes("waiting")
            await steadily(caller, music)
            await caller.audio.say(says("cancelar cancelar"))
            await does(page, call_id, "resume")
            await feed.becomes("listening")
            await exchange_words(feed, caller, ana)
            assert "cancelar" not in feed.words()


async def test_the_transcript_follows_the_caller_to_a_colleague(office: Office) -> None:
    server = office.server
    async with server.api("ana") as page, server.api("luis") as other:
        async with live_feed(page) as mine, live_feed(other) as next_one:
            async with talking(office, "+34600555206") as (caller, ana, call_id):
                await mine.becomes("listening")
                await caller.audio.say(says("necesito ayuda con la factura"))
                await mine.hears("caller", "factura")
                target = {"to": {"kind": "agent", "agent_id": "agent_luis"}}
                status, _ = await page.post(f"/calls/{call_id}/consult", target)
                assert status == 204
                luis = await asyncio.wait_for(office.luis.incoming.get(), 10)
                luis.accept()
                await luis.wait_answered()
                await mine.becomes("waiting")
                before = len(mine.sayings())
                await ana.audio.say(says("cancelar cancelar"))
                await luis.audio.say(says("contrato contrato"))
                await does(page, call_id, "consult/complete")
                await ana.wait_ended()
                await next_one.becomes("listening")
                await exchange_words(next_one, caller, luis)
                assert mine.hearing == "" and len(mine.sayings()) == before
                assert next_one.words().isdisjoint({"cancelar", "contrato"})
                opened = next(m for _, m in next_one.messages if m["type"] == "live_transcript")
                assert "factura" in opened["sayings"][0]["text"]
                await caller.hang_up()
                await luis.wait_ended()


async def test_a_caller_who_is_sent_back_to_a_flow_is_heard_by_it(office: Office) -> None:
    async with office.server.api("ana") as page, live_feed(page) as feed:
        async with talking(office, "+34600555208") as (caller, ana, call_id):
            await feed.becomes("listening")
            await caller.audio.say(says("necesito ayuda con la factura"))
            await feed.hears("caller", "factura")
            flow = {"to": {"kind": "flow", "flow_id": "main-es"}}
            status, _ = await page.post(f"/calls/{call_id}/transfer", flow)
            assert status == 204
            await ana.wait_ended()
            await feed.becomes("")
            await office.sofia.ready("ana")
            before = len(feed.sayings())
            await caller.audio.sound()  # the menu
            await caller.audio.say(says("ventas"))
            _, ring = await first_rung((office.ana, office.luis), within=20)
            assert len(feed.sayings()) == before
            ring.reject(486)
            await caller.hang_up()


async def test_a_recogniser_that_is_killed_costs_a_gap_and_not_the_call(office: Office) -> None:
    async with office.server.api("ana") as page, live_feed(page) as feed:
        async with talking(office, "+34600555204") as (caller, ana, _):
            await feed.becomes("listening")
            lost = office.server.child("centralita.asr")
            lost.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            await feed.becomes("interrupted")
            await feed.becomes("listening", within=20)
            print(f"listening again {time.monotonic() - killed:.1f} s after the kill")
            await exchange_words(feed, caller, ana)
            caller.audio.hum(tone(600, 1))
            await ana.audio.until(lambda frame: frame.has_tone(600))


async def test_a_brain_that_is_killed_is_followed_by_one_that_listens_on(office: Office) -> None:
    async with office.server.api("ana") as page:
        async with talking(office, "+34600555205") as (caller, ana, call_id):
            async with live_feed(page) as feed:
                await feed.becomes("listening")
                await exchange_words(feed, caller, ana)
            brain = office.server.brain
            brain.send_signal(signal.SIGKILL)
            await asyncio.to_thread(brain.wait, 10)
            await is_healthy(office.server)
            async with live_feed(page) as feed:
                (known,) = feed.messages[0][1]["transcripts"]
                assert (known["call_id"], known["cut"], known["sayings"]) == (call_id, True, [])
                await feed.becomes("listening")
                await exchange_words(feed, caller, ana)


async def test_without_room_the_page_says_so_and_they_talk_all_the_same(tmp_path: Path) -> None:
    extra = "[asr]\nmax_streams = 4\ntranscript_reserve = 3\n"
    async with open_office(tmp_path, extra=extra, live_transcript=True) as office:
        async with office.server.api("ana") as page, live_feed(page) as feed:
            async with office.talking("+34600555207") as (caller, ana):
                await feed.becomes("busy")
                await caller.hang_up()
                await ana.wait_ended()
            assert feed.sayings() == []
