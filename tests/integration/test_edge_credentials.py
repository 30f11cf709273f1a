"""Who is let in by digest, and who is not, whatever name he gives."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from centralita.telephony.edge.config import EdgeRegistration, EdgeTrunk, ha1
from tests.support.edge import RunningEdge, edge_config, free_port, phone, running_edge
from tests.support.sip import (
    SDP,
    Message,
    Party,
    authorization,
    page_party,
    stream_party,
    udp_party,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = "http://127.0.0.1:8080"
PHONES = (phone("201", "secret"), phone("202", "other"))
ACCOUNT = "34911000111"
NO_PASSWORD = b"x" * 32


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls() -> AsyncIterator[Party]:
    """The media worker, whom calls reach."""
    async with udp_party() as party:
        yield party


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(
    tmp_path_factory: pytest.TempPathFactory, calls: Party
) -> AsyncIterator[RunningEdge]:
    """An edge with two phones, a page, and a trunk where we have an account."""
    async with udp_party("127.0.0.3") as provider:
        host, port = provider.local
        account = EdgeRegistration(registrar=host, port=port, username=ACCOUNT, password="p")
        config = replace(
            edge_config(tmp_path_factory.mktemp("edge"), [calls.local]),
            trunks=(EdgeTrunk(name="acme", registration=account),),
            ws_port=free_port(),
            origins=(ORIGIN,),
            flood_requests=100_000,
            guesses=100_000,
            guesses_of_address=100_000,
        )
        async with running_edge(config, PHONES) as running:
            await running.control.admit_page("201", ha1("201", "centralita", "of the page"))
            yield running


@pytest_asyncio.fixture(loop_scope="module", params=["udp", "tcp", "ws"])
async def stranger(edge: RunningEdge, request: pytest.FixtureRequest) -> AsyncIterator[Party]:
    """Somebody without a password, by each way there is."""
    async with AsyncExitStack() as stack:
        if request.param == "udp":
            yield await stack.enter_async_context(udp_party("127.0.0.66"))
        elif request.param == "tcp":
            yield await stack.enter_async_context(stream_party(edge.address))
        else:
            url = f"ws://127.0.0.1:{edge.edge.config.ws_port}"
            yield await stack.enter_async_context(page_party(url, origin=ORIGIN))


class Caller:
    """Answers challenges as whoever he wants to be."""

    def __init__(self, edge: RunningEdge, party: Party) -> None:
        self._edge, self._party = edge, party

    async def asks(self, method: str, user: str, secret: bytes) -> Message:
        """The answer to a request with the digest that `secret` gives in the place of HA1."""
        uri = "sip:100@centralita" if method == "INVITE" else "sip:centralita"
        call_id = secrets.token_hex(8)
        # What no URI can hold may still stand in the digest.
        named = user if re.fullmatch(r"[\w/~.-]+", user) else "201"

        def attempt(extra: str) -> str:
            return self._party.request(
                method,
                uri,
                user=named,
                to=f"sip:{named}@centralita",
                call_id=call_id,
                extra=extra,
                body=SDP if method == "INVITE" else "",
                expires=60 if method == "REGISTER" else None,
            )

        self._party.send(attempt(""), self._edge.address)
        challenge = await self._party.receive_answer(method)
        if challenge.status not in {401, 407}:
            return challenge
        kind = "www-authenticate" if challenge.status == 401 else "proxy-authenticate"
        line = authorization(challenge[kind], method, uri, user, "", secret=secret)
        name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        self._party.send(attempt(f"{name}: {line}"), self._edge.address)
        return await self._party.receive_answer(method)


UNKNOWN_NAMES = (
    "999",
    "edge",
    "acme/username",
    "acme/password",
    "trunk/acme/username",
    "accounts",
    "",
    "201~page",
    "$sht(accounts=>acme/username)",
    "$var(ha1)",
    "201/",
    "2" * 300,
)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
async def test_nobody_comes_in_under_a_name_that_is_not_a_phones(
    edge: RunningEdge, stranger: Party, method: str
) -> None:
    caller = Caller(edge, stranger)
    # What may stand where Kamailio compares: the entry itself, with whatever was there before.
    guesses = [
        NO_PASSWORD,
        b"",
        ACCOUNT.encode(),
        (ACCOUNT.encode() + b"\0").ljust(32, b"x"),
        b"p\0".ljust(32, b"x"),
        ACCOUNT.encode().ljust(32, b"\0"),
    ]
    for name in UNKNOWN_NAMES:
        for guess in guesses:
            # somebody unknown leaves his 32 letters there
            await caller.asks("OPTIONS", "nobody", b"y" * 32)
            answer = await caller.asks(method, name, guess)
            assert answer.status in {400, 401, 407}, f"{name} {guess!r}: {answer.first_line}"
    assert await edge.control.registrations() == {}


async def test_a_page_and_a_phone_come_in_by_their_own_ways(
    edge: RunningEdge, stranger: Party
) -> None:
    caller = Caller(edge, stranger)
    by_page = ha1("201", "centralita", "of the page").encode()
    by_phone = ha1("201", "centralita", "secret").encode()
    right, wrong = (by_page, by_phone) if stranger.transport_name == "ws" else (by_phone, by_page)
    assert (await caller.asks("REGISTER", "201", wrong)).status == 401
    assert (await caller.asks("REGISTER", "201", right)).status == 200
    for name in await edge.control.registrations():
        await edge.control.forget_phone(name, "centralita")


# ---- credentials that somebody has seen on the wire ------------------------------------------


def _register(party: Party, line: str, *, contact: str = "", more: str = "") -> str:
    text = party.request(
        "REGISTER",
        "sip:centralita",
        user="201",
        to="sip:201@centralita",
        extra=f"{more}Authorization: {line}" if line else "",
        expires=60,
    )
    if contact:
        text = re.sub(r"(?m)^Contact: .*\r$", f"Contact: <{contact}>\r", text)
    return text


async def _challenge(edge: RunningEdge, party: Party, method: str) -> str:
    party.send(party.request(method, "sip:centralita", body=""), edge.address)
    answer = await party.receive()
    kind = "www-authenticate" if answer.status == 401 else "proxy-authenticate"
    return answer[kind]


async def test_a_registration_that_was_seen_cannot_be_sent_again_by_others(
    edge: RunningEdge,
) -> None:
    async with udp_party("127.0.0.21") as desk, udp_party("127.0.0.88") as thief:
        challenge = await _challenge(edge, desk, "REGISTER")
        line = authorization(challenge, "REGISTER", "sip:centralita", "201", "secret")
        seen = _register(desk, line)
        desk.send(seen, edge.address)
        assert (await desk.receive()).status == 200
        # from elsewhere, and, forged, from the same address with a contact of the thief's
        for party in (thief, desk):
            party.send(_register(party, line, contact="sip:201@127.0.0.88"), edge.address)
            answer = await party.receive()
            assert answer.status == 401
            assert "stale=true" in answer["www-authenticate"]
        # what is looked at is what is checked: other credentials before them do not help
        other = line.replace('realm="centralita"', 'realm="other"').replace("nonce=", "nonce_=")
        for more, status in (
            (f"Authorization: {other}\r\n", 401),
            (f"Proxy-Authorization: {other}\r\n", 400),
            (f"Authorization: {line.replace('response=', 'opaque=')}\r\n", 401),
        ):
            text = _register(desk, line, contact="sip:201@127.0.0.88", more=more)
            desk.send(text, edge.address)
            assert (await desk.receive()).status == status
        # a phone whose answer was lost says the same again, and one that counts needs no challenge
        desk.send(seen, edge.address)
        assert (await desk.receive()).status == 200
        for count in (2, 3):
            again = authorization(
                challenge, "REGISTER", "sip:centralita", "201", "secret", count=count
            )
            desk.send(_register(desk, again), edge.address)
            assert (await desk.receive()).status == 200
        found = await edge.control.registrations()
        assert "127.0.0.88" not in found["201"].contact
        await edge.control.forget_phone("201", "centralita")


async def test_credentials_for_one_call_make_no_other(edge: RunningEdge, calls: Party) -> None:
    async with udp_party("127.0.0.21") as desk, udp_party("127.0.0.88") as thief:
        challenge = await _challenge(edge, desk, "OPTIONS")

        def invite(party: Party, number: str, line: str) -> str:
            return party.request(
                "INVITE",
                f"sip:{number}@centralita",
                user="201",
                extra=f"Proxy-Authorization: {line}",
                body=SDP,
            )

        line = authorization(challenge, "INVITE", "sip:100@centralita", "201", "secret")
        for party in (desk, thief):
            party.send(invite(party, "190", line), edge.address)
            assert (await party.receive()).status == 407
        desk.send(invite(desk, "100", line), edge.address)
        assert (await calls.receive_request("INVITE")).uri.startswith("sip:100@")
        for party in (desk, thief):
            party.send(invite(party, "100", line), edge.address)
            assert (await party.receive_answer("INVITE")).status == 407
        # the host may be written otherwise, and the next call needs no challenge
        line = authorization(
            challenge, "INVITE", "sip:100@127.0.0.1:5060", "201", "secret", count=2
        )
        desk.send(invite(desk, "100", line), edge.address)
        assert (await calls.receive_request("INVITE")).uri.startswith("sip:100@")
