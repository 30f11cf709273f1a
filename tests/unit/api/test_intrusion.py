"""What is not for somebody is not to be had: by no path, by no guess, by no role but the right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from yarl import URL

from centralita.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from centralita.core.ids import AgentId, CallId, QueueId, RecordingId, TaskId, new_id
from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.synthesizer import BadAudio
from centralita.ivr.signals import Prompt
from centralita.server.adapters import FlowPrompts
from centralita.store.records import QueueRecord
from centralita.timeline.model import Task, TaskKind, TaskState
from tests.support.desk import NOON, Desk, Person, open_desk
from tests.unit.api.test_timeline import SOUND, call, record

SECRET = "the secret of the house"
# What leads out of a folder in some program or other, as it would stand in an address.
WAYS_OUT = (
    "..%2fsecret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..%252fsecret.txt",
    "..%5csecret.txt",
    "..%c0%afsecret.txt",
    "....//secret.txt",
    "%2fetc%2fpasswd",
    "secret.txt%00.flac",
    "file:%2f%2f%2fetc%2fpasswd",
    "rec_1%2f..%2f..%2fsecret.txt",
    "%00",
    "'%20OR%20'1'='1",
    "%25",
    "_______",
    "x" * 5000,
)
PLACES = (
    "recordings/{}/audio",
    "calls/{}",
    "customers/{}",
    "customers/{}/timeline",
    "customers/{}/context",
    "interactions/{}",
    "flows/{}",
    "flows/{}/versions",
    "flows/{}/versions/1",
    "flows/main/versions/{}",
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    web = tmp_path / "web"
    web.mkdir()
    (web / "index.html").write_text("<title>desk</title>")
    (tmp_path / "secret.txt").write_text(SECRET)
    async with open_desk(tmp_path, web_dir=web) as desk:
        (tmp_path / "recordings" / "2026").mkdir()
        (tmp_path / "recordings" / "2026" / "rec_1.flac").write_bytes(SOUND)
        await call(desk)
        await record(desk)
        yield desk


async def fetched(desk: Desk, person: Person, path: str) -> tuple[int, str]:
    """As it stands, with nothing put right by the client."""
    url = URL(str(desk.client.make_url("/")).rstrip("/") + path, encoded=True)
    headers = {"Authorization": f"Bearer {person.token}"}
    async with desk.client.session.get(url, headers=headers) as answer:
        return answer.status, await answer.text(errors="replace")


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_no_id_leads_out_of_where_things_are_kept(desk: Desk, way: str) -> None:
    eva = await desk.sign_in("eva")
    for place in PLACES:
        status, text = await fetched(desk, eva, f"{PREFIX}/{place.format(way)}")
        assert status in (400, 404), (place, text)
        assert SECRET not in text and "root:" not in text


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_no_address_of_the_page_leads_out_of_its_folder(desk: Desk, way: str) -> None:
    eva = await desk.sign_in("eva")
    for path in (f"/{way}", f"/assets/{way}"):
        status, text = await fetched(desk, eva, path)
        assert status in (200, 400, 404)
        assert "desk" in text or status != 200, "200 is for the page itself"
        assert SECRET not in text and "root:" not in text


async def test_a_recording_is_named_by_the_database_and_by_nothing_else(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    for guess in ("rec_1.flac", "2026%2frec_1.flac", "2026%2f01%2f05%2frec_1", "REC_1", "rec_1%20"):
        status, _ = await fetched(desk, eva, f"{PREFIX}/recordings/{guess}/audio")
        assert status == 404
    assert (await fetched(desk, eva, f"{PREFIX}/recordings/rec_1/audio"))[0] == 200


@pytest.mark.parametrize("way", ["..%2fevil", "%2e%2e%2fevil", "a%2fb", "A", "a%00", "", "-x"])
async def test_a_flow_is_saved_under_no_name_that_is_a_path(
    desk: Desk, tmp_path: Path, way: str
) -> None:
    eva = await desk.sign_in("eva")
    url = URL(str(desk.client.make_url("/")) + f"api/v1/flows/{way}", encoded=True)
    headers = {"Authorization": f"Bearer {eva.token}"}
    body = {"document": {"start": "menu"}}
    async with desk.client.session.put(url, headers=headers, json=body) as answer:
        assert answer.status in (400, 404, 405)
    assert "evil" not in str(await desk.store.flows.all())
    assert not await asyncio.to_thread(lambda: list(tmp_path.rglob("*evil*")))


@pytest.mark.parametrize("wav", ["../../secret.wav", "/etc/passwd", "..", "a/../../secret.wav"])
async def test_a_flow_plays_no_file_outside_the_folder_of_prompts(tmp_path: Path, wav: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    folder = tmp_path / "prompts"
    folder.mkdir()
    prompts = FlowPrompts(PromptCache(None, tmp_path / "cache", folder, rate=8000), folder)  # type: ignore[arg-type]
    with pytest.raises(BadAudio):
        await prompts.files([Prompt(wav=wav, text="", language="es")])


# --- who may hear --------------------------------------------------------------------------------


async def hears(person: Person, recording_id: str = "rec_1") -> int:
    return (await person.ask("GET", f"{PREFIX}/recordings/{recording_id}/audio")).status


async def test_an_agent_hears_the_own_conversations_and_supervisors_all(desk: Desk) -> None:
    people = {name: await desk.sign_in(name) for name in ("ana", "leo", "sol", "eva")}
    heard = {name: await hears(person) for name, person in people.items()}
    assert heard == {"ana": 200, "leo": 403, "sol": 200, "eva": 200}
    shown = {
        name: (await person.get("/calls/call_1"))["recordings"][0]["audible"]
        for name, person in people.items()
    }
    assert shown == {"ana": True, "leo": False, "sol": True, "eva": True}


async def test_a_message_is_heard_by_those_who_serve_its_queue(desk: Desk) -> None:
    stored = await desk.store.recordings.get(RecordingId("rec_1"))
    assert stored is not None
    message = replace(
        stored, recording_id=RecordingId("rec_2"), call_id=CallId("call_2"), kind="voicemail",
        agent_id=None,
    )  # fmt: skip
    await desk.store.recordings.add(message)
    ana, leo = await desk.sign_in("ana"), await desk.sign_in("leo")
    assert (await hears(ana, "rec_2"), await hears(leo, "rec_2")) == (403, 403), "for no queue"
    await desk.store.queues.put(
        QueueRecord(queue_id=QueueId("support"), title="", agents=(AgentId("agent_leo"),))
    )
    await desk.store.tasks.add(
        Task(
            id=TaskId("task_1"), kind=TaskKind.VOICEMAIL, state=TaskState.OPEN, created_at=NOON,
            queue_id=QueueId("support"), call_id=CallId("call_2"),
        )
    )  # fmt: skip
    assert (await hears(ana, "rec_2"), await hears(leo, "rec_2")) == (403, 200)


async def test_a_program_with_an_agents_role_hears_nothing(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    made = await eva.post("/tokens", {"name": "crm", "role": "agent"}, status=201)
    assert await hears(Person(desk.client, made["token"])) == 403


RANKS = ("agent", "supervisor", "admin")
GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.role is not None]


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
async def test_an_endpoint_answers_to_its_role_and_to_nobody_below(
    desk: Desk, endpoint: Endpoint
) -> None:
    path = PREFIX + endpoint.path.replace("{id}", "none").replace("{version}", "1")
    body: object = {} if endpoint.body is not None else None
    assert (await desk.client.request(endpoint.method, path, json=body)).status == 401
    assert endpoint.role is not None
    for name, rank in (("ana", "agent"), ("sol", "supervisor")):
        answer = await (await desk.sign_in(name)).ask(endpoint.method, path, body)
        if RANKS.index(rank) < RANKS.index(endpoint.role):
            assert answer.status == 403
        else:
            assert answer.status != 401


def test_ids_cannot_be_guessed() -> None:
    made = {new_id("rec") for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(ident.removeprefix("rec_")) == 24 for ident in made)
