"""Statuses: chosen on the page, kept over a restart; phones come and go by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.ids import AgentId
from centralita.routing.agent import PHONE_LOST, AgentState, AgentStatus
from centralita.routing.events import (
    CallLeftQueue,
    CallQueued,
    LeaveReason,
    OfferMade,
    OfferSettled,
)
from centralita.store.records import AgentRecord
from centralita.telephony.call import EndReason
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered
from tests.support.house import ANA, SALES, House, open_center_house


async def test_a_status_survives_a_restart_with_its_reason(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        assert house.board.agents[ANA].status is AgentStatus.LOGGED_OUT
        await house.agents.set_status(ANA, "on_break", "lunch")
    async with open_center_house(tmp_path) as house:
        agent = house.board.agents[ANA]
        assert (agent.status, agent.reason) == (AgentStatus.ON_BREAK, "lunch")


async def test_a_phone_that_comes_and_goes_is_seen_at_once(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        house.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        assert house.board.agents[ANA].registered
        house.bus.publish(PhoneUnregistered(extension="201"))
        assert not house.board.agents[ANA].registered


async def test_wrap_up_can_be_lengthened_and_ended_on_the_page(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        await house.ana_is_available()
        caller, _ = await house.talks_to_ana()
        house.control.hangs_up(caller)
        await house.until(lambda: house.board.agents[ANA].state is AgentState.WRAP_UP)
        await house.agents.finish_wrap_up(ANA)
        assert house.board.agents[ANA].state is AgentState.IDLE


async def test_a_phone_that_stays_away_takes_its_agent_out_until_it_is_back(tmp_path: Path) -> None:
    async with open_center_house(tmp_path, phone_grace=timedelta(milliseconds=20)) as house:
        house.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        await house.agents.set_status(ANA, "available", "")
        house.bus.publish(PhoneUnregistered(extension="201"))
        agent = house.board.agents[ANA]
        assert (agent.status, agent.free) == (AgentStatus.AVAILABLE, False)
        await house.until(lambda: house.board.agents[ANA].status is AgentStatus.ON_BREAK)
        assert house.board.agents[ANA].reason == PHONE_LOST
        assert not house.board.agents[ANA].serving
        house.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        assert house.board.agents[ANA].serving


async def test_a_phone_that_comes_back_ends_no_break_that_the_agent_chose(tmp_path: Path) -> None:
    async with open_center_house(tmp_path, phone_grace=timedelta(milliseconds=20)) as house:
        await house.agents.set_status(ANA, "on_break", "meal")
        house.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        house.bus.publish(PhoneUnregistered(extension="201"))
        house.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        agent = house.board.agents[ANA]
        assert (agent.status, agent.reason) == (AgentStatus.ON_BREAK, "meal")


async def test_a_phone_that_flaps_sends_nobody_away(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        await house.ana_is_available()
        waits = await house.calls_in()
        house.bus.publish(PhoneUnregistered(extension="201"))
        house.control.presses(waits, "1")
        await house.hears_of(CallQueued)
        assert (house.of(CallLeftQueue), house.of(OfferMade)) == ([], [])
        house.bus.publish(PhoneRegistered(extension="201", user_agent="page"))
        phone = await asyncio.wait_for(house.control.next_dialled(), 5)
        house.control.answers(phone)
        await house.until(lambda: waits.other == phone.leg_id)
        assert house.of(CallLeftQueue) == []


async def test_who_waits_for_a_phone_that_stays_away_is_sent_on(tmp_path: Path) -> None:
    async with open_center_house(tmp_path, phone_grace=timedelta(milliseconds=50)) as house:
        await house.ana_is_available()
        house.bus.publish(PhoneUnregistered(extension="201"))
        caller = await house.calls_in()
        house.control.presses(caller, "1")
        assert (await house.hears_of(CallLeftQueue)).reason is LeaveReason.EMPTY


@pytest.mark.parametrize("known", [True, False])
async def test_a_phone_that_is_rung_while_it_flaps_puts_its_agent_on_no_break(
    tmp_path: Path, known: bool
) -> None:
    """Whether the edge has told of its leaving by then, or does so afterwards."""
    async with open_center_house(tmp_path) as house:
        await house.ana_is_available()
        caller = await house.calls_in()
        house.control.presses(caller, "1")
        phone = await asyncio.wait_for(house.control.next_dialled(), 5)
        if known:
            house.bus.publish(PhoneUnregistered(extension="201"))
        house.control.refuses(phone, EndReason.UNREACHABLE)
        await house.hears_of(OfferSettled)
        if not known:
            house.bus.publish(PhoneUnregistered(extension="201"))
        house.bus.publish(PhoneRegistered(extension="201", user_agent="page"))
        agent = house.board.agents[ANA]
        assert agent.status is AgentStatus.AVAILABLE
        if known:
            again = await asyncio.wait_for(house.control.next_dialled(), 5)
            house.control.answers(again)
            await house.until(lambda: caller.other == again.leg_id)


async def lock_out(house: House) -> None:
    """Ana may not sign in any more."""
    (ana,) = [agent for agent in await house.store.agents.all() if agent.agent_id == ANA]
    await house.store.agents.put(replace(ana, active=False))
    await house.reads_directory()


async def test_a_conversation_goes_on_when_its_agent_is_locked_out_and_is_the_last(
    tmp_path: Path,
) -> None:
    async with open_center_house(tmp_path) as house:
        await house.ana_is_available()
        caller, phone = await house.talks_to_ana()
        await lock_out(house)
        assert house.board.agents[ANA].status is AgentStatus.LOGGED_OUT
        assert caller.other == phone.leg_id
        next_one = await house.calls_in(caller="600333444")
        house.control.presses(next_one, "1")
        house.control.hangs_up(caller)
        await house.until(lambda: house.board.agents[ANA].state is AgentState.WRAP_UP)
        house.dispatcher.finish_wrap_up(ANA)
        agent = house.board.agents[ANA]
        assert (agent.state, agent.status) == (AgentState.IDLE, AgentStatus.LOGGED_OUT)
        assert len(house.of(OfferMade)) == 1
        assert (await house.is_over(next_one)).call is not None


async def test_a_call_that_rings_somebody_who_is_locked_out_goes_to_the_next_agent(
    tmp_path: Path,
) -> None:
    async with open_center_house(tmp_path) as house:
        leo = AgentId("agent_leo")
        await house.store.agents.put(AgentRecord(agent_id=leo, name="Leo", extension="202"))
        queue = await house.store.queues.get(SALES)
        assert queue is not None
        await house.store.queues.put(replace(queue, agents=(*queue.agents, leo)))
        await house.reads_directory()
        await house.ana_is_available()
        house.bus.publish(PhoneRegistered(extension="202", user_agent="desk"))
        await house.agents.set_status(leo, "available", "")
        caller = await house.calls_in()
        house.control.presses(caller, "1")
        phone = await asyncio.wait_for(house.control.next_dialled(), 5)
        house.control.rings(phone)
        await lock_out(house)
        await house.until(lambda: house.end_of(phone.leg_id) is not None)
        assert house.board.agents[ANA].state is AgentState.IDLE
        rung = await asyncio.wait_for(house.control.next_dialled(), 5)
        house.control.answers(rung)
        await house.until(lambda: caller.other == rung.leg_id)
        assert house.board.conversations[caller.call_id].offer.agent_id == leo
