"""The line before one queue: who waits in it, who serves it, and who suits whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from centralita.core.ids import AgentId, CallId
from centralita.routing.agent import Agent, AgentProfile
from centralita.routing.ordered import Ordered
from centralita.routing.queue import QueueConfig, QueuedCall
from centralita.routing.strategy import STRATEGIES

# Flows name few sets of skills; where they are made up call by call, unused ones are forgotten.
_MOST_DEMANDS = 1000


class Demand:
    """The calls of one queue that ask for the same skills.

    `calls` are those that are not being offered to anybody, in the order of service. `merits`
    has the agents of the queue who master the skills, with the strategy's opinion of each;
    `best` is no less than any of these.
    """

    __slots__ = ("_skills", "_strategy", "_wanted", "best", "calls", "merits")

    def __init__(
        self,
        queue: QueueConfig,
        skills: Mapping[str, int],
        members: Mapping[AgentId, AgentProfile],
    ) -> None:
        self._skills = skills
        self.calls: Ordered[tuple[int, datetime, str], CallId] = Ordered()
        self.merits: dict[AgentId, int] = {}
        self.best = 0
        self.reckon(queue, members)

    def reckon(self, queue: QueueConfig, members: Mapping[AgentId, AgentProfile]) -> None:
        """Judge everybody anew, by the queue's settings."""
        self._strategy = STRATEGIES[queue.strategy]
        self._wanted = (*queue.skills.items(), *self._skills.items())
        self.merits.clear()
        self.best = 0
        for agent_id, profile in members.items():
            self._judge(agent_id, profile)

    def judge(self, agent_id: AgentId, profile: AgentProfile | None) -> None:
        """Judge an agent whose profile is new; None is for one who has left the queue."""
        self.merits.pop(agent_id, None)
        if profile is not None:
            self._judge(agent_id, profile)

    def _judge(self, agent_id: AgentId, profile: AgentProfile) -> None:
        # Kept tight: the first call that asks for something new has everybody judged.
        has = profile.skills.get
        for name, level in self._wanted:
            if has(name, 0) < level:
                return
        merit = self._strategy.merit(profile, self._skills)
        self.merits[agent_id] = merit
        if merit > self.best:
            self.best = merit


class Line:
    """One queue's calls and agents, each in the orders in which they are asked for."""

    def __init__(self, queue: QueueConfig) -> None:
        self.queue = queue
        self.waiting: Ordered[tuple[int, datetime, str], CallId] = Ordered()
        self.free: Ordered[tuple[datetime], AgentId] = Ordered()
        self.serving: set[AgentId] = set()
        self._by_wait: Ordered[tuple[datetime], CallId] = Ordered()
        self._members: dict[AgentId, AgentProfile] = {}
        self._demands: dict[frozenset[tuple[str, int]], Demand] = {}
        # Those of the demands that have calls.
        self._open: dict[frozenset[tuple[str, int]], Demand] = {}

    # --- who is here ------------------------------------------------------------------------

    def configure(self, queue: QueueConfig) -> None:
        """The queue's settings have changed, perhaps its skills or strategy."""
        self.queue = queue
        for demand in self._demands.values():
            demand.reckon(queue, self._members)

    def put_agent(self, agent: Agent) -> None:
        """An agent who serves this queue, as of now."""
        profile = agent.profile
        agent_id = profile.agent_id
        if self._members.get(agent_id) != profile:
            for demand in self._demands.values():
                demand.judge(agent_id, profile)
        self._members[agent_id] = profile
        if agent.free:
            self.free.put(agent_id, (agent.idle_since,))
        else:
            self.free.drop(agent_id)
        if agent.serving:
            self.serving.add(agent_id)
        else:
            self.serving.discard(agent_id)

    def drop_agent(self, agent_id: AgentId) -> None:
        """An agent who does not serve this queue any more."""
        del self._members[agent_id]
        self.free.drop(agent_id)
        self.serving.discard(agent_id)
        for demand in self._demands.values():
            demand.judge(agent_id, None)

    def put_call(self, call: QueuedCall) -> None:
        """A call that waits, as of now."""
        rank = call.rank
        self.waiting.put(call.call_id, rank)
        self._by_wait.put(call.call_id, (call.queued_at,))
        kind = frozenset(call.skills.items())
        demand = self._demand(kind, call.skills)
        if call.offer_id is None:
            demand.calls.put(call.call_id, rank)
            self._open[kind] = demand
        else:
            self._close(kind, demand, call.call_id)

    def drop_call(self, call: QueuedCall) -> None:
        """A call that does not wait any more."""
        self.waiting.drop(call.call_id)
        self._by_wait.drop(call.call_id)
        kind = frozenset(call.skills.items())
        demand = self._open.get(kind)
        if demand is not None:
            self._close(kind, demand, call.call_id)

    # --- what is asked ----------------------------------------------------------------------

    def longest_wait_since(self) -> datetime | None:
        """When the caller came who waits longest; it need not be the next one."""
        first = self._by_wait.first()
        return None if first is None else first[0][0]

    def best_agent(self, call: QueuedCall) -> AgentId | None:
        """The free agent for this call: the strategy's best, and of these the longest idle."""
        if not len(self.free):
            return None
        demand = self._demand(frozenset(call.skills.items()), call.skills)
        merits, best = demand.merits, demand.best
        chosen: AgentId | None = None
        highest = 0
        for _, agent_id in self.free.entries():
            merit = merits.get(agent_id)
            if merit is None:
                continue
            if merit == best:
                return agent_id
            if chosen is None or merit > highest:
                chosen, highest = agent_id, merit
        return chosen

    def best_call(self, agent_id: AgentId) -> tuple[tuple[int, datetime, str], CallId] | None:
        """The first call of this queue that the agent can be offered, and its rank."""
        best: tuple[tuple[int, datetime, str], CallId] | None = None
        for demand in self._open.values():
            if agent_id in demand.merits:
                first = demand.calls.first()
                if first is not None and (best is None or first < best):
                    best = first
        return best

    def demands(self) -> int:
        """How many sets of skills are kept in mind."""
        return len(self._demands)

    # --- within -----------------------------------------------------------------------------

    def _demand(self, kind: frozenset[tuple[str, int]], skills: Mapping[str, int]) -> Demand:
        demand = self._demands.get(kind)
        if demand is None:
            if len(self._demands) >= _MOST_DEMANDS:
                self._demands = dict(self._open)
            demand = self._demands[kind] = Demand(self.queue, skills, self._members)
        return demand

    def _close(self, kind: frozenset[tuple[str, int]], demand: Demand, call_id: CallId) -> None:
        demand.calls.drop(call_id)
        if not len(demand.calls):
            self._open.pop(kind, None)
