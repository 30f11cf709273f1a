"""The switch: who is let in, what the flow knows of a caller, and a database in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.ivr.events import FlowEnded
from centralita.server.switch import header_variables
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from centralita.timeline.directory import Caller
from tests.support.house import House, open_center_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        yield house


async def learned(house: House) -> dict[str, str]:
    return dict((await house.hears_of(FlowEnded)).variables)


def test_headers_become_variables_that_a_flow_can_name() -> None:
    assert header_variables({"X-Level": "gold", "x-account.no": "7"}) == {
        "header_x_level": "gold",
        "header_x_account_no": "7",
    }


async def test_a_number_that_nothing_answers_is_refused_as_unreachable(house: House) -> None:
    leg = house.control.arrives("404")
    await house.until(lambda: house.end_of(leg.leg_id) is EndReason.UNREACHABLE)
    assert not leg.answered
    assert await house.store.interactions.by_call(leg.call_id) is None


async def test_a_new_caller_gets_a_provisional_customer_and_an_entry(house: House) -> None:
    caller = await house.calls_in(caller="600111222")
    entry = await house.entry_of(caller)
    assert entry.customer_id is not None
    customer = await house.store.customers.get(entry.customer_id)
    assert customer is not None
    assert customer.provisional
    assert [identity.value for identity in customer.identities] == ["+34600111222"]
    house.control.hangs_up(caller)
    variables = await learned(house)
    assert variables["customer_id"] == entry.customer_id
    assert variables["customer_known"] == ""


async def test_the_entry_keeps_what_was_learned_and_not_what_is_the_flows_own(
    house: House,
) -> None:
    await house.ana_is_available()
    caller, _ = await house.talks_to_ana()
    house.control.hangs_up(caller)
    entry = await house.is_over(caller)
    assert entry.call is not None
    assert entry.call.learned["topic"] == "blue"
    assert "_hint" in await learned(house)
    assert "_hint" not in entry.call.learned


async def test_a_trunk_with_a_region_of_its_own_is_read_in_its_form(house: House) -> None:
    caller = await house.calls_in(caller="0612345678", trunk="paris")
    entry = await house.entry_of(caller)
    assert entry.call is not None
    assert entry.call.caller == "+33612345678"


async def test_a_withheld_number_stays_without_a_customer(house: House) -> None:
    caller = await house.calls_in(caller="")
    house.control.presses(caller, "3")
    entry = await house.is_over(caller)
    assert entry.customer_id is None


@pytest.mark.parametrize(
    ("caller", "trunk"),
    [("000000000", ""), ("-", "paris"), ("oculto", ""), ("+anonymous", ""), ("cuenta77", "paris")],
)
async def test_what_a_trunk_writes_for_a_hidden_number_makes_no_customer(
    house: House, caller: str, trunk: str
) -> None:
    leg = await house.calls_in(caller=caller, trunk=trunk)
    house.control.presses(leg, "3")
    entry = await house.is_over(leg)
    assert entry.customer_id is None
    assert entry.call is not None
    assert entry.call.caller == ""


@pytest.mark.parametrize(
    "dialled", ["+34911000111", "911000111", "0034911000111", "34911000111", "911 000 111"]
)
async def test_a_number_is_answered_however_the_trunk_writes_it(house: House, dialled: str) -> None:
    (flow,) = await house.store.flows.all()
    await house.store.flows.publish(flow.flow_id, flow.version, numbers=("+34911000111",))
    await house.reads_directory()
    assert house.center.flow_for(dialled).name == flow.flow_id
    assert house.center.answers(dialled)
    assert not house.center.answers("911000112")


class Trouble:
    """A directory whose database fails, or answers when it is let."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.fails = False
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self._who_is = house.directory.who_is
        house.directory.who_is = self.who_is  # type: ignore[method-assign]

    async def call_looked_up(self) -> FakeLeg:
        """A call that has come as far as the database."""
        leg = self._house.control.arrives("100")
        await self.asked.wait()
        return leg

    async def who_is(self, caller: str, region: str | None = None) -> Caller:
        self.asked.set()
        if self.fails:
            raise OSError("the database is down")
        await self.let.wait()
        return await self._who_is(caller, region)


async def test_without_a_database_the_call_goes_on_anonymously(house: House) -> None:
    trouble = Trouble(house)
    trouble.fails = True
    caller = await house.calls_in()
    house.control.presses(caller, "3")
    await house.until(lambda: house.end_of(caller.leg_id) is EndReason.FLOW_ENDED)
    variables = await learned(house)
    assert variables["customer_id"] == ""
    assert variables["caller"] == "600111222"


async def test_a_slow_database_delays_the_flow_by_a_second_and_the_answer_not_at_all(
    house: House,
) -> None:
    Trouble(house)
    began = asyncio.get_running_loop().time()
    leg = house.control.arrives("100")
    await house.until(lambda: leg.answered)
    assert asyncio.get_running_loop().time() - began < 0.9
    caller = await house.calls_in()
    assert asyncio.get_running_loop().time() - began < 2.5
    house.control.presses(caller, "3")
    await house.until(lambda: house.end_of(caller.leg_id) is EndReason.FLOW_ENDED)


async def test_an_entry_stored_during_the_lookup_has_the_customer_that_the_flow_knows(
    house: House,
) -> None:
    trouble = Trouble(house)
    leg = await trouble.call_looked_up()
    entry = await house.entry_of(leg)  # the disk was faster than the database
    await house.until(lambda: leg.answered)
    # What is pressed before the flow begins is an answer to its first question.
    house.control.presses(leg, "3")
    trouble.let.set()
    await house.is_over(leg)
    assert entry.customer_id is not None
    assert (await learned(house))["customer_id"] == entry.customer_id


async def test_a_caller_gone_during_the_lookup_leaves_a_finished_entry(house: House) -> None:
    trouble = Trouble(house)
    leg = await trouble.call_looked_up()
    house.control.hangs_up(leg)
    trouble.let.set()
    entry = await house.is_over(leg)
    assert entry.ended_at is not None
    assert entry.call is not None
    assert entry.call.ended_by in {"cancelled", "remote_hangup"}
    assert house.switch.drivers == {}


async def test_a_caller_gone_at_once_holds_nothing(house: House) -> None:
    leg = house.control.arrives("100")
    house.control.hangs_up(leg)
    entry = await house.is_over(leg)
    assert entry.call is not None
    assert entry.call.ended_by == "cancelled"
    assert house.switch.drivers == {}


async def test_a_house_that_closes_refuses_new_calls_and_ends_the_others(house: House) -> None:
    waiting = await house.calls_in()
    await house.switch.drain(0.05)
    assert house.end_of(waiting.leg_id) is EndReason.SHUTDOWN
    late = house.control.arrives("100")
    await house.until(lambda: house.end_of(late.leg_id) is EndReason.SHUTDOWN)
    assert not late.answered


async def test_a_house_that_closes_waits_for_the_call_that_is_being_looked_up(
    house: House,
) -> None:
    trouble = Trouble(house)
    leg = await trouble.call_looked_up()
    closing = asyncio.gather(house.switch.drain(0.05))
    trouble.let.set()
    await asyncio.wait_for(closing, 5)
    assert house.end_of(leg.leg_id) is EndReason.SHUTDOWN


async def test_closing_waits_for_a_call_that_ends_in_time(house: House) -> None:
    caller = await house.calls_in()
    closing = asyncio.gather(house.switch.drain(5))
    house.control.presses(caller, "3")
    await asyncio.wait_for(closing, 4)
    assert house.end_of(caller.leg_id) is EndReason.FLOW_ENDED
