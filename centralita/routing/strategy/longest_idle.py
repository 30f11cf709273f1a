"""longest_idle: the agent who has been free for the longest time."""

from __future__ import annotations

from collections.abc import Iterable

from centralita.routing.agent import Agent
from centralita.routing.queue import QueuedCall


class LongestIdle:
    """Fair and predictable; ties go by id, so that a replay chooses the same."""

    def choose(self, candidates: Iterable[Agent], call: QueuedCall) -> Agent | None:
        return min(
            candidates, key=lambda agent: (agent.idle_since, agent.profile.agent_id), default=None
        )
