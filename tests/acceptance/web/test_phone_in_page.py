"""The page as the agent's phone: Chromium speaks SIP over WebSocket, ICE, DTLS-SRTP and Opus."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.phones import tone, write_wav
from tests.support.server import ServerProcess

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

AGENT_HZ, CALLER_HZ = 700, 450
# The page's own cleaning takes a steady tone for noise.
_REMEMBERS = {"centralita.sound": '{"cleaned":false}'}
# The pitch of what the page plays, and whether it is anything at all.
_HEARS = """
(async () => {
  const audio = document.querySelector('[data-testid="phone-audio"]');
  if (audio === null || audio.srcObject === null) return 0;
  if (window.ear?.stream !== audio.srcObject) {
    const context = window.ear?.context ?? new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(audio.srcObject).connect(analyser);
    window.ear = { context, analyser, stream: audio.srcObject };
  }
  const { analyser, context } = window.ear;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let top = 1;
  bins.forEach((level, place) => { if (place > 0 && level > bins[top]) top = place; });
  return bins[top] < -60 ? 0 : (top * context.sampleRate) / analyser.fftSize;
})()
"""


def hears(hertz: float) -> str:
    """A script that is true while the page hears that tone; of 0, while it hears nothing."""
    return f"({_HEARS}).then((pitch) => Math.abs(pitch - {hertz}) < 25)"


@dataclass
class Center:
    """A server, a browser whose microphone hums, and a caller who hums another tone."""

    server: ServerProcess
    browser: Browser
    caller: Phone

    async def agent(self, name: str = "ana", user: str = "ana") -> BrowserPage:
        """A page that is the phone of its agent."""
        page = await self.browser.open(
            name, self.server.url, locale="es-ES", remembers=_REMEMBERS
        )
        await self.signs_in(page, user)
        await page.click("phone-use-page")
        await page.sees('.phone-state[data-link="registered"]')
        await page.sees('.phone-state[data-registered="true"]')
        return page

    async def chooses_the_page(self, name: str) -> BrowserPage:
        """Ana's page in another browser: her extension is registered already, so nothing asks."""
        page = await self.browser.open(name, self.server.url, remembers=_REMEMBERS)
        await self.signs_in(page, "ana")
        await page.click("phone-state")
        await page.click('[data-testid="phone-which"] >> text=This page')
        await page.press("Escape")
        return page

    async def signs_in(self, page: BrowserPage, user: str) -> None:
        await page.fill("sign-in-user", user)
        await page.fill("sign-in-password", self.server.users[user])
        await page.click("sign-in-submit")
        await page.sees("user-menu")

    async def calls(self, number: str = "110") -> PhoneCall:
        """A caller who hums as soon as the call is up."""
        call = await self.caller.call(number)
        await call.wait_answered()
        call.audio.hum(tone(CALLER_HZ, 0.4))
        return call

    async def talk(self, page: BrowserPage) -> PhoneCall:
        """A call that the agent has answered at the page; both hear each other."""
        call = await self.calls()
        await page.sees("phone-answer")
        await page.click("phone-answer")
        await both_hear(page, call)
        return call


async def both_hear(page: BrowserPage, call: PhoneCall) -> None:
    await call.audio.until(lambda frame: frame.has_tone(AGENT_HZ), within=15)
    await page.until(hears(CALLER_HZ))


async def long_enough(page: BrowserPage) -> None:
    """A conversation that ends sooner counts as dropped by a fault of the phone."""
    await page.until(
        """(() => {
          const timer = document.querySelector('[data-testid="call-timer"]');
          const [minutes, seconds] = (timer?.textContent ?? "0:0").split(":").map(Number);
          return 60 * minutes + seconds >= 4;
        })()"""
    )


@asynccontextmanager
async def center(
    folder: Path, *, media: str = "", server: ServerProcess | None = None
) -> AsyncIterator[Center]:
    microphone = folder / "microphone.wav"
    write_wav(microphone, tone(AGENT_HZ, 2.0))
    server = server or ServerProcess(folder, media=media)
    async with server, open_browser(microphone) as browser:
        caller = await server.caller()
        try:
            yield Center(server, browser, caller)
        finally:
            await caller.close()


async def test_a_caller_and_an_agent_at_the_page_hear_each_other(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        page = await here.agent()
        call = await here.talk(page)
        await long_enough(page)
        await page.click("phone-hang-up")
        await page.sees("wrap-up")
        await call.hang_up()
        assert await page.problems() == []


async def test_an_agent_at_the_page_mutes_holds_and_presses_keys(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        page = await here.agent()
        call = await here.talk(page)

        await page.click("phone-mute")
        await call.audio.silence()
        await page.press("m")
        await call.audio.until(lambda frame: frame.has_tone(AGENT_HZ))

        await page.press("h")
        await page.sees("oncall-resume")
        # Music, which is no tone of the agent's.
        await call.audio.until(lambda frame: frame.rms > 100 and not frame.has_tone(AGENT_HZ))
        await page.until(hears(0))
        await page.click("oncall-resume")
        await both_hear(page, call)

        await page.press("k")
        await page.sees("keys-sent")
        await page.press("5")
        assert await asyncio.wait_for(call.audio.keys.get(), 5) == "5"
        await page.click("key-hash")
        assert await asyncio.wait_for(call.audio.keys.get(), 5) == "#"
        assert await page.value("keys-sent") == "5#"
        await page.press("Escape")
        # Elsewhere in the page its phone holds and has keys by itself.
        await page.press("2")
        await page.click("phone-hold")
        await page.sees('[data-testid="phone-hold"][aria-pressed="true"]')
        await call.audio.until(lambda frame: frame.rms > 100 and not frame.has_tone(AGENT_HZ))
        await page.click("phone-hold")
        await both_hear(page, call)
        await page.click("phone-keys")
        await page.click("phone-key-7")
        assert await asyncio.wait_for(call.audio.keys.get(), 5) == "7"
        await page.press("Escape")
        await page.sees_no("phone-key-7")
        await page.press("1")
        await page.sees("oncall-transfer")
        await long_enough(page)
        await page.press("x")
        await page.sees("wrap-up")
        assert await page.problems() == []


async def test_a_call_that_is_declined_at_the_page_goes_on_to_others(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        page = await here.agent()
        await here.calls()
        await page.sees("phone-reject")
        await page.press("x")
        await page.sees("rona")
        await page.sees('[data-testid="agent-state"][data-status="on_break"]')


async def test_a_page_that_is_loaded_anew_in_mid_call_has_its_call_again(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        page = await here.agent()
        call = await here.talk(page)
        shown = await page.attribute("contact", "data-call")
        await page.reload()
        await call.audio.until(lambda frame: frame.rms > 100 and not frame.has_tone(AGENT_HZ))
        await page.sees("phone-hang-up")
        await both_hear(page, call)
        assert await page.attribute("contact", "data-call") == shown
        assert await page.attribute("agent-state", "data-state") == "in_call"


async def test_the_caller_of_a_page_that_is_closed_is_with_somebody_else_in_five_seconds(
    tmp_path: Path,
) -> None:
    async with center(tmp_path) as here:
        other = await here.server.agent_phone("202")
        try:
            page = await here.agent()
            call = await here.talk(page)
            await page.close()
            closed = time.monotonic()
            handed_over = await asyncio.wait_for(other.incoming.get(), 15)
            took = time.monotonic() - closed
            print(f"closed page to the next agent's ring: {took:.1f} s")
            handed_over.accept()
            await handed_over.wait_answered()
            assert not call.ended.is_set()
            # The goal is 5 s; a busy machine must not fail what a caller would not notice.
            assert took < 8
        finally:
            await other.close()


async def test_the_caller_of_a_browser_that_is_killed_is_with_somebody_else_in_five_seconds(
    tmp_path: Path,
) -> None:
    async with center(tmp_path) as here:
        other = await here.server.agent_phone("202")
        try:
            page = await here.agent()
            call = await here.talk(page)
            killed = time.monotonic()
            for process in psutil.Process(here.browser.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            await asyncio.wait_for(other.incoming.get(), 15)
            took = time.monotonic() - killed
            print(f"killed browser to the next agent's ring: {took:.1f} s")
            assert not call.ended.is_set()
            # The goal is 5 s; a busy machine must not fail what a caller would not notice.
            assert took < 8
        finally:
            await other.close()


async def test_one_tab_is_the_phone_and_all_of_them_steer_it(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        first = await here.agent()
        second = await first.tab("second", here.server.url)
        await second.sees('.phone-state[data-link="registered"]')
        call = await here.calls()
        for page in (first, second):
            await page.sees("phone-answer")
        await second.click("phone-answer")
        await both_hear(first, call)
        await second.click("phone-mute")
        await call.audio.silence()
        await first.sees('[data-testid="phone-mute"][aria-pressed="true"]')
        # The tab that is the phone goes: the other one has the call.
        await first.close()
        await second.until(hears(CALLER_HZ))
        await second.sees("phone-hang-up")


async def test_desk_phone_and_page_ring_together_and_the_first_to_answer_has_the_call(
    tmp_path: Path,
) -> None:
    async with center(tmp_path) as here:
        desk = await here.server.agent_phone("201")
        try:
            page = await here.chooses_the_page("ana")
            await page.sees('.phone-state[data-link="registered"]')

            call = await here.calls()
            await page.sees("phone-answer")
            at_desk = await asyncio.wait_for(desk.incoming.get(), 10)
            await page.click("phone-answer")
            await both_hear(page, call)
            await at_desk.wait_ended()
            assert at_desk.status == 487
            await long_enough(page)
            await page.click("phone-hang-up")
            await page.click("wrap-up-save")
            await call.hang_up()

            call = await here.calls()
            await page.sees("phone-answer")
            at_desk = await asyncio.wait_for(desk.incoming.get(), 10)
            at_desk.accept()
            await at_desk.wait_answered()
            await page.sees("contact")
            await page.sees_no("phone-answer")
            assert await page.count("phone-hang-up") == 0
            assert await page.problems() == []
        finally:
            await desk.close()


async def test_another_computer_takes_the_phone_over_after_asking(tmp_path: Path) -> None:
    async with center(tmp_path) as here:
        first = await here.agent()
        call = await here.talk(first)
        second = await here.chooses_the_page("second")
        await second.sees("phone-elsewhere")
        await second.click("phone-take-over")
        await second.sees("phone-hang-up")
        await both_hear(second, call)
        await first.sees("phone-elsewhere")
        assert await first.count("phone-hang-up") == 0


_DIALS = """
fetch("/api/v1/calls", {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    "X-CSRF-Token": document.cookie.match(/centralita_csrf=([^;]+)/)[1],
  },
  body: JSON.stringify({ to: "+34911234567", queue_id: "sales" }),
}).then((answer) => answer.status)
"""


async def test_a_call_that_is_dialled_on_the_page_is_answered_there_by_itself(
    tmp_path: Path,
) -> None:
    server = ServerProcess(tmp_path)
    # Whoever is called, at the provider's.
    provider = Phone("provider", server.sip, host="127.0.0.3")
    await provider.start()
    server.extra += f"[trunk:acme]\naddresses = 127.0.0.9\nproxy = {provider.address}\n"
    try:
        async with center(tmp_path, server=server) as here:
            page = await here.agent()
            assert await page.evaluate(_DIALS) == 201
            called = await asyncio.wait_for(provider.incoming.get(), 15)
            called.accept()
            await called.wait_answered()
            called.audio.hum(tone(CALLER_HZ, 0.4))
            await both_hear(page, called)
            assert await page.problems() == []
    finally:
        await provider.close()
