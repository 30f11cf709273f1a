"""Ways to choose an agent. A new one is a module here and a line in STRATEGIES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from centralita.routing.agent import AgentProfile
from centralita.routing.strategy.longest_idle import LongestIdle
from centralita.routing.strategy.most_skilled import MostSkilled


class Strategy(Protocol):
    """Tells which of the agents who serve the queue and have the skills are to be preferred."""

    def merit(self, profile: AgentProfile, skills: Mapping[str, int]) -> int:
        """The agent's worth to a call that asks for `skills`. Depends on these two alone.

        The free agent of the highest merit is chosen; of several the one who has been free for
        the longest time, then the first by id, so that a replay chooses the same.
        """
        ...


STRATEGIES: dict[str, Strategy] = {
    "longest_idle": LongestIdle(),
    "most_skilled": MostSkilled(),
}
