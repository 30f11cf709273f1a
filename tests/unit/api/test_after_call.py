"""Tags, templates, messages, callbacks and the agent's day by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.channels.ledger import Failed
from centralita.channels.protocol import Trouble
from centralita.core.ids import CallId
from centralita.outbound.messages import MessageLimits
from centralita.timeline.templates import fill
from tests.support.desk import NOON, Desk, Json, Person, open_desk

SOON = (NOON + timedelta(hours=2)).isoformat()
TEMPLATE = {
    "channel": "sms",
    "name": "Confirmación",
    "texts": [
        {"language": "es", "body": "Hola {name}, soy {agent}: {case}."},
        {"language": "en", "body": "Hello {name}, this is {agent}."},
    ],
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
async def ana(desk: Desk) -> Person:
    return await desk.sign_in("ana")


@pytest.fixture
async def julia(ana: Person) -> Json:
    body = {
        "name": "Julia", "language": "en",
        "identities": [{"kind": "phone", "value": "600111222"}],
    }  # fmt: skip
    return await ana.post("/customers", body, status=201)


async def test_tags_are_tidied_and_suggested(ana: Person, julia: Json) -> None:
    note = {"channel": "note", "direction": "internal", "customer_id": julia["id"], "body": "x"}
    entry = await ana.post("/interactions", note, status=201)
    changed = await ana.patch(
        f"/interactions/{entry['id']}", {"tags": ["  Envío  Urgente", "envío urgente", "queja"]}
    )
    assert changed["tags"] == ["envío urgente", "queja"]
    assert (await ana.get("/tags", q="urg"))["items"] == [{"tag": "envío urgente", "used": 1}]
    await ana.patch(f"/interactions/{entry['id']}", {"tags": ["x" * 41]}, status=400)


async def test_a_template_is_for_admins_to_write_and_for_agents_to_use(
    desk: Desk, ana: Person, julia: Json
) -> None:
    eva = await desk.sign_in("eva")
    await ana.put("/templates/hello", TEMPLATE, status=403)
    await eva.put("/templates/hello", TEMPLATE)
    assert [one["id"] for one in (await ana.get("/templates"))["items"]] == ["hello"]
    case = await ana.post("/cases", {"customer_id": julia["id"], "subject": "Pedido"}, status=201)
    draft = await ana.get("/templates/hello/draft", customer_id=julia["id"])
    assert draft == {
        "language": "en", "subject": "", "body": "Hello Julia, this is Ana.",
        "to": ["+34600111222"], "will_be_sent": False,
    }  # fmt: skip
    desk.post.channels.add("sms")
    assert (await ana.get("/templates/hello/draft", customer_id=julia["id"]))["will_be_sent"]
    draft = await ana.get(
        "/templates/hello/draft", customer_id=julia["id"], language="es", case_id=case["id"]
    )
    assert draft["body"] == "Hola Julia, soy Ana: Pedido."
    await eva.delete("/templates/hello")
    await ana.get("/templates/hello/draft", customer_id=julia["id"], status=404)


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ([], "$.texts"),
        ([{"language": "es", "body": "{nombre}"}], "$.texts[0].body"),
        ([{"language": "es", "body": "Hola {name"}], "$.texts[0].body"),
        ([{"language": "es", "body": "x", "subject": "x"}], "$.texts[0].subject"),
        ([{"language": "es", "body": "x"}] * 2, "$.texts[1].language"),
    ],
)
async def test_a_bad_template_is_refused_with_its_place(
    desk: Desk, texts: list[Json], place: str
) -> None:
    eva = await desk.sign_in("eva")
    answer = await eva.put("/templates/bad", TEMPLATE | {"texts": texts}, status=400)
    assert answer["error"]["place"] == place


def test_an_unknown_name_leaves_no_hole_in_the_greeting() -> None:
    assert fill("Hola {name}, buenos días", {}) == "Hola, buenos días"


async def test_a_message_waits_in_the_outbox_and_is_an_entry_that_says_so(
    desk: Desk, ana: Person, julia: Json
) -> None:
    body = {"channel": "sms", "customer_id": julia["id"], "to": "+34600111222", "body": "Mañana."}
    entry = await ana.post("/messages", body, status=201)
    assert (entry["channel"], entry["direction"]) == ("sms", "out")
    sending = entry["sending"]
    assert (sending["status"], sending["tries"], sending["trouble"]) == ("queued", 0, None)
    assert desk.post.woken == ["sms"]
    timeline = await ana.get(f"/customers/{julia['id']}/timeline")
    assert timeline["items"] == [entry]
    sol = await desk.sign_in("sol")
    (waits,) = (await sol.get("/messages"))["items"]
    assert (waits["status"], waits["interaction_id"]) == ("queued", entry["id"])
    await ana.get("/messages", status=403)
    for change, place in (({"to": "+34911"}, "$.to"), ({"subject": "x"}, "$.subject")):
        answer = await ana.post("/messages", body | change, status=400)
        assert answer["error"]["place"] == place
    answer = await ana.post("/messages", body | {"body": "ñ" * 1531}, status=400)
    assert answer["error"]["code"] == "too_long"
    await ana.post("/messages", body | {"body": "ñ" * 1530}, status=201)


async def test_messages_have_the_policy_of_calls_and_a_daily_limit(tmp_path: Path) -> None:
    limits = MessageLimits(agent_sms=2, sms=3)
    async with open_desk(tmp_path, message_limits=limits) as desk:
        ana, sol = await desk.sign_in("ana"), await desk.sign_in("sol")
        abroad = {"kind": "phone", "value": "+24107123456"}
        mine = {"kind": "phone", "value": "+34600111222"}
        julia = await sol.post(
            "/customers", {"name": "Julia", "identities": [mine, abroad]}, status=201
        )
        body = {"channel": "sms", "customer_id": julia["id"], "to": "+34600111222", "body": "Sí."}
        error = (await ana.post("/messages", body | {"to": "+24107123456"}, status=409))["error"]
        assert (error["code"], error["why"]) == ("not_allowed", "message")
        for _ in range(2):
            await ana.post("/messages", body, status=201)
        error = (await ana.post("/messages", body, status=409))["error"]
        assert error["why"] == "messages_of_writer"
        assert error["values"] == {"messages": 2, "rule": "agent_sms"}
        await sol.post("/messages", body, status=201)
        error = (await sol.post("/messages", body, status=409))["error"]
        assert error["why"] == "messages"
        entries = await desk.store.audit.after(0, 50)
        written = [entry for entry in entries if entry.action == "message.write"]
        assert [entry.outcome for entry in written] == [
            "refused", "done", "done", "refused", "done", "refused",
        ]  # fmt: skip
        assert "241" not in str(written) and "600111222" not in str(written)


async def test_a_message_that_has_failed_is_tried_again_by_an_agent(
    desk: Desk, ana: Person, julia: Json
) -> None:
    body = {"channel": "sms", "customer_id": julia["id"], "to": "+34600111222", "body": "Mañana."}
    entry = await ana.post("/messages", body, status=201)
    path = f"/messages/{entry['sending']['message_id']}/retry"
    taken = await desk.store.outbox.take("sms", NOON)
    assert taken is not None
    answer = await ana.post(path, status=409)
    assert answer["error"]["code"] == "sent_already"
    no_such_number = Failed(trouble=Trouble.ADDRESS, answer="403 Not routable.")
    await desk.store.outbox.settle(taken.letter, no_such_number)
    failed = (await ana.get(f"/interactions/{entry['id']}"))["sending"]
    assert (failed["status"], failed["trouble"], failed["next_at"]) == ("failed", "address", None)
    sol = await desk.sign_in("sol")
    (shown,) = (await sol.get("/messages?status=failed"))["items"]
    assert shown["answer"] == "403 Not routable."
    desk.post.woken.clear()
    assert (await ana.post(path))["status"] == "queued"
    assert desk.post.woken == ["sms"]
    assert (await sol.get("/messages?status=failed"))["items"] == []
    await ana.post("/messages/msg_none/retry", status=404)


async def test_a_callback_is_for_a_queue_or_oneself_and_lies_ahead(
    ana: Person, julia: Json
) -> None:
    body = {"due_at": SOON, "customer_id": julia["id"], "text": "Por la tarde"}
    task = await ana.post("/tasks", body | {"queue_id": "sales"}, status=201)
    assert (task["kind"], task["due_at"], task["queue_id"]) == (
        "callback", "2026-01-05T14:00:00Z", "sales",
    )  # fmt: skip
    assert (await ana.post("/tasks", body | {"agent_id": "agent_ana"}, status=201))["agent_id"]
    await ana.post("/tasks", body | {"agent_id": "agent_leo"}, status=403)
    await ana.post("/tasks", body, status=400)
    await ana.post("/tasks", body | {"queue_id": "none"}, status=400)
    past = (NOON - timedelta(hours=1)).isoformat()
    await ana.post("/tasks", body | {"queue_id": "sales", "due_at": past}, status=400)


async def test_nobody_calls_for_a_task_that_is_not_there_or_somebody_elses(
    desk: Desk, ana: Person
) -> None:
    task = await ana.post("/tasks", {"due_at": SOON, "queue_id": "sales"}, status=201)
    wanted = {"to": "600111222", "queue_id": "none", "task_id": "task_none"}
    answer = await ana.post("/calls", wanted, status=404)
    assert answer["error"]["why"] == "task"
    wanted["task_id"] = task["id"]
    await ana.patch(f"/tasks/{task['id']}", {"agent_id": "agent_ana"})
    leo = await desk.sign_in("leo")
    assert (await leo.post("/calls", wanted, status=409))["error"]["code"] == "taken"
    # Ana may: what is missing is the queue.
    assert "no queue" in (await ana.post("/calls", wanted, status=404))["error"]["message"]


async def test_a_task_is_taken_given_back_and_done(desk: Desk, ana: Person) -> None:
    task = await ana.post("/tasks", {"due_at": SOON, "queue_id": "sales"}, status=201)
    path = f"/tasks/{task['id']}"
    assert (await ana.patch(path, {"agent_id": "agent_ana"}))["agent_id"] == "agent_ana"
    leo = await desk.sign_in("leo")
    answer = await leo.patch(path, {"agent_id": "agent_leo"}, status=409)
    assert answer["error"]["code"] == "taken"
    await ana.patch(path, {"agent_id": "agent_leo"}, status=403)
    assert (await ana.patch(path, {"agent_id": None}))["agent_id"] is None
    done = await leo.patch(path, {"agent_id": "agent_leo", "state": "done"})
    assert (done["state"], done["done_by"]) == ("done", "Leo")
    sol = await desk.sign_in("sol")
    assert (await sol.patch(path, {"agent_id": "agent_ana"}))["agent_id"] == "agent_ana"


async def test_the_day_has_the_lists_behind_its_figures(desk: Desk, ana: Person) -> None:
    append = desk.store.call_events.append
    await append(
        CallId("call_1"), NOON, "conversation_ended", {"agent_id": "agent_ana", "talked": 60.0}
    )
    await append(
        CallId("call_2"), NOON, "offer_settled", {"agent_id": "agent_ana", "state": "declined"}
    )
    await ana.post("/tasks", {"due_at": SOON, "queue_id": "sales"}, status=201)
    desk.clock.advance(timedelta(minutes=5))
    day = await ana.get("/me/day")
    assert (day["calls"], day["talked_s"], day["missed"], day["tasks_due"]) == (1, 60, 1, 0)
    assert [one["call_id"] for one in day["conversations"]] == ["call_1"]
    assert [one["how"] for one in day["missed_offers"]] == ["declined"]
    desk.clock.advance(timedelta(hours=2))
    assert (await ana.get("/me/day"))["tasks_due"] == 1
    later = (NOON + timedelta(minutes=1)).isoformat()
    assert (await ana.get("/me/day", since=later))["calls"] == 0
    await ana.get("/me/day", since="2025-01-01T00:00:00Z", status=400)
    await (await desk.sign_in("sol")).get("/me/day", status=404)
