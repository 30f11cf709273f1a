"""What a provider sends before the answer ("not in service") is heard by who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from centralita.telephony.call import LegAnswered, LegRinging, LegsBridged
from centralita.telephony.phone.phone import PhoneCall
from tests.support.hearing import ANA, CALLER, OUTSIDE, hears, music, steadily
from tests.support.office import OUTSIDE_NUMBER, Office, open_office
from tests.support.telephony import RealStage, real_stage, tone

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as stage:
        stage.phone.ring_at_once = False
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with open_office(tmp_path_factory.mktemp("office")) as office:
        office.outside.ring_at_once = False
        yield office


async def test_it_is_heard_one_way_until_the_answer(stage: RealStage) -> None:
    caller = await stage.calls("100")
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)
    caller.call.audio.hum(tone(CALLER, 1))
    outside = await stage.dials(caller)
    outside.call.audio.hum(tone(OUTSIDE, 1))
    await outside.rings()
    assert not (await stage.log.next(LegRinging, outside.leg_id)).early
    outside.call.ring_with_sound()
    assert (await stage.log.next(LegRinging, outside.leg_id)).early
    await stage.control.hear_early(caller.leg_id, outside.leg_id)
    await steadily(caller.call, hears(OUTSIDE))
    assert not [frame for frame in outside.call.audio.frames if frame.rms > 100]
    outside.call.ring()
    assert not (await stage.log.next(LegRinging, outside.leg_id)).early
    await stage.control.unbridge(caller.leg_id)
    await steadily(caller.call, hears())
    await outside.answers()
    await stage.log.next(LegAnswered, outside.leg_id)
    await stage.control.bridge(caller.leg_id, outside.leg_id)
    await stage.log.next(LegsBridged, caller.leg_id)
    await steadily(caller.call, hears(OUTSIDE))
    await steadily(outside.call, hears(CALLER))


async def _rung(office: Office) -> PhoneCall:
    outside = await asyncio.wait_for(office.outside.incoming.get(), 10)
    outside.audio.hum(tone(OUTSIDE, 1))
    return outside


async def test_the_agent_hears_it_in_a_call_by_click(office: Office) -> None:
    async with office.server.api("ana") as page:
        await office.sofia.frees("ana")
        await office.sofia.ready("ana")
        wanted = {"to": OUTSIDE_NUMBER, "queue_id": "sales"}
        status, answer = await page.post("/calls", wanted)
        assert status in (200, 201), answer
        ana = await asyncio.wait_for(office.ana.incoming.get(), 10)
        ana.accept()
        await ana.wait_answered()
        outside = await _rung(office)
        outside.ring_with_sound()
        await steadily(ana, hears(OUTSIDE))
        outside.ring()
        await ana.audio.until(music)  # our own ring
        outside.ring_with_sound()
        await steadily(ana, hears(OUTSIDE))
        outside.reject(404)
        await ana.wait_ended()


async def test_the_agent_hears_it_in_a_call_by_phone(office: Office) -> None:
    await office.sofia.frees("ana")
    await office.sofia.ready("ana")
    ana = await office.ana.call(OUTSIDE_NUMBER)
    ana.audio.hum(tone(ANA, 1))
    outside = await _rung(office)
    outside.ring_with_sound()
    await steadily(ana, hears(OUTSIDE))
    assert not ana.answered.is_set()
    outside.accept()
    await ana.wait_answered()
    await steadily(ana, hears(OUTSIDE))
    await steadily(outside, hears(ANA))
    await outside.hang_up()
    await ana.wait_ended()


async def test_who_waits_hears_it_in_consultations_and_transfers(office: Office) -> None:
    async with office.talking("+34600557001") as (caller, ana):
        call = await office.sofia.call_of("+34600557001", state="live")
        target = {"to": {"kind": "number", "number": OUTSIDE_NUMBER}}
        async with office.server.api("ana") as page:
            status, answer = await page.post(f"/calls/{call['id']}/consult", target)
            assert status == 204, answer
            outside = await _rung(office)
            outside.ring_with_sound()
            await steadily(ana, hears(OUTSIDE))
            await steadily(caller, music)
            outside.ring()
            await ana.audio.until(music)
            outside.accept()
            await steadily(ana, hears(OUTSIDE))
            await steadily(outside, hears(ANA))
            await outside.hang_up()
            await outside.wait_ended()
            status, answer = await page.post(f"/calls/{call['id']}/transfer", target)
            assert status == 204, answer
        outside = await _rung(office)
        await steadily(caller, music)
        outside.ring_with_sound()
        await steadily(caller, hears(OUTSIDE))
        outside.accept()
        await steadily(outside, hears(CALLER))
        await outside.hang_up()
        await caller.wait_ended()
