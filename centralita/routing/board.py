"""The board: all queues, agents and offers, and every decision about them. No I/O.

Each method takes what happened and the time, and returns what is to be done and told. The
dispatcher carries it out; the tests drive the board alone, under hypothesis.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from centralita.core.errors import Conflict, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId, new_id
from centralita.routing import agent as reasons
from centralita.routing.agent import Agent, AgentProfile, AgentState, AgentStatus
from centralita.routing.events import (
    AgentChanged,
    CallAbandoned,
    CallLeftQueue,
    CallQueued,
    CallRequeued,
    ConversationEnded,
    ConversationStarted,
    LeaveReason,
    OfferMade,
    OfferSettled,
    QueueChanged,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueueConfig, QueuedCall
from centralita.routing.strategy import STRATEGIES


@dataclass(frozen=True, slots=True, kw_only=True)
class RingAgent:
    """Dial the agent's phone for this offer."""

    offer: Offer
    call: QueuedCall
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAgentLeg:
    """The agent's leg has no purpose any more: stop ringing, or hang up."""

    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectCall:
    """Let caller and agent hear each other."""

    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeWaiting:
    """Music again for a caller whose conversation broke."""

    call: QueuedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnCaller:
    """The caller goes back to the flow: out of the queue, or after the conversation (None)."""

    call_id: CallId
    reason: LeaveReason | None


Action = RingAgent | EndAgentLeg | ConnectCall | ResumeWaiting | ReturnCaller | Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Caller and agent together."""

    call: QueuedCall
    offer: Offer
    agent_leg: LegId
    started_at: datetime


class Board:
    """Counters are derived from what is here, never counted apart, so they cannot drift."""

    def __init__(self, queues: Iterable[QueueConfig], agents: Iterable[AgentProfile]) -> None:
        self.queues: dict[QueueId, QueueConfig] = {queue.queue_id: queue for queue in queues}
        self.agents: dict[AgentId, Agent] = {}
        self.calls: dict[CallId, QueuedCall] = {}
        self.offers: dict[OfferId, Offer] = {}
        self.conversations: dict[CallId, Conversation] = {}
        self._waiting: dict[QueueId, list[tuple[tuple[int, datetime, str], CallId]]] = {}
        self._free: set[AgentId] = set()
        self._profiles = {profile.agent_id: profile for profile in agents}

    # --- set-up -----------------------------------------------------------------------------

    def open(self, now: datetime) -> list[Action]:
        """Put the agents on the board, all logged out."""
        actions: list[Action] = []
        for profile in self._profiles.values():
            if profile.agent_id not in self.agents:
                actions += self._put(Agent(profile=profile, since=now, idle_since=now))
        return actions

    def configure(
        self, queues: Iterable[QueueConfig], agents: Iterable[AgentProfile], now: datetime
    ) -> list[Action]:
        """Take a changed directory: those who wait, talk or are offered a call don't notice.

        Who is no longer in it finishes the call at hand and is offered none any more.
        """
        self.queues |= {queue.queue_id: queue for queue in queues}
        self._profiles = {profile.agent_id: profile for profile in agents}
        actions: list[Action] = []
        for agent_id, profile in self._profiles.items():
            known = self.agents.get(agent_id)
            if known is None:
                known = Agent(profile=profile, since=now, idle_since=now)
            actions += self._put(replace(known, profile=profile))
        for agent_id in self.agents.keys() - self._profiles.keys():
            gone = self.agents[agent_id]
            actions += self._put(
                replace(
                    gone,
                    profile=replace(gone.profile, queues=frozenset()),
                    status=AgentStatus.LOGGED_OUT,
                    reason="",
                    since=now,
                )
            )
        actions += self._match_all(now) + self._leave_empty_queues(now)
        # Who serves which queue has changed, so have the figures of all.
        return [*actions, *(self._queue_changed(queue_id) for queue_id in self.queues)]

    # --- agents -----------------------------------------------------------------------------

    def choose_status(
        self, agent_id: AgentId, status: AgentStatus, reason: str, now: datetime
    ) -> list[Action]:
        """The agent, or a supervisor, chose a status. A running offer or call is not touched."""
        agent = self._agent(agent_id)
        idle_since = agent.idle_since
        if status is AgentStatus.AVAILABLE and agent.status is not AgentStatus.AVAILABLE:
            idle_since = now
        actions = self._put(
            replace(agent, status=status, reason=reason, since=now, idle_since=idle_since)
        )
        return actions + self._agent_may_be_free(agent_id, now) + self._leave_empty_queues(now)

    def registration(self, agent_id: AgentId, registered: bool, now: datetime) -> list[Action]:
        """The agent's phone can be reached, or not any more."""
        agent = self._agent(agent_id)
        if agent.registered == registered:
            return []
        actions = self._put(replace(agent, registered=registered, since=now))
        return actions + self._agent_may_be_free(agent_id, now) + self._leave_empty_queues(now)

    def finish_wrap_up(self, agent_id: AgentId, now: datetime) -> list[Action]:
        """The agent is done. Raises Conflict when there is no wrap-up."""
        agent = self._agent(agent_id)
        if agent.state is not AgentState.WRAP_UP:
            raise Conflict("there is no wrap-up to finish", code="no_wrap_up")
        return self._to_idle(agent, now)

    def extend_wrap_up(self, agent_id: AgentId, by: timedelta, now: datetime) -> list[Action]:
        """More time. Raises Conflict when there is no wrap-up."""
        agent = self._agent(agent_id)
        if agent.state is not AgentState.WRAP_UP or agent.wrap_up_until is None:
            raise Conflict("there is no wrap-up to extend", code="no_wrap_up")
        return self._put(replace(agent, wrap_up_until=agent.wrap_up_until + by))

    # --- calls ------------------------------------------------------------------------------

    def enqueue(self, call: QueuedCall, now: datetime) -> list[Action]:
        """A caller begins to wait. Raises NotFound for an unknown queue."""
        queue = self.queues.get(call.queue_id)
        if queue is None:
            raise NotFound(f"there is no queue {call.queue_id}")
        if call.call_id in self.calls or call.call_id in self.conversations:
            raise Conflict(f"call {call.call_id} is in a queue already")
        self._add_waiting(call)
        actions: list[Action] = [
            CallQueued(call_id=call.call_id, queue_id=call.queue_id, at=now, priority=call.priority)
        ]
        actions += self._offer_call(call.call_id, now)
        if queue.exit_when_empty and not self._staffed(call.queue_id):
            actions += self._leave(call.call_id, LeaveReason.EMPTY, now)
        else:
            actions.append(self._queue_changed(call.queue_id))
        return actions

    def caller_gone(self, call_id: CallId, now: datetime) -> list[Action]:
        """The caller hung up, wherever the call was."""
        conversation = self.conversations.get(call_id)
        if conversation is not None:
            end = EndAgentLeg(offer_id=conversation.offer.offer_id)
            return [end, *self._end_conversation(conversation, "caller", now)]
        call = self.calls.get(call_id)
        if call is None:
            return []
        actions = self._withdraw(call, now)
        self._remove_waiting(call_id)
        actions.append(
            CallAbandoned(call_id=call_id, queue_id=call.queue_id, waited=now - call.queued_at)
        )
        return [*actions, self._queue_changed(call.queue_id)]

    def key_pressed(self, call_id: CallId, digit: str, now: datetime) -> list[Action]:
        """A waiting caller pressed a key: perhaps the one that leaves the queue."""
        call = self.calls.get(call_id)
        if call is None or digit != self.queues[call.queue_id].exit_key:
            return []
        return self._leave(call_id, LeaveReason.KEY, now)

    def transferred(self, call_id: CallId, now: datetime) -> list[Action]:
        """The agent gave the caller to somebody else: the agent's part is over."""
        conversation = self.conversations.get(call_id)
        if conversation is None:
            return []
        end = EndAgentLeg(offer_id=conversation.offer.offer_id)
        return [end, *self._end_conversation(conversation, "transferred", now)]

    # --- offers -----------------------------------------------------------------------------

    def agent_answered(self, offer_id: OfferId, leg_id: LegId, now: datetime) -> list[Action]:
        """The phone was picked up. Too late an answer only ends that leg."""
        offer = self.offers.get(offer_id)
        if offer is None or offer.state is not OfferState.RINGING:
            return [EndAgentLeg(offer_id=offer_id)]
        call = self.calls[offer.call_id]
        actions = self._settle(offer, OfferState.ACCEPTED, now)
        self._remove_waiting(call.call_id)
        conversation = Conversation(
            call=replace(call, offer_id=None),
            offer=replace(offer, state=OfferState.ACCEPTED, leg_id=leg_id),
            agent_leg=leg_id,
            started_at=now,
        )
        self.conversations[call.call_id] = conversation
        queue = self.queues[call.queue_id]
        agent = replace(
            self.agents[offer.agent_id],
            state=AgentState.IN_CALL,
            since=now,
            offer_id=offer_id,
            call_id=call.call_id,
        )
        actions.append(ConnectCall(conversation=conversation))
        actions += self._put(agent)
        actions.append(
            ConversationStarted(
                call_id=call.call_id,
                queue_id=call.queue_id,
                agent_id=offer.agent_id,
                caller_leg=call.leg_id,
                agent_leg=leg_id,
                at=now,
                waited=now - call.queued_at,
                record=queue.record,
                language=call.language,
            )
        )
        return [*actions, self._queue_changed(call.queue_id)]

    def agent_leg_ended(
        self, offer_id: OfferId, how: OfferState, now: datetime, *, broken: bool = False
    ) -> list[Action]:
        """The agent's leg is over: refused while it rang, or the end of the conversation.

        `how` tells the refusal's kind. `broken` says that nobody hung up: the phone, the network
        or the worker failed.
        """
        offer = self.offers.get(offer_id)
        if offer is not None and offer.state is OfferState.RINGING:
            return self._refused(offer, how, now)
        conversation = next(
            (talk for talk in self.conversations.values() if talk.offer.offer_id == offer_id),
            None,
        )
        if conversation is None:
            return []
        queue = self.queues[conversation.call.queue_id]
        dropped = now - conversation.started_at < queue.drop_window
        if dropped or broken:
            return self._requeue(conversation, "broken" if broken else "dropped", now)
        actions = self._end_conversation(conversation, "agent", now)
        return [*actions, ReturnCaller(call_id=conversation.call.call_id, reason=None)]

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """When `expire` has something to do next."""
        times = [offer.expires_at for offer in self.offers.values()]
        times += [call.give_up_at for call in self.calls.values()]
        times += [
            agent.wrap_up_until for agent in self.agents.values() if agent.wrap_up_until is not None
        ]
        return min(times, default=None)

    def expire(self, now: datetime) -> list[Action]:
        """Everything whose time has come."""
        actions: list[Action] = []
        for offer in [offer for offer in self.offers.values() if offer.expires_at <= now]:
            actions.append(EndAgentLeg(offer_id=offer.offer_id))
            actions += self._refused(offer, OfferState.NO_ANSWER, now)
        for call in [call for call in self.calls.values() if call.give_up_at <= now]:
            actions += self._leave(call.call_id, LeaveReason.MAX_WAIT, now)
        for agent in [
            agent
            for agent in self.agents.values()
            if agent.wrap_up_until is not None and agent.wrap_up_until <= now
        ]:
            actions += self._to_idle(agent, now)
        return actions

    def snapshot(self) -> list[Event]:
        """The state of everybody, as events."""
        agents: list[Event] = [AgentChanged(agent=agent) for agent in self.agents.values()]
        return agents + [self._queue_changed(queue_id) for queue_id in self.queues]

    def position(self, call_id: CallId) -> int:
        """The caller's place in the queue, from 1; 0 when not waiting."""
        call = self.calls.get(call_id)
        if call is None:
            return 0
        waiting = self._waiting[call.queue_id]
        return bisect.bisect_left(waiting, (call.rank, call_id)) + 1

    # --- matching ---------------------------------------------------------------------------

    def _offer_call(self, call_id: CallId, now: datetime) -> list[Action]:
        """Offer this call to the best free agent, if there is one."""
        call = self.calls[call_id]
        if call.offer_id is not None:
            return []
        queue = self.queues[call.queue_id]
        candidates = (
            agent for agent in map(self.agents.__getitem__, self._free) if self._fits(agent, call)
        )
        agent = STRATEGIES[queue.strategy].choose(candidates, call)
        return [] if agent is None else self._make_offer(call, agent, now)

    def _agent_may_be_free(self, agent_id: AgentId, now: datetime) -> list[Action]:
        """Offer the best waiting call to this agent, if the agent is free and there is one."""
        agent = self.agents[agent_id]
        if not agent.free:
            return []
        best: QueuedCall | None = None
        for queue_id in agent.profile.queues:
            for _, call_id in self._waiting.get(queue_id, ()):
                call = self.calls[call_id]
                if call.offer_id is None and self._fits(agent, call):
                    if best is None or call.rank < best.rank:
                        best = call
                    break
        return [] if best is None else self._make_offer(best, agent, now)

    def _match_all(self, now: datetime) -> list[Action]:
        actions: list[Action] = []
        for agent_id in sorted(self._free, key=lambda key: self.agents[key].idle_since):
            actions += self._agent_may_be_free(agent_id, now)
        return actions

    def _fits(self, agent: Agent, call: QueuedCall) -> bool:
        queue = self.queues[call.queue_id]
        return (
            call.queue_id in agent.profile.queues
            and agent.masters(queue.skills)
            and agent.masters(call.skills)
        )

    def _make_offer(self, call: QueuedCall, agent: Agent, now: datetime) -> list[Action]:
        queue = self.queues[call.queue_id]
        offer = Offer(
            offer_id=OfferId(new_id("offer")),
            call_id=call.call_id,
            agent_id=agent.profile.agent_id,
            queue_id=call.queue_id,
            made_at=now,
            expires_at=now + queue.ring_time,
        )
        self.offers[offer.offer_id] = offer
        call = replace(call, offer_id=offer.offer_id, attempts=call.attempts + 1)
        self.calls[call.call_id] = call
        offered = replace(
            agent,
            state=AgentState.OFFERED,
            since=now,
            offer_id=offer.offer_id,
            call_id=call.call_id,
        )
        return [
            RingAgent(offer=offer, call=call, extension=agent.profile.extension),
            OfferMade(
                offer_id=offer.offer_id,
                call_id=call.call_id,
                agent_id=offer.agent_id,
                queue_id=offer.queue_id,
                at=now,
            ),
            *self._put(offered),
        ]

    # --- ends -------------------------------------------------------------------------------

    def _refused(self, offer: Offer, how: OfferState, now: datetime) -> list[Action]:
        """The agent did not take it: a break for the agent, the next one for the caller."""
        actions = self._settle(offer, how, now)
        agent = self.agents[offer.agent_id]
        reason = {
            OfferState.DECLINED: reasons.DECLINED,
            OfferState.UNREACHABLE: reasons.UNREACHABLE,
        }.get(how, reasons.NO_ANSWER)
        actions += self._put(
            replace(
                _on_break(agent, reason),
                state=AgentState.IDLE,
                since=now,
                offer_id=None,
                call_id=None,
            )
        )
        call = self.calls.get(offer.call_id)
        if call is not None:
            self.calls[call.call_id] = replace(call, offer_id=None)
            actions += self._offer_call(call.call_id, now)
        return actions + self._leave_empty_queues(now)

    def _withdraw(self, call: QueuedCall, now: datetime) -> list[Action]:
        """Take back a ringing offer; the agent is free at once, and not to blame."""
        offer = self.offers.get(call.offer_id) if call.offer_id is not None else None
        if offer is None:
            return []
        actions: list[Action] = [EndAgentLeg(offer_id=offer.offer_id)]
        actions += self._settle(offer, OfferState.WITHDRAWN, now)
        agent = self.agents[offer.agent_id]
        self.calls[call.call_id] = replace(call, offer_id=None, give_up_at=call.give_up_at)
        # The caller is about to leave; the agent must not be given the same call again.
        self._remove_waiting(call.call_id)
        return actions + self._to_idle(agent, now, keep_idle_since=True)

    def _settle(self, offer: Offer, state: OfferState, now: datetime) -> list[Action]:
        del self.offers[offer.offer_id]
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

    def _leave(self, call_id: CallId, reason: LeaveReason, now: datetime) -> list[Action]:
        call = self.calls[call_id]
        actions = self._withdraw(call, now)
        self._remove_waiting(call_id)
        actions.append(
            CallLeftQueue(
                call_id=call_id,
                queue_id=call.queue_id,
                reason=reason,
                waited=now - call.queued_at,
            )
        )
        actions.append(ReturnCaller(call_id=call_id, reason=reason))
        return [*actions, self._queue_changed(call.queue_id)]

    def _leave_empty_queues(self, now: datetime) -> list[Action]:
        """Nobody is left to serve a queue: those who wait go to its empty exit.

        Not the one whose agent's phone rings at this moment: that offer ends first.
        """
        actions: list[Action] = []
        for queue_id, waiting in tuple(self._waiting.items()):
            if not waiting or not self.queues[queue_id].exit_when_empty:
                continue
            if self._staffed(queue_id):
                continue
            for _, call_id in tuple(waiting):
                if self.calls[call_id].offer_id is None:
                    actions += self._leave(call_id, LeaveReason.EMPTY, now)
        return actions

    def _end_conversation(
        self, conversation: Conversation, ended_by: str, now: datetime
    ) -> list[Action]:
        """Talk is over: wrap-up for the agent."""
        call, offer = conversation.call, conversation.offer
        del self.conversations[call.call_id]
        queue = self.queues[call.queue_id]
        actions: list[Action] = [self._ended(conversation, ended_by, now)]
        agent = self.agents[offer.agent_id]
        if queue.wrap_up <= timedelta(0):
            return actions + self._to_idle(agent, now)
        until = now + queue.wrap_up
        actions += self._put(
            replace(agent, state=AgentState.WRAP_UP, since=now, offer_id=None, wrap_up_until=until)
        )
        actions.append(
            WrapUpStarted(
                agent_id=offer.agent_id,
                call_id=call.call_id,
                queue_id=call.queue_id,
                until=until,
                dispositions=queue.dispositions,
            )
        )
        return actions

    def _requeue(self, conversation: Conversation, why: str, now: datetime) -> list[Action]:
        """The agent's side broke: the caller keeps place and wait and is offered on at once."""
        call = conversation.call
        del self.conversations[call.call_id]
        actions: list[Action] = [self._ended(conversation, why, now)]
        actions += self._put(
            replace(
                _on_break(self.agents[conversation.offer.agent_id], reasons.DROPPED),
                state=AgentState.IDLE,
                since=now,
                offer_id=None,
                call_id=None,
            )
        )
        give_up_at = max(call.give_up_at, now + timedelta(seconds=30))
        call = replace(call, give_up_at=give_up_at)
        self._add_waiting(call)
        actions.append(CallRequeued(call_id=call.call_id, queue_id=call.queue_id, reason=why))
        actions.append(ResumeWaiting(call=call))
        actions += self._offer_call(call.call_id, now)
        actions += self._leave_empty_queues(now)
        return [*actions, self._queue_changed(call.queue_id)]

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

    def _to_idle(
        self, agent: Agent, now: datetime, *, keep_idle_since: bool = False
    ) -> list[Action]:
        actions: list[Action] = []
        if agent.state is AgentState.WRAP_UP:
            actions.append(WrapUpEnded(agent_id=agent.profile.agent_id, call_id=agent.call_id))
        actions += self._put(
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
        return actions + self._agent_may_be_free(agent.profile.agent_id, now)

    # --- bookkeeping ------------------------------------------------------------------------

    def _agent(self, agent_id: AgentId) -> Agent:
        agent = self.agents.get(agent_id)
        if agent is None:
            raise NotFound(f"there is no agent {agent_id}")
        return agent

    def _put(self, agent: Agent) -> list[Action]:
        agent_id = agent.profile.agent_id
        before = self.agents.get(agent_id)
        self.agents[agent_id] = agent
        if agent.free:
            self._free.add(agent_id)
        else:
            self._free.discard(agent_id)
        actions: list[Action] = [AgentChanged(agent=agent)]
        if before is None or before.free != agent.free:
            actions += [
                self._queue_changed(queue_id)
                for queue_id in agent.profile.queues
                if queue_id in self.queues
            ]
        return actions

    def _staffed(self, queue_id: QueueId) -> bool:
        """Whether anybody serves the queue now, free or busy."""
        return any(
            agent.status is AgentStatus.AVAILABLE and agent.registered
            for agent in self.agents.values()
            if queue_id in agent.profile.queues
        )

    def _add_waiting(self, call: QueuedCall) -> None:
        self.calls[call.call_id] = call
        bisect.insort(self._waiting.setdefault(call.queue_id, []), (call.rank, call.call_id))

    def _remove_waiting(self, call_id: CallId) -> None:
        call = self.calls.pop(call_id, None)
        if call is not None:
            waiting = self._waiting[call.queue_id]
            del waiting[bisect.bisect_left(waiting, (call.rank, call_id))]

    def _queue_changed(self, queue_id: QueueId) -> QueueChanged:
        waiting = self._waiting.get(queue_id, [])
        oldest = min((self.calls[call_id].queued_at for _, call_id in waiting), default=None)
        return QueueChanged(
            queue_id=queue_id,
            title=self.queues[queue_id].title,
            waiting=len(waiting),
            longest_wait_since=oldest,
            agents_available=sum(
                1 for agent_id in self._free if queue_id in self.agents[agent_id].profile.queues
            ),
        )


def _on_break(agent: Agent, reason: str) -> Agent:
    """The house sends an available agent on a break; who chose to be away keeps that status."""
    if agent.status is not AgentStatus.AVAILABLE:
        return agent
    return replace(agent, status=AgentStatus.ON_BREAK, reason=reason)
