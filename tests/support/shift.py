"""A whole shift in pictures: `python -m tests.support.shift FOLDER`.

A real server and real calls. Ana's phone is her page, Luis has an ordinary SIP phone beside his.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.support.browser import BrowserPage, missing, open_browser
from tests.support.hearing import LUIS, answers
from tests.support.phones import tone, write_wav
from tests.support.server import ServerProcess
from tests.support.story import set_queues

_SIZE = {"width": 1280, "height": 860}
_WORDS = {
    "es": ("Quiere cambiar la entrega al martes.", "¿Llegó bien el pedido?"),
    "en": ("Wants the delivery on Tuesday.", "Did the order arrive?"),
}
# The page's own cleaning takes a steady tone for noise.
_REMEMBERS = {"centralita.sound": '{"cleaned":false}'}


class Shift:
    """The pictures of one shift, numbered in their order."""

    def __init__(self, folder: Path, language: str) -> None:
        self._folder = folder
        self._language = language
        self._number = 0

    async def picture(self, page: BrowserPage, name: str) -> None:
        """As it is when it has come to rest."""
        self._number += 1
        await page.evaluate("new Promise((done) => setTimeout(done, 500))")
        path = self._folder / f"{self._language}-{self._number:02}-{name}.png"
        await page.screenshot(path)
        print(path)

    async def run(self, server: ServerProcess) -> None:
        """From signing in to the day's figures."""
        language = self._language
        locale = {"es": "es-ES", "en": "en-GB"}[language]
        note, about = _WORDS[language]
        with tempfile.TemporaryDirectory() as scratch:
            microphone = Path(scratch) / "microphone.wav"
            write_wav(microphone, tone(700, 2.0))
            async with open_browser(microphone) as browser:
                caller, luis_phone = await server.caller(), await server.agent_phone("202")
                try:

                    async def opened(user: str) -> BrowserPage:
                        page = await browser.open(
                            user, server.url, locale=locale, viewport=_SIZE, remembers=_REMEMBERS
                        )
                        if user == "ana":
                            await page.sees("sign-in-submit")
                            await self.picture(page, "sign-in")
                        await page.fill("sign-in-user", user)
                        await page.fill("sign-in-password", server.users[user])
                        await page.click("sign-in-submit")
                        await page.sees("user-menu")
                        return page

                    ana = await opened("ana")
                    await self.picture(ana, "which-phone")
                    await ana.click("phone-use-page")
                    await ana.sees('.phone-state[data-link="registered"]')
                    await ana.sees('.phone-state[data-registered="true"]')
                    luis = await opened("luis")
                    # The first call is Ana's: Luis comes back when she has it.
                    await luis.click("status-select")
                    await luis.click("status-break-rest")
                    await luis.sees('[data-testid="agent-state"][data-status="on_break"]')
                    await self.picture(ana, "ready")

                    call = await caller.call("110")
                    await call.wait_answered()
                    call.audio.hum(tone(450, 0.4))
                    await ana.sees('[data-testid="pop"][data-shown-at]')
                    await ana.sees("phone-answer")
                    await self.picture(ana, "pop")
                    await ana.click("phone-answer")
                    await ana.sees("call-timer", "0:02")
                    await ana.fill("wrap-up-note", note)
                    await ana.sees("saved")
                    await self.picture(ana, "talk")

                    await luis.click("become-available")
                    await luis.sees('[data-testid="agent-state"][data-status="available"]')
                    await ana.click("oncall-consult")
                    await ana.fill("picker", "Luis")
                    await ana.sees('[data-testid="picker-option"][aria-selected="true"]', "Luis")
                    await self.picture(ana, "consult-whom")
                    await ana.press("Enter")
                    await luis.sees("handed-over")
                    await self.picture(luis, "consulted-on-an-ordinary-phone")
                    talking = await answers(luis_phone, LUIS)
                    await ana.sees("oncall-complete")
                    await ana.until(
                        "!document.querySelector('[data-testid=\"oncall-complete\"]').disabled"
                    )
                    await self.picture(ana, "consulting")
                    await ana.click("oncall-complete")
                    await ana.sees("wrap-up")
                    await luis.sees("oncall")
                    await self.picture(luis, "transferred-to-an-ordinary-phone")

                    await ana.click("next-callback")
                    await ana.fill("callback-text", about)
                    await self.picture(ana, "wrap-up-callback")
                    await ana.click("callback-save")
                    await ana.sees_no("callback-save")
                    await self.picture(ana, "wrap-up")
                    await ana.click("wrap-up-save")
                    await call.hang_up()
                    await talking.wait_ended()
                    await ana.sees_no("wrap-up")
                    await ana.sees("my-day")
                    await self.picture(ana, "my-day")
                    await ana.press("3")
                    await self.picture(ana, "tasks")
                    await luis.sees("wrap-up")
                    await self.picture(luis, "luis-wraps-up")
                finally:
                    await caller.close()
                    await luis_phone.close()


async def main(folder: Path) -> None:
    """One shift in each language."""
    assert not missing(), f"pictures need a browser: {missing()}"
    for language in _WORDS:
        with tempfile.TemporaryDirectory() as scratch:
            server = ServerProcess(Path(scratch))
            await server.prepare()
            await set_queues(server, announce_recording=False)
            async with server:
                await Shift(folder, language).run(server)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
