"""Ana reads what is said while she talks: real browser, real phones, real speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from centralita.core.tasks import Tasks
from centralita.telephony.phone.g711 import Samples
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.live_feed import live_feed
from tests.support.office import Office, open_office
from tests.support.speech import speak

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

BOX = "document.querySelector('.live-said')"
AT_END = f"{BOX}.scrollHeight - {BOX}.scrollTop - {BOX}.clientHeight < 2"
SPOKEN = "document.querySelector('[data-testid=live-spoken]').textContent"
SCHEME = "document.documentElement.dataset.mantineColorScheme"
# Colours that are on their way from one theme to the other are no colours of the page.
SETTLED = "document.getAnimations().every((one) => !(one instanceof CSSTransition))"
LAST = '[data-testid="live-saying"]:last-child'


def says(text: str) -> Samples:
    return np.frombuffer(speak(text, before=0.1, after=0.1), dtype="<i2")


@asynccontextmanager
async def page_of(
    user: str, browser: Browser, office: Office, locale: str
) -> AsyncIterator[BrowserPage]:
    """That user's page in that language; it must meet no fault."""
    page = await browser.open(f"{user} {locale}", office.server.url, locale=locale)
    await page.fill("sign-in-user", user)
    await page.fill("sign-in-password", office.server.users[user])
    await page.click("sign-in-submit")
    await page.sees("user-menu")
    yield page
    # A call that has just begun is not written yet (404).
    assert [one for one in await page.problems() if "404" not in one] == []


async def look_at(page: BrowserPage, folder: Path, name: str) -> None:
    """A picture in each theme; nothing that axe knows is wrong in either."""
    for scheme in ("light", "dark"):
        await page.look(colorScheme=scheme)
        await page.until(f"{SCHEME} === '{scheme}' && {SETTLED}")
        assert await page.inaccessible() == []
        await page.screenshot(folder / f"{name}-{scheme}.png")
    await page.look(colorScheme="light")


async def test_both_sides_are_read_as_they_speak_in_both_languages(tmp_path: Path) -> None:
    tasks = Tasks("speakers")
    async with open_office(tmp_path, live_transcript=True) as office, open_browser() as browser:
        async with (
            page_of("ana", browser, office, "es-ES") as page,
            page_of("ana", browser, office, "en-GB") as english,
            office.connected("+34600555301") as (caller, ana),
        ):
            await page.sees("live-hearing", "Escuchando")
            await page.sees("live-transcript", "Todavía no se ha dicho nada.")
            await ana.audio.say(says("buenos días"))
            await page.sees(f'{LAST}[data-speaker="agent"][data-final="true"]', "buenos")

            async def speak_on() -> None:
                await caller.audio.say(says("necesito ayuda con la factura por favor"))

            tasks.spawn(speak_on(), name="caller")
            await page.sees(f'{LAST}[data-speaker="caller"][data-final="false"]', "provisional")
            await page.screenshot(tmp_path / "es-partial.png")
            await page.sees(f'{LAST}[data-speaker="caller"][data-final="true"]', "factura")
            assert (await page.text(LAST)).startswith("Cliente")
            # Screen readers hear what the customer has said, and not what Ana says herself.
            spoken = await page.evaluate(SPOKEN)
            assert spoken.startswith("Cliente: ") and "factura" in spoken
            for text in ("número de cliente", "cuatro siete uno", "gracias", "un momento"):
                await ana.audio.say(says(text))
                await asyncio.sleep(1)  # a pause, so that each is a saying of its own
            await page.until(AT_END)
            await look_at(page, tmp_path, "es")
            await page.size(480, 800)
            await look_at(page, tmp_path, "es-narrow")
            await page.size(1280, 480)

            await page.evaluate(f"{BOX}.scrollTop = 0")
            await page.sees("live-newest", "Ir a lo último")
            count = await page.count("live-saying")
            await caller.audio.say(says("gracias adiós"))
            await page.until(f"{BOX}.querySelectorAll('li').length > {count}")
            assert await page.evaluate(f"{BOX}.scrollTop") == 0
            await page.click("live-newest")
            await page.until(AT_END)
            await page.sees_no("live-newest")
            await page.size(1280, 900)
            await page.sees(f'{LAST}[data-final="true"]', "adiós")

            await caller.audio.say(says("cuatro siete uno"))
            await page.sees(f'{LAST}[data-final="true"]', "cuatro")
            before = await page.count("live-saying")
            await page.click("oncall-pause-recording")
            await page.sees("live-hearing", "no se escucha nada")
            await page.sees(f'{LAST}[data-final="true"]', "•••")
            await caller.audio.say(says("cinco seis ocho"))
            await page.reload()  # what was said is there again, and nothing else
            await page.sees("live-hearing", "no se escucha nada")
            assert await page.count("live-saying") == before
            await page.sees(LAST, "•••")
            await look_at(page, tmp_path, "es-paused")
            await english.sees("live-hearing", "Recording paused: nothing is listened to")
            await page.click("oncall-resume-recording")
            await english.sees("live-hearing", "Listening")
            await english.sees('[data-speaker="caller"] .live-who', "Customer")
            await look_at(english, tmp_path, "en")

            await caller.hang_up()
            await ana.wait_ended()
            await page.sees_no("live-transcript")
    await tasks.close()


async def test_a_supervisor_reads_along_on_the_floor_in_both_languages(tmp_path: Path) -> None:
    async with open_office(tmp_path, live_transcript=True) as office, open_browser() as browser:
        async with (
            page_of("sofia", browser, office, "es-ES") as page,
            page_of("sofia", browser, office, "en-GB") as english,
            office.connected("+34600555302") as (caller, ana),
        ):
            for each in (page, english):
                await each.goto(f"{office.server.url}/board")
            await page.sees("board-read", "Leer lo que se dice")
            async with live_feed(office.sofia.api) as feed:
                await feed.becomes("listening")
            await caller.audio.say(says("necesito ayuda con la factura por favor"))
            await ana.audio.say(says("buenos días"))
            await page.sees_no("live-saying")
            assert await read_along(office) == []

            await page.evaluate("document.querySelector('[data-testid=board-read]').focus()")
            await page.press("Enter")
            await page.sees('[data-speaker="caller"][data-final="true"]', "factura")
            await page.sees('[data-speaker="agent"][data-final="true"]', "buenos")
            await page.sees("live-transcript", "con Ana García, en directo")
            (call_id, agent) = (await read_along(office))[0]
            assert (call_id, agent) == (
                (await office.sofia.call_of("+34600555302", state="live"))["id"], "agent_ana",
            )  # fmt: skip
            await caller.audio.say(says("gracias"))
            await page.sees(f'{LAST}[data-final="true"]', "gracias")
            assert "gracias" in await page.evaluate(SPOKEN)
            await ana.audio.say(says("número de cliente"))
            await page.sees(f'{LAST}[data-speaker="agent"][data-final="true"]', "cliente")
            # Whoever reads along is told both sides: none of it is the own voice.
            assert (await page.evaluate(SPOKEN)).startswith("Agente: ")
            await look_at(page, tmp_path, "floor-es")
            await page.size(480, 800)
            await page.evaluate("document.querySelector('.live-transcript').scrollIntoView()")
            await look_at(page, tmp_path, "floor-es-narrow")
            await page.size(1280, 900)

            await english.click("board-read")
            await english.sees("live-transcript", "with Ana García, live")
            await look_at(english, tmp_path, "floor-en")

            await page.evaluate("document.querySelector('.live-said').focus()")
            await page.press("Escape")
            await page.sees_no("live-transcript")
            await page.until("document.activeElement.dataset.testid === 'board-read'")

            await caller.hang_up()
            await ana.wait_ended()
            await page.sees_no("board-read")


async def read_along(office: Office) -> list[tuple[str, str]]:
    """The calls that were read along in, and whose they were, by the audit log."""
    async with office.server.api("admin") as admin:
        items = (await admin.get("/audit?action=transcript.read"))["items"]
    assert isinstance(items, list)
    return [(one["object"], one["details"]["agent_id"]) for one in items]
