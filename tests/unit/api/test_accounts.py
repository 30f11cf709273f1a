"""Accounts: people are locked out, moved, given other rights, and nothing they had stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from centralita.core.ids import QueueId, UserId
from centralita.store.records import AccountChange, QueueRecord, Role
from centralita.telephony.edge.config import ha1
from tests.support.desk import PASSWORD, Desk, Person, open_desk

NEW = "four words of mine"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, ws_port=5066) as desk:
        yield desk


async def watch(person: Person) -> ClientWebSocketResponse:
    socket = await person.client.ws_connect(
        "/api/v1/live", headers={"Authorization": f"Bearer {person.token}"}
    )
    assert '"snapshot"' in await socket.receive_str(timeout=5)
    return socket


async def is_shown_out(socket: ClientWebSocketResponse) -> None:
    """The server ends the connection by itself, and says that nobody is signed in."""
    message = await socket.receive(timeout=5)
    assert (message.type, message.data) == (WSMsgType.CLOSE, 4401)


async def stays(desk: Desk, socket: ClientWebSocketResponse) -> None:
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=0.05)
    assert desk.hub.watchers


async def takes_phone(person: Person) -> None:
    await person.post("/me/phone", {"device": "anas-laptop"})


async def entries(desk: Desk) -> list[tuple[str, str, str]]:
    """What the audit log has about accounts and sessions, without the signing in."""
    found = await desk.store.audit.after(0, 100)
    return [
        (entry.action, entry.who, entry.object)
        for entry in found
        if entry.action != "session.sign_in"
    ]


async def test_everybody_is_listed_with_phone_queues_and_whether_they_may_sign_in(
    desk: Desk,
) -> None:
    eva = await desk.sign_in("eva")
    await eva.patch("/users/user_leo", {"active": False})
    listed = (await eva.get("/users"))["items"]
    assert [(one["username"], one["role"], one["active"]) for one in listed] == [
        ("ana", "agent", True), ("eva", "admin", True),
        ("leo", "agent", False), ("sol", "supervisor", True),
    ]  # fmt: skip
    assert (listed[0]["extension"], listed[0]["queues"]) == ("101", ["sales"])
    assert all(one["phone_password"] is None for one in listed)


async def test_who_is_disabled_is_out_everywhere_at_once(desk: Desk) -> None:
    ana, eva = await desk.sign_in("ana"), await desk.sign_in("eva")
    await takes_phone(ana)
    feed, admins = await watch(ana), await watch(eva)
    answer = await eva.patch("/users/user_ana", {"active": False})
    assert answer["active"] is False
    await is_shown_out(feed)
    await stays(desk, admins)
    await ana.get("/me", status=401)
    assert desk.floor.pages == {}
    assert (await desk.try_sign_in("ana")).status == 401
    agent = (await desk.store.accounts.get(UserId("user_ana"))).agent
    assert agent is not None
    assert not agent.active
    assert desk.house.read == 1
    await eva.patch("/users/user_ana", {"active": True})
    await desk.sign_in("ana")
    assert await entries(desk) == [
        ("user.disable", "user_eva", "user_ana"), ("user.enable", "user_eva", "user_ana"),
    ]  # fmt: skip


CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"active": False}),
    ("PATCH", "", {"role": "agent"}),
    ("PATCH", "", {"extension": "177"}),
    ("POST", "/password", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_whatever_makes_another_account_of_it_ends_what_was_open(
    desk: Desk, method: str, path: str, body: object
) -> None:
    sol, eva = await desk.sign_in("sol"), await desk.sign_in("eva")
    feed = await watch(sol)
    assert (await eva.ask(method, f"/api/v1/users/user_sol{path}", body)).status == 200
    await is_shown_out(feed)
    await sol.get("/me", status=401)


async def test_other_queues_end_nothing_and_are_served_at_once(desk: Desk) -> None:
    ana, eva = await desk.sign_in("ana"), await desk.sign_in("eva")
    await desk.store.queues.put(QueueRecord(queue_id=QueueId("support"), title="Support"))
    feed = await watch(ana)
    moved = await eva.patch("/users/user_ana", {"queues": ["support"]})
    assert (moved["queues"], moved["phone_password"]) == (["support"], None)
    await stays(desk, feed)
    assert (await ana.get("/me"))["agent"]["queues"] == ["support"]
    refused = await eva.patch("/users/user_ana", {"queues": ["sails"]}, status=400)
    assert refused["error"]["place"] == "$.queues[0]"
    assert (await ana.get("/me"))["agent"]["queues"] == ["support"]


async def test_another_extension_comes_with_another_password_for_the_phone(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    moved = await eva.patch("/users/user_ana", {"extension": "177"})
    agent = (await desk.store.accounts.get(UserId("user_ana"))).agent
    assert agent is not None
    assert agent.extension == "177"
    assert agent.ha1 == ha1("177", "centralita", moved["phone_password"])
    again = await eva.patch("/users/user_ana", {"extension": "177"})
    assert again["phone_password"] is None
    taken = await eva.patch("/users/user_ana", {"extension": "102"}, status=409)
    assert taken["error"]["why"] == "extension"


async def test_a_phones_password_is_made_anew_without_signing_anybody_out(desk: Desk) -> None:
    ana, eva = await desk.sign_in("ana"), await desk.sign_in("eva")
    made = await eva.post("/users/user_ana/phone-password")
    agent = (await desk.store.accounts.get(UserId("user_ana"))).agent
    assert agent is not None
    assert agent.ha1 == ha1(made["extension"], "centralita", made["password"])
    await ana.get("/me")
    await eva.post("/users/user_sol/phone-password", status=400)
    assert desk.house.read == 1


async def test_a_new_password_takes_the_place_of_the_old_one(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    password = (await eva.post("/users/user_ana/password"))["password"]
    assert (await desk.try_sign_in("ana")).status == 401
    await desk.sign_in("ana", password)
    assert await entries(desk) == [("user.password", "user_eva", "user_ana")]


@pytest.mark.parametrize("patch", [{"active": False}, {"role": "agent"}])
async def test_the_last_admin_who_can_sign_in_stays(desk: Desk, patch: dict[str, Any]) -> None:
    eva = await desk.sign_in("eva")
    refused = await eva.patch("/users/user_eva", patch, status=409)
    assert refused["error"]["why"] == "last_admin"
    await eva.patch("/users/user_sol", {"role": "admin"})
    await eva.patch("/users/user_eva", patch)
    assert (await desk.store.accounts.get(UserId("user_sol"))).user.role is Role.ADMIN


async def test_two_admins_who_remove_one_another_leave_one(desk: Desk) -> None:
    change, out = desk.store.accounts.change, AccountChange(active=False)
    await change(UserId("user_sol"), AccountChange(role=Role.ADMIN))
    both = await asyncio.gather(
        change(UserId("user_eva"), out), change(UserId("user_sol"), out), return_exceptions=True
    )
    assert sum(isinstance(one, Exception) for one in both) == 1


# --- the own account ------------------------------------------------------------------------------


async def test_people_change_their_own_password_and_their_other_sessions_end(desk: Desk) -> None:
    ana, other = await desk.sign_in("ana"), await desk.sign_in("ana")
    feed, others = await watch(ana), await watch(other)
    await ana.put("/me/password", {"old": PASSWORD, "new": NEW}, status=204)
    await is_shown_out(others)
    await stays(desk, feed)
    await other.get("/me", status=401)
    await ana.get("/me")
    assert (await desk.try_sign_in("ana")).status == 401
    await desk.sign_in("ana", NEW)
    assert await entries(desk) == [("user.password", "user_ana", "user_ana")]


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("short words", "password_short"),
        ("password1234", "password_weak"),
        ("Contraseña2026!", "password_weak"),
        ("123456789012", "password_weak"),
        ("abcabcabcabc", "password_weak"),
        ("qwertyuiop12", "password_weak"),
        ("ana1234567890", "password_weak"),
        ("Ana Ana Ana Ana", "password_weak"),
        ("leo", "password_short"),
    ],
)
async def test_a_password_that_anybody_would_try_is_refused(desk: Desk, new: str, why: str) -> None:
    ana = await desk.sign_in("ana")
    refused = await ana.put("/me/password", {"old": PASSWORD, "new": new}, status=400)
    assert (refused["error"]["place"], refused["error"]["why"]) == ("$.new", why)
    await desk.sign_in("ana")


async def test_a_stolen_session_is_no_way_to_guess_the_password(tmp_path: Path) -> None:
    async with open_desk(tmp_path, failures_per_user=3) as desk:
        ana = await desk.sign_in("ana")
        for _ in range(3):
            wrong = await ana.put("/me/password", {"old": "guess", "new": NEW}, status=400)
            assert wrong["error"]["why"] == "old_password"
        await ana.put("/me/password", {"old": PASSWORD, "new": NEW}, status=429)


async def test_the_own_sessions_are_listed_and_ended_one_by_one(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    desk.clock.advance(timedelta(minutes=5))
    other = await desk.sign_in("ana")
    await desk.sign_in("leo")
    await takes_phone(other)
    feed, others = await watch(ana), await watch(other)
    theirs, own = (await ana.get("/me/sessions"))["items"]
    assert (own["current"], own["phone"], own["address"]) == (True, False, "127.0.0.1")
    assert (theirs["current"], theirs["phone"]) == (False, True)
    assert "Python" in own["program"]
    assert own["used_at"] > own["created_at"]
    await ana.delete(f"/me/sessions/{theirs['id']}")
    await is_shown_out(others)
    await stays(desk, feed)
    assert desk.floor.pages == {}
    assert len((await ana.get("/me/sessions"))["items"]) == 1
    await ana.delete(f"/me/sessions/{theirs['id']}", status=404)
    leo = await desk.sign_in("leo")
    await leo.delete(f"/me/sessions/{own['id']}", status=404)
    assert await entries(desk) == [("session.end", "user_ana", theirs["id"])]


async def test_programs_have_neither_password_nor_sessions(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    made = await eva.post("/tokens", {"name": "crm", "role": "agent"}, status=201)
    program = Person(desk.client, made["token"])
    await program.get("/me/sessions", status=403)
    await program.put("/me/password", {"old": PASSWORD, "new": NEW}, status=403)


# --- what ends by itself --------------------------------------------------------------------------


async def test_a_session_that_is_quiet_for_too_long_is_over(tmp_path: Path) -> None:
    async with open_desk(tmp_path, session_idle=timedelta(minutes=30)) as desk:
        busy, quiet = await desk.sign_in("ana"), await desk.sign_in("leo")
        for _ in range(4):
            desk.clock.advance(timedelta(minutes=10))
            await busy.get("/me")
        await quiet.get("/me", status=401)
        assert await desk.store.sessions.of_user(
            UserId("user_leo"), desk.clock.now(), timedelta(minutes=30)
        ) == ()  # fmt: skip


async def test_an_open_live_feed_keeps_its_session(tmp_path: Path) -> None:
    async with open_desk(tmp_path, session_idle=timedelta(minutes=30)) as desk:
        ana = await desk.sign_in("ana")
        feed = await watch(ana)
        for _ in range(4):
            desk.clock.advance(timedelta(minutes=10))
            await desk.house.show_out()  # as every half minute
        await stays(desk, feed)
        await ana.get("/me")
        await feed.close()
        desk.clock.advance(timedelta(minutes=31))
        await ana.get("/me", status=401)


async def test_a_page_is_a_phone_no_longer_than_its_session_is_good(tmp_path: Path) -> None:
    async with open_desk(tmp_path, session_idle=timedelta(minutes=30), ws_port=5066) as desk:
        ana, leo = await desk.sign_in("ana"), await desk.sign_in("leo")
        await takes_phone(ana)
        await takes_phone(leo)
        desk.clock.advance(timedelta(minutes=20))
        await ana.get("/me")
        desk.clock.advance(timedelta(minutes=20))
        await desk.house.show_out()
        assert list(desk.floor.pages) == ["101"]
        await ana.delete("/session")
        assert desk.floor.pages == {}


async def test_a_page_that_another_one_took_over_from_claims_the_phone_no_more(
    desk: Desk,
) -> None:
    first, second = await desk.sign_in("ana"), await desk.sign_in("ana")
    await takes_phone(first)
    elsewhere = {"device": "anas-desk"}
    await second.post("/me/phone", elsewhere, status=409)
    await second.delete("/session")
    assert desk.floor.pages == {"101": "anas-laptop"}
    third = await desk.sign_in("ana")
    await third.post("/me/phone", {**elsewhere, "take_over": True})
    await first.delete("/session")
    assert desk.floor.pages == {"101": "anas-desk"}
    await third.delete("/session")
    assert desk.floor.pages == {}


async def test_a_revoked_token_shows_nothing_more(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    one, two = [
        await eva.post("/tokens", {"name": name, "role": "supervisor"}, status=201)
        for name in ("wall", "crm")
    ]
    feed = await watch(Person(desk.client, one["token"]))
    kept = await watch(Person(desk.client, two["token"]))
    await eva.delete(f"/tokens/{one['id']}")
    await is_shown_out(feed)
    await stays(desk, kept)


async def test_what_was_changed_behind_our_back_is_found_by_the_next_look(desk: Desk) -> None:
    eva, sol, ana = [await desk.sign_in(name) for name in ("eva", "sol", "ana")]
    made = await eva.post("/tokens", {"name": "wall", "role": "supervisor"}, status=201)
    program, supervisor, agent = [
        await watch(person) for person in (Person(desk.client, made["token"]), sol, ana)
    ]
    await desk.store.api_tokens.revoke(made["id"])
    demoted = (await desk.store.accounts.get(UserId("user_sol"))).user
    await desk.store.users.put(type(demoted)(**{**_fields(demoted), "role": Role.AGENT}))
    await desk.house.show_out()
    await is_shown_out(program)
    await is_shown_out(supervisor)
    await stays(desk, agent)


def _fields(record: object) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__slots__}  # type: ignore[attr-defined]
