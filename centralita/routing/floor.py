"""The floor: queues, agents, calls, offers and conversations as of now. No decisions, no I/O.

Whatever is put here is found again by every question that a decision asks, without a look at all
the others: ten thousand calls wait before five thousand agents on a bad day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime

from centralita.core.errors import NotFound
from centralita.core.ids import AgentId, CallId, OfferId, QueueId
from centralita.core.refusals import Refusal
from centralita.routing.actions import Conversation
from centralita.routing.agent import Agent
from centralita.routing.events import QueueChanged
from centralita.routing.line import Line
from centralita.routing.offer import Offer
from centralita.routing.ordered import Deadlines
from centralita.routing.queue import QueueConfig, QueuedCall


class Floor:
    """The dicts may be read by anybody; they are changed by the methods only.

    Counters are derived from what is here, never counted apart, so they cannot drift.
    """

    def __init__(self) -> None:
        self.queues: dict[QueueId, QueueConfig] = {}
        self.agents: dict[AgentId, Agent] = {}
        self.calls: dict[CallId, QueuedCall] = {}
        self.offers: dict[OfferId, Offer] = {}
        self.conversations: dict[CallId, Conversation] = {}
        self._lines: dict[QueueId, Line] = {}
        self._called: dict[QueueId, Line] = {}
        self._extensions: dict[str, dict[AgentId, None]] = {}
        self._talks: dict[OfferId, CallId] = {}
        self._turns = itertools.count()
        self._agent_turns: dict[AgentId, int] = {}
        self._call_turns: dict[CallId, int] = {}
        self._offers_due: Deadlines[OfferId] = Deadlines()
        self._calls_due: Deadlines[CallId] = Deadlines()
        self._agents_due: Deadlines[AgentId] = Deadlines()

    # --- queues -----------------------------------------------------------------------------

    def put_queue(self, queue: QueueConfig) -> None:
        """A queue that is new, or has new settings."""
        line = self._lines.get(queue.queue_id)
        if line is None:
            line = self._lines[queue.queue_id] = Line(queue)
            for agent in self.agents.values():
                if queue.queue_id in agent.profile.queues:
                    line.put_agent(agent)
        elif self.queues[queue.queue_id] != queue:
            line.configure(queue)
        self.queues[queue.queue_id] = queue

    def staffed(self, queue_id: QueueId) -> bool:
        """Whether anybody serves the queue now, free or busy."""
        return bool(self._lines[queue_id].serving)

    def figures(self, queue_id: QueueId) -> QueueChanged:
        """The queue as the screens show it."""
        line = self._lines[queue_id]
        return QueueChanged(
            queue_id=queue_id,
            title=line.queue.title,
            waiting=len(line.waiting),
            longest_wait_since=line.longest_wait_since(),
            agents_available=len(line.free),
        )

    def lines(self) -> Iterator[Line]:
        """The queues in which calls have ever waited, in the order of their first."""
        return iter(tuple(self._called.values()))

    # --- agents -----------------------------------------------------------------------------

    def agent(self, agent_id: AgentId) -> Agent:
        """An agent as of now. Raises NotFound."""
        agent = self.agents.get(agent_id)
        if agent is None:
            raise NotFound(f"there is no agent {agent_id}", code=Refusal.NO_SUCH_AGENT)
        return agent

    def at_extension(self, extension: str) -> tuple[AgentId, ...]:
        """The agents whose phone has this number."""
        return tuple(self._extensions.get(extension, ()))

    def put_agent(self, agent: Agent) -> bool:
        """An agent as of now. Returns whether that makes a difference to who is free."""
        agent_id = agent.profile.agent_id
        before = self.agents.get(agent_id)
        self.agents[agent_id] = agent
        if before is None:
            self._agent_turns[agent_id] = next(self._turns)
            self._extensions.setdefault(agent.profile.extension, {})[agent_id] = None
        elif before.profile is not agent.profile:
            for queue_id in before.profile.queues - agent.profile.queues:
                if queue_id in self._lines:
                    self._lines[queue_id].drop_agent(agent_id)
            if before.profile.extension != agent.profile.extension:
                del self._extensions[before.profile.extension][agent_id]
                self._extensions.setdefault(agent.profile.extension, {})[agent_id] = None
        for queue_id in agent.profile.queues:
            line = self._lines.get(queue_id)
            if line is not None:
                line.put_agent(agent)
        if agent.wrap_up_until is None:
            self._agents_due.drop(agent_id)
        else:
            self._agents_due.put(agent_id, agent.wrap_up_until, self._agent_turns[agent_id])
        return before is None or before.free != agent.free

    # --- calls ------------------------------------------------------------------------------

    def put_call(self, call: QueuedCall) -> None:
        """A waiting call as of now."""
        call_id = call.call_id
        if call_id not in self.calls:
            self._call_turns[call_id] = next(self._turns)
        self.calls[call_id] = call
        line = self._lines[call.queue_id]
        self._called[call.queue_id] = line
        line.put_call(call)
        self._calls_due.put(call_id, call.give_up_at, self._call_turns[call_id])

    def drop_call(self, call_id: CallId) -> None:
        """A call that does not wait any more."""
        call = self.calls.pop(call_id, None)
        if call is not None:
            del self._call_turns[call_id]
            self._calls_due.drop(call_id)
            self._lines[call.queue_id].drop_call(call)

    def position(self, call_id: CallId) -> int:
        """The caller's place in the queue, from 1; 0 when not waiting."""
        call = self.calls.get(call_id)
        return 0 if call is None else self._lines[call.queue_id].waiting.position(call_id) + 1

    # --- offers and conversations -----------------------------------------------------------

    def put_offer(self, offer: Offer) -> None:
        """An offer that rings."""
        self.offers[offer.offer_id] = offer
        self._offers_due.put(offer.offer_id, offer.expires_at, next(self._turns))

    def drop_offer(self, offer_id: OfferId) -> None:
        """An offer that is settled."""
        del self.offers[offer_id]
        self._offers_due.drop(offer_id)

    def put_conversation(self, conversation: Conversation) -> None:
        """Two who talk."""
        self.conversations[conversation.call.call_id] = conversation
        self._talks[conversation.offer.offer_id] = conversation.call.call_id

    def drop_conversation(self, conversation: Conversation) -> None:
        """They don't any more."""
        del self.conversations[conversation.call.call_id]
        del self._talks[conversation.offer.offer_id]

    def conversation_of(self, offer_id: OfferId) -> Conversation | None:
        """The conversation that this offer led to, while it lasts."""
        call_id = self._talks.get(offer_id)
        return None if call_id is None else self.conversations[call_id]

    # --- who suits whom ---------------------------------------------------------------------

    def best_agent(self, call: QueuedCall) -> Agent | None:
        """The free agent to offer this call to, as the queue's strategy chooses."""
        agent_id = self._lines[call.queue_id].best_agent(call)
        return None if agent_id is None else self.agents[agent_id]

    def best_call(self, agent: Agent) -> QueuedCall | None:
        """The call to offer to this agent: the first by rank in all the agent's queues."""
        found = (
            self._lines[queue_id].best_call(agent.profile.agent_id)
            for queue_id in agent.profile.queues
            if queue_id in self._lines
        )
        best = min((first for first in found if first is not None), default=None)
        return None if best is None else self.calls[best[1]]

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """When the first offer, wait or wrap-up is due."""
        times = (self._offers_due.next(), self._calls_due.next(), self._agents_due.next())
        return min((time for time in times if time is not None), default=None)

    def offers_due(self, now: datetime) -> list[Offer]:
        """The offers that have rung for long enough, the oldest first."""
        return [self.offers[offer_id] for offer_id in self._offers_due.due(now)]

    def calls_due(self, now: datetime) -> list[QueuedCall]:
        """The calls that have waited for long enough, in the order in which they came."""
        return [self.calls[call_id] for call_id in self._calls_due.due(now)]

    def agents_due(self, now: datetime) -> list[Agent]:
        """The agents whose wrap-up is over, in the order of the directory."""
        return [self.agents[agent_id] for agent_id in self._agents_due.due(now)]
