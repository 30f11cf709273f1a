"""What an agent does with a call in the page: a real browser, real phones, a server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import PhoneCall
from tests.support.browser import Browser, BrowserPage, open_browser, why_skip
from tests.support.hearing import ANA, CALLER, LUIS, OUTSIDE, answers, hears, music, steadily
from tests.support.office import OUTSIDE_NUMBER, SHOWN, Office, open_office
from tests.support.speech import speak

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(why_skip() != "", reason=why_skip()),
]

CUBA = "+5371234567"
BEEP = 1000


@dataclass
class Desks:
    """The office, and the pages of Ana and Luis."""

    office: Office
    browser: Browser
    pages: dict[str, BrowserPage] = field(default_factory=dict)

    async def page(self, user: str, language: str = "es-ES") -> BrowserPage:
        """That user's page in that language, signed in once."""
        name, server = f"{user} {language}", self.office.server
        if name not in self.pages:
            page = await self.browser.open(name, server.url, locale=language)
            await page.fill("sign-in-user", user)
            await page.fill("sign-in-password", server.users[user])
            await page.click("sign-in-submit")
            await page.sees("user-menu")
            self.pages[name] = page
        return self.pages[name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desks]:
    folder = tmp_path_factory.mktemp("office")
    async with open_office(folder) as office, open_browser() as browser:
        desks = Desks(office, browser)
        yield desks
        problems = {name: await page.problems() for name, page in desks.pages.items()}
    # Refusals are answers, and a call that has just begun is not written yet (404).
    faults = {
        name: [one for one in all if "409" not in one and "404" not in one]
        for name, all in problems.items()
    }
    assert not any(faults.values()), faults


@pytest.fixture
def office(desks: Desks) -> Office:
    return desks.office


async def accessible(page: BrowserPage) -> None:
    """Nothing that axe knows is wrong with the page as it is."""
    found = await page.inaccessible()
    assert found == [], found


async def sends(page: BrowserPage, typed: str) -> None:
    """Types into the open dialog until the place is the first, and takes it with Enter."""
    await page.fill("picker", typed)
    await page.press("Enter")
    await page.sees_no("send-dialog")


async def test_the_caller_hears_music_while_the_page_shows_them_on_hold(
    desks: Desks, office: Office
) -> None:
    page = await desks.page("ana")
    async with office.talking("+34600555101") as (caller, ana):
        await page.sees("oncall-state", "Hablando con el cliente")
        await page.click("oncall-hold")
        await steadily(caller, music)
        await steadily(ana, hears())
        await page.sees("oncall-state", "espera con música")
        await accessible(page)
        await page.reload()  # in mid-call everything is found again
        await page.sees("oncall-state", "espera con música")
        await page.press("h")
        await steadily(caller, hears(ANA))
        await page.sees("oncall-state", "Hablando con el cliente")
        # The second click of a double click does not take the caller back.
        await page.evaluate(DOUBLE_CLICK)
        await page.sees("oncall-resume")
        await steadily(caller, music)
        await page.click("oncall-resume")
        await steadily(caller, hears(ANA))
        await page.click("oncall-hang-up")
        await ana.wait_ended()
        await page.sees_no("oncall")


DOUBLE_CLICK = """
(async () => {
  const click = (detail) => {
    const button = document.querySelector(
      '[data-testid="oncall-hold"], [data-testid="oncall-resume"]',
    );
    button.dispatchEvent(new MouseEvent("click", { bubbles: true, detail }));
  };
  click(1);
  while (document.querySelector('[data-testid="oncall-resume"]') === null)
    await new Promise((done) => setTimeout(done, 5));
  click(2);
})()
"""


async def test_who_gets_the_caller_reads_what_was_written_before(
    desks: Desks, office: Office
) -> None:
    page, other = await desks.page("ana"), await desks.page("luis")
    async with office.talking("+34600555102") as (caller, ana):
        await page.fill("wrap-up-note", "Pide cambiar la entrega al martes.")
        await page.sees("saved")
        await page.click("oncall-transfer")
        await page.fill("picker", "lui")
        await page.sees('[data-testid="picker-option"][aria-selected="true"]', "Luis")
        await accessible(page)
        await page.press("Enter")
        await page.sees_no("send-dialog")
        await ana.wait_ended()
        await other.sees("pop")
        await other.sees("handed-over", "le pasa esta llamada")
        assert await other.text("handed-over-notes") == "Pide cambiar la entrega al martes."
        await accessible(other)
        luis = await answers(office.luis, LUIS)
        await steadily(caller, hears(LUIS))
        await page.sees_no("oncall")
        await other.sees("oncall-state", "Hablando con el cliente")
        await caller.hang_up()
        await luis.wait_ended()


async def test_a_caller_goes_to_another_queue_at_once(desks: Desks, office: Office) -> None:
    page, other = await desks.page("ana"), await desks.page("luis")
    async with office.talking("+34600555103") as (caller, ana):
        status, _ = await office.sofia.api.post(
            "/agents/agent_ana/status", {"status": "on_break", "reason": "rest"}
        )
        assert status == 200
        queue = (await office.sofia.get("/queues"))["items"][0]["title"]
        await page.sees("oncall")
        await page.press("t")
        await page.fill("picker", queue)
        await page.sees('[data-testid="picker-option"][aria-selected="true"]', queue)
        await page.press("Enter")
        await ana.wait_ended()
        await other.sees("handed-over", "le pasa esta llamada")
        luis = await answers(office.luis, LUIS)
        await steadily(caller, hears(LUIS))
        await caller.hang_up()
        await luis.wait_ended()


async def test_a_colleague_is_asked_first_and_takes_over(desks: Desks, office: Office) -> None:
    page, other = await desks.page("ana"), await desks.page("luis")
    async with office.talking("+34600555104") as (caller, ana):
        await page.sees("oncall")
        await page.press("q")
        await sends(page, "Luis")
        await page.sees("oncall-state", "Suena el teléfono de Luis")
        await other.sees("handed-over", "le consulta")
        luis = await answers(office.luis, LUIS)
        await steadily(ana, hears(LUIS))
        await steadily(caller, music)
        await page.sees("oncall-state", "Hablando con Luis")
        await other.sees('[data-testid="contact"][data-stage="in_call"]')
        await other.sees("handed-over", "le consulta")
        await other.reload()  # in mid-consultation everything is found again
        await other.sees('[data-testid="contact"][data-stage="in_call"]')
        await other.sees("handed-over", "le consulta")
        await other.sees_no("wrap-up-note")
        await page.click("oncall-swap")
        await steadily(ana, hears(CALLER))
        await steadily(luis, music)
        await page.sees("oncall-state", "Hablando con el cliente; Luis")
        await accessible(page)
        await page.press("e")
        await steadily(caller, hears(LUIS))
        await steadily(luis, hears(CALLER))
        await ana.wait_ended()
        await other.sees("oncall-state", "Hablando con el cliente")
        await other.sees("handed-over", "le pasa esta llamada")
        await other.reload()
        await other.sees("handed-over", "le pasa esta llamada")
        await caller.hang_up()
        await luis.wait_ended()


async def test_three_talk_in_english_and_the_third_is_let_go(desks: Desks, office: Office) -> None:
    page = await desks.page("ana", "en-GB")
    async with office.talking("+34600555105") as (caller, ana):
        await page.sees("oncall-state", "Talking with the customer")
        await page.click("oncall-consult")
        await page.fill("picker", "nobody of that name")
        await page.sees("text=Nothing matches.")
        await page.fill("picker", CUBA)
        await page.press("Enter")
        await page.sees("refusal", "rules for outgoing calls")
        assert "[outbound] allow" in await page.text("refusal"), "with the place and the cure"
        await sends(page, "911 234 567")
        outside = await answers(office.outside, OUTSIDE)
        await page.sees("oncall-state", "Talking with 911234567")
        await page.press("j")
        await steadily(caller, hears(ANA, OUTSIDE))
        await steadily(outside, hears(CALLER, ANA))
        await page.sees("oncall-state", "Three-way conference")
        await accessible(page)
        await page.press("b")
        await outside.wait_ended()
        await steadily(caller, hears(ANA))
        await page.sees("oncall-state", "Talking with the customer")
        await caller.hang_up()
        await ana.wait_ended()


async def test_a_parked_caller_is_seen_and_picked_up_by_a_colleague(
    desks: Desks, office: Office
) -> None:
    page, other = await desks.page("ana"), await desks.page("luis")
    async with office.talking("+34600555106") as (caller, ana):
        await page.click("oncall-park")
        await ana.wait_ended()
        await steadily(caller, music)
        await page.sees("text=Aparcada en la plaza")
        await other.sees("parked-call", "La aparcó Ana")
        await accessible(other)
        await other.click("pick-up")
        luis = await answers(office.luis, LUIS)
        await steadily(caller, hears(LUIS))
        await other.sees("oncall-state", "Hablando con el cliente")
        await page.sees_no("parked")
        await caller.hang_up()
        await luis.wait_ended()


async def test_a_paused_recording_is_plain_to_see_and_keys_are_sent(
    desks: Desks, office: Office
) -> None:
    page = await desks.page("ana")
    async with office.talking("+34600555107") as (caller, ana):
        await page.sees("recording-state", "Se está grabando")
        await page.click("oncall-pause-recording")
        await page.sees("recording-state", "Grabación en pausa")
        await page.press("r")
        await page.sees("recording-state", "Se está grabando")
        await page.press("k")
        await page.until("document.activeElement.dataset.testid === 'keys-sent'")
        await page.press("4")
        await page.click("key-hash")
        assert await page.value("keys-sent") == "4#"
        await asyncio.wait_for(keys_of(caller, "4#"), 10)
        await accessible(page)
        await page.press("Escape")
        await page.sees_no("keys-sent")
        await caller.hang_up()
        await ana.wait_ended()


async def keys_of(call: PhoneCall, wanted: str) -> None:
    """Until these keys have come to the phone."""
    got = ""
    while got != wanted:
        got += await call.audio.keys.get()
        assert wanted.startswith(got), got


async def test_a_number_is_called_from_the_page(desks: Desks, office: Office) -> None:
    page = await desks.page("ana")
    await office.sofia.frees("ana")
    await office.sofia.ready("ana")
    await page.press("g")
    await page.fill("picker", CUBA)
    await page.press("Enter")
    await page.sees("refusal", "reglas de llamadas salientes no permiten llamar a +5371234567")
    assert "not allowed" not in await page.text("refusal"), "the page's language and no other"
    await page.fill("picker", "911 234 567")
    await accessible(page)
    await page.press("Enter")
    await page.sees_no("dial-pad")
    await page.sees("oncall-state", "Llamando")
    ring = await answers(office.ana, ANA)
    outside = await answers(office.outside, OUTSIDE)
    assert outside.caller == SHOWN
    await steadily(outside, hears(ANA))
    await steadily(ring, hears(OUTSIDE))
    await page.sees("oncall-state", "Hablando con el cliente")
    await outside.hang_up()
    await ring.wait_ended()
    await page.sees_no("oncall")
    await office.sofia.ready("ana")

    # From where the number stands, and the line is busy.
    customer = (await office.sofia.call_of(OUTSIDE_NUMBER))["customer_id"]
    await page.goto(f"{office.server.url}/customers/{customer}")
    await page.click("number")
    await page.sees("dial-call", "911 234 567")
    await page.press("Enter")
    ring = await answers(office.ana, ANA)
    (await asyncio.wait_for(office.outside.incoming.get(), 10)).reject(486)
    await page.sees("text=Comunica")
    await ring.wait_ended()
    await office.sofia.ready("ana")


async def test_a_number_in_a_task_is_called_for_that_task(desks: Desks, office: Office) -> None:
    page = await desks.page("ana")
    await office.sofia.frees("ana")
    await office.sofia.ready("ana")
    now = datetime.now(UTC)
    body = {
        "due_at": now.isoformat(), "queue_id": "sales", "number": OUTSIDE_NUMBER,
        "text": "Por la factura",
    }  # fmt: skip
    status, task = await office.sofia.api.post("/tasks", body)
    assert status == 201
    row = f'[data-testid="task"]:has([data-number="{OUTSIDE_NUMBER}"])'
    await page.goto(f"{office.server.url}/tasks")
    await page.click(f'{row} [data-testid="number"]')
    await page.sees("dial-task", "Volver a llamar")
    assert await page.value("dial-queue") == "sales"
    await accessible(page)
    await page.click("dial-call")
    ring = await answers(office.ana, ANA)
    outside = await answers(office.outside, OUTSIDE)
    await steadily(outside, hears(ANA))
    await page.goto(f"{office.server.url}/tasks")
    await page.sees_no(row)
    await outside.hang_up()
    await ring.wait_ended()
    await office.sofia.ready("ana")
    call = await office.sofia.call_of(OUTSIDE_NUMBER, since=now)
    assert (call["task"]["id"], call["task"]["done_by"]) == (task["id"], "Ana García")
    await page.goto(f"{office.server.url}/customers/{call['customer_id']}")
    await page.click("entry-details")
    await page.sees("entry-task", "Por la tarea «Volver a llamar»")
    await page.sees("entry-task", "ya hecha")


async def picks(page: BrowserPage, typed: str, place: str) -> None:
    """Types into the open dialog, and clicks on the place of that key among those found."""
    await page.fill("picker", typed)
    await page.click(f'[data-testid="picker-option"][data-key="{place}"]')
    await page.sees_no("send-dialog")


async def test_a_caller_leaves_a_message_where_the_agent_sends_them(
    desks: Desks, office: Office
) -> None:
    page = await desks.page("ana")
    async with office.talking("+34600555108") as (caller, ana):
        await page.click("oncall-transfer")
        await picks(page, "ventas", "voicemail sales")
        await ana.wait_ended()
        await page.sees_no("oncall")
        await steadily(caller, lambda frame: frame.has_tone(BEEP))
        await caller.audio.say(np.frombuffer(speak("soporte ventas"), dtype="<i2"))
        await caller.hang_up()
    entry = await office.sofia.call_of("+34600555108")
    task = await office.sofia.task_of(entry)
    assert (task["kind"], task["queue_id"]) == ("voicemail", "sales")


async def test_a_caller_is_sent_back_into_a_flow_and_to_a_number_outside(
    desks: Desks, office: Office
) -> None:
    page = await desks.page("ana", "en-GB")
    async with office.talking("+34600555109") as (caller, ana):
        await page.click("oncall-transfer")
        await picks(page, "main", "flow main-es")
        await ana.wait_ended()
        await caller.audio.until(lambda frame: frame.rms > 200 and not frame.has_tone(ANA))
        caller.audio.press("2")
        luis = await answers(office.luis, LUIS)
        await steadily(caller, hears(LUIS))
        await caller.hang_up()
        await luis.wait_ended()
    async with office.talking("+34600555110") as (caller, ana):
        await page.click("oncall-transfer")
        await picks(page, "911 234 567", "number 911234567")
        outside = await answers(office.outside, OUTSIDE)
        await ana.wait_ended()
        await steadily(caller, hears(OUTSIDE))
        await steadily(outside, hears(CALLER))
        await caller.hang_up()
        await outside.wait_ended()


async def test_whoever_is_free_in_a_queue_is_asked_first(desks: Desks, office: Office) -> None:
    page, other = await desks.page("ana"), await desks.page("luis")
    async with office.talking("+34600555111") as (caller, ana):
        await page.click("oncall-consult")
        await picks(page, "soporte", "queue support")
        await other.sees("handed-over", "le consulta")
        luis = await answers(office.luis, LUIS)
        await steadily(ana, hears(LUIS))
        await steadily(caller, music)
        await page.press("e")
        await steadily(caller, hears(LUIS))
        await ana.wait_ended()
        await caller.hang_up()
        await luis.wait_ended()
