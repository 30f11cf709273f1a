"""What is kept of a call: an entry from its arrival on, a journal, and the summary at its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from centralita.core.ids import AgentId, CallId, InteractionId, QueueId, new_id
from centralita.core.wire import Plain
from centralita.timeline.directory import Caller, candidates_of, customer_of
from centralita.timeline.model import (
    CallDetails,
    CallSummary,
    Channel,
    Direction,
    Interaction,
    Outcome,
)
from centralita.timeline.repositories import CallEventRepository, InteractionRepository

log = logging.getLogger(__name__)


class CallJournal:
    """Keeps calls. Each method can be repeated: a second begin or end changes nothing."""

    def __init__(self, interactions: InteractionRepository, events: CallEventRepository) -> None:
        self._interactions = interactions
        self._events = events

    async def begin_call(
        self,
        call_id: CallId,
        at: datetime,
        *,
        caller: Caller,
        dialled: str,
        direction: Direction = Direction.IN,
        interaction_id: InteractionId | None = None,
    ) -> Interaction:
        """Make the entry of a call that has arrived, under that id or a new one."""
        customer = customer_of(caller)
        entry, _ = await self._interactions.add(
            Interaction(
                id=interaction_id or InteractionId(new_id("int")),
                channel=Channel.CALL,
                direction=direction,
                started_at=at,
                customer_id=customer.id if customer is not None else None,
                candidates=candidates_of(caller),
                call=CallDetails(
                    call_id=call_id,
                    caller=caller.number,
                    dialled=dialled,
                ),
            )
        )
        return entry

    async def with_agent(
        self, call_id: CallId, *, queue_id: QueueId | None = None, agent_id: AgentId | None = None
    ) -> None:
        """Note which queue and agent have the call now."""
        await self._interactions.touch(call_id, queue_id=queue_id, agent_id=agent_id)

    async def append(
        self, call_id: CallId, at: datetime, type: str, data: Mapping[str, Plain] | None = None
    ) -> None:
        """Add a line to the journal of the call."""
        await self._events.append(call_id, at, type, data or {})

    async def end_call(self, summary: CallSummary) -> None:
        """Complete the entry. What an agent wrote in the meantime (customer, case, notes,
        disposition) stays. Raises NotFound for a call that was never begun."""
        await self._interactions.end_call(summary)

    async def close_unfinished(self, *, keep: frozenset[CallId] = frozenset()) -> int:
        """After a crash: end the calls that nobody ended, at the time of their last journal line.

        `keep` are calls that media workers still hold. Returns how many were ended.
        """
        ended = 0
        for entry in await self._interactions.unfinished_calls():
            if entry.call is None or entry.call.call_id in keep:
                continue
            lines = await self._events.of_call(entry.call.call_id)
            last = max((line.at for line in lines), default=entry.started_at)
            await self.end_call(
                CallSummary(
                    call_id=entry.call.call_id,
                    ended_at=last,
                    outcome=Outcome.FAILED,
                    ended_by="interrupted",
                    ended_at_place="server",
                )
            )
            ended += 1
        if ended:
            log.warning("calls ended that the last run left open", extra={"calls": ended})
        return ended
