"""The moves that the board's decisions are made of: offer, settle, withdraw, leave, be idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from centralita.core.ids import AgentId, CallId, OfferId, new_id
from centralita.routing import agent as reasons
from centralita.routing.actions import (
    Action,
    Conversation,
    EndAgentLeg,
    ResumeWaiting,
    ReturnCaller,
    RingAgent,
)
from centralita.routing.agent import Agent, AgentState, AgentStatus
from centralita.routing.events import (
    AgentChanged,
    CallLeftQueue,
    CallRequeued,
    ConversationEnded,
    LeaveReason,
    OfferMade,
    OfferSettled,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.routing.floor import Floor
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueuedCall


class Moves:
    """Each changes the floor and returns what is to be done and told about it."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    # --- agents -----------------------------------------------------------------------------

    def put(self, agent: Agent) -> list[Action]:
        """The agent has changed."""
        matters = self._floor.put_agent(agent)
        actions: list[Action] = [AgentChanged(agent=agent)]
        if matters:
            actions += [
                self._floor.figures(queue_id)
                for queue_id in agent.profile.queues
                if queue_id in self._floor.queues
            ]
        return actions

    def to_idle(
        self, agent: Agent, now: datetime, *, keep_idle_since: bool = False
    ) -> list[Action]:
        """The agent has nothing in hand any more, and may get the next call."""
        actions: list[Action] = []
        if agent.state is AgentState.WRAP_UP:
            actions.append(WrapUpEnded(agent_id=agent.profile.agent_id, call_id=agent.call_id))
        actions += self.put(
            replace(
                agent,
                state=AgentState.IDLE,
                since=now,
                idle_since=agent.idle_since if keep_idle_since else now,
                offer_id=None,
                call_id=None,
                wrap_up_until=None,
            )
        )
        return actions + self.serve(agent.profile.agent_id, now)

    def to_break(self, agent: Agent, reason: str, now: datetime) -> list[Action]:
        """The agent did not do as asked: idle, and on a break.

        Only the available are sent there; who chose to be away keeps that status.
        """
        if agent.status is AgentStatus.AVAILABLE:
            agent = replace(agent, status=AgentStatus.ON_BREAK, reason=reason)
        return self.put(
            replace(agent, state=AgentState.IDLE, since=now, offer_id=None, call_id=None)
        )

    # --- offers -----------------------------------------------------------------------------

    def offer(self, call_id: CallId, now: datetime) -> list[Action]:
        """Offer this call to the best free agent, if there is one."""
        call = self._floor.calls[call_id]
        if call.offer_id is not None:
            return []
        agent = self._floor.best_agent(call)
        return [] if agent is None else self.make_offer(call, agent, now)

    def serve(self, agent_id: AgentId, now: datetime) -> list[Action]:
        """Offer the best waiting call to this agent, if the agent is free and there is one."""
        agent = self._floor.agents[agent_id]
        if not agent.free:
            return []
        call = self._floor.best_call(agent)
        return [] if call is None else self.make_offer(call, agent, now)

    def make_offer(self, call: QueuedCall, agent: Agent, now: datetime) -> list[Action]:
        """Offer this waiting call to this agent, who is free."""
        queue = self._floor.queues[call.queue_id]
        offer = Offer(
            offer_id=OfferId(new_id("offer")),
            call_id=call.call_id,
            agent_id=agent.profile.agent_id,
            queue_id=call.queue_id,
            made_at=now,
            expires_at=now + queue.ring_time,
        )
        self._floor.put_offer(offer)
        call = replace(call, offer_id=offer.offer_id, attempts=call.attempts + 1)
        self._floor.put_call(call)
        offered = replace(
            agent,
            state=AgentState.OFFERED,
            since=now,
            offer_id=offer.offer_id,
            call_id=call.call_id,
        )
        return [
            RingAgent(offer=offer, call=call, extension=agent.profile.extension),
            OfferMade.of(offer, call),
            *self.put(offered),
        ]

    def settle(self, offer: Offer, state: OfferState, now: datetime) -> list[Action]:
        """The offer is over."""
        self._floor.drop_offer(offer.offer_id)
        return [
            OfferSettled(
                offer_id=offer.offer_id,
                call_id=offer.call_id,
                agent_id=offer.agent_id,
                queue_id=offer.queue_id,
                state=state,
                rang=now - offer.made_at,
            )
        ]

    def refused(self, offer: Offer, how: OfferState, now: datetime) -> list[Action]:
        """The agent did not take it: a break for the agent, the next one for the caller."""
        actions = self.settle(offer, how, now)
        reason = {
            OfferState.DECLINED: reasons.DECLINED,
            OfferState.UNREACHABLE: reasons.UNREACHABLE,
        }.get(how, reasons.NO_ANSWER)
        agent = self._floor.agents[offer.agent_id]
        if how is OfferState.UNREACHABLE and agent.expected:
            # The phone is away for a moment: the agent is not to blame.
            actions += self.to_idle(agent, now, keep_idle_since=True)
        else:
            actions += self.to_break(agent, reason, now)
        call = self._floor.calls.get(offer.call_id)
        if call is not None:
            self._floor.put_call(replace(call, offer_id=None))
            actions += self.offer(call.call_id, now)
        return actions + self.leave_empty_queues(now)

    def not_rung(self, offer: Offer, now: datetime) -> list[Action]:
        """The phone was never asked, by a fault of our own: the agent is not to blame and goes on
        idle, at the end of the line, so that another one is tried next. The caller waits on;
        whoever calls this sees to the next try, which at once would most likely fail again."""
        actions = self.settle(offer, OfferState.WITHDRAWN, now)
        call = self._floor.calls.get(offer.call_id)
        if call is not None:
            self._floor.put_call(replace(call, offer_id=None))
        agent = self._floor.agents[offer.agent_id]
        idle = replace(
            agent, state=AgentState.IDLE, since=now, idle_since=now, offer_id=None, call_id=None
        )
        return actions + self.put(idle)

    def withdraw(self, call: QueuedCall, now: datetime) -> list[Action]:
        """The caller is about to leave; a ringing agent is free at once, and not to blame."""
        # First, for the agent must not be given the same call again.
        self._floor.drop_call(call.call_id)
        offer = self._floor.offers.get(call.offer_id) if call.offer_id is not None else None
        if offer is None:
            return []
        actions: list[Action] = [EndAgentLeg(offer_id=offer.offer_id)]
        actions += self.settle(offer, OfferState.WITHDRAWN, now)
        return actions + self.to_idle(self._floor.agents[offer.agent_id], now, keep_idle_since=True)

    def take_back(self, offer: Offer, now: datetime) -> list[Action]:
        """The agent whose phone rings is an agent no more; the caller keeps the place."""
        call = self._floor.calls.get(offer.call_id)
        if call is not None:
            self._floor.put_call(replace(call, offer_id=None))
        actions: list[Action] = [EndAgentLeg(offer_id=offer.offer_id)]
        actions += self.settle(offer, OfferState.WITHDRAWN, now)
        agent = self._floor.agents[offer.agent_id]
        return actions + self.to_idle(agent, now, keep_idle_since=True)

    # --- calls that go ----------------------------------------------------------------------

    def leave(self, call_id: CallId, reason: LeaveReason, now: datetime) -> list[Action]:
        """The call goes back to its flow."""
        call = self._floor.calls[call_id]
        return [
            *self.withdraw(call, now),
            CallLeftQueue(
                call_id=call_id,
                queue_id=call.queue_id,
                reason=reason,
                waited=now - call.queued_at,
            ),
            ReturnCaller(call_id=call_id, reason=reason),
            self._floor.figures(call.queue_id),
        ]

    def leave_empty_queues(self, now: datetime) -> list[Action]:
        """Nobody is left to serve a queue: those who wait go to its empty exit.

        Not the one whose agent's phone rings at this moment: that offer ends first.
        """
        actions: list[Action] = []
        for line in self._floor.lines():
            if not len(line.waiting) or line.serving or not line.queue.exit_when_empty:
                continue
            for call_id in tuple(line.waiting):
                if self._floor.calls[call_id].offer_id is None:
                    actions += self.leave(call_id, LeaveReason.EMPTY, now)
        return actions

    # --- conversations that end -----------------------------------------------------------

    def end_conversation(
        self, conversation: Conversation, ended_by: str, now: datetime
    ) -> list[Action]:
        """Talk is over: wrap-up for the agent."""
        call, offer = conversation.call, conversation.offer
        self._floor.drop_conversation(conversation)
        ended = self._ended(conversation, ended_by, now)
        return [ended, *self.wrap_up(self._floor.agents[offer.agent_id], call, now)]

    def wrap_up(self, agent: Agent, call: QueuedCall, now: datetime) -> list[Action]:
        """The agent has talked with a caller: time to write it up, if the queue gives any."""
        queue = self._floor.queues[call.queue_id]
        if queue.wrap_up <= timedelta(0):
            return self.to_idle(agent, now)
        until = now + queue.wrap_up
        actions = self.put(
            replace(agent, state=AgentState.WRAP_UP, since=now, offer_id=None, wrap_up_until=until)
        )
        actions.append(
            WrapUpStarted(
                agent_id=agent.profile.agent_id,
                call_id=call.call_id,
                queue_id=call.queue_id,
                until=until,
                dispositions=queue.dispositions,
            )
        )
        return actions

    def requeue(self, conversation: Conversation, why: str, now: datetime) -> list[Action]:
        """The agent's side broke: the caller keeps place and wait and is offered on at once."""
        call = conversation.call
        self._floor.drop_conversation(conversation)
        actions: list[Action] = [self._ended(conversation, why, now)]
        agent = self._floor.agents[conversation.offer.agent_id]
        actions += self.to_break(agent, reasons.DROPPED, now)
        give_up_at = max(call.give_up_at, now + timedelta(seconds=30))
        call = replace(call, give_up_at=give_up_at)
        self._floor.put_call(call)
        actions.append(CallRequeued(call_id=call.call_id, queue_id=call.queue_id, reason=why))
        actions.append(ResumeWaiting(call=call))
        actions += self.offer(call.call_id, now)
        actions += self.leave_empty_queues(now)
        return [*actions, self._floor.figures(call.queue_id)]

    def _ended(self, conversation: Conversation, ended_by: str, now: datetime) -> ConversationEnded:
        return ConversationEnded(
            call_id=conversation.call.call_id,
            queue_id=conversation.call.queue_id,
            agent_id=conversation.offer.agent_id,
            caller_leg=conversation.call.leg_id,
            agent_leg=conversation.agent_leg,
            at=now,
            talked=now - conversation.started_at,
            ended_by=ended_by,
        )
