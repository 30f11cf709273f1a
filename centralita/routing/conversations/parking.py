"""Parked callers: each in a slot with a number, until somebody picks them up or time is up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId
from centralita.core.refusals import Refusal
from centralita.routing.actions import Action, ResumeWaiting
from centralita.routing.conversations.events import CallParked, CallUnparked
from centralita.routing.conversations.handover import Handovers
from centralita.routing.events import CallAbandoned
from centralita.routing.floor import Floor
from centralita.routing.queue import Parked

_SLOTS = range(701, 800)


def free_slot(taken: Collection[str]) -> str:
    """The lowest slot that nobody is in. Raises Conflict when all are taken."""
    for number in _SLOTS:
        if str(number) not in taken:
            return str(number)
    raise Conflict(
        "all parking slots are taken; transfer to a queue instead", code=Refusal.PARKING_FULL
    )


class Parking:
    """All slots. Methods change the floor and return what is to be done, as the board's do."""

    def __init__(self, floor: Floor, handovers: Handovers) -> None:
        self._floor = floor
        self._handovers = handovers
        self.parked: dict[str, Parked] = {}

    def park(self, call_id: CallId, now: datetime) -> list[Action]:
        """The caller waits in a slot until somebody asks for it."""
        talk = self._floor.conversations[call_id]
        slot = free_slot(self.parked.keys())
        actions = self._handovers.end(talk, "parked", now)
        call = replace(talk.call, offer_id=None, transferred_by=talk.offer.agent_id)
        until = now + self._floor.queues[call.queue_id].park_time
        parked = Parked(slot=slot, call=call, by=talk.offer.agent_id, since=now, until=until)
        self.parked[slot] = parked
        told = CallParked(
            call_id=call_id, slot=slot, agent_id=parked.by, queue_id=call.queue_id, at=now,
            until=until,
        )  # fmt: skip
        return [*actions, told, ResumeWaiting(call=call)]

    def pick_up(self, slot: str, agent_id: AgentId, now: datetime) -> list[Action]:
        """Ring the agent who asks for a parked caller. Raises NotFound, Conflict."""
        parked = self.parked.get(slot)
        if parked is None:
            raise NotFound(
                f"nobody is parked at {slot}", code=Refusal.NOBODY_PARKED, values={"slot": slot}
            )
        agent = self._handovers.available(agent_id)
        del self.parked[slot]
        told = CallUnparked(call_id=parked.call.call_id, slot=slot, how="picked_up")
        return [told, *self._handovers.offered(parked.call, parked.by, agent, now)]

    def caller_gone(self, call_id: CallId, now: datetime) -> list[Action]:
        """A parked caller hung up."""
        parked = self.parked_call(call_id)
        if parked is None:
            return []
        del self.parked[parked.slot]
        return [
            CallUnparked(call_id=call_id, slot=parked.slot, how="abandoned"),
            CallAbandoned(
                call_id=call_id, queue_id=parked.call.queue_id, waited=now - parked.since
            ),
        ]

    def expire(self, now: datetime) -> list[Action]:
        """Who was parked for too long goes back to the queue, before all others."""
        actions: list[Action] = []
        for parked in [parked for parked in self.parked.values() if parked.until <= now]:
            del self.parked[parked.slot]
            actions.append(
                CallUnparked(call_id=parked.call.call_id, slot=parked.slot, how="timed_out")
            )
            actions += self._handovers.waits(parked.call, now, front=True)
        return actions

    def next_deadline(self) -> datetime | None:
        """When the first parked caller goes back."""
        return min((parked.until for parked in self.parked.values()), default=None)

    def parked_call(self, call_id: CallId) -> Parked | None:
        """Where a call is parked, if it is."""
        return next((p for p in self.parked.values() if p.call.call_id == call_id), None)

    def take_over(self, parked: Parked) -> list[Action]:
        """Put back a parked caller."""
        self.parked[parked.slot] = parked
        told = CallParked(
            call_id=parked.call.call_id, slot=parked.slot, agent_id=parked.by,
            queue_id=parked.call.queue_id, at=parked.since, until=parked.until,
        )  # fmt: skip
        return [told]
