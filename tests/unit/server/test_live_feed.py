"""What the pages are shown while calls go on: the pop above all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from centralita.api import live_messages as live
from centralita.api.watcher import Viewer
from centralita.channels.ledger import Again, Failed, Sent, Verdict
from centralita.channels.postman import MessageMoved
from centralita.channels.protocol import Place, Trouble
from centralita.core.ids import AgentId, CustomerId, InteractionId, MessageId, OfferId
from centralita.ivr.events import FlowResumed
from centralita.routing.conversations.events import CallHeld
from centralita.routing.events import ConsultationTakenOver, OfferMade
from centralita.timeline.model import CustomerContext
from tests.support.house import ANA, SALES, House, open_center_house, shown

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        yield house


async def test_the_pop_shows_who_calls_and_goes_when_it_is_answered(house: House) -> None:
    await house.ana_is_available()
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    caller = await house.calls_in()
    house.control.presses(caller, "1")
    phone = await asyncio.wait_for(house.control.next_dialled(), 5)
    (pop,) = await shown(page, live.OfferMade)
    assert (pop.agent_id, pop.queue_id, pop.call_id) == (ANA, "sales", caller.call_id)
    entry = await house.entry_of(caller)
    assert pop.interaction_id == entry.id
    assert pop.customer is not None
    assert pop.learned["topic"] == "blue"
    assert "_hint" not in pop.learned, "that is the flow's own"
    house.control.answers(phone)
    (gone,) = await shown(page, live.OfferGone)
    assert (gone.offer_id, gone.how) == (pop.offer_id, "accepted")


async def test_a_phone_that_answers_at_once_pops_all_the_same(house: House) -> None:
    await house.ana_is_available()
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    read = house.store.context.context_for
    let = asyncio.Event()

    async def slowly(customer_id: CustomerId, now: datetime) -> CustomerContext:
        await let.wait()
        return await read(customer_id, now)

    house.store.context.context_for = slowly  # type: ignore[method-assign]
    await house.talks_to_ana()
    let.set()
    (pop,) = await shown(page, live.OfferMade)
    (gone,) = await shown(page, live.OfferGone)
    assert (gone.offer_id, gone.how) == (pop.offer_id, "accepted")


async def test_a_caller_who_hangs_up_takes_the_pop_along(house: House) -> None:
    await house.ana_is_available()
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    caller = await house.calls_in()
    house.control.presses(caller, "1")
    (pop,) = await shown(page, live.OfferMade)
    house.control.hangs_up(caller)
    (gone,) = await shown(page, live.OfferGone)
    assert (gone.offer_id, gone.how) == (pop.offer_id, "withdrawn")


async def test_wrap_up_is_shown_with_the_entry_to_write_up(house: House) -> None:
    await house.ana_is_available()
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    caller, _ = await house.talks_to_ana()
    house.control.hangs_up(caller)
    (wrap_up,) = await shown(page, live.WrapUpStarted)
    entry = await house.entry_of(caller)
    assert (wrap_up.agent_id, wrap_up.interaction_id) == (ANA, entry.id)
    await house.agents.finish_wrap_up(ANA)
    (ended,) = await shown(page, live.WrapUpEnded)
    assert ended.call_id == caller.call_id


async def test_a_supervisor_follows_a_call_to_its_end(house: House) -> None:
    await house.ana_is_available()
    page = house.supervisor()
    caller, _ = await house.talks_to_ana()
    house.control.hangs_up(caller)
    phases = []
    while "bridged" not in phases:
        (call,) = await shown(page, live.CallChanged)
        phases.append(call.state)
    # Each is said once, in the order in which they come about.
    order = ["ivr", "queued", "offered", "bridged"]
    assert sorted(set(phases), key=phases.index) == order
    (gone,) = await shown(page, live.CallGone)
    assert gone.call_id == caller.call_id


async def test_who_is_consulted_finds_it_again_after_the_server_was_replaced(house: House) -> None:
    await house.ana_is_available()
    caller, _ = await house.talks_to_ana()
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    asked = OfferMade(
        offer_id=OfferId("offer_before"), call_id=caller.call_id, agent_id=ANA, queue_id=SALES,
        at=house.clock.now(), transferred_from=AgentId("agent_bea"), consultation=True,
    )  # fmt: skip
    house.bus.publish(ConsultationTakenOver(offer=asked, talking=True))
    (pop,) = await shown(page, live.OfferMade)
    assert (pop.offer_id, pop.consultation) == ("offer_before", True)
    (gone,) = await shown(page, live.OfferGone)
    assert gone.how == "accepted"
    assert [one.offer_id for one in house.hub.accepted.values()] == ["offer_before"]


async def test_a_flow_that_stands_by_takes_no_call_out_of_an_agents_hands(house: House) -> None:
    await house.ana_is_available()
    caller, _ = await house.talks_to_ana()
    page = house.supervisor()
    assert house.hub.conversations, "the snapshot has it"
    house.bus.publish(FlowResumed(call_id=caller.call_id, node="wait", learned={}, path=()))
    now = house.clock.now()
    house.bus.publish(CallHeld(call_id=caller.call_id, agent_id=ANA, held=True, at=now))
    (call,) = await shown(page, live.CallChanged)
    assert (call.state, call.agent_id) == ("held", ANA)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Sent(at=NOON), "sent"),
        (Again(at=NOON, trouble=Trouble.BUSY, answer="451 <julia@example.org>"), "queued"),
        (Failed(trouble=Trouble.ADDRESS, answer="550 <julia@example.org>"), "failed"),
    ],
)
async def test_all_agents_hear_how_a_message_went_and_nothing_of_its_words(
    house: House, verdict: Verdict, status: str
) -> None:
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    place = Place(
        message_id=MessageId("msg_1"),
        interaction_id=InteractionId("int_1"),
        customer_id=CustomerId("cus_1"),
    )
    house.bus.publish(MessageMoved(place=place, verdict=verdict))
    (moved,) = await shown(page, live.MessageChanged)
    assert (moved.interaction_id, moved.customer_id, moved.status) == ("int_1", "cus_1", status)
    assert "julia" not in str(moved)
