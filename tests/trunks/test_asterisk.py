"""Trunks to a real Asterisk: each transport, by address and by registration, in and out.

`./dev test trunks` runs these. The Asterisk is the provider: it calls our numbers, and takes what
agents call. Who talks hums a pitch of their own, and is heard by what Asterisk records and by what
the agent's phone hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.asterisk import ACCOUNT, PASSWORD, Asterisk, Channel, Line
from tests.support.hearing import ANA, CALLER, OUTSIDE, hears, steadily
from tests.support.server import ApiClient, ServerProcess
from tests.support.story import Watcher, eventually, set_queues, watcher
from tests.support.telephony import tone

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

NUMBER, DIALLED, SHOWN = "+34911234567", "+34915550123", "+34910000001"
LINES = [
    Line(transport=transport, srtp=srtp, registers=registers)
    for registers in (False, True)
    for transport, srtp in (("udp", False), ("tcp", False), ("tls", False), ("tls", True))
] + [Line(transport="udp", host="::1"), Line(transport="tcp", registers=True, host="::1")]


@dataclass
class House:
    """A server whose trunk leads to the Asterisk, the supervisor, and Ana with her phone."""

    server: ServerProcess
    asterisk: Asterisk
    sofia: Watcher
    page: ApiClient
    ana: Phone

    async def ready(self) -> None:
        """Ana takes calls, and nothing of an earlier test is left."""
        while not self.ana.incoming.empty():
            self.ana.incoming.get_nowait()
        await self.sofia.goes_home("ana")

    @asynccontextmanager
    async def called(self) -> AsyncIterator[tuple[Channel, PhoneCall]]:
        """A caller and Ana, who hear each other."""
        await self.ready()
        caller = await self.asterisk.calls(NUMBER)
        ana = await asyncio.wait_for(self.ana.incoming.get(), 15)
        ana.audio.hum(tone(ANA, 1))
        ana.accept()
        await ana.wait_answered()
        async with self._talking(caller, ana):
            yield caller, ana

    @asynccontextmanager
    async def calls(self) -> AsyncIterator[tuple[Channel, PhoneCall]]:
        """Somebody whom Ana has called, and Ana, who hear each other."""
        await self.ready()
        status, answer = await self.page.post("/calls", {"to": DIALLED, "queue_id": "sales"})
        assert status == 201, answer
        ana = await asyncio.wait_for(self.ana.incoming.get(), 10)
        ana.audio.hum(tone(ANA, 1))
        ana.accept()
        await ana.wait_answered()
        outside = await self.asterisk.is_called()
        await outside.answer()
        async with self._talking(outside, ana):
            yield outside, ana

    @asynccontextmanager
    async def _talking(self, far: Channel, ana: PhoneCall) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(far.up.wait(), 10)
            await far.hums(CALLER)
            await steadily(ana, hears(CALLER))
            await far.hears(ANA)
            yield
        finally:
            if not ana.ended.is_set():
                await ana.hang_up()
            if not far.gone.is_set():
                await far.hangs_up()
            await asyncio.wait_for(far.gone.wait(), 10)


def trunk(line: Line, asterisk: Asterisk) -> str:
    """The section of sip.conf for it."""
    peer = f"{asterisk.host}:{asterisk.port}"
    text = f"[trunk:provider]\ntransport = {line.transport}\nproxy = {peer}\n"
    if line.registers:
        password = asterisk.folder / "etc" / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        text += f"registrar = {peer}\nusername = {ACCOUNT}\npassword_file = {password}\n"
    else:
        text += f"addresses = {line.host}\n"
    if line.transport == "tls":
        text += f"tls_ca = {asterisk.certificate}\n"
    return f"{text}[number:{NUMBER}]\nflow = sales\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LINES, ids=str)
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    line: Line = request.param
    server = ServerProcess(
        tmp_path_factory.mktemp(str(line)),
        trunk="127.0.0.99",
        address="::" if ":" in line.host else "127.0.0.1",
    )
    asterisk = Asterisk(f"line-{line}-{server.ports.sip}", line)
    server.extra = trunk(line, asterisk)
    await server.prepare()
    tls = server.config().sip.tls_port
    async with asterisk.running(sip=server.ports.sip, tls=tls):
        await set_queues(
            server, wrap_up="0s", announce_recording=False, announce_outgoing=False,
            caller_id=SHOWN,
        )  # fmt: skip
        await server.start()
        async with watcher(server) as sofia, server.api("ana") as page:
            ana = await server.agent_phone("201")
            await sofia.frees("ana")
            await sofia.ready("ana")
            await eventually(lambda: _reaches_us(asterisk), "the trunk is reachable", 30)
            yield House(server, asterisk, sofia, page, ana)
            await ana.close()
        assert await server.stop() == 0


async def _reaches_us(asterisk: Asterisk) -> bool | None:
    """It knows where we are, and had an answer to OPTIONS."""
    return "Avail" in await asterisk.says("pjsip show contacts") or None


async def test_who_is_called_in_hears_and_is_heard_and_the_agent_hangs_up(house: House) -> None:
    async with house.called() as (caller, ana):
        # Who hangs up at once has not served the caller, who then waits for somebody else.
        await steadily(ana, hears(CALLER), frames=150)
        await ana.hang_up()
        await asyncio.wait_for(caller.gone.wait(), 5)


async def test_the_caller_hangs_up(house: House) -> None:
    async with house.called() as (caller, ana):
        await caller.hangs_up()
        await ana.wait_ended(5)


async def test_an_agent_calls_out_and_hangs_up(house: House) -> None:
    async with house.calls() as (outside, ana):
        assert outside.dialled == DIALLED
        await ana.hang_up()
        await asyncio.wait_for(outside.gone.wait(), 5)


async def test_who_was_called_hangs_up(house: House) -> None:
    async with house.calls() as (outside, ana):
        await outside.hangs_up()
        await ana.wait_ended(5)


async def test_the_agent_holds_and_takes_back(house: House) -> None:
    async with house.called() as (caller, ana):
        await ana.hold(True)
        await caller.hears_other_than(ANA)
        await ana.hold(False)
        await caller.hears(ANA)
        await steadily(ana, hears(CALLER))


async def test_the_other_side_holds_and_takes_back(house: House) -> None:
    async with house.calls() as (outside, ana):
        before = house.asterisk.log().count("a=recvonly")
        await outside.holds(True)

        async def agreed() -> bool | None:
            return house.asterisk.log().count("a=recvonly") > before or None

        await eventually(agreed, "the other side holds")
        await outside.holds(False)
        await outside.hears(ANA)
        await steadily(ana, hears(CALLER))


async def test_a_caller_is_handed_to_a_number_behind_the_same_trunk(house: House) -> None:
    async with house.called() as (caller, ana):
        assert await ana.refer(f"sip:{DIALLED}@centralita") == 202
        third = await house.asterisk.is_called()
        await third.answer()
        await third.hums(OUTSIDE)
        await third.hears(CALLER)
        await caller.hears(OUTSIDE)
        await ana.wait_ended(5)
        await caller.hangs_up()
        await asyncio.wait_for(third.gone.wait(), 5)


async def test_keys_arrive_both_ways(house: House) -> None:
    async with house.calls() as (outside, ana):
        ana.audio.press("4")
        await outside.becomes(digits="4")
    await house.ready()
    since = house.sofia.since
    caller = await house.asterisk.calls("100")
    await asyncio.wait_for(caller.up.wait(), 10)
    await caller.presses("1")
    ana = await asyncio.wait_for(house.ana.incoming.get(), 15)
    ana.reject()
    await caller.hangs_up()
    await house.sofia.call_of("+34600111222", since=since)


async def test_the_session_is_refreshed_in_a_long_call(house: House) -> None:
    async with house.called() as (caller, ana):
        before = house.asterisk.log().count("Session-Expires")

        async def refreshed() -> bool | None:
            return house.asterisk.log().count("Session-Expires") >= before + 2 or None

        await eventually(refreshed, "a refresh", 70)
        await caller.hears(ANA)
        await steadily(ana, hears(CALLER))


async def test_what_is_said_is_encrypted_where_it_is_wanted(house: House) -> None:
    line = house.asterisk.line
    async with house.called() as (caller, _):
        assert (await caller.variable("CHANNEL(rtp,secure)") == "1") is line.srtp
    async with house.calls() as (outside, _):
        assert (await outside.variable("CHANNEL(rtp,secure)") == "1") is line.srtp
