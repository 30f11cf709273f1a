"""The pop in real browsers: it is there with the ring, and on nobody else's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.server import ServerProcess
from tests.support.story import first_rung

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

_OFFERS = 12
# Notes each pop that ever stands on the page, however short.
_WATCH = """
(() => {
  window.pops = [];
  const look = () => {
    const pop = document.querySelector('[data-testid="pop"]');
    if (pop !== null && pop !== window.lastPop) window.pops.push(Date.now());
    window.lastPop = pop;
  };
  new MutationObserver(look).observe(document.body, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-testid"],
  });
})()
"""


async def _sign_in(browser: Browser, server: ServerProcess, user: str) -> BrowserPage:
    page = await browser.open(user, server.url, locale="es-ES")
    await page.fill("sign-in-user", user)
    await page.fill("sign-in-password", server.users[user])
    await page.click("sign-in-submit")
    await page.sees("user-menu")
    await page.evaluate(_WATCH)
    return page


async def test_each_of_many_offers_pops_up_on_the_offered_agents_page_alone(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    took: list[float] = []
    offered: Counter[str] = Counter()
    async with ServerProcess(tmp_path) as server, open_browser() as browser:
        phones = {
            "ana": await server.agent_phone("201"),
            "luis": await server.agent_phone("202"),
        }
        caller = await server.caller()
        try:
            pages = {name: await _sign_in(browser, server, name) for name in phones}
            for page in pages.values():
                await page.sees('.phone-state[data-registered="true"]')
            pages["sofia"] = await _sign_in(browser, server, "sofia")
            await pages["sofia"].click("text=Abrir la sala")
            await pages["sofia"].sees("board-agent")
            for number in range(_OFFERS):
                # Most calls are for either; now and then only one of the two is there.
                absent = {3: "ana", 8: "luis"}.get(number)
                if absent is not None:
                    await pages[absent].click("status-select")
                    await pages[absent].click("status-break-rest")
                    await pages[absent].sees('[data-testid="agent-state"][data-status="on_break"]')
                call = await caller.call("110")
                rung, _ = await first_rung(phones.values())
                name = next(name for name, phone in phones.items() if phone is rung)
                assert name != absent
                offered[name] += 1
                page = pages[name]
                await page.sees('[data-testid="pop"][data-shown-at]')
                others = [other for other in pages if other != name]
                assert [await pages[other].count("pop") for other in others] == [0, 0]
                if number == 0:
                    assert await page.text("pop-customer-name") == "Carmen Ruiz"
                    await page.screenshot(tmp_path / "pop.png")
                    await pages["sofia"].screenshot(tmp_path / "supervisor.png")
                # After the frame in which it was painted the mark is final.
                await page.evaluate("new Promise((done) => setTimeout(done, 60))")
                shown = float(await page.attribute("pop", "data-shown-at") or "nan")
                took.append(shown - float(await page.attribute("pop", "data-offered-at") or "nan"))
                await call.hang_up()
                await page.sees_no("pop")
                if absent is not None:
                    await pages[absent].click("become-available")
                    await pages[absent].sees('[data-testid="agent-state"][data-status="available"]')
            seen = {name: len(await page.evaluate("window.pops")) for name, page in pages.items()}
            problems = {name: await page.problems() for name, page in pages.items()}
        finally:
            for phone in (*phones.values(), caller):
                await phone.close()
    print("pops seen:", seen, "offers made:", dict(offered))
    assert seen == {"ana": offered["ana"], "luis": offered["luis"], "sofia": 0}
    assert offered["ana"] and offered["luis"]
    assert problems == {"ana": [], "luis": [], "sofia": []}
    took.sort()
    p95 = took[round(len(took) * 0.95) - 1]
    record_property("offer to pop, ms", took)
    print(f"offer to pop over {len(took)}: p50 {took[len(took) // 2]:.0f} ms, p95 {p95:.0f} ms")
    # The goal is 300 ms; a busy machine must not fail what a person would not notice.
    assert p95 < 1000
