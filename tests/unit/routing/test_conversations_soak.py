"""Whatever callers, agents and third parties do, in whatever order: in the end nobody is stuck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from centralita.core.errors import CentralitaError
from centralita.core.ids import AgentId
from centralita.routing.agent import AgentState
from centralita.routing.conversations.exchange import (
    Cancel,
    Complete,
    Confer,
    Hold,
    Resume,
    Swap,
)
from centralita.routing.conversations.targets import ToAgent, ToNumber, ToQueue
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from tests.support.center import Caller, Center, open_center
from tests.unit.routing.test_conversations import AGENTS, BILLING, SALES

VIRTUAL_TIME = True

SIMPLE = (Hold(), Resume(), Swap(), Complete(), Confer(), Cancel())
TARGETS = (
    ToAgent(agent_id=AgentId("ana")),
    ToAgent(agent_id=AgentId("bea")),
    ToAgent(agent_id=AgentId("leo")),
    ToNumber(number="+34911234567"),
    ToQueue(queue_id=BILLING.queue_id),
    ToQueue(queue_id=SALES.queue_id),
)


class Chance:
    """Somebody does something."""

    def __init__(self, center: Center, seed: int) -> None:
        self.center = center
        self.dice = random.Random(seed)
        self.callers: list[Caller] = []

    async def step(self) -> None:
        deeds: list[Callable[[], Awaitable[None]]] = [
            self.calls,
            self.a_leg,
            self.a_leg,
            self.a_leg,
            self.a_conversation,
            self.a_conversation,
            self.a_conversation,
            self.parking,
            self.time,
        ]
        try:
            await self.dice.choice(deeds)()
        except CentralitaError:
            pass  # it could not be done as things stood
        if self.dice.random() < 0.7:  # or else the next thing happens in the same instant
            await asyncio.sleep(0.05)

    async def calls(self) -> None:
        if len(self.callers) < 3:
            self.callers.append(await self.center.dial())

    async def a_leg(self) -> None:
        """A phone is picked up, refuses, hangs up, or holds."""
        legs = list(self.center.control.legs.values())
        if not legs:
            return
        leg: FakeLeg = self.dice.choice(legs)
        control = self.center.control
        if not leg.answered:
            self.dice.choice([control.answers, control.answers, control.refuses])(leg)
        elif self.dice.random() < 0.3:
            control.holds(leg, self.dice.random() < 0.5)
        elif self.dice.random() < 0.3:
            control.refers(leg, self.dice.choice(["sip:201@c", "sip:202@c", "sip:911@c"]))
        elif self.dice.random() < 0.3:
            control.refuses(leg, self.dice.choice([EndReason.REMOTE_HANGUP, EndReason.WORKER_LOST]))

    async def a_conversation(self) -> None:
        """An agent does something on the page."""
        desk = self.center.dispatcher.desk
        if not desk.exchanges:
            return
        call_id = self.dice.choice(list(desk.exchanges))
        what = self.dice.random()
        if what < 0.5:
            desk.do(call_id, self.dice.choice(SIMPLE))
        elif what < 0.75:
            await desk.consult(call_id, self.dice.choice(TARGETS))
        elif what < 0.85:
            await desk.transfer(call_id, self.dice.choice(TARGETS))
        elif what < 0.95:
            desk.park(call_id)
        else:
            desk.hang_up(call_id)

    async def parking(self) -> None:
        parked = self.center.board.parking.parked
        if parked:
            agent = self.dice.choice(AGENTS).agent_id
            self.center.dispatcher.desk.pick_up(self.dice.choice(list(parked)), agent)

    async def time(self) -> None:
        await asyncio.sleep(self.dice.choice([1, 5, 31, 61]))
        for agent in AGENTS:  # who was sent on a break comes back
            self.center.agent(agent.agent_id).signs_in()

    def callers_are_somewhere(self) -> None:
        """Each one waits, talks, is parked, or is the flow's again."""
        board = self.center.board
        for caller in self.callers:
            up = caller.leg.leg_id in self.center.control.legs
            places = [
                caller.call_id in board.calls,
                caller.call_id in board.conversations,
                board.parking.parked_call(caller.call_id) is not None,
                bool(caller.returned),
            ]
            assert places.count(True) == (1 if up or caller.returned else 0), places
            assert len(caller.returned) <= 1


@pytest.mark.parametrize("seed", range(60))
async def test_nobody_is_stuck_or_lost(seed: int) -> None:
    async with open_center((SALES, BILLING), AGENTS) as center:
        for agent in AGENTS:
            center.agent(agent.agent_id).signs_in()
        chance = Chance(center, seed)
        for _ in range(60):
            await chance.step()
        await asyncio.sleep(1)
        chance.callers_are_somewhere()
        for caller in chance.callers:
            center.control.hangs_up(caller.leg)
        await asyncio.sleep(1)
        # Numbers outside that the flow was given talk on without us; agents' phones do not.
        desk = center.dispatcher.desk
        assert (desk.exchanges, desk.legs) == ({}, frozenset())
        assert center.board.parking.parked == {}
        ours = [leg.target for leg in center.control.legs.values() if "@phones" in leg.target]
        assert ours == []
        await asyncio.sleep(31)
        states = {name: each.state for name, each in center.board.agents.items()}
        assert set(states.values()) == {AgentState.IDLE}, states
