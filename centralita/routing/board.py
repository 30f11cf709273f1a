"""The board: all queues, agents and offers, and every decision about them. No I/O.

Each method takes what happened and the time, and returns what is to be done and told. The
dispatcher carries it out; the tests drive the board alone, under hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from centralita.core.errors import Conflict, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, OfferId
from centralita.core.refusals import Refusal
from centralita.routing.actions import (
    Action,
    ConnectCall,
    Conversation,
    EndAgentLeg,
    ResumeWaiting,
    ReturnCaller,
    RingAgent,
)
from centralita.routing.agent import PHONE_LOST, Agent, AgentProfile, AgentState, AgentStatus
from centralita.routing.conversations.handover import Handovers, started
from centralita.routing.conversations.parking import Parking
from centralita.routing.events import (
    AgentChanged,
    CallAbandoned,
    CallQueued,
    CallTakenOver,
    LeaveReason,
    OfferMade,
    WrapUpExtended,
)
from centralita.routing.floor import Floor
from centralita.routing.moves import Moves
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueueConfig, QueuedCall

__all__ = [
    "Action",
    "Board",
    "ConnectCall",
    "Conversation",
    "EndAgentLeg",
    "ResumeWaiting",
    "ReturnCaller",
    "RingAgent",
]


class Board:
    """All decisions. The dicts show how things stand; they are for reading."""

    def __init__(
        self,
        queues: Iterable[QueueConfig],
        agents: Iterable[AgentProfile],
        floor: Floor | None = None,
    ) -> None:
        self._floor = floor or Floor()
        self._moves = Moves(self._floor)
        self.queues = self._floor.queues
        self.agents = self._floor.agents
        self.calls = self._floor.calls
        self.offers = self._floor.offers
        self.conversations = self._floor.conversations
        self.handovers = Handovers(self._floor, self._moves)
        self.parking = Parking(self._floor, self.handovers)
        for queue in queues:
            self._floor.put_queue(queue)
        self._profiles = {profile.agent_id: profile for profile in agents}

    # --- set-up -----------------------------------------------------------------------------

    def open(self, now: datetime) -> list[Action]:
        """Put the agents on the board, all logged out."""
        actions: list[Action] = []
        for profile in self._profiles.values():
            if profile.agent_id not in self.agents:
                actions += self._moves.put(Agent(profile=profile, since=now, idle_since=now))
        return actions

    def configure(
        self, queues: Iterable[QueueConfig], agents: Iterable[AgentProfile], now: datetime
    ) -> list[Action]:
        """Take a changed directory: those who wait, talk or are offered a call don't notice.

        Who is no longer in it finishes the call at hand and is offered none any more; one whose
        phone rings has not got it yet, and the caller is offered on.
        """
        for queue in queues:
            self._floor.put_queue(queue)
        self._profiles = {profile.agent_id: profile for profile in agents}
        actions: list[Action] = []
        for agent_id, profile in self._profiles.items():
            known = self.agents.get(agent_id)
            if known is None:
                known = Agent(profile=profile, since=now, idle_since=now)
            actions += self._moves.put(replace(known, profile=profile))
        for gone in [a for a in self.agents.values() if a.profile.agent_id not in self._profiles]:
            actions += self._moves.put(
                replace(
                    gone,
                    profile=replace(gone.profile, queues=frozenset()),
                    status=AgentStatus.LOGGED_OUT,
                    reason="",
                    since=now,
                )
            )
            offer = self.offers.get(gone.offer_id) if gone.offer_id is not None else None
            if offer is not None:
                actions += self._moves.take_back(offer, now)
        actions += self.match_all(now)
        # Who serves which queue has changed, so have the figures of all.
        return [*actions, *(self._floor.figures(queue_id) for queue_id in self.queues)]

    def match_all(self, now: datetime) -> list[Action]:
        """Offer what can be offered, the longest idle agent first; empty the empty queues."""
        actions: list[Action] = []
        for agent in sorted(self.agents.values(), key=lambda a: (a.idle_since, a.profile.agent_id)):
            actions += self._moves.serve(agent.profile.agent_id, now)
        return actions + self._moves.leave_empty_queues(now)

    def take_over(
        self, call: QueuedCall, offer: Offer | None, talking_since: datetime | None
    ) -> list[Action]:
        """Put back a call of the board before this one; `match_all` follows when all are there.

        `offer` is the one that rings, or the one that led to the conversation. Raises NotFound
        when the queue, or the agent, is no longer known.
        """
        if call.queue_id not in self.queues:
            raise NotFound(f"there is no queue {call.queue_id}")
        actions: list[Action] = []
        if offer is not None:
            agent = replace(
                self._floor.agent(offer.agent_id),
                state=AgentState.OFFERED if talking_since is None else AgentState.IN_CALL,
                since=talking_since or offer.made_at,
                offer_id=offer.offer_id,
                call_id=call.call_id,
            )
            actions += self._moves.put(agent)
        if offer is not None and talking_since is not None and offer.leg_id is not None:
            self._floor.put_conversation(
                Conversation(
                    call=call, offer=offer, agent_leg=offer.leg_id, started_at=talking_since
                )
            )
        else:
            self._floor.put_call(call)
            if offer is not None:
                self._floor.put_offer(offer)
        told = CallTakenOver(
            call_id=call.call_id,
            queue_id=call.queue_id,
            offer=OfferMade.of(offer, call) if offer is not None else None,
            talking=talking_since is not None,
        )
        return [*actions, told, self._floor.figures(call.queue_id)]

    # --- agents -----------------------------------------------------------------------------

    def choose_status(
        self, agent_id: AgentId, status: AgentStatus, reason: str, now: datetime
    ) -> list[Action]:
        """The agent, or a supervisor, chose a status. A running offer or call is not touched."""
        agent = self._floor.agent(agent_id)
        idle_since = agent.idle_since
        if status is AgentStatus.AVAILABLE and agent.status is not AgentStatus.AVAILABLE:
            idle_since = now
        actions = self._moves.put(
            replace(agent, status=status, reason=reason, since=now, idle_since=idle_since)
        )
        return actions + self._moves.serve(agent_id, now) + self._moves.leave_empty_queues(now)

    def registration(self, agent_id: AgentId, registered: bool, now: datetime) -> list[Action]:
        """The agent's phone can be reached, or not any more. One that has just left is expected
        back, until `phone_lost`: nobody is sent away for a moment without it."""
        agent = self._floor.agent(agent_id)
        if agent.registered == registered:
            return []
        changed = replace(agent, registered=registered, expected=not registered, since=now)
        actions = self._moves.put(changed)
        return actions + self._moves.serve(agent_id, now) + self._moves.leave_empty_queues(now)

    def phone_lost(self, agent_id: AgentId, now: datetime) -> list[Action]:
        """The agent's phone has been away for too long: a break that says so, and those who wait
        for nobody else leave."""
        agent = self._floor.agent(agent_id)
        if agent.registered:
            return []
        agent = replace(agent, expected=False)
        if agent.status is AgentStatus.AVAILABLE:
            agent = replace(agent, status=AgentStatus.ON_BREAK, reason=PHONE_LOST, since=now)
        return self._moves.put(agent) + self._moves.leave_empty_queues(now)

    def finish_wrap_up(self, agent_id: AgentId, now: datetime) -> list[Action]:
        """The agent is done. Raises Conflict when there is no wrap-up."""
        agent = self._floor.agent(agent_id)
        if agent.state is not AgentState.WRAP_UP:
            raise Conflict("there is no wrap-up to finish", code=Refusal.NO_WRAP_UP)
        return self._moves.to_idle(agent, now)

    def extend_wrap_up(self, agent_id: AgentId, by: timedelta, now: datetime) -> list[Action]:
        """More time. Raises Conflict when there is no wrap-up."""
        agent = self._floor.agent(agent_id)
        if agent.state is not AgentState.WRAP_UP or agent.wrap_up_until is None:
            raise Conflict("there is no wrap-up to extend", code=Refusal.NO_WRAP_UP)
        until = agent.wrap_up_until + by
        actions = self._moves.put(replace(agent, wrap_up_until=until))
        if agent.call_id is not None:
            told = WrapUpExtended(agent_id=agent_id, call_id=agent.call_id, until=until)
            return [*actions, told]
        return actions

    # --- calls ------------------------------------------------------------------------------

    def enqueue(self, call: QueuedCall, now: datetime) -> list[Action]:
        """A caller begins to wait. Raises NotFound for an unknown queue."""
        queue = self.queues.get(call.queue_id)
        if queue is None:
            raise NotFound(f"there is no queue {call.queue_id}")
        if call.call_id in self.calls or call.call_id in self.conversations:
            raise Conflict(f"call {call.call_id} is in a queue already")
        self._floor.put_call(call)
        actions: list[Action] = [
            CallQueued(call_id=call.call_id, queue_id=call.queue_id, at=now, priority=call.priority)
        ]
        actions += self._moves.offer(call.call_id, now)
        if queue.exit_when_empty and not self._floor.staffed(call.queue_id):
            actions += self._moves.leave(call.call_id, LeaveReason.EMPTY, now)
        else:
            actions.append(self._floor.figures(call.queue_id))
        return actions

    def caller_gone(self, call_id: CallId, now: datetime) -> list[Action]:
        """The caller hung up, wherever the call was."""
        conversation = self.conversations.get(call_id)
        if conversation is not None:
            end = EndAgentLeg(offer_id=conversation.offer.offer_id)
            return [end, *self._moves.end_conversation(conversation, "caller", now)]
        call = self.calls.get(call_id)
        if call is None:
            return self.parking.caller_gone(call_id, now)
        actions = self._moves.withdraw(call, now)
        actions.append(
            CallAbandoned(call_id=call_id, queue_id=call.queue_id, waited=now - call.queued_at)
        )
        return [*actions, self._floor.figures(call.queue_id)]

    def key_pressed(self, call_id: CallId, digit: str, now: datetime) -> list[Action]:
        """A waiting caller pressed a key: perhaps the one that leaves the queue."""
        call = self.calls.get(call_id)
        if call is None or digit != self.queues[call.queue_id].exit_key:
            return []
        return self._moves.leave(call_id, LeaveReason.KEY, now)

    def transferred(self, call_id: CallId, now: datetime) -> list[Action]:
        """The agent gave the caller to somebody else: the agent's part is over."""
        conversation = self.conversations.get(call_id)
        if conversation is None:
            return []
        end = EndAgentLeg(offer_id=conversation.offer.offer_id)
        return [end, *self._moves.end_conversation(conversation, "transferred", now)]

    # --- offers -----------------------------------------------------------------------------

    def agent_answered(self, offer_id: OfferId, leg_id: LegId, now: datetime) -> list[Action]:
        """The phone was picked up. Too late an answer only ends that leg."""
        offer = self.offers.get(offer_id)
        talk = self._floor.conversation_of(offer_id)
        if talk is not None and talk.call.direction == "out":
            return []  # a phone that called by itself: it talks already
        if offer is None or offer.state is not OfferState.RINGING:
            return [EndAgentLeg(offer_id=offer_id)]
        call = self.calls[offer.call_id]
        actions = self._moves.settle(offer, OfferState.ACCEPTED, now)
        self._floor.drop_call(call.call_id)
        conversation = Conversation(
            call=replace(call, offer_id=None),
            offer=replace(offer, state=OfferState.ACCEPTED, leg_id=leg_id),
            agent_leg=leg_id,
            started_at=now,
        )
        self._floor.put_conversation(conversation)
        queue = self.queues[call.queue_id]
        agent = replace(
            self.agents[offer.agent_id],
            state=AgentState.IN_CALL,
            since=now,
            offer_id=offer_id,
            call_id=call.call_id,
        )
        actions.append(ConnectCall(conversation=conversation))
        actions += self._moves.put(agent)
        actions.append(started(conversation, queue.record, now))
        return [*actions, self._floor.figures(call.queue_id)]

    def not_rung(self, offer_id: OfferId, now: datetime) -> list[Action]:
        """The agent's phone was not rung, and nobody there is to blame; `match_all` tries again."""
        offer = self.offers.get(offer_id)
        if offer is None or offer.state is not OfferState.RINGING:
            return []
        return self._moves.not_rung(offer, now)

    def agent_leg_ended(
        self, offer_id: OfferId, how: OfferState, now: datetime, *, broken: bool = False
    ) -> list[Action]:
        """The agent's leg is over: refused while it rang, or the end of the conversation.

        `how` tells the refusal's kind. `broken` says that nobody hung up: the phone, the network
        or the worker failed.
        """
        offer = self.offers.get(offer_id)
        if offer is not None and offer.state is OfferState.RINGING:
            return self._moves.refused(offer, how, now)
        conversation = self._floor.conversation_of(offer_id)
        if conversation is None:
            return []
        queue = self.queues[conversation.call.queue_id]
        dropped = now - conversation.started_at < queue.drop_window
        # Who has been called by us need not wait for somebody else.
        dropped = dropped and conversation.call.direction == "in"
        if dropped or broken:
            return self._moves.requeue(conversation, "broken" if broken else "dropped", now)
        actions = self._moves.end_conversation(conversation, "agent", now)
        return [*actions, ReturnCaller(call_id=conversation.call.call_id, reason=None)]

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """When `expire` has something to do next."""
        times = (self._floor.next_deadline(), self.parking.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: datetime) -> list[Action]:
        """Everything whose time has come."""
        actions: list[Action] = []
        for offer in self._floor.offers_due(now):
            actions.append(EndAgentLeg(offer_id=offer.offer_id))
            actions += self._moves.refused(offer, OfferState.NO_ANSWER, now)
        for call in self._floor.calls_due(now):
            actions += self._moves.leave(call.call_id, LeaveReason.MAX_WAIT, now)
        for agent in self._floor.agents_due(now):
            actions += self._moves.to_idle(agent, now)
        return actions + self.parking.expire(now)

    # --- what others ask --------------------------------------------------------------------

    def snapshot(self) -> list[Event]:
        """The state of everybody, as events."""
        agents: list[Event] = [AgentChanged(agent=agent) for agent in self.agents.values()]
        return agents + [self._floor.figures(queue_id) for queue_id in self.queues]

    def position(self, call_id: CallId) -> int:
        """The caller's place in the queue, from 1; 0 when not waiting."""
        return self._floor.position(call_id)

    def conversation_of(self, offer_id: OfferId) -> Conversation | None:
        """The conversation that an offer led to, while it lasts."""
        return self._floor.conversation_of(offer_id)

    def at_extension(self, extension: str) -> tuple[AgentId, ...]:
        """The agents whose phone has this number."""
        return self._floor.at_extension(extension)
