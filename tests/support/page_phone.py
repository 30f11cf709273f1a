"""The page as an agent's phone: a server, a Chromium whose microphone hums, and a caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.browser import Browser, BrowserPage, open_browser
from tests.support.phones import tone, write_wav
from tests.support.server import ServerProcess
from tests.support.story import watcher

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
    microphone: Path
    caller: Phone
    pages: list[BrowserPage] = field(default_factory=list)

    async def agent(self) -> BrowserPage:
        """Ana's page, which is her phone."""
        page = await self._signed_in("ana", locale="es-ES")
        await page.click("phone-use-page")
        await page.sees('.phone-state[data-link="registered"]')
        await page.sees('.phone-state[data-registered="true"]')
        return page

    async def chooses_the_page(self, name: str) -> BrowserPage:
        """Ana's page in another browser: her extension is registered already, so nothing asks."""
        page = await self._signed_in(name)
        await page.click("phone-state")
        await page.click('[data-testid="phone-which"] >> text=This page')
        await page.press("Escape")
        return page

    @asynccontextmanager
    async def phone(self, extension: str) -> AsyncIterator[Phone]:
        """An ordinary phone of an agent; in the end it hangs up and takes its registration back."""
        phone = await self.server.agent_phone(extension)
        try:
            yield phone
        finally:
            await phone.hang_up()
            await phone.register(expires=0)
            await phone.close()

    @asynccontextmanager
    async def another_browser(self) -> AsyncIterator[Center]:
        """The same server and caller, with a browser that may be broken."""
        async with open_browser(self.microphone) as browser:
            yield replace(self, browser=browser, pages=[])

    async def _signed_in(self, name: str, **options: object) -> BrowserPage:
        page = await self.browser.open(name, self.server.url, remembers=_REMEMBERS, **options)
        self.pages.append(page)
        await page.fill("sign-in-user", "ana")
        await page.fill("sign-in-password", self.server.users["ana"])
        await page.click("sign-in-submit")
        await page.sees("user-menu")
        return page

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

    async def goes_home(self) -> None:
        """Calls and pages end; all are free and Ana has no phone, as before the first call."""
        await self.caller.hang_up()
        for page in self.pages:
            await page.leave()
        self.pages.clear()
        async with watcher(self.server) as sofia:
            await sofia.agent_becomes("ana", registered=False)
            for name in ("ana", "luis"):
                await sofia.goes_home(name)


async def both_hear(page: BrowserPage, call: PhoneCall) -> None:
    await call.audio.until(lambda frame: frame.has_tone(AGENT_HZ), within=15)
    await page.until(hears(CALLER_HZ))


async def long_enough(page: BrowserPage) -> None:
    """A conversation that ends sooner counts as dropped by a fault of the phone."""
    # By the clock that no jump of the machine's time moves, as the server counts; the page's timer
    # goes by the other one.
    await page.until(
        """(() => {
          const timer = document.querySelector('[data-testid="call-timer"]');
          if (timer === null) return false;
          timer.seenAt ??= performance.now();
          return performance.now() - timer.seenAt >= 4000;
        })()"""
    )


@asynccontextmanager
async def center(
    folder: Path,
    *,
    media: str = "",
    server: ServerProcess | None = None,
    microphone: Samples | None = None,
) -> AsyncIterator[Center]:
    """A center for as long as the block lasts; the browser's microphone says that, or hums."""
    heard = folder / "microphone.wav"
    write_wav(heard, tone(AGENT_HZ, 2.0) if microphone is None else microphone, rate=48000)
    server = server or ServerProcess(folder, media=media)
    async with server, open_browser(heard) as browser:
        caller = await server.caller()
        try:
            yield Center(server, browser, heard, caller)
        finally:
            # A server that is stopped waits for its calls.
            await caller.hang_up()
            await caller.close()
