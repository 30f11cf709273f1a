"""A long history in a real browser: scrolling, searching, hearing."""

# ruff: noqa: F811 (fixtures that come by import)
from __future__ import annotations

import pytest
from sqlalchemy import insert

from centralita.core.ids import CustomerId
from centralita.store.audit import AuditFilter
from centralita.store.search import index_entry
from centralita.store.tables import InteractionRow
from tests.integration.test_web_page import (  # noqa: F401
    SignsIn,
    browser,
    desk,
    signs_in,
    visit,
)
from tests.support.browser import why_skip
from tests.support.desk import Desk
from tests.support.visit import JULIA, Visit, ago, customer

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

ENTRIES = 10_000
# Scrolls as fast as a wheel does, and counts frames as they are drawn.
SCROLL = """new Promise((done) => {
  let frames = 0, most = 0;
  const entries = () => document.querySelector('[data-testid=entries]');
  const step = () => {
    frames += 1;
    most = Math.max(most, document.querySelectorAll('[data-testid=timeline-entry]').length);
    scrollBy(0, 300);
    if (frames < %d) requestAnimationFrame(step);
    else done({ frames, most, nodes: document.querySelectorAll('*').length,
                loaded: Number(entries().dataset.loaded), shown: entries().innerText });
  };
  requestAnimationFrame(step);
})"""


async def long_history(desk: Desk, count: int = ENTRIES) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": f"int_long_{n:05}", "channel": ("sms", "email", "chat")[n % 3],
            "direction": "in", "customer_id": JULIA, "started_at": ago(days=60, minutes=n),
            "ended_at": ago(days=60, minutes=n), "subject": "", "caller": "", "dialled": "",
            "body": f"Mensaje número {n}. " + "Una línea más de texto. " * (n % 9),
            "disposition": "", "notes": "", "candidates": [], "details": {},
        }
        for n in range(count)
    ]  # fmt: skip
    async with desk.store.database.write() as session:
        await session.execute(insert(InteractionRow), rows)


async def test_ten_thousand_entries_scroll_with_few_in_the_page_and_little_work(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    await long_history(desk)
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await ana.sees("timeline-entry", "¿Sabéis algo")
    before = await ana.metrics()
    seen = await ana.evaluate(SCROLL % 400)
    after = await ana.metrics()
    work = (after["TaskDuration"] - before["TaskDuration"]) / seen["frames"]
    print(
        f"{seen['loaded']} entries loaded, at most {seen['most']} in the page, "
        f"{seen['nodes']} nodes, {work * 1000:.1f} ms of CPU a frame"
    )
    assert seen["loaded"] > 500
    assert "Mensaje número" in seen["shown"]
    assert seen["most"] < 60
    assert seen["nodes"] < 3000
    assert work < 1 / 60, "a frame's work must leave the screen its 60 frames a second"
    assert await ana.problems() == []


async def test_scrolling_reaches_the_oldest_entry(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    await long_history(desk, 300)
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await ana.sees("timeline-entry", "¿Sabéis algo")
    await ana.until(
        "scrollTo(0, document.body.scrollHeight),"
        " document.querySelector('[data-testid=entries]').innerText.includes('número 299.')"
    )


async def test_the_channel_filter_leaves_only_its_entries(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await ana.sees("timeline-entry", "¿Sabéis algo")
    await ana.click('.filter[data-channel="note"]')
    await ana.sees("timeline-entry", "por la tarde")
    assert await ana.count("timeline-entry") == 1


async def test_a_hit_far_down_is_gone_to_and_marked(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    await long_history(desk, 700)
    entry = (await desk.store.interactions.timeline(JULIA, limit=200, after=None)).items[-1]
    async with desk.store.database.write() as session:
        await index_entry(session, entry.id)
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    number = int(entry.id.rsplit("_", 1)[1])
    await ana.fill("timeline-search", f"numero {number}")
    await ana.sees("search-hits")
    assert await ana.text("[data-testid=search-hits] mark") == "número"
    await ana.click("hit-text")
    await ana.sees(".entry[data-found]", f"Mensaje número {number}.")
    await ana.click("timeline-newest")
    await ana.sees("timeline-entry", "¿Sabéis algo")
    assert await ana.problems() == []


async def test_a_word_found_in_a_transcript_leads_to_its_second_in_the_player(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    ana = await signs_in("ana")
    await ana.press("2")
    await ana.click("text=Lo que se dijo")
    await ana.fill("said-search", "anad")
    await ana.sees("search-hit", "Julia Ríos")
    await ana.click('[data-testid="hit-text"]:has-text("Transcripción")')
    await ana.sees(".entry[data-found] [data-testid=transcript]", "añada")
    await ana.until("document.querySelector('.word[data-now]')?.innerText.trim() === 'añada'")
    await ana.until("Math.abs(document.querySelector('audio').currentTime - 6.2) < 0.5")
    assert await ana.inaccessible() == []


async def test_the_waveform_and_the_keyboard_move_the_player(
    desk: Desk,
    visit: Visit,
    signs_in: SignsIn,
) -> None:
    ana = await signs_in("ana")
    await ana.press("3")
    await ana.click("task-listen")
    await ana.sees('svg[data-testid="waveform"]')
    assert (await desk.store.recordings.peaks(visit.voicemail)) is not None
    await ana.until("document.querySelector('audio').readyState >= 1")
    await ana.click('svg[data-testid="waveform"]')  # in its middle
    await ana.until("Math.abs(document.querySelector('audio').currentTime - 4) < 0.3")
    await ana.until("document.querySelector('.word[data-now]') !== null")
    await ana.evaluate("document.querySelector('[data-testid=transcript]').focus()")
    await ana.press("ArrowRight")
    await ana.until("document.querySelector('audio').currentTime > 7")
    await ana.press("j")
    await ana.until("document.querySelector('audio').currentTime < 3.5")
    await ana.press("k")
    await ana.until("!document.querySelector('audio').paused")
    await ana.press("k")
    await ana.until("document.querySelector('audio').paused")


async def test_customers_are_merged_after_a_question_and_parted_again(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.customers.add(customer(CustomerId("cus_marta"), "Marta Ríos", "+34911222333"))
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url("/customers/cus_marta")))
    await ana.click("customer-merge")
    await ana.fill("#merge-customer", "julia")
    await ana.click('[role="dialog"] [data-testid="customer-row"]:has-text("Julia")')
    await ana.sees("merge-confirm", "Desaparece")
    await ana.click("merge-swap")
    assert await ana.inaccessible() == []
    await ana.click("merge-now")
    await ana.sees("pop-customer-name", "Julia Ríos")
    await ana.sees("merge", "Marta Ríos")
    await ana.sees(".identities", "+34 911 222 333")
    assert (await desk.store.customers.get(CustomerId("cus_marta"))).id == JULIA  # type: ignore[union-attr]
    assert await ana.inaccessible() == []

    await ana.click("merge-undo")
    await ana.sees('[role="dialog"]', "se queda donde está")
    await ana.click("merge-undo-now")
    await ana.sees("merge", "Deshecho por Ana")
    await ana.sees_no('.identities:has-text("+34 911 222 333")')
    marta = await desk.store.customers.get(CustomerId("cus_marta"))
    assert marta is not None and marta.name == "Marta Ríos"
    done = (await desk.store.audit.list(AuditFilter(), limit=9))[0]
    assert {entry.action for entry in done} >= {"customer.merge", "customer.unmerge"}
    assert await ana.problems() == []
