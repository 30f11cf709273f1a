"""What follows a call, in a real browser: wrap-up, callbacks, messages, the day, tasks."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from centralita.api.live_messages import TaskChanged, WrapUpStarted
from centralita.api.views import task as task_view
from centralita.core.ids import CallId, InteractionId, TaskId, TemplateId
from centralita.store.tables import TaskRow
from centralita.timeline.model import Channel, Task, TaskKind, TaskState
from centralita.timeline.repositories import Annotation
from centralita.timeline.templates import Template, TemplateText
from tests.integration.test_web_page import (  # noqa: F401
    SignsIn,
    browser,
    desk,
    signs_in,
    visit,
)
from tests.support.browser import BrowserPage, why_skip
from tests.support.desk import Desk
from tests.support.visit import ANA, CALLER, JULIA, SALES, Visit, ago

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())

NOW = InteractionId("int_now")


def hello() -> Template:
    """A template for emails in two languages."""
    return Template(
        id=TemplateId("hello"), channel=Channel.EMAIL, name="Confirmación",
        texts=(
            TemplateText(language="es", subject="Su pedido", body="Hola, {name}: sale hoy."),
            TemplateText(language="en", subject="Your order", body="Hello {name}."),
        ),
    )  # fmt: skip


async def wraps_up(desk: Desk, visit: Visit, signs_in: SignsIn, **look: object) -> BrowserPage:
    """Ana has just talked with Julia. The server's time is the browser's."""
    desk.clock.advance(datetime.now(UTC) - desk.clock.now())
    ana = await signs_in("ana", **look)
    await visit.rings()
    desk.hub.publish(
        WrapUpStarted(
            agent_id=ANA, call_id="call_now", interaction_id=NOW, dispositions=["queja"],
            until=datetime.now(UTC) + timedelta(minutes=5),
        )
    )  # fmt: skip
    await ana.sees("wrap-up")
    await ana.until("document.querySelector('[data-testid=wrap-up-note]')?.disabled === false")
    return ana


async def test_tags_are_free_and_suggested(desk: Desk, visit: Visit, signs_in: SignsIn) -> None:
    ana = await wraps_up(desk, visit, signs_in)
    await ana.fill("wrap-up-tags", "Caja Rota")
    await ana.press("Enter")
    await ana.until("document.querySelector('.mantine-Pill-label')?.innerText === 'caja rota'")
    # It is saved when the field shows it as it is kept; then another entry's field suggests it.
    await desk.store.interactions.annotate(InteractionId("int_old"), Annotation(tags=("cajón",)))
    await ana.fill("wrap-up-tags", "caj")
    await ana.sees('[role="option"]', "cajón")
    assert await desk.store.tags.in_use("caj", 5) == (("caja rota", 1), ("cajón", 1))


async def test_a_callback_waits_for_its_time_and_is_then_overdue(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await wraps_up(desk, visit, signs_in)
    await ana.click("next-callback")
    await ana.fill("callback-text", "Confirmar la entrega")
    assert await ana.inaccessible() == []
    await ana.click("callback-save")
    await ana.sees("text=Llamada apuntada")
    (task,) = [
        one for one in (await desk.store.tasks.list(limit=9)).items
        if one.kind is TaskKind.CALLBACK
    ]  # fmt: skip
    assert (task.agent_id, task.customer_id, task.interaction_id) == (ANA, JULIA, NOW)
    assert task.due_at is not None and task.due_at > datetime.now(UTC) + timedelta(minutes=50)

    await ana.goto(str(desk.server.make_url("/tasks")))
    await ana.sees("tasks-later", "Confirmar la entrega")
    # Its time comes.
    async with desk.store.database.write() as session:
        await session.execute(
            update(TaskRow).where(TaskRow.id == task.id).values(due_at=ago(hours=1))
        )
    changed = await desk.store.tasks.get(task.id)
    assert changed is not None
    desk.hub.publish(TaskChanged(task=task_view(changed)))
    await ana.sees("tasks-mine", "Confirmar la entrega")
    await ana.sees("task-overdue", "Vencida")
    await ana.sees("text=Es la hora de devolver una llamada")


async def test_a_message_that_nobody_sends_yet_waits_and_the_page_says_so(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.templates.put(hello())
    ana = await wraps_up(desk, visit, signs_in)
    await ana.click("next-message")
    await ana.select("message-template", "hello")
    await ana.sees("not-sent-yet", "no tiene configurado el envío de correos")
    await ana.until("document.querySelector('[data-testid=message-text]')?.value.length > 0")
    assert await ana.value("message-text") == "Hola, Julia Ríos: sale hoy."
    assert await ana.inaccessible() == []
    await ana.fill("message-text", "Hola, Julia: sale mañana.")
    await ana.click("message-save")
    await ana.sees("entry-sending", "En espera")
    await ana.sees("timeline-entry", "sale mañana")
    (waits,) = (await desk.store.outbox.list(limit=9)).items
    assert (waits.to, waits.status, waits.template_id) == (
        "julia.rios@example.org", "queued", "hello",
    )  # fmt: skip


async def test_the_day_opens_to_what_its_figures_are_made_of(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    append = desk.store.call_events.append
    call_id = CallId("call_old")
    await append(call_id, ago(), "conversation_ended", {"agent_id": ANA, "talked": 96.0})
    await append(call_id, ago(), "offer_settled", {"agent_id": ANA, "state": "no_answer"})
    desk.clock.advance(datetime.now(UTC) - desk.clock.now())
    ana = await signs_in("ana", timezoneId="UTC")
    await ana.sees("day-calls", "1")
    await ana.sees("day-talked", "1 min 36 s")
    await ana.sees("day-tasks", "1")
    await ana.click("day-missed")
    await ana.sees("day-list", "No contestó")
    await ana.click("day-calls")
    await ana.sees("day-list", "Julia Ríos")
    assert await ana.inaccessible() == []


async def test_tasks_are_chosen_taken_and_done_by_keyboard(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.tasks.add(
        Task(
            id=TaskId("task_2"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
            created_at=ago(minutes=1), queue_id=SALES, caller="+34911222333",
        )
    )  # fmt: skip
    ana = await signs_in("ana")
    await ana.press("3")
    await ana.sees("tasks-due", "+34 911 222 333")
    await ana.press("ArrowDown")
    await ana.press("ArrowDown")
    await ana.until("document.activeElement.innerText.includes('911 222 333')")
    await ana.press("t")
    await ana.sees("tasks-mine", "+34 911 222 333")
    taken = await desk.store.tasks.get(TaskId("task_2"))
    assert taken is not None and taken.agent_id == ANA
    await ana.evaluate("document.activeElement.blur()")
    await ana.press("ArrowDown")
    await ana.until("document.activeElement.innerText.includes('911 222 333')")
    await ana.press("d")
    await ana.sees_no("tasks-mine")
    done = await desk.store.tasks.get(TaskId("task_2"))
    assert done is not None and (done.state, done.done_by) == (TaskState.DONE, "Ana")


async def test_a_number_is_called_by_agents_and_copied_by_who_has_no_phone(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    ana = await signs_in("ana")
    await ana.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await ana.click("number")
    await ana.sees("dial-pad")
    sol = await signs_in("sol", permissions=["clipboard-read", "clipboard-write"])
    await sol.goto(str(desk.server.make_url(f"/customers/{JULIA}")))
    await sol.click("number")
    await sol.sees("text=+34 600 111 222 copiado")
    assert await sol.evaluate("navigator.clipboard.readText()") == CALLER


async def test_the_pop_says_how_often_they_called_and_how_it_ended(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    desk.clock.advance(datetime.now(UTC) - desk.clock.now())
    ana = await signs_in("ana")
    desk.hub.publish(await visit.rings())
    await ana.sees("contacts-last-week", "3 contactos en los últimos 7 días")
    await ana.sees("last-disposition", "venta, hace 12 días")
    await ana.sees(".entry-said", "hola soy julia")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1920])
async def test_axe_finds_nothing_wrong_with_what_follows_a_call(
    desk: Desk, visit: Visit, signs_in: SignsIn, scheme: str, width: int
) -> None:
    viewport = {"width": width, "height": 900}
    look = {"colorScheme": scheme, "reducedMotion": "reduce", "viewport": viewport}
    ana = await wraps_up(desk, visit, signs_in, **look)
    await desk.store.templates.put(hello())
    await ana.click("next-message")
    await ana.select("message-template", "hello")
    await ana.sees("not-sent-yet")
    assert await ana.inaccessible() == []
    assert await ana.evaluate("document.documentElement.scrollWidth <= innerWidth")
    home = str(desk.server.make_url("/"))
    await ana.goto(home + f"customers/{JULIA}")
    await ana.sees("timeline-entry")
    await ana.fill("timeline-search", "caja")
    await ana.sees("search-hit")
    assert await ana.inaccessible() == []
    assert await ana.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await ana.goto(home + "tasks")
    await ana.sees("task")
    assert await ana.inaccessible() == []
    assert await ana.evaluate("document.documentElement.scrollWidth <= innerWidth")
