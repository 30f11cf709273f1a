"""The floor as a child would write it: every question is answered by a look at everybody.

What the real one answers from its indexes must be the same.
"""

from __future__ import annotations

from datetime import datetime

from centralita.core.ids import AgentId, CallId, OfferId, QueueId
from centralita.routing.actions import Conversation
from centralita.routing.agent import Agent
from centralita.routing.events import QueueChanged
from centralita.routing.floor import Floor
from centralita.routing.offer import Offer
from centralita.routing.queue import QueuedCall


class PlainFloor(Floor):
    """Only the dicts of the real floor are used."""

    def fits(self, agent: Agent, call: QueuedCall) -> bool:
        """Whether the agent serves the call's queue and has all the skills."""
        skills = agent.profile.skills
        wanted = [*self.queues[call.queue_id].skills.items(), *call.skills.items()]
        return call.queue_id in agent.profile.queues and all(
            skills.get(name, 0) >= level for name, level in wanted
        )

    def best_agent(self, call: QueuedCall) -> Agent | None:
        skilled = self.queues[call.queue_id].strategy == "most_skilled"

        def order(agent: Agent) -> tuple[int, datetime, str]:
            level = sum(agent.profile.skills.get(name, 0) for name in call.skills)
            return (-level if skilled else 0, agent.idle_since, agent.profile.agent_id)

        free = [agent for agent in self.agents.values() if agent.free and self.fits(agent, call)]
        return min(free, key=order, default=None)

    def best_call(self, agent: Agent) -> QueuedCall | None:
        waiting = [call for call in self.calls.values() if call.offer_id is None]
        return min(
            (call for call in waiting if self.fits(agent, call)),
            key=lambda call: call.rank,
            default=None,
        )

    def staffed(self, queue_id: QueueId) -> bool:
        return any(
            agent.status == "available" and (agent.registered or agent.expected)
            for agent in self.agents.values()
            if queue_id in agent.profile.queues
        )

    def figures(self, queue_id: QueueId) -> QueueChanged:
        waits = [call.queued_at for call in self.calls.values() if call.queue_id == queue_id]
        agents = [agent for agent in self.agents.values() if queue_id in agent.profile.queues]
        return QueueChanged(
            queue_id=queue_id,
            title=self.queues[queue_id].title,
            waiting=len(waits),
            longest_wait_since=min(waits, default=None),
            agents_available=sum(agent.free for agent in agents),
        )

    def position(self, call_id: CallId) -> int:
        if call_id not in self.calls:
            return 0
        mine = self.calls[call_id]
        ahead = [call for call in self.calls.values() if call.queue_id == mine.queue_id]
        return sum(call.rank <= mine.rank for call in ahead)

    def at_extension(self, extension: str) -> tuple[AgentId, ...]:
        agents = self.agents.items()
        return tuple(key for key, agent in agents if agent.profile.extension == extension)

    def conversation_of(self, offer_id: OfferId) -> Conversation | None:
        talks = self.conversations.values()
        return next((talk for talk in talks if talk.offer.offer_id == offer_id), None)

    def next_deadline(self) -> datetime | None:
        times = [offer.expires_at for offer in self.offers.values()]
        times += [call.give_up_at for call in self.calls.values()]
        times += [agent.wrap_up_until for agent in self.agents.values() if agent.wrap_up_until]
        return min(times, default=None)

    def offers_due(self, now: datetime) -> list[Offer]:
        return [offer for offer in self.offers.values() if offer.expires_at <= now]

    def calls_due(self, now: datetime) -> list[QueuedCall]:
        return [call for call in self.calls.values() if call.give_up_at <= now]

    def agents_due(self, now: datetime) -> list[Agent]:
        return [
            agent
            for agent in self.agents.values()
            if agent.wrap_up_until is not None and agent.wrap_up_until <= now
        ]
