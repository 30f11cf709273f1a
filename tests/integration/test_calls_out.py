"""Calls out by several trunks, through a whole server: strict providers on raw sockets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.provider import PASSWORD, USERNAME, Provider
from tests.support.server import ApiClient, ServerProcess
from tests.support.sip import SDP, Message, stream_party, udp_party
from tests.support.story import Watcher, publish_flow, set_queues, watcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = "+34910000001"
FLOW = """
flow: {name}
language: es
start: away
nodes:
  away: {{type: transfer, target: "{target}", on_failure: sorry}}
  sorry: {{type: hangup, outcome: refused}}
"""
SETTINGS = """
[trunk:acme]
registrar = {acme}
username = {username}
password_file = {password}
number_format = 00
[trunk:spare]
addresses = {spare_address}
proxy = {spare}
priority = 20
[trunk:pbx]
addresses = {pbx_address}
proxy = {pbx}
calls_to = 3XX
[outbound]
allow = +34, 301
"""


@dataclass
class House:
    """The server, Ana at her page and her phone, and the three trunks."""

    server: ServerProcess
    sofia: Watcher
    page: ApiClient
    ana: Phone
    acme: Provider
    spare: Provider
    pbx: Provider

    @asynccontextmanager
    async def ana_calls(self, number: str, queue: str = "sales") -> AsyncIterator[PhoneCall]:
        """Ana presses a number on her page and picks up her phone."""
        await self.sofia.frees("ana")
        await self.sofia.ready("ana")
        status, answer = await self.page.post("/calls", {"to": number, "queue_id": queue})
        assert status == 201, answer
        call = await asyncio.wait_for(self.ana.incoming.get(), 10)
        call.accept()
        yield call
        await call.wait_ended(15)

    async def ended_by(self, number: str) -> str:
        """How the last call to that number ended."""
        call: Any = await self.sofia.call_of(number)
        return str(call["ended_by"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    server = ServerProcess(folder, trunk="127.0.0.2")
    async with AsyncExitStack() as stack:
        acme, spare, pbx = [
            Provider(await stack.enter_async_context(udp_party(f"127.0.0.{number}")), server.sip)
            for number in (3, 4, 5)
        ]
        server.extra = SETTINGS.format(
            acme=_at(acme), username=USERNAME, password=_password(folder),
            spare=_at(spare), spare_address=spare.party.local[0],
            pbx=_at(pbx), pbx_address=pbx.party.local[0],
        )  # fmt: skip
        await server.prepare()
        await set_queues(
            server, wrap_up="0s", announce_recording=False, announce_outgoing=False,
            caller_id=OURS,
        )  # fmt: skip
        await set_queues(server, ["support"], hide_number=True)
        await publish_flow(server, "501", FLOW.format(name="away", target="911234571"))
        await publish_flow(server, "502", FLOW.format(name="to_luis", target="202"))
        await server.start()
        await acme.registers_us()
        sofia = await stack.enter_async_context(watcher(server))
        page = await stack.enter_async_context(server.api("ana"))
        ana = await server.agent_phone("201")
        yield House(server, sofia, page, ana, acme, spare, pbx)
        await ana.close()
        assert await server.stop() == 0


def _at(provider: Provider) -> str:
    host, port = provider.party.local
    return f"{host}:{port}"


def _password(folder: Path) -> Path:
    file = folder / "acme"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    return file


def user_of(header: str) -> str:
    found = re.search(r"sip:([^@>;]*)@", header)
    assert found is not None, header
    return found[1]


async def invited(provider: Provider, number: str, *, answered: bool = False) -> Message:
    """The INVITE for that number; what is repeated of others is passed over."""
    while True:
        invite = await provider.request("INVITE", answered=answered)
        if user_of(invite.uri) == number:
            return invite


async def accepted(provider: Provider, number: str) -> Message:
    """The INVITE, as a registrar takes it that knows its customers by From and by digest."""
    first = await invited(provider, number)
    assert user_of(first["from"]) == USERNAME
    provider.challenges(first)
    second = await invited(provider, number, answered=True)
    assert provider.right(second)
    assert user_of(second["from"]) == USERNAME
    assert "invalid" not in second.first_line + second["to"] + second["from"]
    return second


async def hangs_up(provider: Provider, invite: Message) -> None:
    """Take the BYE that ends the call."""
    provider.answers(await provider.party.receive_request("BYE", timeout=10))


async def test_where_we_register_we_are_the_account_and_the_number_stands_beside(
    house: House,
) -> None:
    async with house.ana_calls("911234567"):
        invite = await accepted(house.acme, "0034911234567")
        host = house.acme.party.local[0]
        assert f"sip:0034911234567@{host}" in invite["to"]
        assert f"@{host}" in invite["from"]
        assert user_of(invite["p-asserted-identity"]) == "0034910000001"
        house.acme.answers(invite, 486, "Busy Here")
    assert await house.ended_by("+34911234567") == "busy"


async def test_a_queue_that_hides_its_number_tells_it_to_the_provider_alone(house: House) -> None:
    async with house.ana_calls("911234572", "support"):
        first = await invited(house.acme, "0034911234572")
        assert "sip:anonymous@anonymous.invalid" in first["from"]
        assert first["privacy"] == "id"
        assert user_of(first["p-asserted-identity"]) == "0034910000001"
        house.acme.answers(first, 603, "Decline")
    assert await house.ended_by("+34911234572") == "declined"


@pytest.mark.parametrize("by_phone", [False, True], ids=["click", "phone"])
async def test_an_agent_hides_the_number_for_one_call_as_on_a_mobile_phone(
    house: House, by_phone: bool
) -> None:
    async def refused(number: str, hidden: bool) -> None:
        first = await invited(house.acme, f"0034{number}")
        assert ("privacy" in first) is hidden
        house.acme.answers(first, 486, "Busy Here")
        assert await house.ended_by(f"+34{number}") == "busy"

    numbers = ("911234581", "911234582") if by_phone else ("911234583", "911234584")
    for number, prefix in zip(numbers, ("#31#", "*31#"), strict=True):
        hidden = prefix == "#31#"
        if not by_phone:
            async with house.ana_calls(prefix + number):
                await refused(number, hidden)
            continue
        await house.sofia.frees("ana")
        await house.sofia.ready("ana")
        call = await house.ana.call(quote(prefix + number))
        await refused(number, hidden)
        await call.wait_ended(15)


async def test_the_next_trunk_takes_the_call_when_the_first_cannot(house: House) -> None:
    async with house.ana_calls("911234568") as ana:
        house.acme.answers(await accepted(house.acme, "0034911234568"), 503, "Overloaded")
        invite = await invited(house.spare, "+34911234568")
        assert user_of(invite["from"]) == OURS
        assert "p-asserted-identity" not in invite
        house.spare.answers(invite, 180, "Ringing")
        house.spare.answers(invite, body=SDP)
        await house.spare.party.receive_request("ACK")
        await ana.hang_up()
        await hangs_up(house.spare, invite)


async def test_a_trunk_that_says_nothing_is_passed_over_within_seconds(house: House) -> None:
    async with house.ana_calls("911234569"):
        first = await invited(house.acme, "0034911234569")
        began = time.monotonic()
        invite = await invited(house.spare, "+34911234569")
        assert time.monotonic() - began < 8
        # It wakes up in the middle of it: nobody's phone may ring for a call that is elsewhere.
        house.acme.answers(first, 180, "Ringing")
        await house.acme.party.receive_request("CANCEL")
        house.spare.answers(invite, 404, "Not Found")
    assert await house.ended_by("+34911234569") == "no_such_number"


async def test_when_no_trunk_can_the_agent_is_told_that_the_line_is_down(house: House) -> None:
    async with house.ana_calls("911234570") as ana:
        house.acme.answers(await accepted(house.acme, "0034911234570"), 500, "Broken")
        await invited(house.spare, "+34911234570")
        began = time.monotonic()
        await ana.wait_ended(15)
        assert time.monotonic() - began < 8
    assert await house.ended_by("+34911234570") == "line_down"


async def test_a_short_number_goes_to_the_exchange_that_knows_it(house: House) -> None:
    async with house.ana_calls("301"):
        invite = await invited(house.pbx, "301")
        house.pbx.answers(invite, 480, "Not Here")
    assert await house.ended_by("301") == "unreachable"


@pytest.mark.parametrize("transport", ["udp", "tls"])
async def test_a_phone_is_offered_encrypted_audio_first_where_it_registered_by_tls(
    house: House, transport: str
) -> None:
    server = house.server
    opened = (
        stream_party(("127.0.0.1", server.config().sip.tls_port), tls=True)
        if transport == "tls"
        else udp_party("127.0.0.9")
    )
    caller = await Phone("+34600111222", server.sip, host="127.0.0.2").start()
    async with opened as luis:
        _, accepted = await luis.register(server.sip, "202", server.phones["202"])
        assert accepted.status == 200
        await house.sofia.agent_becomes("luis", registered=True)
        call = await caller.call("502")
        await call.wait_answered()
        for encrypted in (transport == "tls", transport == "udp"):
            invite = await luis.receive_request("INVITE")
            assert ("RTP/SAVP" in invite.body) is encrypted
            luis.send(luis.answer(invite, 488, "Not Acceptable Here"), server.sip)
            await luis.receive_request("ACK")
        await call.wait_ended()
        await luis.register(server.sip, "202", server.phones["202"], expires=0)
        await house.sofia.agent_becomes("luis", registered=False)
    await caller.close()


async def test_a_caller_who_is_sent_on_is_shown_with_the_number_that_was_called(
    house: House,
) -> None:
    caller = await Phone("+34600111222", house.server.sip, host="127.0.0.2").start()
    try:
        call = await caller.call("501")
        await call.wait_answered()
        house.acme.answers(await accepted(house.acme, "0034911234571"), 503, "Overloaded")
        invite = await invited(house.spare, "+34911234571")
        assert user_of(invite["from"]) == "+34600111222"
        assert user_of(invite["diversion"]) == "501"
        house.spare.answers(invite, 486, "Busy Here")
        await call.wait_ended()
    finally:
        await caller.close()
