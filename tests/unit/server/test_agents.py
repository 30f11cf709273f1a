"""Statuses: chosen on the page, kept over a restart; phones come and go by themselves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from centralita.routing.agent import PHONE_LOST, AgentState, AgentStatus
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered
from tests.support.house import ANA, open_center_house


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
        assert (agent.status, agent.serving) == (AgentStatus.AVAILABLE, False)
        await house.until(lambda: house.board.agents[ANA].status is AgentStatus.ON_BREAK)
        assert house.board.agents[ANA].reason == PHONE_LOST
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
