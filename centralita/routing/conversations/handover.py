"""What a conversation's transfers do to the board: who is busy, and who waits.

Each method changes the floor and returns what is to be done and told, as the board's own do.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.core.refusals import Refusal
from centralita.routing.actions import (
    Action,
    ConnectCall,
    Conversation,
    EndAgentLeg,
    ResumeWaiting,
    ReturnCaller,
)
from centralita.routing.agent import Agent, AgentState, AgentStatus
from centralita.routing.conversations.events import AgentTalked
from centralita.routing.conversations.exchange import Exchange, Third
from centralita.routing.events import (
    CallQueued,
    ConsultationTakenOver,
    ConversationStarted,
    LeaveReason,
    OfferMade,
    OfferSettled,
    WrapUpEnded,
)
from centralita.routing.floor import Floor
from centralita.routing.moves import Moves
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueuedCall

FRONT = 1000
"""The priority of who was let down by a transfer: flows give 100 at most."""


_DOING = {
    AgentState.OFFERED: Refusal.AGENT_RINGS,
    AgentState.IN_CALL: Refusal.AGENT_TALKS,
    AgentState.WRAP_UP: Refusal.AGENT_WRAPS_UP,
}


class Handovers:
    """One for the board."""

    def __init__(self, floor: Floor, moves: Moves) -> None:
        self._floor = floor
        self._moves = moves

    # --- who is consulted -------------------------------------------------------------------

    def available(self, agent_id: AgentId) -> Agent:
        """An agent who can be rung now. Raises NotFound, or Conflict that says what they do."""
        agent = self._floor.agent(agent_id)
        if agent.free:
            return agent
        raise _busy(agent, "choose somebody else or a queue")

    def first_free(self, queue_id: QueueId, now: datetime) -> Agent | None:
        """The agent of a queue whom a consultation should ring."""
        if queue_id not in self._floor.queues:
            raise NotFound(f"there is no queue {queue_id}", code=Refusal.NO_SUCH_QUEUE)
        asked = QueuedCall(
            call_id=CallId(""), leg_id=LegId(""), queue_id=queue_id, queued_at=now, give_up_at=now
        )
        return self._floor.best_agent(asked)

    def consult(
        self, agent_id: AgentId, third: Third, talk: Conversation, now: datetime
    ) -> list[Action]:
        """The agent's phone is about to be rung for a colleague."""
        agent = self.available(agent_id)
        assert third.offer_id is not None
        made = OfferMade(
            offer_id=third.offer_id,
            call_id=talk.call.call_id,
            agent_id=agent_id,
            queue_id=talk.call.queue_id,
            at=now,
            transferred_from=talk.offer.agent_id,
            consultation=True,
        )
        offered = replace(
            agent,
            state=AgentState.OFFERED,
            since=now,
            offer_id=third.offer_id,
            call_id=talk.call.call_id,
        )
        return [made, *self._moves.put(offered)]

    def consulted(self, third: Third, queue_id: QueueId, now: datetime) -> list[Action]:
        """The agent who was rung for a colleague has answered."""
        agent = self._reserved(third)
        if agent is None:
            return []
        settled = self._settled(third, agent, queue_id, OfferState.ACCEPTED, now)
        return [settled, *self._moves.put(replace(agent, state=AgentState.IN_CALL, since=now))]

    def release(
        self, third: Third, call: QueuedCall, how: OfferState, now: datetime
    ) -> list[Action]:
        """The agent is not consulted any more. Nobody is to blame, and the turn is kept; who has
        talked with the caller as well writes that up."""
        agent = self._reserved(third)
        if agent is None:
            return []
        actions: list[Action] = []
        if not third.answered:
            actions.append(self._settled(third, agent, call.queue_id, how, now))
        if third.joined_at is None:
            return actions + self._moves.to_idle(agent, now, keep_idle_since=True)
        actions.append(
            AgentTalked(
                call_id=call.call_id,
                agent_id=agent.profile.agent_id,
                leg_id=third.leg_id,
                since=third.joined_at,
                talked=now - third.joined_at,
            )
        )
        return actions + self._moves.wrap_up(agent, call, now)

    # --- who calls by themselves ------------------------------------------------------------

    def reserve(
        self,
        agent_id: AgentId,
        call_id: CallId,
        offer_id: OfferId,
        now: datetime,
        *,
        rings: bool,
        urgent: bool = False,
    ) -> list[Action]:
        """The agent is about to call somebody, on a break or not. What is `urgent` also ends a
        wrap-up. Raises NotFound, Conflict."""
        agent = self._floor.agent(agent_id)
        actions: list[Action] = []
        if urgent and agent.state is AgentState.WRAP_UP:
            actions.append(WrapUpEnded(agent_id=agent_id, call_id=agent.call_id))
            # Not by way of being free: the next caller would be offered at once.
            agent = replace(agent, state=AgentState.IDLE, wrap_up_until=None)
        if not agent.registered or agent.state is not AgentState.IDLE:
            raise _busy(agent)
        state = AgentState.OFFERED if rings else AgentState.IN_CALL
        return actions + self._moves.put(
            replace(agent, state=state, since=now, offer_id=offer_id, call_id=call_id)
        )

    def dials(self, agent_id: AgentId, offer_id: OfferId, now: datetime) -> list[Action]:
        """The agent's own phone was picked up: now the other one rings."""
        agent = self._floor.agents.get(agent_id)
        if agent is None or agent.offer_id != offer_id:
            return []
        return self._moves.put(replace(agent, state=AgentState.IN_CALL, since=now))

    def reached(self, call: QueuedCall, offer: Offer, now: datetime) -> list[Action]:
        """The one who was called has answered: a conversation like others."""
        talk = Conversation(
            call=call, offer=offer, agent_leg=offer.leg_id or LegId(""), started_at=now
        )
        agent = self._floor.agent(offer.agent_id)
        self._floor.put_conversation(talk)
        return [
            ConnectCall(conversation=talk),
            *self._moves.put(replace(agent, state=AgentState.IN_CALL, since=now)),
            started(talk, self._floor.queues[call.queue_id].record, now),
        ]

    def not_reached(
        self, agent_id: AgentId, offer_id: OfferId, call: QueuedCall | None, now: datetime
    ) -> list[Action]:
        """It came to nothing: wrap-up for the queue of `call`; without, the agent is as before."""
        agent = self._floor.agents.get(agent_id)
        if agent is None or agent.offer_id != offer_id:
            return []
        if call is None:
            return self._moves.to_idle(agent, now, keep_idle_since=True)
        return self._moves.wrap_up(agent, call, now)

    # --- where the caller goes --------------------------------------------------------------

    def hand_over(self, call_id: CallId, third: Third, now: datetime) -> list[Action]:
        """The agent who was consulted has the caller from now on."""
        before = self._floor.conversations[call_id]
        agent = self._reserved(third)
        if agent is None or third.offer_id is None:
            raise Conflict("the colleague has just left", code=Refusal.COLLEAGUE_LEFT)
        actions = self.end(before, "transferred", now)
        call = replace(before.call, offer_id=None, transferred_by=before.offer.agent_id)
        offer = Offer(
            offer_id=third.offer_id,
            call_id=call_id,
            agent_id=agent.profile.agent_id,
            queue_id=call.queue_id,
            made_at=third.since,
            expires_at=third.since,
            state=OfferState.ACCEPTED,
            leg_id=third.leg_id,
        )
        talk = Conversation(
            call=call, offer=offer, agent_leg=third.leg_id, started_at=third.joined_at or now
        )
        self._floor.put_conversation(talk)
        actions.append(ConnectCall(conversation=talk))
        actions += self._moves.put(
            replace(agent, state=AgentState.IN_CALL, since=now, call_id=call_id)
        )
        actions.append(started(talk, self._floor.queues[call.queue_id].record, now))
        return actions

    def to_queue(
        self, call_id: CallId, queue_id: QueueId, now: datetime, *, front: bool, why: str
    ) -> list[Action]:
        """The caller waits for the next one of a queue. Raises NotFound."""
        queue = self._floor.queues.get(queue_id)
        if queue is None:
            raise NotFound(f"there is no queue {queue_id}", code=Refusal.NO_SUCH_QUEUE)
        talk = self._floor.conversations[call_id]
        actions = self.end(talk, why, now)
        same = queue_id == talk.call.queue_id
        call = replace(
            talk.call,
            queue_id=queue_id,
            skills=talk.call.skills if same else {},
            transferred_by=talk.offer.agent_id,
        )
        return actions + self.waits(call, now, front=front)

    def to_agent(self, call_id: CallId, agent_id: AgentId, now: datetime) -> list[Action]:
        """One agent is rung for the caller; if that fails the queue goes on, before all others."""
        agent = self.available(agent_id)
        talk = self._floor.conversations[call_id]
        actions = self.end(talk, "transferred", now)
        return actions + self.offered(talk.call, talk.offer.agent_id, agent, now)

    def hang_up(self, call_id: CallId, now: datetime) -> list[Action]:
        """The agent is done with the caller, who goes back to the flow."""
        talk = self._floor.conversations[call_id]
        return [*self.end(talk, "agent", now), ReturnCaller(call_id=call_id, reason=None)]

    # --- after another brain's death --------------------------------------------------------

    def restore(self, third: Third, x: Exchange) -> list[Action]:
        """Put back an agent who is being consulted."""
        agent = self._floor.agents.get(third.agent_id) if third.agent_id is not None else None
        if agent is None or third.offer_id is None:
            return []
        state = AgentState.IN_CALL if third.answered else AgentState.OFFERED
        made = OfferMade(
            offer_id=third.offer_id,
            call_id=x.call_id,
            agent_id=agent.profile.agent_id,
            queue_id=x.queue_id,
            at=third.since,
            transferred_from=x.agent_id,
            consultation=True,
        )
        consulted = replace(
            agent, state=state, since=third.since, offer_id=third.offer_id, call_id=x.call_id
        )
        told = ConsultationTakenOver(offer=made, talking=third.answered)
        return [*self._moves.put(consulted), told]

    # --- within -----------------------------------------------------------------------------

    def end(self, talk: Conversation, why: str, now: datetime) -> list[Action]:
        """The agent's part is over."""
        end = EndAgentLeg(offer_id=talk.offer.offer_id)
        return [end, *self._moves.end_conversation(talk, why, now)]

    def _reserved(self, third: Third) -> Agent | None:
        agent = self._floor.agents.get(third.agent_id) if third.agent_id is not None else None
        return agent if agent is not None and agent.offer_id == third.offer_id else None

    def _settled(
        self, third: Third, agent: Agent, queue_id: QueueId, how: OfferState, now: datetime
    ) -> OfferSettled:
        return OfferSettled(
            offer_id=third.offer_id or OfferId(""),
            call_id=agent.call_id or CallId(""),
            agent_id=agent.profile.agent_id,
            queue_id=queue_id,
            state=how,
            rang=now - third.since,
        )

    def offered(self, call: QueuedCall, by: AgentId, agent: Agent, now: datetime) -> list[Action]:
        """The caller waits before all others, while this agent is rung."""
        call = self._waiting(replace(call, transferred_by=by), now, front=True)
        self._floor.put_call(call)
        queued = CallQueued(
            call_id=call.call_id, queue_id=call.queue_id, at=now, priority=call.priority
        )
        return [
            queued,
            ResumeWaiting(call=call),
            *self._moves.make_offer(call, agent, now),
            self._floor.figures(call.queue_id),
        ]

    def waits(self, call: QueuedCall, now: datetime, *, front: bool) -> list[Action]:
        """The caller waits in the queue, before all others if told so."""
        call = self._waiting(call, now, front=front)
        self._floor.put_call(call)
        actions: list[Action] = [
            CallQueued(
                call_id=call.call_id, queue_id=call.queue_id, at=now, priority=call.priority
            ),
            ResumeWaiting(call=call),
            *self._moves.offer(call.call_id, now),
        ]
        offered = self._floor.calls[call.call_id].offer_id is not None
        queue = self._floor.queues[call.queue_id]
        if queue.exit_when_empty and not offered and not self._floor.staffed(call.queue_id):
            return actions + self._moves.leave(call.call_id, LeaveReason.EMPTY, now)
        return [*actions, self._floor.figures(call.queue_id)]

    def _waiting(self, call: QueuedCall, now: datetime, *, front: bool) -> QueuedCall:
        patience = max(self._floor.queues[call.queue_id].max_wait, timedelta(seconds=30))
        return replace(
            call,
            offer_id=None,
            attempts=0,
            queued_at=now,
            give_up_at=now + patience,
            priority=FRONT if front else min(call.priority, FRONT - 1),
        )


def _busy(agent: Agent, cure: str = "") -> Conflict:
    """Why this agent cannot be rung: the nearest reason of those that there are."""
    if agent.state is not AgentState.IDLE and agent.registered:
        what, code = agent.state.value, _DOING[agent.state]
    elif not agent.registered:
        what, code = "not at the phone", Refusal.AGENT_WITHOUT_PHONE
    elif agent.status is AgentStatus.LOGGED_OUT:
        what, code = agent.status.value, Refusal.AGENT_LOGGED_OUT
    else:
        what, code = agent.status.value, Refusal.AGENT_ON_BREAK
    name = agent.profile.name
    sentence = "; ".join(part for part in (f"{name} is {what.replace('_', ' ')}", cure) if part)
    return Conflict(sentence, code=code, values={"name": name})


def started(talk: Conversation, record: bool, now: datetime) -> ConversationStarted:
    """The news of a conversation."""
    call = talk.call
    return ConversationStarted(
        call_id=call.call_id,
        queue_id=call.queue_id,
        agent_id=talk.offer.agent_id,
        caller_leg=call.leg_id,
        agent_leg=talk.agent_leg,
        at=now,
        waited=max(now - call.queued_at, timedelta(0)),
        record=record,
        language=call.language,
        transferred_from=call.transferred_by,
    )
