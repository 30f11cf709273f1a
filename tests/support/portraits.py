"""Pictures of the pages: `python -m tests.support.portraits FOLDER`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from centralita.api.live_messages import OfferGone, WrapUpStarted
from tests.support.browser import WEB, BrowserPage, missing, open_browser
from tests.support.desk import PASSWORD, open_desk
from tests.support.visit import ANA, Visit


async def portray(folder: Path, language: str, scheme: str, width: int, height: int) -> None:
    """Every page once, in one language, theme and size."""
    with tempfile.TemporaryDirectory() as scratch:
        async with (
            open_desk(Path(scratch), web_dir=WEB / "dist") as desk,
            open_browser() as browser,
        ):
            visit = Visit(desk, Path(scratch))
            await visit.history()
            await visit.more()
            desk.clock.advance(datetime.now(UTC) - desk.clock.now())
            home = str(desk.server.make_url("/"))

            async def picture(page: BrowserPage, name: str) -> None:
                await page.evaluate("new Promise((done) => setTimeout(done, 350))")
                await page.screenshot(folder / f"{name}-{language}-{scheme}-{width}.png")

            async def opened(name: str) -> BrowserPage:
                page = await browser.open(
                    name, home, locale=language, colorScheme=scheme, reducedMotion="reduce",
                    viewport={"width": width, "height": height},
                )  # fmt: skip
                await page.sees("sign-in-submit")
                if name == "ana":
                    await picture(page, "sign-in")
                await page.fill("sign-in-user", name)
                await page.fill("sign-in-password", PASSWORD)
                await page.click("sign-in-submit")
                await page.sees("user-menu")
                return page

            visit.agent(status="on_break", reason="no_answer", registered=False)
            visit.queue(waiting=2)
            ana = await opened("ana")
            await ana.sees("rona")
            await picture(ana, "rona")
            visit.agent()
            await ana.sees_no("rona")
            await picture(ana, "idle")
            offer = await visit.rings()
            desk.hub.publish(offer)
            visit.agent(state="offered", call_id="call_now")
            await ana.sees("timeline-entry")
            await picture(ana, "pop")
            desk.hub.publish(OfferGone(offer_id="offer_1", agent_id=ANA, how="accepted"))
            visit.talks()
            visit.agent(state="in_call", call_id="call_now")
            await ana.sees("call-timer")
            await ana.fill("wrap-up-note", "La caja que falta sale mañana por mensajero.")
            await ana.sees("saved")
            await ana.click(
                '[data-testid="timeline-entry"]:has-text("venta") [data-testid="entry-details"]'
            )
            await ana.sees("transcript")
            await picture(ana, "in-call")
            sol = await opened("sol")
            await sol.press("4")
            await sol.sees("board-call")
            await picture(sol, "board")
            desk.hub.publish(
                WrapUpStarted(
                    agent_id=ANA, call_id="call_now", interaction_id="int_now",
                    until=datetime.now(UTC) + timedelta(seconds=28),
                    dispositions=["venta", "pedido_cambiado"],
                )
            )  # fmt: skip
            desk.hub.calls.clear()
            visit.agent(state="wrap_up", call_id="call_now")
            await ana.goto(home)
            await ana.sees("wrap-up")
            await picture(ana, "wrap-up")
            await ana.click("next-message")
            await ana.select("message-template", "hello")
            await ana.sees("message-text")
            await picture(ana, "message")
            await ana.goto(home + "customers/cus_julia")
            await ana.sees("timeline-entry")
            await picture(ana, "customer")
            await ana.fill("timeline-search", "caja")
            await ana.sees("search-hit")
            await picture(ana, "search")
            await ana.goto(home + "customers/cus_marta")
            await ana.click("customer-merge")
            await ana.fill("#merge-customer", "julia")
            await ana.click('[role="dialog"] [data-testid="customer-row"]:has-text("Julia")')
            await ana.sees("merge-confirm")
            await picture(ana, "merge")
            await ana.click("merge-swap")
            await ana.click("merge-now")
            await ana.sees("merges")
            await picture(ana, "merged")
            await ana.goto(home + "tasks")
            await ana.click("task-listen")
            await ana.sees("transcript")
            await picture(ana, "tasks")
            await ana.press("?")
            await picture(ana, "help")


async def main(folder: Path) -> None:
    reason = missing()
    if reason:
        sys.exit(reason)
    await portray(folder, "es-ES", "light", 1440, 900)
    await portray(folder, "en-GB", "dark", 1280, 860)
    await portray(folder, "en-GB", "light", 1920, 1080)
    await portray(folder, "es-ES", "light", 420, 860)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
