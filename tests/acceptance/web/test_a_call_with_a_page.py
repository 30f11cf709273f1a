"""A whole call with an agent at a page: real SIP, a real browser, the server as a process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from centralita.core.tasks import Tasks
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.server import ServerProcess

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())


async def signed_in(browser: Browser, server: ServerProcess, user: str) -> BrowserPage:
    """That user's page, as it is when the phone is registered."""
    page = await browser.open(user, server.url, locale="es-ES")
    await page.fill("sign-in-user", user)
    await page.fill("sign-in-password", server.users[user])
    await page.click("sign-in-submit")
    await page.sees('.phone-state[data-registered="true"]')
    await page.sees('[data-testid="agent-state"][data-status="available"]')
    return page


async def first_to_ring(phones: dict[str, Phone]) -> tuple[str, PhoneCall, float]:
    """Whose phone rings, the call, and when (seconds since 1970)."""
    rings: asyncio.Queue[tuple[str, PhoneCall, float]] = asyncio.Queue()

    async def listen(name: str, phone: Phone) -> None:
        call = await phone.incoming.get()
        rings.put_nowait((name, call, time.time()))

    tasks = Tasks("phones")
    for name, phone in phones.items():
        tasks.spawn(listen(name, phone), name=f"{name}'s phone")
    try:
        return await asyncio.wait_for(rings.get(), 15)
    finally:
        await tasks.close()


async def test_an_agent_works_a_call_from_the_pop_to_the_timeline(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, open_browser() as browser:
        phones = {
            "ana": await server.agent_phone("201"),
            "luis": await server.agent_phone("202"),
        }
        caller = await server.caller("+34600111222")
        try:
            pages = {name: await signed_in(browser, server, name) for name in phones}
            call = await caller.call("110")
            await call.wait_answered()
            name, agent_call, rang = await first_to_ring(phones)
            page, other = pages[name], pages["luis" if name == "ana" else "ana"]

            await page.sees("pop")
            shown = int(await page.attribute("pop", "data-shown-at") or 0) / 1000
            assert shown - rang < 0.3
            assert await page.text("pop-caller") == "+34 600 111 222"
            customer = await page.text("pop-customer-name")
            assert customer != "+34 600 111 222"
            assert await other.count("pop") == 0

            agent_call.accept()
            await agent_call.wait_answered()
            await page.sees_no("pop")
            await page.sees("call-timer")
            await page.fill("wrap-up-note", "Quiere cambiar la entrega.")
            await page.sees("saved")
            await call.hang_up()
            await agent_call.wait_ended()

            await page.sees("wrap-up")
            choices = "document.querySelector('[data-testid=wrap-up-disposition]').options[1].value"
            disposition = str(await page.evaluate(choices))
            await page.select("wrap-up-disposition", disposition)
            await page.click("wrap-up-save")
            await page.sees_no("wrap-up")
            await page.sees('[data-testid="agent-state"][data-state="idle"]')

            await page.press("2")
            await page.fill("customer-search", "600111222")
            await page.click(f'[data-testid="customer-row"]:has-text("{customer}")')
            newest = '[data-testid="timeline-entry"]:first-child'
            await page.sees(f"{newest} .entry-notes", "Quiere cambiar la entrega.")
            await page.sees(newest, "Conversación")
            await page.click(f'{newest} [data-testid="entry-details"]')
            await page.sees(f'{newest} [data-testid="recording-player"]')
            await page.until("document.querySelector('audio').readyState >= 1")
            assert await page.problems() == []
            assert await other.problems() == []
        finally:
            for phone in (*phones.values(), caller):
                await phone.close()
