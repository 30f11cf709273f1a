"""What follows a call, on SQLite and on PostgreSQL: tags, messages, tasks, the agent's day."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from centralita.core.errors import NotFound
from centralita.core.ids import (
    AgentId,
    CallId,
    InteractionId,
    MessageId,
    QueueId,
    TaskId,
    TemplateId,
)
from centralita.core.wire import Plain
from centralita.store.store import Store
from centralita.timeline.model import Channel, Direction, Task, TaskKind, TaskState
from centralita.timeline.repositories import Annotation
from centralita.timeline.sending import MessageStatus
from centralita.timeline.templates import OutgoingMessage, Template, TemplateText
from tests.contract.test_search import spoken
from tests.contract.test_store import (  # noqa: F401
    ANA,
    NOON,
    customer,
    message,
    postgres_server,
    store,
    url,
)

LEO, EVA, SALES = AgentId("agent_leo"), AgentId("agent_eva"), QueueId("sales")


async def test_tags_are_suggested_by_how_often_they_are_used(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    for n, tags in enumerate((("envío", "queja"), ("envío",), ("factura",))):
        await store.interactions.add(message(f"int_{n}"))
        await store.interactions.annotate(InteractionId(f"int_{n}"), Annotation(tags=tags))
    assert await store.tags.in_use("", 9) == (("envío", 2), ("factura", 1), ("queja", 1))
    assert await store.tags.in_use(" ENV", 9) == (("envío", 2),)
    entry = await store.interactions.annotate(InteractionId("int_1"), Annotation(tags=()))
    assert entry.tags == ()
    assert await store.tags.in_use("env", 9) == (("envío", 1),)


async def test_templates_are_kept_changed_and_forgotten(store: Store) -> None:
    hello = Template(
        id=TemplateId("hello"), channel=Channel.SMS, name="Hola",
        texts=(TemplateText(language="es", body="Hola, {name}"),),
    )  # fmt: skip
    await store.templates.put(hello)
    changed = replace(hello, name="Saludo")
    await store.templates.put(changed)
    assert await store.templates.all() == (changed,) == (await store.templates.get(hello.id),)
    await store.templates.remove(hello.id)
    with pytest.raises(NotFound):
        await store.templates.remove(hello.id)


async def test_a_message_waits_and_its_entry_says_so_also_after_a_merge(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await store.customers.add(customer("cus_leo", name="Leo"))
    out = replace(message("int_out"), direction=Direction.OUT)
    waits = OutgoingMessage(
        id=MessageId("msg_1"), interaction_id=out.id, customer_id=ANA, channel=Channel.SMS,
        to="+34600111222", created_at=NOON, created_by="user_ana",
    )  # fmt: skip
    with pytest.raises(RuntimeError):
        async with store.transaction():
            await store.interactions.add(out)
            await store.outbox.add(waits)
            raise RuntimeError("a fault")
    assert (await store.outbox.list(limit=9)).items == ()
    async with store.transaction():
        await store.interactions.add(out)
        await store.outbox.add(waits)
    await store.interactions.add(message("int_in"))
    assert (await store.outbox.list(limit=9)).items == (replace(waits, next_at=NOON),)
    recent = {one.id: one.sending for one in await store.interactions.recent(ANA, 9)}
    sending = recent.pop(out.id)
    assert sending is not None and sending.status is MessageStatus.QUEUED
    assert recent == {"int_in": None}
    made = await store.merges.merge(ANA, customer("cus_leo").id, NOON, by="user_ana")
    assert made.moved["message"] == 1


def task(ident: str, **more: object) -> Task:
    return Task(
        id=TaskId(ident), kind=TaskKind.CALLBACK, state=TaskState.OPEN, created_at=NOON,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


async def test_what_is_due_is_what_the_agent_may_do_and_whose_time_has_come(store: Store) -> None:
    hour = timedelta(hours=1)
    for one in (
        task("mine", agent_id=LEO, due_at=NOON - hour),
        task("later", agent_id=LEO, due_at=NOON + hour),
        task("queue", queue_id=SALES),
        task("taken", queue_id=SALES, agent_id=EVA),
        task("other", queue_id=QueueId("support")),
    ):
        assert await store.tasks.add(one) == one
    due = await store.tasks.due(LEO, {SALES}, NOON)
    assert [one.id for one in due] == ["mine", "queue"]
    due = await store.tasks.due(LEO, {SALES}, NOON + hour)
    assert {one.id for one in due} == {"mine", "queue", "later"}


async def test_a_task_is_taken_by_one_agent_only(store: Store) -> None:
    await store.tasks.add(task("one", queue_id=SALES))
    assert await store.tasks.give(TaskId("one"), LEO, before=None)
    assert not await store.tasks.give(TaskId("one"), EVA, before=None)
    assert await store.tasks.give(TaskId("one"), None, before=LEO)
    assert await store.tasks.give(TaskId("one"), EVA, before=None)


async def test_a_day_is_counted_from_the_journals(store: Store) -> None:
    at = NOON
    lines: tuple[tuple[str, str, int, dict[str, Plain]], ...] = (
        ("c1", "conversation_ended", -60 * 24, {"agent_id": LEO, "talked": 999.0}),
        ("c1", "offer_settled", 0, {"agent_id": LEO, "state": "accepted"}),
        ("c1", "conversation_ended", 1, {"agent_id": LEO, "talked": 61.5}),
        ("c1", "wrap_up_started", 1, {"agent_id": LEO}),
        ("c1", "wrap_up_ended", 2, {"agent_id": LEO}),
        ("c2", "offer_settled", 3, {"agent_id": LEO, "state": "no_answer"}),
        ("c2", "offer_settled", 4, {"agent_id": LEO, "state": "withdrawn"}),
        ("c2", "conversation_ended", 5, {"agent_id": EVA, "talked": 999.0}),
        ("c3", "conversation_ended", 6, {"agent_id": LEO, "talked": 30}),
        ("c3", "wrap_up_started", 6, {"agent_id": LEO}),
    )
    for call, kind, minutes, data in lines:
        await store.call_events.append(CallId(call), at + timedelta(minutes=minutes), kind, data)
    now = at + timedelta(minutes=6, seconds=20)
    day, calls = await store.days.of(LEO, NOON, now)
    assert [one.call_id for one in day.conversations] == ["c3", "c1"]
    assert day.talked == timedelta(seconds=91.5)
    assert day.wrapped_up == timedelta(seconds=80)
    assert [(one.call_id, one.how) for one in day.missed] == [("c2", "no_answer")]
    assert calls == {}  # these calls have no entries


async def test_a_pop_knows_how_often_they_called_what_was_said_and_how_it_ended(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana"))
    await spoken(store, "tres", "cajas")
    await store.interactions.add(replace(message("int_sms"), ended_at=NOON))
    await store.interactions.annotate(InteractionId("int_call"), Annotation(disposition="venta"))
    await store.interactions.add(message("int_old", minutes=-60 * 24 * 9))
    await store.interactions.add(replace(message("int_out"), direction=Direction.OUT))
    context = await store.context.context_for(ANA, NOON + timedelta(minutes=30))
    assert context.said == {"int_call": "tres cajas"}
    assert context.contacts_last_week == 1
    assert context.last_disposition == "venta"
    assert context.last_disposition_at == NOON + timedelta(minutes=9)
