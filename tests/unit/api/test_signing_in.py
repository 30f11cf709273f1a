"""Who may come in, and what a page of another site may not do."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from multidict import CIMultiDict

from centralita.api.endpoints import ENDPOINTS, PREFIX
from tests.support.desk import PASSWORD, Desk, open_desk

CSRF = "X-CSRF-Token"


def everything_in(folder: Path) -> bytes:
    """The database with its write-ahead log."""
    return b"".join(file.read_bytes() for file in folder.glob("centralita.db*"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, failures_per_user=3, failures_per_address=6) as desk:
        yield desk


async def test_signing_in_answers_with_a_token_that_works(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    assert (await ana.get("/me"))["user"] == {
        "id": "user_ana",
        "username": "ana",
        "name": "Ana",
        "role": "agent",
        "agent_id": "agent_ana",
    }
    assert (await ana.get("/me"))["agent"]["queues"] == ["sales"]


async def test_the_store_keeps_no_token_that_could_be_used(desk: Desk, tmp_path: Path) -> None:
    ana = await desk.sign_in("ana")
    kept = await asyncio.to_thread(everything_in, tmp_path)
    assert ana.token.encode() not in kept
    assert PASSWORD.encode() not in kept


async def test_an_unknown_user_gets_the_same_answer_as_a_wrong_password(desk: Desk) -> None:
    wrong = await desk.try_sign_in("ana", "wrong")
    unknown = await desk.try_sign_in("nobody", "wrong")
    assert wrong.status == unknown.status == 401
    assert await wrong.text() == await unknown.text()


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    async with open_desk(tmp_path, failures_per_user=99, failures_per_address=99) as desk:

        async def shortest(username: str) -> float:
            times = []
            for _ in range(8):
                begun = time.perf_counter()
                await desk.ports.passwords.verify(
                    None if username == "nobody" else "$argon2id$broken", "wrong"
                )
                times.append(time.perf_counter() - begun)
            return min(times)

        # A hash that cannot be parsed returns at once; an unknown user must not.
        assert await shortest("nobody") > await shortest("broken")


async def test_a_session_ends_by_sign_out_and_by_time(desk: Desk) -> None:
    ana, again = await desk.sign_in("ana"), await desk.sign_in("ana")
    await ana.delete("/session")
    await ana.get("/me", status=401)
    await again.get("/me")
    desk.clock.advance(timedelta(hours=13))
    await again.get("/me", status=401)


async def test_guessing_a_users_password_is_stopped_and_allowed_again_later(desk: Desk) -> None:
    for _ in range(3):
        assert (await desk.try_sign_in("ana", "wrong")).status == 401
    refused = await desk.try_sign_in("ANA ")
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 301
    assert (await desk.try_sign_in("leo")).status == 200
    desk.clock.advance(timedelta(minutes=5))
    assert (await desk.try_sign_in("ana")).status == 200


async def test_guessing_many_users_from_one_address_is_stopped(desk: Desk) -> None:
    for number in range(6):
        assert (await desk.try_sign_in(f"user{number}", "wrong")).status == 401
    assert (await desk.try_sign_in("ana")).status == 429


async def test_signing_in_correctly_does_not_use_up_attempts(desk: Desk) -> None:
    for _ in range(10):
        assert (await desk.try_sign_in("ana")).status == 200


async def test_the_cookies_are_strict_and_the_session_is_hidden_from_scripts(desk: Desk) -> None:
    answer = await desk.try_sign_in("ana")
    session, csrf = (answer.cookies[f"centralita_{name}"] for name in ("session", "csrf"))
    assert session["httponly"] and session["samesite"] == csrf["samesite"] == "Strict"
    assert not csrf["httponly"]
    assert csrf.value == (await answer.json())["csrf"]


@pytest.mark.parametrize(("proxies", "secure"), [("127.0.0.0/8", True), ("192.0.2.0/24", False)])
async def test_only_a_trusted_proxy_can_say_that_the_page_came_by_tls(
    tmp_path: Path, proxies: str, secure: bool
) -> None:
    trusted = (ipaddress.ip_network(proxies),)
    async with open_desk(tmp_path, trusted_proxies=trusted, metrics_from=trusted) as desk:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1, 198.51.100.7"}
        answer = await desk.client.post(
            "/api/v1/session", json={"username": "ana", "password": PASSWORD}, headers=forwarded
        )
        assert bool(answer.cookies["centralita_session"]["secure"]) is secure
        assert (await desk.client.get("/metrics", headers=forwarded)).status == 403


async def test_the_cookie_is_for_tls_only_where_the_site_says_so(tmp_path: Path) -> None:
    async with open_desk(tmp_path, cookie_secure=True) as desk:
        assert (await desk.try_sign_in("ana")).cookies["centralita_session"]["secure"]


async def test_a_page_acts_by_its_cookie_only_with_the_csrf_token(desk: Desk) -> None:
    csrf = (await (await desk.try_sign_in("ana")).json())["csrf"]
    path, body = "/api/v1/agents/agent_ana/status", {"status": "available"}
    assert (await desk.client.get("/api/v1/me")).status == 200
    assert (await desk.client.post(path, json=body)).status == 403
    assert (await desk.client.post(path, json=body, headers={CSRF: "x"})).status == 403
    assert (await desk.client.post(path, json=body, headers={CSRF: csrf})).status == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_page_of_another_site_can_do_nothing(desk: Desk, headers: dict[str, str]) -> None:
    csrf = (await (await desk.try_sign_in("ana")).json())["csrf"]
    answer = await desk.client.post(
        "/api/v1/agents/agent_ana/status",
        json={"status": "available"},
        headers={CSRF: csrf, **headers},
    )
    assert answer.status == 403
    sign_in = await desk.client.post(
        "/api/v1/session", json={"username": "leo", "password": PASSWORD}, headers=headers
    )
    assert sign_in.status == 403


async def test_every_endpoint_with_a_role_refuses_strangers_and_lesser_roles(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    for endpoint in ENDPOINTS:
        if endpoint.role is None:
            continue
        path = PREFIX + endpoint.path.replace("{id}", "x").replace("{version}", "1")
        stranger = await desk.client.request(endpoint.method, path, json={})
        assert stranger.status == 401, endpoint.name
        if endpoint.role != "agent":
            assert (await ana.ask(endpoint.method, path, {})).status == 403, endpoint.name


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer cs_x", "Bearer ct_x", "x"])
async def test_a_bad_authorization_is_refused(desk: Desk, header: str) -> None:
    answer = await desk.client.get("/api/v1/me", headers={"Authorization": header})
    assert answer.status == 401


async def test_an_api_token_works_in_its_role_until_revoked(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    made = await eva.post("/tokens", {"name": "crm", "role": "agent"}, status=201)
    program = type(eva)(desk.client, made["token"])
    await program.get("/customers")
    await program.get("/tokens", status=403)
    (listed,) = (await eva.get("/tokens"))["items"]
    assert listed["token"] is None
    assert listed["last_used_at"] is not None
    await eva.delete(f"/tokens/{made['id']}")
    await program.get("/customers", status=401)
    past = {"name": "x", "role": "agent", "expires_at": "2020-01-01T00:00:00Z"}
    refused = await eva.post("/tokens", past, status=400)
    assert refused["error"]["place"] == "$.expires_at"


async def test_who_came_by_https_is_told_to_come_so_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        plain = await desk.client.get("/healthz")
        assert "Strict-Transport-Security" not in plain.headers
        safe = await desk.client.get("/healthz", headers={"X-Forwarded-Proto": "https"})
        assert safe.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7, 192.0.2.5"], "198.51.100.7"),
        (["198.51.100.7, rubbish"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_a_client_cannot_choose_its_address(
    tmp_path: Path, forwarded: list[str], address: str
) -> None:
    proxies = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "192.0.2.0/24")))
    async with open_desk(tmp_path, trusted_proxies=proxies) as desk:
        headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
        wrong = {"username": "ana", "password": "wrong"}
        await desk.client.post("/api/v1/session", json=wrong, headers=headers)
        eva = await desk.sign_in("eva")
        entries = (await eva.get("/audit", action="session.sign_in"))["items"]
        assert address in [one["address"] for one in entries if one["outcome"] == "refused"]
