"""Whoever wants to be forgotten is, and the audit log says who did it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.ids import CallId, RecordingId
from centralita.store.records import RecordingRecord
from centralita.timeline.model import CallSummary, Outcome
from tests.support.desk import Desk, open_desk

CALL = CallId("call_1")
NUMBER = "+34600111222"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def everything_in(folder: Path) -> bytes:
    """The database with its write-ahead log."""
    return b"".join(file.read_bytes() for file in folder.glob("centralita.db*"))


async def called(desk: Desk) -> tuple[str, Path]:
    """A caller with a recording; the customer's id and the recording's file."""
    directory = desk.ports.directory
    who = await directory.keep(await directory.who_is(NUMBER))
    entry = await desk.store.journal.begin_call(CALL, desk.clock.now(), caller=who, dialled="100")
    path = desk.ports.settings.recordings_dir / "rec_1.flac.sealed"
    path.write_bytes(b"sound")
    await desk.store.recordings.add(
        RecordingRecord(
            recording_id=RecordingId("rec_1"), call_id=CALL, kind="conversation", path=path.name,
            channels=2, duration=timedelta(seconds=3), sha256="0" * 64,
            created_at=desk.clock.now(),
        )
    )  # fmt: skip
    return str(entry.customer_id), path


async def hung_up(desk: Desk) -> None:
    await desk.store.journal.end_call(
        CallSummary(
            call_id=CALL, ended_at=desk.clock.now(), outcome=Outcome.CONVERSATION, ended_by="x"
        )
    )


async def test_an_admin_erases_a_person_with_the_recordings(desk: Desk) -> None:
    customer_id, path = await called(desk)
    eva = await desk.sign_in("eva")
    assert (await eva.ask("DELETE", f"/api/v1/customers/{customer_id}")).status == 409
    assert path.exists()
    await hung_up(desk)
    answer = await eva.ask("DELETE", f"/api/v1/customers/{customer_id}")
    assert answer.status == 200
    assert (await answer.json())["recordings"] == 1
    assert not path.exists()
    # The greeting with the name lies in the cache of prompts, and nobody knows which file it is.
    assert desk.house.spoken_forgotten == 1
    assert (await eva.ask("GET", f"/api/v1/customers/{customer_id}")).status == 404
    assert (await eva.ask("GET", "/api/v1/recordings/rec_1/audio")).status == 404
    (entry,) = (await eva.get("/audit?action=customer.erase"))["items"]
    assert (entry["object"], entry["outcome"]) == (customer_id, "done")
    assert NUMBER not in str(entry)
    again = await desk.ports.directory.who_is(NUMBER)
    assert customer_id not in str(again)


async def test_an_erased_persons_tasks_leave_every_page_at_once(desk: Desk) -> None:
    eva, ana = await desk.sign_in("eva"), await desk.sign_in("ana")
    person = {"name": "Carmen Ruiz", "identities": [{"kind": "phone", "value": NUMBER}]}
    customer_id = (await eva.post("/customers", person, status=201))["id"]
    due = (desk.clock.now() + timedelta(hours=1)).isoformat()
    task = {"due_at": due, "queue_id": "sales", "customer_id": customer_id, "number": NUMBER,
            "text": "ask Carmen"}  # fmt: skip
    task_id = (await eva.post("/tasks", task, status=201))["id"]
    headers = {"Authorization": f"Bearer {ana.token}"}
    page = await desk.client.ws_connect("/api/v1/live", headers=headers)
    assert [one["task"]["id"] for one in (await page.receive_json())["tasks"]] == [task_id]
    assert (await eva.ask("DELETE", f"/api/v1/customers/{customer_id}")).status == 200
    told = await page.receive_json(timeout=5)
    assert (told["type"], told["task"]["id"], told["task"]["state"]) == ("task", task_id, "done")
    assert "Carmen" not in str(told) and NUMBER not in str(told)
    later = await desk.client.ws_connect("/api/v1/live", headers=headers)
    assert (await later.receive_json())["tasks"] == []
    await page.close()
    await later.close()


async def test_no_file_of_the_database_keeps_a_word_of_an_erased_person(
    desk: Desk, tmp_path: Path
) -> None:
    eva = await desk.sign_in("eva")
    person = {"name": "Zacarías Quintanar", "identities": [{"kind": "phone", "value": NUMBER}]}
    customer_id = (await eva.post("/customers", person, status=201))["id"]
    for number in range(3):
        note = {"channel": "note", "customer_id": customer_id, "body": f"xylofon{number} y más"}
        await eva.post("/interactions", note, status=201)
    assert (await eva.ask("DELETE", f"/api/v1/customers/{customer_id}")).status == 200
    kept = await asyncio.to_thread(everything_in, tmp_path)
    for word in ("Zacar", "zacarias", NUMBER, NUMBER[1:], "xylofon", "ylofon"):
        assert word.encode() not in kept, word


@pytest.mark.parametrize("user", ["ana", "sol"])
async def test_nobody_else_does(desk: Desk, user: str) -> None:
    customer_id, path = await called(desk)
    await hung_up(desk)
    person = await desk.sign_in(user)
    assert (await person.ask("DELETE", f"/api/v1/customers/{customer_id}")).status == 403
    assert path.exists()
