"""A page whose network changes in mid-call, or goes for a while: both hear each other again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import psutil
import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import PhoneCall
from tests.support.browser import Browser, BrowserPage, why_skip
from tests.support.cable import Cable, cable
from tests.support.detour import Detour, detour
from tests.support.page_phone import (
    AGENT_HZ,
    CALLER_HZ,
    Center,
    both_hear,
    center,
    hears,
    long_enough,
)
from tests.support.server import ServerProcess
from tests.support.story import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(why_skip() != "", reason=why_skip()),
]

# Both hear each other again in so many seconds; a busy machine must not fail what is fast enough.
_MEDIA_GOAL, _ALL_GOAL = 3, 6
_RUNG = "page is rung for its call"
# What the page says of a network that it mends may be gone within half a second.
_LISTENS = """
(() => {
  window.said = [];
  setInterval(() => {
    const words = document.querySelector('[data-testid="phone-no-audio"]')?.innerText;
    if (words && !said.includes(words)) said.push(words);
  }, 20);
})()
"""


@dataclass(frozen=True)
class House:
    """A center whose page reaches the edge by a cable that can be pulled out."""

    center: Center
    cable: Cable

    def times_rung(self) -> int:
        """How often a page was rung for a call it had, in place of an ICE restart."""
        return self.center.server.log.read_text(errors="replace").count(_RUNG)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("network")
    async with cable() as wire:
        server = ServerProcess(folder, sip=f"ws_url = ws://127.0.0.1:{wire.port}")
        async with center(folder, server=server) as opened:
            port = server.config().sip.ws_port
            assert port is not None
            wire.server = "127.0.0.1", port
            yield House(opened, wire)


@pytest_asyncio.fixture(loop_scope="module")
async def here(house: House) -> AsyncIterator[House]:
    yield house
    house.cable.plug_in()
    await house.center.goes_home()


@contextlib.contextmanager
def asleep(browser: Browser) -> Iterator[None]:
    """All processes of a browser stand still, as on a machine that sleeps."""
    processes = psutil.Process(browser.pid).children(recursive=True)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def _talk(here: House, way: Detour | None = None) -> tuple[BrowserPage, PhoneCall]:
    page = await here.center.agent()
    if way is not None:
        await way.lead(page)
    await page.evaluate(_LISTENS)
    call = await here.center.talk(page)
    await long_enough(page)
    return page, call


async def _apart(page: BrowserPage, call: PhoneCall) -> None:
    """Until neither hears the other any more."""
    await asyncio.gather(
        call.audio.until(lambda frame: not frame.has_tone(AGENT_HZ)), page.until(hears(0))
    )


async def _back(what: str, since: float, page: BrowserPage, call: PhoneCall, goal: float) -> None:
    await both_hear(page, call)
    took = time.monotonic() - since
    print(f"{what}: both hear each other after {took:.1f} s")
    assert took < 2 * goal


async def test_a_call_whose_audio_has_lost_its_way_finds_another_one(here: House) -> None:
    async with detour() as before, detour() as after:
        page, call = await _talk(here, before)
        rung = here.times_rung()
        await after.lead(page)
        before.cut()
        began = time.monotonic()
        await _apart(page, call)
        await _back("way of the audio cut", began, page, call, _MEDIA_GOAL)
        await page.sees_no("phone-no-audio")
        assert await page.evaluate("said") == ["No llega la voz: se busca otro camino por la red…"]
        # In the same dialog, by an ICE restart.
        assert here.times_rung() == rung
        assert after.page.passed > 0
        assert await page.problems() == []


async def test_a_call_survives_its_page_s_connection_and_ends_when_the_caller_hangs_up(
    here: House,
) -> None:
    page, call = await _talk(here)
    rung = here.times_rung()
    here.cable.break_connections()
    await page.sees('.phone-state[data-link="lost"]')
    await page.sees('.phone-state[data-link="registered"]')
    # A way that works is left for another one without a gap that would be heard.
    for _ in range(4):
        await both_hear(page, call)
        await asyncio.sleep(0.5)  # the restart's time: nothing of it is to be seen
    await call.hang_up()
    await page.sees_no("phone-hang-up")
    assert here.times_rung() == rung


async def test_a_page_that_changes_its_network_has_its_call_again(here: House) -> None:
    async with detour() as before, detour() as after:
        page, call = await _talk(here, before)
        rung = here.times_rung()
        await after.lead(page)
        # The old network has gone without a word, and the new one is there at once.
        here.cable.unplug()
        here.cable.plug_in()
        before.cut()
        began = time.monotonic()
        await _apart(page, call)
        await _back("network changed", began, page, call, _ALL_GOAL)
        await page.sees('.phone-state[data-link="registered"]')
        assert here.times_rung() == rung


@pytest.mark.parametrize("seen_by", ["the connection", "the audio alone"])
async def test_a_call_on_hold_finds_its_way_before_it_is_resumed(here: House, seen_by: str) -> None:
    async with detour() as before, detour() as after:
        page, call = await _talk(here, before)
        rung = here.times_rung()
        # Elsewhere than at the desk the page's phone holds by itself: no voice comes that could be
        # missed.
        await page.press("2")
        await page.click("phone-hold")
        await _apart(page, call)
        await after.lead(page)
        if seen_by == "the connection":
            here.cable.unplug()
            here.cable.plug_in()
        before.cut()

        async def asks() -> object:
            return after.page.peer

        await eventually(asks, "the page asks by the new way", within=15)
        await page.sees('.phone-state[data-link="registered"]')
        await page.sees_no("phone-no-audio")
        assert not await page.evaluate(hears(CALLER_HZ))
        began = time.monotonic()
        await page.click("phone-hold")
        await _back("resumed", began, page, call, _MEDIA_GOAL)
        assert here.times_rung() == rung
        assert after.page.passed > 0
        await page.press("1")


async def test_a_page_that_is_without_a_network_for_three_seconds_has_its_call_again(
    here: House,
) -> None:
    async with detour() as before, detour() as after:
        page, call = await _talk(here, before)
        await after.lead(page)
        after.cut()
        await page.offline(True)
        here.cable.unplug()
        before.cut()
        await _apart(page, call)
        await page.sees("phone-no-audio")
        await asyncio.sleep(3)  # how long the network is away is what is tested
        here.cable.plug_in()
        after.mend()
        began = time.monotonic()
        await page.offline(False)
        await _back("back on line", began, page, call, _ALL_GOAL)
        await page.sees('.phone-state[data-link="registered"]')


async def test_the_caller_of_a_page_whose_network_stays_away_is_handed_over(here: House) -> None:
    async with detour() as way:
        page, call = await _talk(here, way)
        async with here.center.phone("202") as other:
            here.cable.unplug()
            way.cut()
            cut = time.monotonic()
            handed_over = await asyncio.wait_for(other.incoming.get(), 25)
            print(f"network gone to the next agent's ring: {time.monotonic() - cut:.1f} s")
            handed_over.accept()
            await handed_over.wait_answered()
            assert not call.ended.is_set()
            # Back too late: the page learns that its call is somebody else's.
            here.cable.plug_in()
            way.mend()
            await page.sees_no("phone-hang-up")


async def test_a_machine_that_nods_off_for_a_moment_keeps_its_call(here: House) -> None:
    page, call = await _talk(here)
    rung = here.times_rung()
    with asleep(here.center.browser):
        await call.audio.silence()
        await asyncio.sleep(2)  # how long it sleeps is what is tested
    began = time.monotonic()
    await _back("awake again", began, page, call, _ALL_GOAL)
    await page.sees('.phone-state[data-link="registered"]')
    assert here.times_rung() == rung


async def test_a_machine_that_wakes_up_too_late_is_a_phone_again_by_itself(here: House) -> None:
    page, call = await _talk(here)
    async with here.center.phone("202") as other:
        with asleep(here.center.browser):
            began = time.monotonic()
            handed_over = await asyncio.wait_for(other.incoming.get(), 25)
            print(f"asleep to the next agent's ring: {time.monotonic() - began:.1f} s")
            handed_over.accept()
            await handed_over.wait_answered()
            assert not call.ended.is_set()
        await page.sees_no("phone-hang-up")
        await page.sees('.phone-state[data-link="registered"]')
        # Nobody knew whether she was there: she says so. The colleague is with the first caller.
        await page.click("status-select")
        await page.click("status-available")
        second = await here.center.calls()
        await page.sees("phone-answer")
        await page.click("phone-answer")
        await both_hear(page, second)
