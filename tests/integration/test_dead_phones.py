"""A phone or a line that dies in mid-call says no good-bye: only its sound ceases."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from centralita.telephony.call import LegAnswered, LegSilent
from tests.support.hearing import ANA, CALLER, LUIS, answers, hears, music, steadily
from tests.support.office import Office, open_office
from tests.support.story import events_of
from tests.support.telephony import RealOutside, RealStage, real_stage

_LIMIT = 2


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage(silence_timeout=_LIMIT) as stage:
        yield stage


async def _together(stage: RealStage) -> tuple[RealOutside, RealOutside]:
    caller = await stage.calls("100")
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)
    agent = await stage.dials(caller)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    for each in (caller, agent):  # so that both have sent
        await each.call.audio.until(lambda frame: True)
    await asyncio.sleep(1.5)  # ... when the worker looked
    return caller, agent


async def test_a_silent_phone_is_told_and_so_is_its_return(stage: RealStage) -> None:
    caller, agent = await _together(stage)
    agent.call.audio.mute(True)
    began = time.monotonic()
    assert (await stage.log.next(LegSilent, agent.leg_id)).silent
    print(f"told {time.monotonic() - began:.1f} s after the last sound")
    await stage.control.unbridge(caller.leg_id)  # as the desk does
    agent.call.audio.mute(False)
    assert not (await stage.log.next(LegSilent, agent.leg_id)).silent
    assert not [event for event in stage.log.of(caller.leg_id) if isinstance(event, LegSilent)]


async def test_a_phone_that_holds_or_reports_is_not_missed(stage: RealStage) -> None:
    caller, agent = await _together(stage)
    await agent.holds(True)
    agent.call.audio.mute(True)
    caller.call.audio.mute(True)
    for _ in range(10):  # twice as long as may be
        await asyncio.sleep(_LIMIT / 5)
        caller.call.audio.report()
    assert not [event for event in stage.log.seen if isinstance(event, LegSilent)]
    # And then it dies.
    assert (await stage.log.next(LegSilent, caller.leg_id)).silent


@asynccontextmanager
async def _office() -> AsyncIterator[Office]:
    with tempfile.TemporaryDirectory(prefix="centralita-") as folder:
        async with open_office(Path(folder), media=f"silence_timeout = {_LIMIT}s") as office:
            yield office


async def test_the_caller_of_a_dead_phone_hears_music_and_goes_to_a_colleague() -> None:
    async with _office() as office:
        async with office.talking("+34600556001") as (caller, _ana):
            await office.sofia.api.post("/agents/agent_luis/status", {"status": "available"})
            await office.ana.close()  # its plug is pulled
            died = time.monotonic()
            await steadily(caller, music)
            print(f"music {time.monotonic() - died:.1f} s after")
            luis = await answers(office.luis, LUIS)
            print(f"a colleague rung {time.monotonic() - died:.1f} s after")
            await steadily(caller, hears(LUIS))
            await caller.hang_up()
            await luis.wait_ended()
        entry = await office.sofia.call_of("+34600556001")
        assert len(events_of(entry, "call_requeued")) == 1
        ana = await office.sofia.agent("ana")
        assert (ana["status"], ana["reason"]) == ("on_break", "dropped_call")


async def test_the_agent_is_told_of_a_dead_line_and_of_its_return() -> None:
    async with _office() as office, office.server.api("ana") as page:
        live = await page.live()

        async def unheard(whom: list[str]) -> None:
            async with asyncio.timeout(10):
                while True:
                    message = await live.receive_json()
                    if message["type"] == "conversation" and message["unheard"] == whom:
                        return

        async with office.talking("+34600556002") as (caller, ana):
            await unheard([])
            caller.audio.mute(True)
            await unheard(["caller"])
            await steadily(ana, music, 5)  # words, and no tone of anybody's
            await steadily(caller, hears(ANA))  # who may hear all the same
            caller.audio.mute(False)
            await unheard([])
            await steadily(ana, hears(CALLER))
