"""Customers, calls, messages, recordings by REST."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from aiohttp import ClientError

from centralita.api import schemas as s
from centralita.api.bodies import decode
from centralita.api.endpoints import ENDPOINTS, PREFIX
from centralita.core.errors import InvalidInput
from centralita.core.ids import AgentId, CallId, LegId, QueueId, RecordingId
from centralita.store.records import RecordingRecord, TranscriptChannel, TranscriptRecord
from centralita.timeline.model import CallSummary, Outcome, Talk
from centralita.vault.sealed import seal
from tests.support.desk import NOON, Desk, Json, Person, open_desk

CALL = CallId("call_1")
SOUND = bytes(range(256)) * 600


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
async def ana(desk: Desk) -> Person:
    return await desk.sign_in("ana")


async def new_customer(person: Person, name: str = "Julia Ríos", phone: str = "600111222") -> Json:
    body = {"name": name, "identities": [{"kind": "phone", "value": phone}]}
    return await person.post("/customers", body, status=201)


async def call(desk: Desk, caller: str = "600111222", call_id: CallId = CALL) -> None:
    """A call that ana took, with a recording and what was said."""
    directory = desk.ports.directory
    who = await directory.keep(await directory.who_is(caller))
    await desk.store.journal.begin_call(call_id, desk.clock.now(), caller=who, dialled="100")
    await desk.store.journal.append(call_id, NOON, "digit", {"digit": "1"})
    await desk.store.journal.end_call(
        CallSummary(
            call_id=call_id,
            ended_at=desk.clock.now() + timedelta(minutes=2),
            outcome=Outcome.CONVERSATION,
            ended_by="remote_hangup",
            agent_id=AgentId("agent_ana"),
            queue_id=QueueId("sales"),
            talks=(
                Talk(
                    agent_id=AgentId("agent_ana"),
                    leg_id=LegId("leg_1"),
                    since=NOON,
                    talked=timedelta(minutes=1),
                ),
            ),
        )
    )


async def record(desk: Desk, name: str = "rec_1", path: str = "2026/rec_1.flac") -> None:
    await desk.store.recordings.add(
        RecordingRecord(
            recording_id=RecordingId(name),
            call_id=CALL,
            kind="conversation",
            path=path,
            channels=2,
            duration=timedelta(seconds=60),
            sha256=hashlib.sha256(SOUND).hexdigest(),
            created_at=NOON,
            agent_id=AgentId("agent_ana"),
        )
    )


# --- customers ----------------------------------------------------------------------------------


async def test_a_customer_is_found_by_number_however_written(ana: Person) -> None:
    julia = await new_customer(ana)
    assert julia["identities"][0]["value"] == "+34600111222"
    for number in ("+34600111222", "600 111 222", "0034600111222"):
        assert (await ana.get("/customers", identity=number))["items"] == [julia]
    plain = await ana.ask("GET", "/api/v1/customers?identity=+34600111222")  # + sent as a blank
    assert (await plain.json())["items"] == [julia]
    assert (await ana.get("/customers", q="rios"))["items"] == [julia]
    assert (await ana.get("/customers", identity="699999999"))["items"] == []


async def test_naming_a_provisional_customer_makes_a_full_one(desk: Desk, ana: Person) -> None:
    await call(desk, "699000111")
    (provisional,) = (await ana.get("/customers", identity="699000111"))["items"]
    assert provisional["provisional"] and provisional["name"] == ""
    changed = await ana.patch(
        f"/customers/{provisional['id']}",
        {"name": "Luis", "add_identities": [{"kind": "email", "value": "Luis@Example.org"}]},
    )
    assert not changed["provisional"]
    assert {identity["value"] for identity in changed["identities"]} == {
        "+34699000111",
        "luis@example.org",
    }


async def test_a_list_is_read_by_its_cursor(ana: Person) -> None:
    names = {(await new_customer(ana, f"N{n}", f"60011122{n}"))["name"] for n in range(5)}
    first = await ana.get("/customers", limit="2")
    second = await ana.get("/customers", limit="2", cursor=first["next"])
    third = await ana.get("/customers", limit="2", cursor=second["next"])
    assert third["next"] is None
    pages = (first, second, third)
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert {item["name"] for page in pages for item in page["items"]} == names


# --- calls --------------------------------------------------------------------------------------


async def test_a_call_shows_its_journal_recordings_and_words(desk: Desk, ana: Person) -> None:
    julia = await new_customer(ana)
    await call(desk)
    await record(desk)
    await desk.store.recordings.put_transcript(
        TranscriptRecord(
            recording_id=RecordingId("rec_1"),
            language="es",
            text="hola",
            channels=(TranscriptChannel(speaker="caller", text="hola"),),
        )
    )
    shown = await ana.get(f"/calls/{CALL}")
    msgspec.convert(shown, s.CallDetail)
    assert shown["customer_id"] == julia["id"]
    assert shown["events"][0]["data"] == {"digit": "1"}
    assert shown["recordings"][0]["audio"] == "/api/v1/recordings/rec_1/audio"
    assert shown["transcript"]["text"] == "hola"
    assert (shown["state"], shown["duration_s"]) == ("ended", 120.0)
    assert shown["task"] is None
    timeline = await ana.get(f"/customers/{julia['id']}/timeline")
    assert [entry["call"]["call_id"] for entry in timeline["items"]] == [CALL]
    assert timeline["items"][0]["recording_ids"] == ["rec_1"]


async def test_a_call_names_the_task_it_was_made_for(desk: Desk, ana: Person) -> None:
    due = (desk.clock.now() + timedelta(hours=1)).isoformat()
    task = await ana.post("/tasks", {"due_at": due, "queue_id": "sales", "text": "x"}, status=201)
    await call(desk)
    await desk.store.journal.append(CALL, NOON, "outgoing_started", {"task_id": task["id"]})
    assert (await ana.get(f"/calls/{CALL}"))["task"] == task


async def test_calls_are_filtered_by_query(desk: Desk, ana: Person) -> None:
    await call(desk)
    desk.clock.advance(timedelta(hours=1))
    await call(desk, "699000111", CallId("call_2"))

    async def ids(**query: str) -> list[str]:
        return [entry["id"] for entry in (await ana.get("/calls", status=200, **query))["items"]]

    assert await ids() == ["call_2", "call_1"]
    assert await ids(number="600111222") == ["call_1"]
    assert await ids(since="2026-01-05T12:30:00Z") == ["call_2"]
    assert await ids(outcome="voicemail") == []
    assert await ids(agent_id="agent_ana", queue_id="sales", limit="1") == ["call_2"]


async def test_audio_is_served_whole_and_in_ranges(desk: Desk, ana: Person, tmp_path: Path) -> None:
    (tmp_path / "recordings" / "2026").mkdir()
    (tmp_path / "recordings" / "2026" / "rec_1.flac").write_bytes(SOUND)
    await record(desk)
    path = "/api/v1/recordings/rec_1/audio"
    whole = await ana.ask("GET", path)
    assert (whole.status, whole.headers["Content-Type"]) == (200, "audio/flac")
    assert hashlib.sha256(await whole.read()).hexdigest() == hashlib.sha256(SOUND).hexdigest()
    piece = await ana.ask("GET", path, headers={"Range": "bytes=100-199"})
    assert (piece.status, await piece.read()) == (206, SOUND[100:200])
    assert piece.headers["Content-Range"] == f"bytes 100-199/{len(SOUND)}"
    assert (await ana.ask("GET", path, headers={"Range": "bytes=999999-"})).status == 416
    assert (await desk.client.get(path)).status == 401


async def sealed_record(desk: Desk, folder: Path) -> Path:
    """The sound of `SOUND`, encrypted."""
    path = folder / "recordings" / "rec_1.flac.sealed"
    with path.open("wb") as target:
        seal(io.BytesIO(SOUND), target, "rec_1", desk.ports.keyring.current())
    await record(desk, path=path.name)
    return path


AUDIO = "/api/v1/recordings/rec_1/audio"


async def test_encrypted_audio_is_served_whole_and_in_ranges(
    desk: Desk, ana: Person, tmp_path: Path
) -> None:
    await sealed_record(desk, tmp_path)
    size = len(SOUND)
    whole = await ana.ask("GET", AUDIO)
    assert (whole.status, whole.headers["Content-Type"]) == (200, "audio/flac")
    assert whole.headers["Content-Disposition"] == 'inline; filename="rec_1.flac"'
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert await whole.read() == SOUND
    for wanted, first, last in (
        ("bytes=100-199", 100, 199),
        ("bytes=0-", 0, size - 1),
        ("bytes=-7", size - 7, size - 1),
        (f"bytes={size - 3}-999999999", size - 3, size - 1),
    ):
        piece = await ana.ask("GET", AUDIO, headers={"Range": wanted})
        assert (piece.status, await piece.read()) == (206, SOUND[first : last + 1])
        assert piece.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    for wanted in (f"bytes={size}-", "bytes=9-3", "lines=1-2"):
        refused = await ana.ask("GET", AUDIO, headers={"Range": wanted})
        assert (refused.status, refused.headers["Content-Range"]) == (416, f"bytes */{size}")
    tag = whole.headers["ETag"]
    assert (await ana.ask("GET", AUDIO, headers={"If-None-Match": tag})).status == 304
    other = {"Range": "bytes=0-9", "If-Range": '"another version"'}
    assert (await ana.ask("GET", AUDIO, headers=other)).status == 200
    same = {"Range": "bytes=0-9", "If-Range": tag}
    assert (await ana.ask("GET", AUDIO, headers=same)).status == 206


async def test_audio_that_was_tampered_with_ends_where_it_was(
    desk: Desk, ana: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await sealed_record(desk, tmp_path)
    data = bytearray(path.read_bytes())
    data[70_000] ^= 1
    path.write_bytes(data)
    answer = await ana.ask("GET", AUDIO)
    with pytest.raises(ClientError):
        await answer.read()
    assert "recording cannot be read to its end" in caplog.text


async def test_without_its_key_a_recording_is_unavailable_and_the_log_names_the_cure(
    desk: Desk, ana: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await sealed_record(desk, tmp_path)
    shutil.rmtree(desk.ports.keyring.folder)
    answer = await ana.get("/recordings/rec_1/audio", status=503)
    assert answer["error"]["code"] == "recording_unreadable"
    assert str(tmp_path) not in str(answer)
    (told,) = [record for record in caplog.records if "cannot be read" in record.message]
    assert "bring back the file" in told.__dict__["error"]


async def test_a_recording_that_is_gone_or_outside_its_folder_is_not_served(
    desk: Desk, ana: Person, tmp_path: Path
) -> None:
    (tmp_path / "secret.flac").write_bytes(b"secret")
    os.symlink(tmp_path / "secret.flac", tmp_path / "recordings" / "link.flac")
    await record(desk, "rec_gone", "gone.flac")
    await record(desk, "rec_up", "../secret.flac")
    await record(desk, "rec_root", "/etc/passwd")
    await record(desk, "rec_link", "link.flac")
    gone = await ana.get("/recordings/rec_gone/audio", status=404)
    assert gone["error"]["code"] == "recording_gone"
    for name in ("rec_up", "rec_root", "rec_link"):
        refused = await ana.get(f"/recordings/{name}/audio", status=500)
        assert "secret" not in str(refused)


# --- messages, notes, choices -------------------------------------------------------------------


async def test_a_message_is_taken_once_whatever_is_repeated(ana: Person) -> None:
    sms = {"channel": "sms", "identity": "600111222", "body": "¿Y mi pedido?", "external_id": "7"}
    first = await ana.post("/interactions", sms, status=201)
    again = await ana.post("/interactions", {**sms, "body": "changed"}, status=200)
    assert again == first
    (customer,) = (await ana.get("/customers", identity="600111222"))["items"]
    assert customer["provisional"]
    assert first["customer_id"] == customer["id"]


async def test_mail_finds_its_customer_by_address(ana: Person) -> None:
    julia = await new_customer(ana)
    address = {"add_identities": [{"kind": "email", "value": "julia@example.org"}]}
    await ana.patch(f"/customers/{julia['id']}", address)
    mail = {"channel": "email", "identity": "JULIA@example.org", "subject": "Hi", "body": "..."}
    made = await ana.post("/interactions", mail, status=201)
    assert made["customer_id"] == julia["id"]


async def test_a_shared_number_stays_a_choice_until_an_agent_says(desk: Desk, ana: Person) -> None:
    julia = await new_customer(ana)
    paul = await new_customer(ana, "Paul")
    await call(desk)
    shown = await ana.get(f"/calls/{CALL}")
    assert shown["customer_id"] is None
    assert shown["candidates"] == [julia["id"], paul["id"]] or set(shown["candidates"]) == {
        julia["id"],
        paul["id"],
    }
    assigned = await ana.post(
        f"/interactions/{shown['interaction_id']}/customer", {"customer_id": paul["id"]}
    )
    assert (assigned["customer_id"], assigned["candidates"]) == (paul["id"], [])


async def test_a_provisional_customer_is_merged_into_the_real_one(desk: Desk, ana: Person) -> None:
    julia = await new_customer(ana)
    await call(desk, "699000111")
    shown = await ana.get(f"/calls/{CALL}")
    body = {"customer_id": julia["id"], "merge": True}
    await ana.post(f"/interactions/{shown['interaction_id']}/customer", body)
    assert (await ana.get("/customers", identity="699000111"))["items"][0]["id"] == julia["id"]
    assert (await ana.get(f"/customers/{shown['customer_id']}"))["id"] == julia["id"]


async def test_an_agent_writes_on_own_contacts_only(desk: Desk, ana: Person) -> None:
    await new_customer(ana)
    await call(desk)
    entry = (await ana.get(f"/calls/{CALL}"))["interaction_id"]
    changed = await ana.patch(f"/interactions/{entry}", {"notes": "n", "disposition": "sold"})
    assert (changed["notes"], changed["disposition"]) == ("n", "sold")
    leo, sol = await desk.sign_in("leo"), await desk.sign_in("sol")
    await leo.patch(f"/interactions/{entry}", {"notes": "mine"}, status=403)
    assert (await sol.patch(f"/interactions/{entry}", {"notes": "led"}))["disposition"] == "sold"


async def test_a_case_belongs_to_its_customer(desk: Desk, ana: Person) -> None:
    julia, paul = await new_customer(ana), await new_customer(ana, "Paul", "600999888")
    case = await ana.post("/cases", {"customer_id": julia["id"], "subject": "Late"}, status=201)
    note = {"channel": "note", "direction": "internal", "customer_id": julia["id"], "body": "x"}
    entry = await ana.post("/interactions", note, status=201)
    path = f"/interactions/{entry['id']}"
    desk.clock.advance(timedelta(minutes=1))
    assert (await ana.patch(path, {"case_id": case["id"]}))["case_id"] == case["id"]
    (moved,) = (await ana.get("/cases", customer_id=julia["id"]))["items"]
    assert moved["updated_at"] > case["updated_at"]
    assert (await ana.patch(path, {"notes": "y"}))["case_id"] == case["id"]
    assert (await ana.patch(path, {"case_id": None}))["case_id"] is None
    other = {"channel": "note", "customer_id": paul["id"], "case_id": case["id"]}
    refused = await ana.post("/interactions", other, status=400)
    assert refused["error"]["place"] == "$.case_id"
    await ana.patch(f"/cases/{case['id']}", {"state": "solved"})
    assert (await ana.get("/cases", state="open"))["items"] == []
    context = await ana.get(f"/customers/{julia['id']}/context")
    assert context["cases"][0]["state"] == "solved"


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"channel": "sms", "body": 3}, "$.body"),
        ({"channel": "call"}, "$.channel"),
        ({"body": "x"}, "$"),
        ({"channel": "sms", "identity": "600111222", "colour": "red"}, "$"),
        ({"channel": "sms", "identity": "12"}, "$.identity"),
        ({"channel": "sms", "identity": "a@b@c"}, "$.identity"),
        ({"channel": "sms", "customer_id": "cus_none"}, "$.customer_id"),
        ({"channel": "sms"}, "$"),
        ({"channel": "sms", "identity": "600111222", "started_at": "today"}, "$.started_at"),
        (
            {"channel": "sms", "identity": "600111222", "started_at": "2099-01-01T00:00:00Z"},
            "$.started_at",
        ),
        (
            {"channel": "sms", "identity": "600111222", "ended_at": "2099-01-01T00:00:00Z"},
            "$.ended_at",
        ),
        ({"channel": "sms", "identity": "6", "started_at": "2026-01-01T00:00:00"}, "$.started_at"),
        ([], "$"),
    ],
)
async def test_a_bad_body_is_refused_with_its_place(ana: Person, body: object, place: str) -> None:
    error = (await ana.post("/interactions", body, status=400))["error"]
    assert (error["code"], error["place"]) == ("invalid_input", place)
    assert error["message"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"channel": "sms", "body": "\\u0000"}', b""])
async def test_what_is_not_json_is_refused(ana: Person, raw: bytes) -> None:
    answer = await ana.ask(
        "POST", "/api/v1/interactions", data=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 400
    assert (await answer.json())["error"]["place"] == "body"


async def test_a_form_is_not_taken_for_json(ana: Person) -> None:
    answer = await ana.ask("POST", "/api/v1/interactions", data={"channel": "sms"})
    assert answer.status == 415


async def test_a_body_beyond_the_limit_is_refused(ana: Person) -> None:
    answer = await ana.ask("POST", "/api/v1/interactions", {"body": "x" * 1_100_000})
    assert answer.status == 413
    assert (await answer.json())["error"]["code"] == "request_entity_too_large"


async def test_the_longest_letter_of_the_longest_signs_fits(ana: Person) -> None:
    letter = {"channel": "note", "identity": "+34600111222", "body": "😀" * 200_000}
    raw = json.dumps(letter, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    answer = await ana.ask("POST", "/api/v1/interactions", data=raw, headers=headers)
    assert answer.status == 201
    notes = json.dumps({"notes": "😀" * 20_000}).encode()
    path = f"/api/v1/interactions/{(await answer.json())['id']}"
    assert (await ana.ask("PATCH", path, data=notes, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "query.limit"),
        ("limit=many", "query.limit"),
        ("cursor=xyz", "query.cursor"),
        ("cursor=W10", "query.cursor"),
        ("state=gone", "query.state"),
        ("since=yesterday", "query.since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "query.until"),
        ("color=red", "query"),
        ("number=%00", "query"),
    ],
)
async def test_a_bad_query_is_refused_with_its_place(ana: Person, query: str, place: str) -> None:
    answer = await ana.ask("GET", f"/api/v1/calls?{query}")
    assert answer.status == 400
    assert (await answer.json())["error"]["place"] == place


@pytest.mark.parametrize(
    "path",
    [
        "/calls/call_x",
        "/customers/x",
        "/customers/x/timeline",
        "/customers/x/context",
        "/interactions/x",
        "/recordings/x/audio",
        "/recordings/..%2f..%2fcentralita.db/audio",
        "/customers/'%20or%201=1",
        "/nothing",
    ],
)
async def test_a_guessed_id_is_not_found(ana: Person, path: str) -> None:
    error = (await ana.get(path, status=404))["error"]
    assert error["code"] == "not_found"


async def test_a_search_finds_an_entry_and_marks_the_words(desk: Desk, ana: Person) -> None:
    julia = await new_customer(ana)
    body = {"channel": "sms", "customer_id": julia["id"], "body": "¿Y la CAJA de añada?"}
    await ana.post("/interactions", body, status=201)
    (hit,) = (await ana.get("/search", q="caja anad"))["items"]
    assert hit["customer_name"] == "Julia Ríos"
    (found,) = hit["found"]
    assert [piece["text"] for piece in found["pieces"] if piece["hit"]] == ["CAJA", "añada"]
    assert (await ana.get("/search", q="caja", customer_id="cus_other"))["items"] == []
    await ana.get("/search", status=400)


async def test_peaks_show_how_loud_each_side_is_and_are_for_those_who_may_hear(
    desk: Desk, ana: Person
) -> None:
    await call(desk)
    rate = 8000
    silence, loud = np.zeros(rate), 0.5 * np.sin(np.arange(rate))
    sides = np.stack([np.concatenate([silence, loud]), np.concatenate([loud, silence])]).T
    flac = io.BytesIO()
    soundfile.write(flac, sides, rate, format="FLAC", subtype="PCM_16")
    await record(desk, path="rec_1.flac.sealed")
    sealed = desk.ports.settings.recordings_dir / "rec_1.flac.sealed"
    flac.seek(0)
    with sealed.open("wb") as file:
        seal(flac, file, "rec_1", desk.ports.keyring.current())
    peaks = await ana.get("/recordings/rec_1/peaks")
    caller, agent = peaks["channels"]
    half = len(caller) // 2
    assert max(caller[: half - 1]) == 0 and min(caller[half + 1 :]) > 90
    assert max(agent[half + 1 :]) == 0 and min(agent[: half - 1]) > 90
    # Once computed, they are kept.
    sealed.write_bytes(b"")
    assert await ana.get("/recordings/rec_1/peaks") == peaks
    leo = await desk.sign_in("leo")
    await leo.get("/recordings/rec_1/peaks", status=403)


async def test_a_merge_is_listed_and_undone_and_both_are_in_the_audit_log(
    desk: Desk, ana: Person
) -> None:
    julia, marta = await new_customer(ana), await new_customer(ana, "Marta", "600333444")
    merge = await ana.post(f"/customers/{marta['id']}/merge", {"into": julia["id"]}, status=201)
    assert merge["former"] == marta and merge["moved"] == {"identity": 1}
    assert (await ana.get(f"/customers/{marta['id']}"))["id"] == julia["id"]
    assert (await ana.get(f"/customers/{julia['id']}/merges"))["items"] == [merge]
    undone = await ana.post(f"/merges/{merge['id']}/undo")
    assert undone["undone_by"] == "Ana"
    assert await ana.get(f"/customers/{marta['id']}") == marta
    assert (await ana.post(f"/merges/{merge['id']}/undo", status=409))["error"]["code"] == (
        "undone_already"
    )
    await ana.post(f"/customers/{julia['id']}/merge", {"into": julia["id"]}, status=400)
    await ana.post(f"/customers/{julia['id']}/merge", {"into": "cus_none"}, status=404)
    eva = await desk.sign_in("eva")
    entries = (await eva.get("/audit", object=marta["id"]))["items"]
    assert [entry["action"] for entry in entries] == ["customer.merge"]


ENDS_OF_TIME = ("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00Z")


def _times(kind: type[msgspec.Struct]) -> list[str]:
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return [one.name for one in fields if "DateTimeType" in repr(one.type)]


@pytest.mark.parametrize("time", ENDS_OF_TIME)
async def test_the_ends_of_time_are_bad_input_wherever_a_time_is_taken(
    desk: Desk, time: str
) -> None:
    eva, tried = await desk.sign_in("eva"), set()
    for endpoint in ENDPOINTS:
        path = PREFIX + endpoint.path.replace("{id}", "x")
        for name in _times(endpoint.query) if endpoint.query is not None else ():
            answer = await eva.ask(endpoint.method, path, params={name: time})
            assert answer.status == 400, (endpoint.name, name)
            assert (await answer.json())["error"]["place"] == f"query.{name}"
            tried.add(endpoint.name)
        body = endpoint.body
        for name in _times(body) if body is not None else ():
            assert body is not None
            with pytest.raises(InvalidInput, match="lies before") as refused:
                given = {**_LEAST.get(endpoint.name, {}), name: time}
                decode(json.dumps(given).encode(), body)
            assert refused.value.place == f"$.{name}", endpoint.name
            tried.add(endpoint.name)
    assert {"calls", "audit", "make_interaction", "make_task", "make_token", "my_day"} <= tried
    cursor = base64.urlsafe_b64encode(json.dumps([time, "x"]).encode()).decode()
    assert (await eva.ask("GET", f"{PREFIX}/calls", params={"cursor": cursor})).status == 400


_LEAST: dict[str, Json] = {
    "make_interaction": {"channel": "note"},
    "make_token": {"name": "x", "role": "agent"},
    "make_task": {},
}


async def test_a_clock_that_is_a_little_ahead_is_no_mistake(desk: Desk, ana: Person) -> None:
    soon = (desk.clock.now() + timedelta(minutes=2)).isoformat()
    sms = {"channel": "sms", "identity": "600111222", "body": "x", "started_at": soon}
    await ana.post("/interactions", sms, status=201)


@pytest.mark.parametrize("name", ["", " ", "\u00a0\t "])
async def test_blanks_are_no_name(ana: Person, name: str) -> None:
    refused = await ana.post("/customers", {"name": name, "identities": []}, status=400)
    assert refused["error"]["place"] == "$.name"
    julia = await new_customer(ana)
    await ana.patch(f"/customers/{julia['id']}", {"name": name}, status=400)
    assert (await ana.get(f"/customers/{julia['id']}"))["name"] == julia["name"]
