"""Offers that nobody means well with, made to a running server by a real call."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.hostile_sdp import hostile_offers
from tests.support.server import ServerProcess, lives
from tests.support.wire import Wire, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFERS = tuple(hostile_offers())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path_factory.mktemp("sdp")) as running:
        before = lives(running)
        yield running
        assert lives(running) == before, running.tail()


def _invite(caller: Wire, call_id: str, body: bytes, *more: str) -> bytes:
    host, port = caller.local
    lines = (
        "INVITE sip:100@centralita SIP/2.0",
        f"Via: SIP/2.0/TCP {host}:{port};rport;branch=z9hG4bK{call_id}",
        "Max-Forwards: 70",
        f"From: <sip:+34600999000@centralita>;tag={call_id}",
        "To: <sip:100@centralita>",
        f"Call-ID: {call_id}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:hostile@{host}:{port};transport=tcp>",
        "Content-Type: application/sdp",
        *more,
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("number", "name", "body", "right"),
    [(number, *offer) for number, offer in enumerate(OFFERS)],
    ids=[name.replace(" ", "_") for name, _, _ in OFFERS],
)
async def test_a_hostile_offer_is_refused_clearly_or_works(
    server: ServerProcess, number: int, name: str, body: bytes, right: frozenset[int]
) -> None:
    # The stream takes what a datagram cannot.
    async with wire(server.sip, "tcp") as caller:
        caller.send(_invite(caller, f"hostile{number}", body))
        status = await caller.final(within=10)
        print(name, len(body), status)
        assert status in right
        caller.leave_calls()
        await caller.probe()


async def test_an_answer_that_the_caller_could_not_read_is_406(server: ServerProcess) -> None:
    async with wire(server.sip, "tcp") as caller:
        offer = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        offer += b"m=audio 40000 RTP/AVP 8\r\n"
        caller.send(_invite(caller, "unreadable", offer, "Accept: text/nobodyKnowsThis"))
        assert await caller.final() == 406


async def test_a_call_works_afterwards(server: ServerProcess) -> None:
    phone = await server.caller()
    call = await phone.call("100")
    await call.wait_answered()
    await call.audio.sound()
    await call.hang_up()
    await phone.close()
