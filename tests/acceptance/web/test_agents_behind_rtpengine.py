"""Agents whose audio goes through rtpengine: a page and an ordinary phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.telephony.worker.addresses import route_to
from tests.support.browser import BrowserPage, why_skip
from tests.support.page_phone import CALLER_HZ, Center, both_hear, center, hears, long_enough
from tests.support.peer_connection import kept, used
from tests.support.phones import tone
from tests.support.rtpengine import RtpEngine, missing_rtpengine, rtpengine
from tests.support.server import ServerProcess

pytestmark = [
    pytest.mark.skipif(why_skip() != "", reason=why_skip()),
    pytest.mark.skipif(missing_rtpengine() != "", reason=missing_rtpengine()),
]

DESK_HZ = 1000


@asynccontextmanager
async def relayed(
    folder: Path, which: str = "all", *, running: bool = True
) -> AsyncIterator[tuple[RtpEngine, Center]]:
    # Neither browsers nor pjnath take loopback: the address by which this machine leaves.
    async with rtpengine(folder, route_to("192.0.2.99")) as engine:
        if not running:
            engine.process.kill()
            await engine.process.wait()
        media = f"workers = 1\nrtpengine = 127.0.0.1:{engine.port}\nrtpengine_for = {which}"
        # Not all of loopback is the trunk's: agents call from there, too.
        server = ServerProcess(folder, media=media, trunk="127.0.0.1")
        async with center(folder, server=server) as here:
            yield engine, here


async def _talk(here: Center) -> tuple[BrowserPage, PhoneCall]:
    page = await here.agent()
    await page.evaluate(kept())
    return page, await here.talk(page)


async def both(desk: PhoneCall, call: PhoneCall) -> None:
    """An agent at an ordinary phone and the caller hear each other."""
    await call.audio.until(lambda frame: frame.has_tone(DESK_HZ), within=15)
    await desk.audio.until(lambda frame: frame.has_tone(CALLER_HZ), within=15)


async def test_a_page_talks_through_rtpengine_is_held_and_leaves_nothing(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (engine, here):
        page, call = await _talk(here)
        assert await page.evaluate(used("remote", "port")) in engine.ports
        assert await engine.calls() == 1
        await long_enough(page)
        # Elsewhere than at the desk the page's phone holds by itself, in a re-INVITE.
        await page.press("2")
        await page.click("phone-hold")
        await page.until(hears(0))
        await page.click("phone-hold")
        await both_hear(page, call)
        # A network that changes is another way to the same rtpengine, by an ICE restart.
        await page.evaluate("connection.restartIce(), 0")
        await both_hear(page, call)
        await call.hang_up()
        await page.sees_no("phone-hang-up")
        await engine.calls_become(0)
        assert await page.problems() == []


async def test_a_desk_phone_talks_through_rtpengine_and_calls_through_it(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (engine, here), here.phone("202") as desk:
        call = await here.calls()
        offered = await asyncio.wait_for(desk.incoming.get(), 15)
        offered.accept()
        await offered.wait_answered()
        offered.audio.hum(tone(DESK_HZ, 0.4))
        await both(offered, call)
        assert await engine.calls() == 1
        await call.hang_up()
        await offered.wait_ended()
        await engine.calls_become(0)

        # From an address of its own: 127.0.0.1 is the trunk's.
        another = Phone(
            "201",
            here.server.sip,
            password=here.server.phones["201"],
            host="127.0.0.3",
            domain="centralita",
        )
        await another.start()
        try:
            await another.register()
            dialled = await another.call("110")
            await dialled.wait_answered()
            assert await engine.calls() == 1
            await dialled.hang_up()
            await engine.calls_become(0)
        finally:
            await another.close()


async def test_a_call_that_nobody_answers_leaves_nothing(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (engine, here):
        page = await here.agent()
        call = await here.calls()
        await page.sees("phone-answer")
        await engine.calls_become(1)
        await call.hang_up()
        await page.sees_no("phone-answer")
        await engine.calls_become(0)


async def test_a_page_mends_its_call_when_rtpengine_has_died(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (engine, here):
        page, call = await _talk(here)
        engine.process.kill()
        await engine.process.wait()
        async with rtpengine(tmp_path, route_to("192.0.2.99"), port=engine.port) as another:
            await page.until(hears(0))
            await both_hear(page, call)
            assert await page.evaluate(used("remote", "port")) in another.ports
            assert await another.calls() == 1


async def test_agents_inside_talk_without_it(tmp_path: Path) -> None:
    async with relayed(tmp_path, "outside") as (engine, here):
        page, _ = await _talk(here)
        assert await page.evaluate(used("remote", "port")) not in engine.ports
        assert await engine.calls() == 0


async def test_without_its_rtpengine_agents_who_reach_the_worker_talk(tmp_path: Path) -> None:
    async with relayed(tmp_path, running=False) as (_, here):
        page, call = await _talk(here)
        await both_hear(page, call)
        await here.server.log_has("rtpengine does not answer")
