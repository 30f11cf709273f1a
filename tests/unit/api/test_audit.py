"""What people do by the API stands in the audit log before it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from centralita.api import live_messages as live
from centralita.api.watcher import Viewer
from tests.support.desk import Desk, open_desk
from tests.unit.api.test_timeline import AUDIO, SOUND, call, record, sealed_record


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def entries(desk: Desk, *names: str) -> list[tuple[Any, ...]]:
    """These fields of all entries, oldest first."""
    return [
        tuple(getattr(entry, name) for name in names)
        for entry in await desk.store.audit.after(0, 1000)
    ]


async def test_each_hearing_is_entered_with_who_and_from_where(desk: Desk, tmp_path: Path) -> None:
    await call(desk)
    await sealed_record(desk, tmp_path)
    ana, leo = await desk.sign_in("ana"), await desk.sign_in("leo")
    assert (await ana.ask("GET", AUDIO, headers={"X-Forwarded-For": "192.0.2.9"})).status == 200
    assert (await ana.ask("GET", AUDIO, headers={"Range": "bytes=0-9"})).status == 206
    assert (await leo.ask("GET", AUDIO)).status == 403
    assert (await desk.client.get(AUDIO)).status == 401
    found = await entries(desk, "who", "action", "object", "outcome", "address", "details")
    assert [row for row in found if row[1] == "recording.hear"] == [
        ("user_ana", "recording.hear", "rec_1", "done", "192.0.2.9",
         '{"call_id":"call_1","kind":"conversation","range":""}'),
        ("user_ana", "recording.hear", "rec_1", "done", "127.0.0.1",
         '{"call_id":"call_1","kind":"conversation","range":"bytes=0-9"}'),
        ("user_leo", "recording.hear", "rec_1", "refused", "127.0.0.1",
         '{"call_id":"call_1","kind":"conversation"}'),
    ]  # fmt: skip


READ = "/calls/call_1/live-transcript"


def spoken(desk: Desk) -> None:
    """Ana talks, in a queue that wants a live transcript."""
    desk.hub.publish(
        live.LiveTranscript(
            call_id="call_1", agent_id="agent_ana", language="es", hearing="listening", cut=False,
            sayings=[live.Saying(number=1, speaker="caller", at_s=1, text="secreto", final=True)],
        )
    )  # fmt: skip


async def test_each_reading_along_is_entered_and_the_own_call_is_not(desk: Desk) -> None:
    ana, leo, sol = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    spoken(desk)
    await ana.put(READ, status=204)
    await leo.put(READ, status=403)
    await sol.put(READ, status=204)
    await sol.delete(READ)
    found = await entries(desk, "who", "action", "object", "outcome", "details")
    assert [row for row in found if row[1] == "transcript.read"] == [
        ("user_leo", "transcript.read", "call_1", "refused", '{"agent_id":"agent_ana"}'),
        ("user_sol", "transcript.read", "call_1", "done", '{"agent_id":"agent_ana"}'),
    ]


async def test_without_an_entry_no_word_is_read(desk: Desk) -> None:
    sol = await desk.sign_in("sol")
    spoken(desk)
    watcher = desk.hub.watch(Viewer(None, sees_all=True, user="user_sol"))
    await watcher.next()
    async with desk.store.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO lost"))
    answer = await sol.ask("PUT", f"/api/v1{READ}")
    assert answer.status >= 500
    assert watcher.reads == set()


@pytest.mark.parametrize("encrypted", [True, False])
async def test_without_an_entry_nothing_is_heard(
    desk: Desk, tmp_path: Path, encrypted: bool
) -> None:
    if encrypted:
        await sealed_record(desk, tmp_path)
    else:
        (tmp_path / "recordings" / "rec_1.flac").write_bytes(SOUND)
        await record(desk, path="rec_1.flac")
    ana = await desk.sign_in("ana")
    async with desk.store.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO lost"))
    answer = await ana.ask("GET", AUDIO)
    assert answer.status >= 500
    assert SOUND[:50] not in await answer.read()


async def test_coming_and_going_is_entered_also_what_failed(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    await desk.try_sign_in("ana", "wrong")
    await desk.try_sign_in("nobody")
    await ana.delete("/session")
    assert await entries(desk, "who", "action", "outcome", "details") == [
        ("user_ana", "session.sign_in", "done", "{}"),
        ("", "session.sign_in", "refused", '{"username":"ana"}'),
        ("", "session.sign_in", "refused", '{"username":"nobody"}'),
        ("user_ana", "session.sign_out", "done", "{}"),
    ]


async def test_what_admins_change_is_entered(desk: Desk) -> None:
    eva, sol = await desk.sign_in("eva"), await desk.sign_in("sol")
    made = await eva.post("/tokens", {"name": "crm", "role": "agent"}, status=201)
    await eva.delete(f"/tokens/{made['id']}")
    await eva.put("/flows/main", {"document": {"start": "menu"}, "comment": "c"}, status=201)
    await eva.post("/flows/main/publish", {"version": 1, "numbers": ["100"]})
    await sol.post("/agents/agent_leo/status", {"status": "on_break", "reason": "talk"})
    assert (await entries(desk, "who", "action", "object", "details"))[2:] == [
        ("user_eva", "token.make", made["id"], '{"name":"crm","role":"agent"}'),
        ("user_eva", "token.revoke", made["id"], "{}"),
        ("user_eva", "flow.save", "main", '{"comment":"c"}'),
        ("user_eva", "flow.publish", "main", '{"numbers":["100"],"version":1}'),
        ("user_sol", "agent.status", "agent_leo", '{"status":"on_break"}'),
    ]
    assert made["token"] not in str(await entries(desk, "details", "object"))


async def test_admins_read_the_log_by_parts_and_filters(desk: Desk) -> None:
    eva, sol = await desk.sign_in("eva"), await desk.sign_in("sol")
    await desk.try_sign_in("ana", "wrong")
    await sol.get("/audit", status=403)
    first = await eva.get("/audit", limit="2")
    assert [entry["seq"] for entry in first["items"]] == [3, 2]
    rest = await eva.get("/audit", limit="2", cursor=first["next"])
    assert ([entry["seq"] for entry in rest["items"]], rest["next"]) == ([1], None)
    assert first["items"][1]["prev"] == rest["items"][0]["hash"]
    (refused,) = (await eva.get("/audit", outcome="refused"))["items"]
    assert refused["details"] == {"username": "ana"}
    assert len((await eva.get("/audit", who="user_sol"))["items"]) == 1
    assert (await eva.get("/audit", action="flow.save"))["items"] == []
    assert (await eva.get("/audit", until="2020-01-01T00:00:00Z"))["items"] == []
    assert len((await eva.get("/audit", since="2020-01-01T00:00:00Z"))["items"]) == 3
    for bad in ("x", "-1", "9" * 30, "٣"):
        assert (await eva.get("/audit", cursor=bad, status=400))["error"]["place"] == "query.cursor"
