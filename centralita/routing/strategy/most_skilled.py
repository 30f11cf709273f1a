"""most_skilled: the agent with the highest sum of the skills asked for, then the longest idle."""

from __future__ import annotations

from collections.abc import Mapping

from centralita.routing.agent import AgentProfile


class MostSkilled:
    """For queues in which experience counts more than an even load."""

    def merit(self, profile: AgentProfile, skills: Mapping[str, int]) -> int:
        return sum(profile.skills.get(name, 0) for name in skills)
