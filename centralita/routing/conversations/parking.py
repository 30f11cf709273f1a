"""Parked callers: each in a slot with a number, until somebody picks them up or time is up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from centralita.core.errors import Conflict
from centralita.core.ids import AgentId
from centralita.routing.queue import QueuedCall

_SLOTS = range(701, 800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A caller who hears music in a slot. At `until` the call goes back to its queue."""

    slot: str
    call: QueuedCall
    by: AgentId
    since: datetime
    until: datetime


def free_slot(taken: Collection[str]) -> str:
    """The lowest slot that nobody is in. Raises Conflict when all are taken."""
    for number in _SLOTS:
        if str(number) not in taken:
            return str(number)
    raise Conflict("all parking slots are taken; transfer to a queue instead", code="parking_full")
