"""Ways to choose an agent. A new one is a module here and a line in STRATEGIES."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from centralita.routing.agent import Agent
from centralita.routing.queue import QueuedCall
from centralita.routing.strategy.longest_idle import LongestIdle
from centralita.routing.strategy.most_skilled import MostSkilled


class Strategy(Protocol):
    """Chooses among agents who are free, serve the queue and have the skills."""

    def choose(self, candidates: Iterable[Agent], call: QueuedCall) -> Agent | None:
        """The agent to offer the call to; None when there is no candidate."""
        ...


STRATEGIES: dict[str, Strategy] = {
    "longest_idle": LongestIdle(),
    "most_skilled": MostSkilled(),
}
