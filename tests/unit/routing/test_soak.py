"""A busy afternoon in virtual time: five agents with bad manners, twenty calls a minute."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from centralita.core.ids import AgentId, QueueId
from centralita.core.tasks import Tasks
from centralita.routing.agent import AgentProfile, AgentState, AgentStatus
from centralita.routing.dispatcher import Returned
from centralita.routing.events import (
    AgentChanged,
    CallAbandoned,
    CallLeftQueue,
    CallQueued,
    CallRequeued,
    ConversationEnded,
    ConversationStarted,
    OfferMade,
    OfferSettled,
    QueueChanged,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.routing.offer import OfferState
from centralita.routing.queue import QueueConfig
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from tests.support.center import Caller, Center, open_center

VIRTUAL_TIME = True

SALES = QueueConfig(
    queue_id=QueueId("sales"),
    title="Sales",
    ring_time=timedelta(seconds=15),
    wrap_up=timedelta(seconds=10),
    max_wait=timedelta(minutes=3),
    exit_key="*",
)
AGENTS = tuple(
    AgentProfile(
        agent_id=AgentId(f"agent-{number}"),
        name=f"agent-{number}",
        extension=f"20{number}",
        queues=frozenset({SALES.queue_id}),
    )
    for number in range(5)
)
MINUTES = 60


class Afternoon:
    """Callers and agents who do as they like, from a seed."""

    def __init__(self, center: Center, seed: int) -> None:
        self.center = center
        self.dice = random.Random(seed)
        self.callers: list[Caller] = []
        self.tasks = Tasks("afternoon")

    async def callers_come(self) -> None:
        for number in range(MINUTES * 20):
            await asyncio.sleep(self.dice.expovariate(20 / 60))
            caller = await self.center.dial()
            self.callers.append(caller)
            self.tasks.spawn(self.caller_behaves(caller), name=f"caller {number}")

    async def caller_behaves(self, caller: Caller) -> None:
        mood = self.dice.random()
        if mood < 0.2:  # hangs up, perhaps while an agent's phone rings
            await asyncio.sleep(self.dice.uniform(0, 40))
            caller.hangs_up()
        elif mood < 0.3:
            await asyncio.sleep(self.dice.uniform(0, 40))
            caller.presses("*")

    async def phones_ring(self) -> None:
        while True:
            leg = await self.center.control.next_dialled()
            self.tasks.spawn(self.phone_behaves(leg), name=f"phone {leg.leg_id}")

    async def phone_behaves(self, leg: FakeLeg) -> None:
        control, mood = self.center.control, self.dice.random()
        self.center.control.rings(leg)
        await asyncio.sleep(self.dice.uniform(0.5, 6))
        if mood < 0.1:
            return  # nobody is at the desk
        if mood < 0.2:
            control.refuses(leg, self.dice.choice([EndReason.BUSY, EndReason.UNREACHABLE]))
            return
        control.answers(leg)
        await asyncio.sleep(self.dice.uniform(0.2, 3) if mood < 0.3 else self.dice.uniform(5, 60))
        control.hangs_up(leg)

    async def agents_come_back(self) -> None:
        while True:
            await asyncio.sleep(self.dice.uniform(2, 8))
            desk = self.center.agent(self.dice.choice(AGENTS).name)
            if desk.now.status is AgentStatus.ON_BREAK or self.dice.random() < 0.1:
                desk.chooses(AgentStatus.AVAILABLE)
            elif self.dice.random() < 0.05:
                self.center.dispatcher.registration(desk.extension, False)
                await asyncio.sleep(1)
                self.center.dispatcher.registration(desk.extension, True)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nobody_is_stuck_or_lost_and_the_counters_equal_the_events(seed: int) -> None:
    async with open_center((SALES,), AGENTS) as center:
        for profile in AGENTS:
            center.agent(profile.name).signs_in()
        afternoon = Afternoon(center, seed)
        for work in (afternoon.phones_ring(), afternoon.agents_come_back()):
            afternoon.tasks.spawn(work, name="world")
        await afternoon.callers_come()
        await center.passes(SALES.max_wait.total_seconds() + 300)
        await afternoon.tasks.close()

        count = Counter(type(event) for event in center.told)
        assert count[CallQueued] == MINUTES * 20
        assert count[ConversationStarted] > 200, "an afternoon without work proves nothing"
        # Each entry into the queue, by the door or after a drop, has one way out.
        assert count[CallQueued] + count[CallRequeued] == (
            count[CallAbandoned] + count[CallLeftQueue] + count[ConversationStarted]
        )
        assert count[ConversationStarted] == count[ConversationEnded]
        assert count[OfferMade] == count[OfferSettled]
        accepted = [e for e in center.of(OfferSettled) if e.state is OfferState.ACCEPTED]
        assert len(accepted) == count[ConversationStarted]
        assert count[WrapUpStarted] == count[WrapUpEnded]
        for caller in afternoon.callers:
            hung_up = center.end_of(caller.leg) is not None
            assert len(caller.returned) == 1 or (hung_up and not caller.returned)

        assert center.board.calls == {}
        assert center.board.offers == {}
        assert center.board.conversations == {}
        last = {event.agent.profile.agent_id: event.agent for event in center.of(AgentChanged)}
        assert {agent.state for agent in last.values()} == {AgentState.IDLE}
        assert center.of(QueueChanged)[-1].waiting == 0
        agent_legs = [leg for leg in center.control.legs.values() if leg.target]
        assert agent_legs == [], "a phone still rings"
        assert all(isinstance(back, Returned) for c in afternoon.callers for back in c.returned)
