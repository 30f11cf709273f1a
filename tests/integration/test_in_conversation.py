"""What agents do in conversations, with real phones, two media workers and the whole server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
import pytest_asyncio

from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import PhoneCall
from centralita.telephony.phone.rtp import RATE
from tests.support.busy import is_healthy
from tests.support.hearing import ANA, CALLER, LUIS, OUTSIDE, answers, hears, music, steadily
from tests.support.office import OUTSIDE_NUMBER, SHOWN, Office, open_office
from tests.support.server import ApiClient
from tests.support.story import Json, events_of, eventually
from tests.support.telephony import tone

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Desk:
    """The office, and Ana's page as the API sees it."""

    office: Office
    page: ApiClient

    async def does(self, path: str, body: object | None = None, *, status: int = 204) -> Json:
        """Ana does something on her page."""
        got, answer = await self.page.post(path, body if body is not None else {})
        assert got == status, answer
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("office")
    async with open_office(folder, media="workers = 2") as office, office.server.api("ana") as page:
        yield Desk(office, page)


@pytest.fixture
def office(desk: Desk) -> Office:
    return desk.office


@asynccontextmanager
async def talking(office: Office, number: str) -> AsyncIterator[tuple[PhoneCall, PhoneCall, str]]:
    """A caller and Ana, who hear each other, and the call's id."""
    async with office.talking(number) as (caller, ana):
        call = await office.sofia.call_of(number, state="live")
        yield caller, ana, call["id"]


async def test_the_caller_hears_music_on_hold_and_the_agent_silence(
    desk: Desk, office: Office
) -> None:
    async with talking(office, "+34600555001") as (caller, ana, call_id):
        await desk.does(f"/calls/{call_id}/hold")
        await steadily(caller, music)
        await steadily(ana, hears())
        await desk.does(f"/calls/{call_id}/resume")
        await steadily(caller, hears(ANA))
        await steadily(ana, hears(CALLER))
        await caller.hang_up()
        await ana.wait_ended()
        entry = await office.sofia.call_of("+34600555001")
        (talk,) = entry["talks"]
        print(f"talked {talk['talked_s']:.2f} s, of which held {talk['held_s']:.2f} s")
        assert 0.2 < talk["held_s"] < talk["talked_s"]


async def test_a_consulted_colleague_takes_over_the_caller(desk: Desk, office: Office) -> None:
    async with talking(office, "+34600555002") as (caller, ana, call_id):
        target = {"to": {"kind": "agent", "agent_id": "agent_luis"}}
        await desk.does(f"/calls/{call_id}/consult", target)
        luis = await answers(office.luis, LUIS)
        await steadily(ana, hears(LUIS))
        await steadily(luis, hears(ANA))
        await steadily(caller, music)
        await desk.does(f"/calls/{call_id}/consult/complete")
        await steadily(caller, hears(LUIS))
        await steadily(luis, hears(CALLER))
        await ana.wait_ended()
        await caller.hang_up()
        await luis.wait_ended()
        entry = await office.sofia.recorded(await office.sofia.call_of("+34600555002"), 3)
        assert [talk["agent_id"] for talk in entry["talks"]] == ["agent_ana", "agent_luis"]
        channels = sorted(recording["channels"] for recording in entry["recordings"])
        assert channels == [1, 2, 2]
        assert [event["how"] for event in events_of(entry, "call_transferred")] == ["attended"]


async def test_three_hear_each_other_and_two_go_on(desk: Desk, office: Office) -> None:
    async with talking(office, "+34600555003") as (caller, ana, call_id):
        target = {"to": {"kind": "number", "number": OUTSIDE_NUMBER}}
        await desk.does(f"/calls/{call_id}/consult", target)
        outside = await answers(office.outside, OUTSIDE)
        assert outside.caller == SHOWN
        await steadily(ana, hears(OUTSIDE))
        await desk.does(f"/calls/{call_id}/consult/conference")
        await steadily(caller, hears(ANA, OUTSIDE))
        await steadily(ana, hears(CALLER, OUTSIDE))
        await steadily(outside, hears(CALLER, ANA))
        await desk.does(f"/calls/{call_id}/consult/complete")
        await ana.wait_ended()
        await steadily(caller, hears(OUTSIDE))
        await steadily(outside, hears(CALLER))
        await outside.hang_up()
        await caller.wait_ended()
        entry = await office.sofia.recorded(await office.sofia.call_of("+34600555003"), 3)
        assert entry["outcome"] == "conversation"


async def test_a_paused_recording_holds_silence_in_its_place(desk: Desk, office: Office) -> None:
    async with talking(office, "+34600555004") as (caller, ana, call_id):
        await asyncio.sleep(1)  # they talk
        await desk.does(f"/calls/{call_id}/recording/pause")
        caller.audio.press("7")
        await asyncio.sleep(1.5)  # the card's number
        await desk.does(f"/calls/{call_id}/recording/resume")
        caller.audio.press("8")
        await asyncio.sleep(1)  # they talk on
        await caller.hang_up()
        await ana.wait_ended()
        entry = await office.sofia.recorded(await office.sofia.call_of("+34600555004"))
        (recording,) = entry["recordings"]
        left, right = await office.sofia.sound_of(recording)
        gaps = [gap(left), gap(right)]
        print("silent in the file, in seconds:", gaps)
        for begins, ends in gaps:
            assert 0.5 < begins < ends < len(left) / RATE - 0.5
            assert 1.3 < ends - begins < 2.5
        assert abs(gaps[0][0] - gaps[1][0]) < 0.1 and abs(gaps[0][1] - gaps[1][1]) < 0.1
        assert [event["digit"] for event in events_of(entry, "digit_received")] == ["*", "8"]


def gap(samples: Samples) -> tuple[float, float]:
    """The longest silence between sounds: where it begins and ends, in seconds."""
    step = RATE // 50
    loud = [
        float(np.sqrt(np.mean(samples[at : at + step].astype(np.float64) ** 2))) > 100
        for at in range(0, len(samples) - step, step)
    ]
    first, last = loud.index(True), len(loud) - 1 - loud[::-1].index(True)
    best, begin = (0, 0), first
    for place in range(first, last + 1):
        if loud[place]:
            begin = place + 1
        elif place + 1 - begin > best[1] - best[0]:
            best = (begin, place + 1)
    return best[0] / 50, best[1] / 50


@pytest.mark.parametrize("refers_on", ["first", "second"])
async def test_a_phone_transfers_by_itself_with_two_calls(office: Office, refers_on: str) -> None:
    number = f"+3460055501{len(refers_on)}"
    async with talking(office, number) as (caller, ana, _):
        await ana.hold(True)
        await steadily(caller, music)
        second = await office.ana.call("202")
        second.audio.hum(tone(ANA, 1))
        luis = await answers(office.luis, LUIS)
        await second.wait_answered()
        await steadily(second, hears(LUIS))
        await steadily(luis, hears(ANA))
        refers, other = (ana, second) if refers_on == "first" else (second, ana)
        assert await refers.refer(office.server.uri("202"), other) == 202
        await steadily(caller, hears(LUIS))
        await steadily(luis, hears(CALLER))
        await ana.wait_ended()
        await second.wait_ended()
        assert refers.transfer == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
        await caller.hang_up()
        await luis.wait_ended()
        entry = await office.sofia.call_of(number)
        assert [talk["agent_id"] for talk in entry["talks"]] == ["agent_ana", "agent_luis"]


async def test_a_phones_refer_that_cannot_be_is_reported(office: Office) -> None:
    async with talking(office, "+34600555020") as (caller, ana, _):
        assert await ana.refer(office.server.uri("203")) == 202  # Marta has no phone
        await eventually(lambda: _told(ana, 2), "the report")
        assert ana.transfer == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here"]
        await steadily(caller, hears(ANA))


async def _told(call: PhoneCall, count: int) -> bool | None:
    return True if len(call.transfer) >= count else None


async def test_only_the_own_conversation_and_what_can_be_done(desk: Desk, office: Office) -> None:
    async with talking(office, "+34600555022") as (_, ana, call_id):
        async with office.server.api("luis") as luis:
            status, _ = await luis.post(f"/calls/{call_id}/hold", {})
            assert status == 403
        await desk.does("/calls/call_none/hold", status=404)
        marta = {"to": {"kind": "agent", "agent_id": "agent_marta"}}
        cuba = {"to": {"kind": "number", "number": "+5371234567"}}
        word = {"to": {"kind": "number", "number": "my mother"}}
        no_phone = ("agent_unavailable", "no_phone", {"name": "Marta Soler"})
        far = ("not_allowed", "not_allowed", {"number": "+5371234567", "rule": "allow"})
        refusals: list[tuple[str, Json, tuple[str, str, Json]]] = [
            ("consult/complete", {}, ("no_consultation", "", {})),
            ("consult", marta, no_phone),
            ("transfer", marta, no_phone),
            ("transfer", cuba, far),
            ("transfer", word, ("cannot_dial", "", {})),
        ]
        for path, body, wanted in refusals:
            error = (await desk.does(f"/calls/{call_id}/{path}", body, status=409))["error"]
            assert (error["code"], error["why"], error["values"]) == wanted, error
        answer = await desk.does(f"/calls/{call_id}/keys", {"keys": "12x"}, status=400)
        assert answer["error"]["place"] == "$.keys"
        status, _ = await office.sofia.api.post(f"/calls/{call_id}/hang-up", {})
        assert status == 204
        await ana.wait_ended()


async def test_a_parked_caller_is_picked_up(desk: Desk, office: Office) -> None:
    async with talking(office, "+34600555021") as (caller, ana, call_id):
        slot = (await desk.does(f"/calls/{call_id}/park", status=200))["slot"]
        await ana.wait_ended()
        await steadily(caller, music)
        (parked,) = (await office.sofia.get("/parked"))["items"]
        assert (parked["slot"], parked["caller"], parked["by"]) == (
            slot, "+34600555021", "agent_ana",
        )  # fmt: skip
        await office.sofia.ready("ana")
        await desk.does(f"/parked/{slot}/pick-up")
        again = await answers(office.ana, ANA)
        await steadily(caller, hears(ANA))
        await caller.hang_up()
        await again.wait_ended()


async def test_click_to_dial_rings_the_agent_and_then_the_number(
    desk: Desk, office: Office
) -> None:
    await office.sofia.ready("ana")
    body = {"to": "+34 911 234 567", "queue_id": "sales"}
    started = await desk.does("/calls", body, status=201)
    ring = await asyncio.wait_for(office.ana.incoming.get(), 10)
    assert "answer-after=0" in ring.invite.get("Call-Info")
    ring.audio.hum(tone(ANA, 1))
    ring.accept()
    outside = await answers(office.outside, OUTSIDE)
    assert outside.caller == SHOWN
    await steadily(ring, hears(OUTSIDE))
    await steadily(outside, hears(ANA))
    await outside.hang_up()
    await ring.wait_ended()
    entry = await office.sofia.recorded(await office.sofia.call_of(OUTSIDE_NUMBER))
    assert entry["id"] == started["call_id"]
    assert (entry["direction"], entry["outcome"]) == ("out", "conversation")
    assert entry["recordings"][0]["channels"] == 2
    assert entry["customer_id"] is not None


async def test_a_number_that_is_busy_is_an_outcome(desk: Desk, office: Office) -> None:
    await office.sofia.ready("ana")
    asked = datetime.now(UTC)
    await desk.does("/calls", {"to": OUTSIDE_NUMBER, "queue_id": "sales"}, status=201)
    ring = await answers(office.ana, ANA)
    (await asyncio.wait_for(office.outside.incoming.get(), 10)).reject(486)
    await ring.wait_ended()
    entry = await office.sofia.call_of(OUTSIDE_NUMBER, since=asked)
    assert (entry["outcome"], entry["ended_by"]) == ("not_reached", "busy")
    await office.sofia.ready("ana")


async def test_phones_call_each_other_and_outside(office: Office) -> None:
    await office.sofia.ready("ana", "luis")
    inside = await office.ana.call("202")
    inside.audio.hum(tone(ANA, 1))
    luis = await answers(office.luis, LUIS)
    await inside.wait_answered()
    await steadily(inside, hears(LUIS))
    await office.sofia.agent_becomes("ana", state="in_call")
    await inside.hang_up()
    await luis.wait_ended()
    await office.sofia.ready("ana", "luis")
    out = await office.ana.call(OUTSIDE_NUMBER)
    out.audio.hum(tone(ANA, 1))
    outside = await answers(office.outside, OUTSIDE)
    await out.wait_answered()
    await steadily(out, hears(OUTSIDE))
    await steadily(outside, hears(ANA))
    await out.hang_up()
    await outside.wait_ended()
    await office.sofia.ready("ana")


@pytest.mark.parametrize("conference", [False, True])
async def test_a_brain_that_dies_in_a_consultation_is_followed_by_one_that_knows_it(
    desk: Desk, office: Office, conference: bool
) -> None:
    number = f"+3460055503{conference:d}"
    async with talking(office, number) as (caller, ana, call_id):
        target = {"to": {"kind": "agent", "agent_id": "agent_luis"}}
        await desk.does(f"/calls/{call_id}/consult", target)
        luis = await answers(office.luis, LUIS)
        await steadily(ana, hears(LUIS))
        if conference:
            await desk.does(f"/calls/{call_id}/consult/conference")
            await steadily(caller, hears(ANA, LUIS))
        brain = office.server.brain
        brain.send_signal(signal.SIGKILL)
        await asyncio.to_thread(brain.wait, 10)
        await is_healthy(office.server)
        await steadily(ana, hears(CALLER, LUIS) if conference else hears(LUIS))
        await desk.does(f"/calls/{call_id}/consult/complete")
        await ana.wait_ended()
        await steadily(caller, hears(LUIS))
        await steadily(luis, hears(CALLER))
        await caller.hang_up()
        await luis.wait_ended()
        entry = await office.sofia.call_of(number)
        assert [talk["agent_id"] for talk in entry["talks"]] == ["agent_ana", "agent_luis"]
