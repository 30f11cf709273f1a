"""The live feed: who sees what, in which order, and who is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError

from centralita.api import live_messages as live
from centralita.api import schemas as s
from centralita.api.live import LiveHub
from centralita.api.live_said import MOST
from centralita.api.watcher import BACKLOG, Viewer
from centralita.timeline.model import TaskKind, TaskState
from tests.support.desk import NOON, Desk, Person, open_desk

Json = dict[str, Any]
PATH = "/api/v1/live"
READ = "/calls/call_1/live-transcript"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


async def watch(person: Person) -> ClientWebSocketResponse:
    return await person.client.ws_connect(PATH, headers={"Authorization": f"Bearer {person.token}"})


async def heard(socket: ClientWebSocketResponse) -> Json:
    """The next message; it must be one of the union."""
    text = await socket.receive_str(timeout=5)
    msgspec.json.decode(text, type=live.LiveMessage)
    message: Json = msgspec.json.decode(text)
    return message


def offer(agent: str = "agent_ana", offer_id: str = "offer_1") -> live.OfferMade:
    return live.OfferMade(
        offer_id=offer_id, call_id="call_1", agent_id=agent, queue_id="sales",
        queue_title="Sales", ringing_since=NOON, caller="+34600111222",
        learned={"order": "1234"},
    )  # fmt: skip


def call(agent: str | None, state: str = "bridged") -> live.CallChanged:
    return msgspec.convert(
        {"type": "call", "call_id": "call_1", "state": state, "caller": "+34600111222",
         "agent_id": agent, "since": NOON},
        live.CallChanged,
    )  # fmt: skip


def task(state: TaskState) -> live.TaskChanged:
    return live.TaskChanged(
        task=s.Task(
            id="task_1",
            kind=TaskKind.VOICEMAIL,
            state=state,
            created_at=NOON,
            queue_id="sales",
            customer_id=None,
            interaction_id=None,
            call_id=None,
            caller="",
            text="",
            done_at=None,
            done_by="",
            due_at=None,
            agent_id=None,
        )
    )


async def test_a_snapshot_comes_first_and_then_every_change_in_order(desk: Desk) -> None:
    sol = await watch(await desk.sign_in("sol"))
    snapshot = await heard(sol)
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 0)
    assert [agent["name"] for agent in snapshot["agents"]] == ["Ana", "Leo"]
    desk.hub.publish(live.QueueChanged(queue_id="sales", title="S", waiting=1, agents_available=0))
    desk.hub.publish(call(None, "queued"))
    desk.hub.publish(offer())
    messages = [await heard(sol) for _ in range(3)]
    assert [(m["type"], m["seq"]) for m in messages] == [("queue", 1), ("call", 2), ("offer", 3)]
    assert messages[2]["learned"] == {"order": "1234"}


async def test_only_the_offered_agent_and_supervisors_see_an_offer(desk: Desk) -> None:
    ana, again, leo, sol = [
        await watch(await desk.sign_in(name)) for name in ("ana", "ana", "leo", "sol")
    ]
    for socket in (ana, again, leo, sol):
        await heard(socket)
    desk.hub.publish(offer())
    desk.hub.publish(live.OfferGone(offer_id="offer_1", agent_id="agent_ana", how="accepted"))
    desk.hub.publish(
        live.WrapUpStarted(
            agent_id="agent_ana",
            call_id="call_1",
            interaction_id="int_1",
            until=NOON,
            dispositions=["sold"],
        )
    )
    desk.hub.publish(live.QueueChanged(queue_id="sales", title="S", waiting=0, agents_available=1))
    for socket in (ana, again, sol):
        assert [(await heard(socket))["type"] for _ in range(4)] == [
            "offer", "offer_gone", "wrap_up", "queue",
        ]  # fmt: skip
    first = await heard(leo)
    assert (first["type"], first["seq"]) == ("queue", 1)


async def test_a_page_opened_while_the_phone_rings_shows_the_offer(desk: Desk) -> None:
    desk.hub.publish(offer())
    desk.hub.publish(offer("agent_leo", "offer_2"))
    desk.hub.publish(call("agent_ana"))
    ana = await heard(await watch(await desk.sign_in("ana")))
    assert [one["offer_id"] for one in ana["offers"]] == ["offer_1"]
    assert [one["call_id"] for one in ana["calls"]] == ["call_1"]
    leo = await heard(await watch(await desk.sign_in("leo")))
    assert [one["offer_id"] for one in leo["offers"]] == ["offer_2"]
    assert leo["calls"] == []


async def test_a_call_that_goes_to_another_agent_is_over_for_the_first(desk: Desk) -> None:
    ana = await watch(await desk.sign_in("ana"))
    await heard(ana)
    desk.hub.publish(call("agent_ana"))
    desk.hub.publish(call("agent_leo"))
    desk.hub.publish(live.CallGone(call_id="call_1"))
    desk.hub.publish(task(TaskState.OPEN))
    assert [(await heard(ana))["type"] for _ in range(3)] == ["call", "call_gone", "task"]


async def test_a_task_that_is_done_on_one_page_is_done_on_all(desk: Desk) -> None:
    desk.hub.publish(task(TaskState.OPEN))
    leo = await watch(await desk.sign_in("leo"))
    assert len((await heard(leo))["tasks"]) == 1
    desk.hub.publish(task(TaskState.DONE))
    assert (await heard(leo))["task"]["state"] == "done"
    sol = await watch(await desk.sign_in("sol"))
    assert (await heard(sol))["tasks"] == []


async def test_what_is_already_so_is_not_said_again(desk: Desk) -> None:
    sol = await watch(await desk.sign_in("sol"))
    await heard(sol)
    for waiting in (1, 1, 1, 2):
        desk.hub.publish(
            live.QueueChanged(queue_id="sales", title="S", waiting=waiting, agents_available=0)
        )
    desk.hub.publish(live.CallGone(call_id="call_never"))
    assert [(await heard(sol))["waiting"] for _ in range(2)] == [1, 2]


async def test_a_status_chosen_by_rest_is_seen_at_once(desk: Desk) -> None:
    ana, leo = await desk.sign_in("ana"), await watch(await desk.sign_in("leo"))
    await heard(leo)
    await ana.post("/agents/agent_ana/status", {"status": "on_break", "reason": "lunch"})
    change = await heard(leo)
    assert (change["status"], change["reason"]) == ("on_break", "lunch")


# --- who may watch ------------------------------------------------------------------------------


async def test_a_page_watches_by_its_cookie_but_not_from_another_site(desk: Desk) -> None:
    await desk.try_sign_in("ana")
    assert (await heard(await desk.client.ws_connect(PATH)))["type"] == "snapshot"
    with pytest.raises(WSServerHandshakeError) as refused:
        await desk.client.ws_connect(PATH, headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


async def test_a_token_may_come_as_the_first_message(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    socket = await desk.client.ws_connect(PATH)
    await socket.send_json({"token": ana.token})
    assert (await heard(socket))["type"] == "snapshot"


@pytest.mark.parametrize("first", ['{"token": "cs_guess"}', "hello", "[]"])
async def test_a_stranger_is_told_nothing(desk: Desk, first: str) -> None:
    socket = await desk.client.ws_connect(PATH)
    await socket.send_str(first)
    await socket.receive(timeout=5)
    assert socket.close_code == 4401
    assert desk.hub.watchers == 0


async def test_signing_out_ends_the_feed_of_that_session_only(desk: Desk) -> None:
    ana, other = await desk.sign_in("ana"), await desk.sign_in("ana")
    socket, kept = await watch(ana), await watch(other)
    await heard(socket)
    await heard(kept)
    await ana.delete("/session")
    # Not `close_code`: by now the connection may be gone, and the client's own farewell with it.
    assert (await socket.receive(timeout=5)).data == 4401
    desk.hub.publish(offer())
    assert (await heard(kept))["type"] == "offer"


async def test_a_feed_ends_with_its_session(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    desk.clock.advance(timedelta(hours=12) - timedelta(milliseconds=50))
    socket = await watch(ana)
    await heard(socket)
    await socket.receive(timeout=5)
    assert socket.close_code == 4401


async def test_a_reader_who_is_too_slow_is_let_go_and_others_are_not(desk: Desk) -> None:
    hub = desk.hub
    slow = hub.watch(Viewer(None, sees_all=True))
    quick = hub.watch(Viewer(None, sees_all=True))
    for number in range(BACKLOG):
        await quick.next()
        hub.publish(
            live.QueueChanged(queue_id="sales", title="S", waiting=number, agents_available=0)
        )
    async with asyncio.timeout(1):
        assert await slow.closed() == "too slow"
    assert isinstance(await quick.next(), live.QueueChanged)


def said(number: int, text: str, *, final: bool = True, agent: str = "agent_ana") -> live.LiveSaid:
    saying = live.Saying(number=number, speaker="caller", at_s=1.5, text=text, final=final)
    return live.LiveSaid(call_id="call_1", agent_id=agent, saying=saying)


def transcript(agent: str = "agent_ana", *sayings: live.Saying) -> live.LiveTranscript:
    return live.LiveTranscript(
        call_id="call_1", agent_id=agent, language="es", hearing="listening", cut=False,
        sayings=list(sayings),
    )  # fmt: skip


async def test_what_is_said_reaches_the_agent_of_the_call_and_supervisors_who_ask(
    desk: Desk,
) -> None:
    people = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    ana, leo, sol = [await watch(person) for person in people]
    for socket in (ana, leo, sol):
        await heard(socket)
    desk.hub.publish(transcript())
    assert not (await heard(sol))["shown"]
    await people[2].put(READ, status=204)
    desk.hub.publish(said(1, "quiero", final=False))
    desk.hub.publish(said(1, "quiero hablar"))
    desk.hub.publish(live.LiveHearing(call_id="call_1", agent_id="agent_ana", hearing="paused"))
    desk.hub.publish(said(2, "cuatro", agent="agent_leo"))  # late, from before a transfer
    desk.hub.publish(live.QueueChanged(queue_id="sales", title="S", waiting=0, agents_available=1))
    kinds = ["live_transcript", "live_said", "live_said", "live_hearing", "queue"]
    for socket in (ana, sol):
        assert [(await heard(socket))["type"] for _ in kinds] == kinds
    assert (await heard(leo))["type"] == "queue"
    again = await heard(await watch(await desk.sign_in("ana")))
    (known,) = again["transcripts"]
    assert (known["hearing"], [one["text"] for one in known["sayings"]]) == (
        "paused", ["quiero hablar"],
    )  # fmt: skip
    assert (await heard(await watch(await desk.sign_in("leo"))))["transcripts"] == []
    desk.hub.publish(live.LiveTranscriptGone(call_id="call_1", agent_id="agent_leo"))
    desk.hub.publish(live.LiveTranscriptGone(call_id="call_1", agent_id="agent_ana"))
    assert (await heard(ana))["type"] == "live_transcript_gone"
    assert desk.hub.transcripts == {}


async def test_a_supervisor_is_told_no_word_before_asking_and_none_after(desk: Desk) -> None:
    person, other = await desk.sign_in("sol"), await desk.sign_in("eva")
    desk.hub.publish(transcript())
    desk.hub.publish(said(1, "quiero hablar"))
    sol, eva = await watch(person), await watch(other)
    for socket in (sol, eva):
        (hidden,) = (await heard(socket))["transcripts"]
        assert (hidden["shown"], hidden["sayings"], hidden["hearing"]) == (False, [], "listening")
    desk.hub.publish(said(2, "con ventas"))
    await person.put(READ, status=204)
    opened = await heard(sol)
    assert (opened["type"], opened["shown"]) == ("live_transcript", True)
    assert [one["text"] for one in opened["sayings"]] == ["quiero hablar", "con ventas"]
    desk.hub.publish(said(3, "gracias"))
    assert (await heard(sol))["saying"]["text"] == "gracias"
    await person.delete(READ)
    closed = await heard(sol)
    assert (closed["shown"], closed["sayings"]) == (False, [])
    desk.hub.publish(said(4, "adiós"))
    await person.put(READ, status=204)
    assert (await heard(sol))["sayings"][-1]["text"] == "adiós"
    # Who has the call next is another conversation, to be asked for by itself.
    desk.hub.publish(transcript("agent_leo"))
    assert not (await heard(sol))["shown"]
    desk.hub.publish(live.QueueChanged(queue_id="sales", title="S", waiting=0, agents_available=1))
    assert [(await heard(eva))["type"] for _ in range(2)] == ["live_transcript", "queue"]


async def test_who_may_not_read_along_is_told_so(desk: Desk) -> None:
    ana, leo, sol = [await desk.sign_in(name) for name in ("ana", "leo", "sol")]
    await sol.put(READ, status=404)
    desk.hub.publish(transcript())
    await ana.put(READ, status=204)
    answer = await leo.put(READ, status=403)
    assert (answer["error"]["code"], answer["error"]["why"]) == ("forbidden", "conversation")


async def test_a_transcript_that_pages_may_ask_for_is_bounded(desk: Desk) -> None:
    desk.hub.publish(transcript())
    for number in range(MOST + 3):
        desk.hub.publish(said(number, f"número {number}"))
    kept = desk.hub.transcripts["call_1"]
    assert [one.number for one in kept.sayings] == list(range(3, MOST + 3))
    assert kept.cut
    desk.hub.publish(said(MOST + 2, ""))
    assert desk.hub.transcripts["call_1"].sayings[-1].number == MOST + 1


async def test_a_reader_who_is_behind_is_spared_what_is_only_provisional(desk: Desk) -> None:
    hub = desk.hub
    hub.publish(transcript())
    slow = hub.watch(Viewer("agent_ana", sees_all=False))
    for number in range(BACKLOG):
        hub.publish(said(1, f"número {number}", final=False))
    hub.publish(said(1, "número final"))
    assert not slow.is_closed
    seen: list[live.LiveMessage] = []
    while not seen or seen[-1] != said_last(seen):
        seen.append(await slow.next())
    assert [message.seq for message in seen] == list(range(len(seen)))


def said_last(seen: list[live.LiveMessage]) -> live.LiveMessage:
    """The final saying, as the last of these would carry it."""
    return msgspec.structs.replace(said(1, "número final"), seq=seen[-1].seq)


async def test_a_page_that_is_closed_is_forgotten(desk: Desk) -> None:
    sol = await watch(await desk.sign_in("sol"))
    await heard(sol)
    assert desk.hub.watchers == 1
    await sol.close()
    async with asyncio.timeout(5):
        while desk.hub.watchers:
            await asyncio.sleep(0)


async def test_stopping_the_server_tells_the_pages(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        sol = await watch(await desk.sign_in("sol"))
        await heard(sol)
        await asyncio.gather(desk.server.close(), sol.receive(timeout=5))
        assert sol.close_code == 1001


async def test_a_hub_without_watchers_keeps_the_state_for_those_who_come() -> None:
    hub = LiveHub()
    hub.publish(offer())
    hub.publish(live.OfferGone(offer_id="offer_1", agent_id="agent_ana", how="withdrawn"))
    first = await hub.watch(Viewer("agent_ana", sees_all=False)).next()
    assert isinstance(first, live.Snapshot)
    assert first.offers == []


async def test_a_page_that_stops_reading_costs_no_memory_without_bound(desk: Desk) -> None:
    stuck = await watch(await desk.sign_in("sol"))
    await heard(stuck)
    words = "x" * 20_000
    async with asyncio.timeout(20):
        for number in range(100_000):
            if desk.hub.watchers == 0:
                break
            done = task(TaskState.OPEN).task
            done.text, done.caller = words, str(number)
            desk.hub.publish(live.TaskChanged(task=done))
            await asyncio.sleep(0)
    assert desk.hub.watchers == 0
