"""longest_idle: the agent who has been free for the longest time."""

from __future__ import annotations

from collections.abc import Mapping

from centralita.routing.agent import AgentProfile


class LongestIdle:
    """Fair and predictable: who has the skills at all is as good as anybody."""

    def merit(self, profile: AgentProfile, skills: Mapping[str, int]) -> int:
        return 0
