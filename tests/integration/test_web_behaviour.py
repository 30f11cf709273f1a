"""Small things by which a page misleads whoever works with it all day, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest

from centralita.api import views
from centralita.api.live_messages import CallChanged, OfferGone
from centralita.core.ids import CallId, CustomerId, NodeId
from centralita.timeline import model as m
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.desk import PASSWORD, Desk, open_desk
from tests.support.visit import ANA, CALLER, JULIA, SALES, Visit, ago, customer

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

DIST = Path(__file__).parents[2] / "web" / "dist"
SHARED = "+34911444555"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, web_dir=DIST) as desk:
        yield desk


@pytest.fixture
async def visit(desk: Desk, tmp_path: Path) -> Visit:
    desk.clock.advance(datetime.now(UTC) - desk.clock.now())
    visit = Visit(desk, tmp_path)
    await visit.history()
    visit.agent()
    return visit


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


async def opens(desk: Desk, browser: Browser, password: str = PASSWORD) -> BrowserPage:
    page = await browser.open("ana", str(desk.server.make_url("/")), locale="es-ES")
    await page.fill("sign-in-user", "ana")
    await page.fill("sign-in-password", password)
    await page.click("sign-in-submit")
    return page


async def signs_in(desk: Desk, browser: Browser) -> BrowserPage:
    page = await opens(desk, browser)
    await page.sees("user-menu")
    return page


async def offered(page: BrowserPage, *names: str) -> None:
    """The dial pad shows these people, in any order, and nobody else."""
    script = "[...document.querySelectorAll('[data-testid=picker-option] .picker-label')]"
    await page.until(f"{script}.map(one => one.innerText).sort().join() === '{','.join(names)}'")


async def test_people_who_share_a_number_are_each_shown_once_and_only_while_looked_for(
    desk: Desk, visit: Visit, browser: Browser
) -> None:
    for name in ("Luisa Moreno", "Pedro Moreno"):
        await desk.store.customers.add(customer(CustomerId(f"cus_{name[:5]}"), name, SHARED))
    await desk.store.customers.add(customer(CustomerId("cus_c"), "Carmen Ruiz", "+34911444666"))
    page = await signs_in(desk, browser)
    await page.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await page.click("number")
    await page.sees("dial-pad")
    await page.fill("picker", "moreno")
    await offered(page, "Luisa Moreno", "Pedro Moreno")
    for typed in ("more", "moreno l", "carmen"):
        await page.fill("picker", typed)
    await offered(page, "Carmen Ruiz")
    # What was found for other words calls nobody, not even in the moment before the answer.
    await page.fill("picker", "moreno")
    assert await page.count("picker-option") == 0
    await offered(page, "Luisa Moreno", "Pedro Moreno")
    assert await page.count('[data-testid="picker-option"][aria-selected="true"]') == 1


async def test_keys_go_on_working_after_a_click_on_a_switch(
    desk: Desk, visit: Visit, browser: Browser
) -> None:
    page = await signs_in(desk, browser)
    await page.click('[data-testid="language-switch"] label:has-text("EN")')
    await page.until("document.documentElement.lang === 'en'")
    assert await page.evaluate("document.activeElement.type") == "radio"
    await page.press("3")
    await page.until("location.pathname === '/tasks'")


async def test_after_a_wrong_password_the_next_one_can_be_typed_at_once(
    desk: Desk, browser: Browser
) -> None:
    page = await opens(desk, browser, password="not the password")
    await page.sees("sign-in-error")
    await page.until("document.activeElement.dataset.testid === 'sign-in-password'")


async def test_the_clock_of_a_call_goes_on_while_it_is_held(
    desk: Desk, visit: Visit, browser: Browser
) -> None:
    page = await signs_in(desk, browser)
    offer = await visit.rings()
    desk.hub.publish(offer)
    visit.agent(state="in_call", call_id="call_now")
    desk.hub.publish(OfferGone(offer_id="offer_1", agent_id=ANA, how="accepted"))
    for state in ("bridged", "held", "bridged"):
        desk.hub.publish(
            CallChanged(
                call_id="call_now", state=state, caller=CALLER, customer_id=JULIA,
                customer_name="Julia Ríos", queue_id=SALES, agent_id=ANA, since=ago(seconds=1),
                talking_since=ago(seconds=66),
            )
        )  # fmt: skip
        await page.until(
            "/^1:[01]\\d$/.test(document.querySelector('[data-testid=call-timer]')?.innerText)"
        )


async def test_what_was_keyed_in_is_shown_and_not_called_no_answer(
    desk: Desk, visit: Visit, browser: Browser
) -> None:
    page = await signs_in(desk, browser)
    offer = await visit.rings()
    keyed = m.PathStep(
        node_id=NodeId("pedido"), at=ago(seconds=30), kind="gather", result="digits",
        said="Marque el número de su pedido", heard="48213",
    )  # fmt: skip
    desk.hub.publish(msgspec.structs.replace(offer, path=views.path((keyed,))))
    await page.sees("asked", "48213")


async def test_the_page_comes_compressed_to_whoever_takes_it(desk: Desk, visit: Visit) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(desk.server.make_url("/")) as answer:
            files = re.findall(r'(?:src|href)="(/assets/[^"]+\.(?:js|css))"', await answer.text())
        assert len(files) >= 2
        for file in files:
            url = desk.server.make_url(file)
            async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers.get("Content-Encoding") == "gzip"
                assert "Accept-Encoding" in answer.headers.get("Vary", "")
                small = len(await answer.read())
            async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers
                assert small < len(await answer.read())


async def test_the_day_counts_a_missed_call_before_the_next_one_comes(
    desk: Desk, visit: Visit, browser: Browser
) -> None:
    page = await signs_in(desk, browser)
    await page.sees("day-missed", "0")
    visit.agent(state="offered")
    await desk.store.call_events.append(
        CallId("call_now"), desk.clock.now() - timedelta(seconds=1), "offer_settled",
        {"agent_id": ANA, "state": "no_answer", "rang": 20.0},
    )  # fmt: skip
    visit.agent(state="idle")
    await page.sees("day-missed", "1")
