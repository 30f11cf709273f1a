"""Calls to the outside through a whole server, with a provider that answers as a trunk does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from centralita.server.outward import disguised
from centralita.store.store import open_store
from centralita.store.tables import OutboundCallRow
from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.vault.keyring import Keyring
from tests.support.busy import is_healthy
from tests.support.server import ApiClient, ServerProcess
from tests.support.story import Watcher, eventually, publish_flow, set_queues, watcher
from tests.support.telephony import tone

FLOW = """
flow: {name}
language: es
start: away
nodes:
  away: {{type: transfer, target: "{target}", on_failure: sorry}}
  sorry: {{type: hangup, outcome: refused}}
"""
QUEUE = """
flow: to_sales
language: es
start: wait
nodes:
  wait: {type: enqueue, queue: sales, otherwise: sorry, empty: sorry}
  sorry: {type: hangup, outcome: gave_up}
"""
# Madrid, Havana, a premium rate.
MADRID, HAVANA, PREMIUM = "+34911234567", "+5371234567", "+34803123456"
FLOWS = {
    "501": FLOW.format(name="to_madrid", target="911234567"),
    "502": FLOW.format(name="to_havana", target=HAVANA),
    "503": FLOW.format(name="to_premium", target="803123456"),
    "504": QUEUE,
}
SETTINGS = """
[trunk:acme]
addresses = 127.0.0.9
proxy = {proxy}
[outbound]
flow_time = 3s
concurrent = 2
prices = +34: 60
alert_at = 1
"""


class Provider(Phone):
    """The telephone network behind the trunk, as one phone that is called whatever the number."""

    async def rings(self) -> PhoneCall:
        return await asyncio.wait_for(self.incoming.get(), 10)

    def was_called(self) -> bool:
        return not self.incoming.empty()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[tuple[ServerProcess, Provider]]:
    """A server, and the provider of its trunk."""
    running = ServerProcess(tmp_path)
    phone = Provider("provider", running.sip, host="127.0.0.3")
    await phone.start()
    running.extra = SETTINGS.format(proxy=phone.address)
    await running.prepare()
    await set_queues(running, announce_recording=False)
    for number, text in FLOWS.items():
        await publish_flow(running, number, text)
    async with running:
        yield running, phone
    await phone.close()


@pytest.fixture
def server(house: tuple[ServerProcess, Provider]) -> ServerProcess:
    return house[0]


@pytest.fixture
def provider(house: tuple[ServerProcess, Provider]) -> Provider:
    return house[1]


@asynccontextmanager
async def calling(server: ServerProcess, number: str) -> AsyncIterator[PhoneCall]:
    phone = await server.caller("+34600111222")
    try:
        call = await phone.call(number)
        await call.wait_answered()
        yield call
    finally:
        await phone.close()


async def outbound(server: ServerProcess) -> list[OutboundCallRow]:
    """What the server has noted of calls to the outside."""
    from sqlalchemy import select

    store = await open_store(server.config().database_url)
    try:
        async with store.database.read() as session:
            statement = select(OutboundCallRow).order_by(OutboundCallRow.started_at)
            return list(await session.scalars(statement))
    finally:
        await store.close()


async def audited(admin: ApiClient, count: int) -> list[dict[str, Any]]:
    """The entries about calls to the outside, oldest first."""

    async def look() -> list[dict[str, Any]] | None:
        items: Any = (await admin.get("/audit?action=call.out"))["items"]
        return list(reversed(items)) if len(items) >= count else None

    return await eventually(look, f"{count} audit entries")


async def health(server: ServerProcess) -> dict[str, Any]:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as answer:
            part: dict[str, Any] = (await answer.json())["outbound"]
            return part


async def test_a_flow_calls_out_is_warned_and_ended_and_the_rest_is_refused(
    server: ServerProcess, provider: Provider
) -> None:
    async with server.api("admin") as admin:
        for number in ("502", "503"):
            async with calling(server, number) as call:
                await call.wait_ended()
        assert not provider.was_called()
        havana, premium = await audited(admin, 2)
        key = Keyring(server.config().keys_dir).current()
        assert (havana["who"], havana["object"], havana["outcome"]) == (
            "flow:to_havana", disguised(HAVANA, key), "refused",
        )  # fmt: skip
        assert HAVANA.removeprefix("+") not in str(havana)
        assert havana["details"]["reason"] == "not_allowed"
        assert premium["details"]["reason"] == "costly"

        async with calling(server, "501") as call:
            outside = await provider.rings()
            assert outside.invite.uri.startswith(f"sip:{MADRID}@"), "as it was judged"
            outside.accept()
            outside.audio.hum(tone(440, 1.0))
            await call.audio.until(lambda frame: frame.has_tone(450))
            # Three seconds are less than the half minute of the warning: it comes at once.
            await outside.audio.until(lambda frame: frame.has_tone(1000))
            await outside.wait_ended()
            await call.wait_ended()
        cut = (await audited(admin, 3))[-1]
        assert cut["details"]["reason"] == "cut"

        async with calling(server, "501") as call:
            await call.wait_ended()
        assert not provider.was_called()
        refused = (await audited(admin, 4))[-1]
        assert refused["details"]["reason"] == "time_of_caller"
        assert "see [outbound] flow_time" in refused["details"]["message"]
    (row,) = await outbound(server)
    assert (row.originator, row.number) == ("flow:to_madrid", MADRID)
    assert row.seconds >= 3
    part = await health(server)
    assert (part["ok"], part["detail"]["running"]) == (False, 0)
    assert "see [outbound] alert_at" in part["message"]


async def test_an_agent_keeps_a_caller_who_may_not_be_sent_there_and_answers_for_the_others(
    server: ServerProcess, provider: Provider
) -> None:
    ana = await server.agent_phone("201")
    try:
        async with watcher(server) as sofia, server.api("admin") as admin:
            await sofia.frees("ana")
            await sofia.ready("ana")
            async with calling(server, "504") as call:
                desk = await asyncio.wait_for(ana.incoming.get(), 10)
                desk.accept()
                await talk(call, desk)
                assert await desk.refer(f"sip:{HAVANA}@centralita") == 202
                (refused,) = await audited(admin, 1)
                assert (refused["who"], refused["details"]["reason"]) == (
                    "agent_ana", "not_allowed",
                )  # fmt: skip
                await talk(call, desk)  # and both are still there
                assert not provider.was_called()

                assert await desk.refer("sip:911234567@centralita") == 202
                outside = await provider.rings()
                outside.accept()
                await talk(call, outside)
                await call.hang_up()
                await outside.wait_ended()
            await journal_names_the_refusal(sofia)
    finally:
        await ana.close()
    (row,) = await outbound(server)
    assert (row.originator, row.number) == ("agent:agent_ana", MADRID)


async def talk(one: PhoneCall, other: PhoneCall) -> None:
    """Each hears the other one's pitch."""
    one.audio.hum(tone(600, 1.0))
    other.audio.hum(tone(440, 1.0))
    await asyncio.gather(
        one.audio.until(lambda frame: frame.has_tone(450)),
        other.audio.until(lambda frame: frame.has_tone(600)),
    )


async def journal_names_the_refusal(sofia: Watcher) -> None:
    call = await sofia.call_of("+34600111222")
    refusals = [event for event in call["events"] if event["type"] == "transfer_refused"]
    assert len(refusals) == 1
    assert "see [outbound] allow" in refusals[0]["data"]["reason"]


async def test_another_brain_goes_on_counting_the_calls_that_are_out(
    server: ServerProcess, provider: Provider
) -> None:
    ana = await server.agent_phone("201")
    try:
        async with watcher(server) as sofia:
            await sofia.frees("ana")
            await sofia.ready("ana")
            async with calling(server, "504") as call:
                desk = await asyncio.wait_for(ana.incoming.get(), 10)
                desk.accept()
                await talk(call, desk)
                assert await desk.refer("sip:911234567@centralita") == 202
                outside = await provider.rings()
                outside.accept()
                await talk(call, outside)
                first = server.brain
                first.send_signal(signal.SIGKILL)
                await asyncio.to_thread(first.wait, 10)
                await is_healthy(server)
                await talk(call, outside)
                assert (await health(server))["detail"]["running"] == 1
                (row,) = await outbound(server)
                assert row.ended_at is None
                await call.hang_up()
                await outside.wait_ended()
    finally:
        await ana.close()

    async def closed() -> OutboundCallRow | None:
        (row,) = await outbound(server)
        return row if row.ended_at is not None else None

    row = await eventually(closed, "the call is over in the ledger")
    assert row.seconds > 0


@pytest.mark.parametrize("count", [3])
async def test_no_more_calls_go_out_at_once_than_may(
    server: ServerProcess, provider: Provider, count: int
) -> None:
    phones = [await server.caller(f"+3460011122{n}") for n in range(count)]
    try:
        calls = [await phone.call("501") for phone in phones]
        await asyncio.gather(*(call.wait_answered() for call in calls))
        ends = [asyncio.ensure_future(call.wait_ended(20)) for call in calls]  # noqa: TID251
        first, second = await provider.rings(), await provider.rings()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert not provider.was_called()
        for outside in (first, second):
            outside.reject(486)
        await asyncio.gather(*ends)
        assert len(await outbound(server)) == 2
    finally:
        for phone in phones:
            await phone.close()
