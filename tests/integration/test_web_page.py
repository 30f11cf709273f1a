"""The agent's page in a real browser, over the real API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from centralita.api.live_messages import CallGone, OfferGone, WrapUpEnded, WrapUpStarted
from centralita.core.ids import AgentId, CustomerId, InteractionId
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.desk import PASSWORD, Desk, open_desk
from tests.support.visit import ANA, CALLER, JULIA, Visit, customer

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

LEO = AgentId("agent_leo")
DIST = Path(__file__).parents[2] / "web" / "dist"
OLD_CALL = '[data-testid="timeline-entry"]:has-text("venta") [data-testid="entry-details"]'
SignsIn = Callable[..., Awaitable[BrowserPage]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, web_dir=DIST) as desk:
        yield desk


@pytest.fixture
async def visit(desk: Desk, tmp_path: Path) -> Visit:
    visit = Visit(desk, tmp_path)
    await visit.history()
    visit.agent()
    visit.agent(LEO)
    return visit


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
def signs_in(desk: Desk, browser: Browser) -> SignsIn:
    """A person opens the page and signs in."""

    async def sign_in(username: str, **options: object) -> BrowserPage:
        options.setdefault("locale", "es-ES")
        page = await browser.open(username, str(desk.server.make_url("/")), **options)
        await page.fill("sign-in-user", username)
        await page.fill("sign-in-password", PASSWORD)
        await page.click("sign-in-submit")
        await page.sees("user-menu")
        return page

    return sign_in


async def test_the_page_speaks_the_browsers_language_and_remembers_another(
    browser: Browser, desk: Desk
) -> None:
    page = await browser.open("ana", str(desk.server.make_url("/")), locale="en-GB")
    await page.sees("sign-in-submit", "Sign in")
    await page.click("text=ES")
    await page.sees("sign-in-submit", "Entrar")
    await page.goto(str(desk.server.make_url("/")))
    await page.sees("sign-in-submit", "Entrar")


async def test_a_wrong_password_is_said_in_words(browser: Browser, desk: Desk) -> None:
    page = await browser.open("ana", str(desk.server.make_url("/")), locale="es-ES")
    await page.fill("sign-in-user", "ana")
    await page.fill("sign-in-password", "not hers")
    await page.press("Enter")
    await page.sees("sign-in-error", "no son correctos")


async def test_only_the_offered_agent_sees_the_pop(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana, leo, sol = await signs_in("ana"), await signs_in("leo"), await signs_in("sol")
    for page in (ana, leo):
        await page.sees("agent-state", "Disponible")
    offer = await visit.rings(ANA)
    published = time.time()
    desk.hub.publish(offer)
    visit.agent(ANA, state="offered", call_id="call_now")

    await ana.sees("pop")
    assert await ana.text("pop-customer-name") == "Julia Ríos"
    assert await ana.text("pop-caller") == "+34 600 111 222"
    assert "Pedido 48213" in await ana.text("open-cases")
    assert "¿Sabéis algo de la caja" in await ana.text("timeline")
    assert "48213" in await ana.text("learned")
    asked = await ana.text("asked")
    assert "¿Ventas, soporte o facturación?" in asked and "quería ventas" in asked
    assert "24 s" in await ana.text("pop-waited")
    assert "Julia Ríos" in await ana.text("spoken")
    shown = int(await ana.attribute("pop", "data-shown-at") or 0) / 1000
    assert published <= shown < published + 2

    # What the other agent's page has heard of last is later than the offer, and there is no pop.
    await leo.sees("agent-state", "Disponible")
    visit.agent(LEO, status="on_break", reason="meal")
    await leo.sees("agent-state", "comida")
    assert await leo.count("pop") == 0
    assert await sol.count("pop") == 0
    assert await ana.problems() == []


async def test_a_page_opened_while_the_phone_rings_shows_the_pop(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    desk.hub.publish(await visit.rings())
    ana = await signs_in("ana")
    await ana.sees("pop-customer-name", "Julia Ríos")
    desk.hub.publish(OfferGone(offer_id="offer_1", agent_id=ANA, how="withdrawn"))
    await ana.sees_no("pop")
    await ana.sees("pop-gone", "ya no suena")


async def test_a_call_from_the_pop_to_the_end_of_its_wrap_up(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings())
    await ana.sees("pop")
    desk.hub.publish(OfferGone(offer_id="offer_1", agent_id=ANA, how="accepted"))
    visit.talks()
    visit.agent(ANA, state="in_call", call_id="call_now")
    await ana.sees_no("pop")
    await ana.sees("call-timer", "0:0")
    await ana.fill("wrap-up-note", "Sale mañana.")
    await ana.sees("saved")
    entry = await desk.store.interactions.get(InteractionId("int_now"))
    assert entry is not None and entry.notes == "Sale mañana."

    # Both are open on her screens: the second tab shows what the first one wrote.
    tab = await ana.tab("ana 2", str(desk.server.make_url("/")))
    await tab.until("document.querySelector('[data-testid=wrap-up-note]')?.value == 'Sale mañana.'")

    desk.floor.wrapping_up.add(ANA)
    desk.hub.publish(CallGone(call_id="call_now"))
    desk.hub.publish(
        WrapUpStarted(
            agent_id=ANA,
            call_id="call_now",
            interaction_id="int_now",
            until=datetime.now(UTC) + timedelta(seconds=30),
            dispositions=["pedido_cambiado", "queja"],
        )
    )
    await ana.sees("wrap-up")
    await ana.sees("wrap-up-left", "Quedan 0:")
    await ana.select("wrap-up-disposition", "pedido_cambiado")
    await ana.select("case-select", "case_1")
    await ana.sees("case-state")
    await ana.select("case-state", "pending")
    await ana.fill("wrap-up-note", "Sale mañana por la mañana.")
    await ana.click("wrap-up-save")
    await ana.sees("text=Llamada cerrada")
    assert ANA not in desk.floor.wrapping_up
    entry = await desk.store.interactions.get(InteractionId("int_now"))
    assert entry is not None
    assert (entry.notes, entry.disposition) == ("Sale mañana por la mañana.", "pedido_cambiado")
    assert entry.case_id == "case_1"
    cases = await desk.store.cases.of_customer(JULIA, 10)
    assert [case.state for case in cases if case.id == "case_1"] == ["pending"]

    desk.hub.publish(WrapUpEnded(agent_id=ANA, call_id="call_now"))
    for page in (ana, tab):
        await page.sees_no("wrap-up")
    assert await ana.problems() == []


async def test_the_end_of_wrap_up_costs_no_word(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await visit.rings()
    desk.hub.publish(
        WrapUpStarted(
            agent_id=ANA, call_id="call_now", interaction_id="int_now", dispositions=[],
            until=datetime.now(UTC) + timedelta(seconds=30),
        )
    )  # fmt: skip
    ana = await signs_in("ana")
    await ana.until("document.querySelector('[data-testid=wrap-up-note]')?.disabled === false")
    await ana.fill("wrap-up-note", "A medio escri")
    desk.hub.publish(WrapUpEnded(agent_id=ANA, call_id="call_now"))
    await ana.sees("text=Sus notas están guardadas")
    entry = await desk.store.interactions.get(InteractionId("int_now"))
    assert entry is not None and entry.notes == "A medio escri"


async def test_a_shared_number_is_a_choice(desk: Desk, visit: Visit, signs_in: SignsIn) -> None:
    other = customer(CustomerId("cus_marta"), "Marta Ríos", CALLER)
    await desk.store.customers.add(other)
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings())
    await ana.sees("choose-customer", "¿Quién llama?")
    assert await ana.count("choice") == 2
    await ana.click('[data-testid="choice"]:has-text("Marta")')
    await ana.sees("pop-customer-name", "Marta Ríos")
    entry = await desk.store.interactions.get(InteractionId("int_now"))
    assert entry is not None and entry.customer_id == "cus_marta"


async def test_an_unknown_number_is_a_provisional_customer_who_gets_a_name(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings(caller="+34911222333"))
    await ana.sees("pop-customer-name", "+34 911 222 333")
    await ana.sees("text=Provisional")
    await ana.click("customer-edit")
    await ana.fill("customer-name", "Bodega Alta")
    await ana.press("Enter")
    await ana.sees("pop-customer-name", "Bodega Alta")
    await ana.sees_no("text=Provisional")


async def test_an_unknown_number_of_a_known_customer_is_merged_into_them(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings(caller="+34911222333"))
    await ana.sees("pop-customer-name", "+34 911 222 333")
    await ana.click("customer-change")
    await ana.fill("#find-customer", "julia")
    await ana.click('[role="dialog"] [data-testid="customer-row"]:has-text("Julia")')
    await ana.sees("pop-customer-name", "Julia Ríos")
    await ana.sees(".identities", "+34 911 222 333")
    julia = await desk.store.customers.get(JULIA)
    assert julia is not None
    assert "+34911222333" in {identity.value for identity in julia.identities}


async def test_an_anonymous_caller_is_shown_as_such_and_can_be_found(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings(caller=""))
    await ana.sees("pop-customer-name", "Número oculto")
    await ana.click("customer-find")
    await ana.fill("#find-customer", "julia")
    await ana.click('[role="dialog"] [data-testid="customer-row"]')
    await ana.sees("pop-customer-name", "Julia Ríos")


async def test_status_phone_and_rona_are_said_in_words(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.click("status-select")
    await ana.click("status-break-meal")
    await ana.sees("agent-state", "comida")
    visit.agent(ANA, status="on_break", reason="no_answer")
    await ana.sees("rona", "porque no contestó")
    await ana.click("text=Volver a estar disponible")
    await ana.sees("agent-state", "Disponible")
    visit.agent(ANA, registered=False)
    await ana.sees("not-registered", "no le pueden llegar")


async def test_a_voicemail_is_heard_read_and_done(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.press("3")
    await ana.sees("task", "Julia Ríos")
    await ana.click("task-listen")
    await ana.sees("transcript", "caja que falta")
    await ana.click('.word:has-text("falta")')
    await ana.until("document.querySelector('audio').currentTime > 3.5")
    await ana.until("!document.querySelector('audio').paused")
    await ana.click("task-done")
    await ana.sees("text=No hay tareas pendientes")
    assert await ana.problems() == []


async def test_the_timeline_plays_a_call_and_jumps_to_a_word(
    visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.press("/")
    await ana.fill("customer-search", "600 111")
    await ana.click("customer-row")
    await ana.sees("timeline-entry", "¿Sabéis algo")
    assert await ana.count("timeline-entry") == 6
    await ana.click(
        '[data-testid="timeline-entry"]:has-text("venta") [data-testid="entry-details"]'
    )
    await ana.sees("transcript", "buenos días")
    await ana.click('.word:has-text("añada")')
    await ana.until("document.querySelector('audio').currentTime > 5")


async def test_a_lost_connection_is_said_and_mended(
    desk: Desk, visit: Visit, signs_in: SignsIn, browser: Browser
) -> None:
    ana = await signs_in("ana")
    await ana.sees("agent-state", "Disponible")
    await browser.ask("ana", "offline", offline=True)
    desk.hub.close()
    await ana.sees("disconnected", "Sin conexión")
    visit.agent(ANA, status="on_break", reason="meal")
    await browser.ask("ana", "offline", offline=False)
    await ana.sees_no("disconnected")
    await ana.sees("agent-state", "comida")


async def test_a_session_that_ended_leads_to_signing_in(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.sees("agent-state", "Disponible")
    desk.clock.advance(timedelta(hours=13))
    await ana.press("2")
    await ana.sees("sign-in-submit")
    await ana.sees("text=La sesión ha terminado")


async def test_who_signs_out_takes_no_more_calls(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.sees("agent-state", "Disponible")
    await ana.click("user-menu")
    await ana.click("sign-out")
    await ana.sees("sign-in-submit")
    assert desk.hub.agents[ANA].status == "logged_out"


async def test_a_supervisor_sees_the_floor(desk: Desk, visit: Visit, signs_in: SignsIn) -> None:
    visit.queue(waiting=2)
    visit.talks()
    sol = await signs_in("sol")
    await sol.press("4")
    await sol.sees("board-queue", "Ventas")
    await sol.sees("board-call", "Julia Ríos")
    assert await sol.count("board-agent") == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_wrong(
    desk: Desk, visit: Visit, signs_in: SignsIn, browser: Browser, scheme: str
) -> None:
    look = {"colorScheme": scheme, "reducedMotion": "reduce"}
    home = str(desk.server.make_url("/"))
    stranger = await browser.open("stranger", home, locale="es-ES", **look)
    await stranger.sees("sign-in-submit")
    assert await stranger.inaccessible() == []
    visit.agent(ANA, status="on_break", reason="no_answer", registered=False)
    visit.queue(waiting=2)
    ana = await signs_in("ana", **look)
    await ana.sees("rona")
    assert await ana.inaccessible() == []
    desk.hub.publish(await visit.rings())
    await ana.sees("pop")
    await ana.sees("timeline-entry")
    assert await ana.inaccessible() == []
    desk.hub.publish(OfferGone(offer_id="offer_1", agent_id=ANA, how="accepted"))
    desk.hub.publish(
        WrapUpStarted(
            agent_id=ANA, call_id="call_now", interaction_id="int_now", dispositions=["queja"],
            until=datetime.now(UTC) + timedelta(seconds=30),
        )
    )  # fmt: skip
    await ana.sees("wrap-up")
    await ana.click(
        '[data-testid="timeline-entry"]:has-text("venta") [data-testid="entry-details"]'
    )
    await ana.sees("transcript")
    assert await ana.inaccessible() == []
    await ana.goto(home + "tasks")
    await ana.click("task-listen")
    await ana.sees("transcript")
    await ana.press("?")
    await ana.sees('[role="dialog"]')
    assert await ana.inaccessible() == []
    visit.talks()
    sol = await signs_in("sol", **look)
    await sol.press("4")
    await sol.sees("board-call")
    assert await sol.inaccessible() == []
    await sol.goto(home + "customers/cus_julia")
    await sol.sees("timeline-entry")
    assert await sol.inaccessible() == []
