"""What agents may not do to each other's work, and what nobody does without leaving a name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from centralita.core.ids import AgentId, QueueId
from centralita.store.records import QueueRecord
from tests.support.desk import NOON, Desk, Json, Person, open_desk

LATER = (NOON + timedelta(hours=1)).isoformat()
DONE = {"state": "done"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Ana and Leo serve sales; Leo alone serves support, and nobody the third queue."""
    async with open_desk(tmp_path) as desk:
        for queue, agents in (("support", ("agent_leo",)), ("third", ())):
            await desk.store.queues.put(
                QueueRecord(
                    queue_id=QueueId(queue), title=queue, agents=tuple(map(AgentId, agents))
                )
            )
        yield desk


async def task(sol: Person, **whose: str) -> str:
    made = await sol.post("/tasks", {"due_at": LATER, "number": "600111222", **whose}, status=201)
    return str(made["id"])


async def entries(desk: Desk, action: str) -> list[tuple[str, str, Json]]:
    found = await desk.store.audit.after(0, 1000)
    return [
        (entry.who, entry.object, json.loads(entry.details))
        for entry in found
        if entry.action == action
    ]


# --- tasks ----------------------------------------------------------------------------------------


async def test_a_colleagues_task_is_the_colleagues(desk: Desk) -> None:
    ana, leo, sol = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    hers = await task(sol, agent_id="agent_ana")
    for patch in (DONE, {"agent_id": "agent_leo"}, {"agent_id": None}):
        refused = await leo.patch(f"/tasks/{hers}", patch, status=409)
        assert refused["error"]["code"] == "taken"
    assert (await ana.patch(f"/tasks/{hers}", DONE))["done_by"] == "Ana"
    another = await task(sol, agent_id="agent_ana")
    assert (await sol.patch(f"/tasks/{another}", DONE))["done_by"] == "Sol"


@pytest.mark.parametrize("patch", [DONE, {"agent_id": "agent_ana"}])
async def test_a_task_of_a_queue_is_for_those_who_serve_it(
    desk: Desk, patch: dict[str, Any]
) -> None:
    ana, leo, sol = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    refused = await ana.patch(f"/tasks/{await task(sol, queue_id='support')}", patch, status=403)
    assert refused["error"]["why"] == "task_of_queue"
    await ana.patch(f"/tasks/{await task(sol, queue_id='sales')}", patch)
    await leo.patch(f"/tasks/{await task(sol, queue_id='support')}", DONE)
    await sol.patch(f"/tasks/{await task(sol, queue_id='third')}", DONE)


async def test_a_task_that_was_taken_and_done_in_one_go_is_done(desk: Desk) -> None:
    leo, sol = await desk.sign_in("leo"), await desk.sign_in("sol")
    taken = await task(sol, queue_id="support")
    done = await leo.patch(f"/tasks/{taken}", {"agent_id": "agent_leo", **DONE})
    assert (done["state"], done["agent_id"]) == ("done", "agent_leo")


async def test_a_program_in_the_role_of_an_agent_serves_no_queue(desk: Desk) -> None:
    eva, sol = await desk.sign_in("eva"), await desk.sign_in("sol")
    made = await eva.post("/tokens", {"name": "crm", "role": "agent"}, status=201)
    program = Person(desk.client, made["token"])
    await program.patch(f"/tasks/{await task(sol, queue_id='sales')}", DONE, status=403)


async def test_nobody_calls_for_a_task_of_a_queue_that_they_do_not_serve(desk: Desk) -> None:
    ana, sol = await desk.sign_in("ana"), await desk.sign_in("sol")
    of_support = await task(sol, queue_id="support")
    call = {"to": "600111222", "queue_id": "sales", "task_id": of_support}
    refused = await ana.post("/calls", call, status=403)
    assert refused["error"]["why"] == "task_of_queue"


# --- messages -------------------------------------------------------------------------------------


async def test_a_message_is_sent_again_by_its_author_and_colleagues_only(desk: Desk) -> None:
    ana, leo, sol = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    person = await sol.post(
        "/customers",
        {"name": "Carla", "identities": [{"kind": "phone", "value": "600111222"}]},
        status=201,
    )
    sms = {"channel": "sms", "to": "+34600111222", "customer_id": person["id"], "body": "Hola"}

    async def written(by: Person, user: str) -> str:
        entry = await by.post("/messages", sms, status=201)
        assert (entry["created_by"], entry["by_hand"]) == (user, False)
        return f"/messages/{entry['sending']['message_id']}/retry"

    hers, supervisors = await written(ana, "user_ana"), await written(sol, "user_sol")
    await ana.post(hers)
    await leo.post(hers)  # they serve sales together
    await sol.post(hers)
    refused = await leo.post(supervisors, status=403)
    assert refused["error"]["why"] == "message"
    sales = await desk.store.queues.get(QueueId("sales"))
    assert sales is not None
    await desk.store.queues.put(
        QueueRecord(queue_id=sales.queue_id, title="Sales", agents=(AgentId("agent_ana"),))
    )
    await leo.post(hers, status=403)
    await leo.post("/messages/msg_none/retry", status=404)


# --- what is entered by hand ----------------------------------------------------------------------


async def test_what_an_agent_says_was_said_carries_the_agents_name_and_the_time_of_writing(
    desk: Desk,
) -> None:
    leo = await desk.sign_in("leo")
    forged = {
        "channel": "email", "direction": "in", "identity": "carla@example.com",
        "started_at": "2025-01-01T10:00:00Z", "subject": "Acepto", "body": "Acepto el contrato.",
    }  # fmt: skip
    made = await leo.post("/interactions", forged, status=201)
    for shown in (made, await leo.get(f"/interactions/{made['id']}")):
        assert (shown["created_by"], shown["by_hand"]) == ("user_leo", True)
        assert shown["created_at"].startswith("2026-01-05T12:00")
        assert shown["started_at"].startswith("2025-01-01")
    (entry,) = await entries(desk, "interaction.make")
    assert entry == (
        "user_leo", made["id"],
        {"by_hand": True, "channel": "email", "direction": "in",
         "started_at": "2025-01-01T10:00:00+00:00"},
    )  # fmt: skip
    listed = (await leo.get(f"/customers/{made['customer_id']}/timeline"))["items"]
    assert [one["by_hand"] for one in listed] == [True]


async def test_what_a_program_brings_carries_its_token_and_is_entered_once(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    token = await eva.post("/tokens", {"name": "gateway", "role": "agent"}, status=201)
    program = Person(desk.client, token["token"])
    sms = {"channel": "sms", "identity": "600111222", "body": "Hola", "external_id": "sms-7"}
    made = await program.post("/interactions", sms, status=201)
    again = await program.post("/interactions", sms)
    assert made == again
    assert (made["created_by"], made["by_hand"]) == (token["id"], False)
    assert [entry[:2] for entry in await entries(desk, "interaction.make")] == [
        (token["id"], made["id"])
    ]


async def test_changes_to_customers_are_entered_without_what_was_written(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    carla = await ana.post("/customers", {"name": "Carla"}, status=201)
    await ana.patch(
        f"/customers/{carla['id']}",
        {"notes": "alergia", "add_identities": [{"kind": "phone", "value": "600111222"}]},
    )
    assert await entries(desk, "customer.change") == [
        ("user_ana", carla["id"], {"fields": ["notes", "add_identities"]})
    ]
    carlo = await ana.post("/customers", {"name": "Carlo"}, status=201)
    note = await ana.post(
        "/interactions", {"channel": "note", "customer_id": carla["id"], "body": "x"}, status=201
    )
    await ana.post(f"/interactions/{note['id']}/customer", {"customer_id": carlo["id"]})
    assert await entries(desk, "interaction.assign") == [
        ("user_ana", note["id"], {"customer": carlo["id"]})
    ]
    await ana.post(f"/customers/{carlo['id']}/merge", {"into": carla["id"]}, status=201)
    assert [entry[:2] for entry in await entries(desk, "customer.merge")] == [
        ("user_ana", carlo["id"])
    ]
