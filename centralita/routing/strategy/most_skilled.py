"""most_skilled: the agent with the highest sum of the skills asked for, then the longest idle."""

from __future__ import annotations

from collections.abc import Iterable

from centralita.routing.agent import Agent
from centralita.routing.queue import QueuedCall


class MostSkilled:
    """For queues in which experience counts more than an even load."""

    def choose(self, candidates: Iterable[Agent], call: QueuedCall) -> Agent | None:
        def merit(agent: Agent) -> tuple[int, float, str]:
            level = sum(agent.profile.skills.get(name, 0) for name in call.skills)
            return (-level, agent.idle_since.timestamp(), agent.profile.agent_id)

        return min(candidates, key=merit, default=None)
