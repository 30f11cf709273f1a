"""How much of a worker its calls may come to need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from centralita.core.ids import CallId

_LEGS_OF_A_CALL = 2


def room_for(calls: Iterable[CallId]) -> int:
    """How many legs are kept for these legs, each named by its call.

    Both legs of a conversation live in one worker: whoever waits here must still find room for
    an agent, so each call keeps two, or as many as it has.
    """
    return sum(max(_LEGS_OF_A_CALL, legs) for legs in Counter(calls).values())
