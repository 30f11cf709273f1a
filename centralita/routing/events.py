"""What routing tells the others; of what agents do in a conversation, see
`conversations/events.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.routing.agent import Agent
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueuedCall


class LeaveReason(StrEnum):
    """Why a call left its queue without an agent."""

    MAX_WAIT = "max_wait"
    EMPTY = "empty"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQueued(Event):
    """A caller waits in a queue."""

    call_id: CallId
    queue_id: QueueId
    at: datetime
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLeftQueue(Event):
    """A waiting call goes back to its flow."""

    call_id: CallId
    queue_id: QueueId
    reason: LeaveReason
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAbandoned(Event):
    """The caller hung up while waiting in a queue."""

    call_id: CallId
    queue_id: QueueId
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMade(Event):
    """An agent's phone is being rung: for a caller, or, in a `consultation`, for a colleague who
    talks with the caller. `transferred_from` is who had the caller before, or has."""

    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    queue_id: QueueId
    at: datetime
    transferred_from: AgentId | None = None
    consultation: bool = False

    @classmethod
    def of(cls, offer: Offer, call: QueuedCall) -> OfferMade:
        """The event of an offer of a waiting call."""
        return cls(
            offer_id=offer.offer_id,
            call_id=call.call_id,
            agent_id=offer.agent_id,
            queue_id=call.queue_id,
            at=offer.made_at,
            transferred_from=call.transferred_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSettled(Event):
    """The offer is over, in one of the final states."""

    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    queue_id: QueueId
    state: OfferState
    rang: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationStarted(Event):
    """Caller and agent hear each other."""

    call_id: CallId
    queue_id: QueueId
    agent_id: AgentId
    caller_leg: LegId
    agent_leg: LegId
    at: datetime
    waited: timedelta
    record: bool
    language: str
    transferred_from: AgentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationEnded(Event):
    """One of them is gone. `ended_by` is `caller`, `agent` or what broke."""

    call_id: CallId
    queue_id: QueueId
    agent_id: AgentId
    caller_leg: LegId
    agent_leg: LegId
    at: datetime
    talked: timedelta
    ended_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequeued(Event):
    """The agent's side broke: the caller waits again, at the old place."""

    call_id: CallId
    queue_id: QueueId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTakenOver(Event):
    """After an interruption of the server's decisions: the call waits, or talks, as before.

    `offer` is the one that rings, or the one that led to the conversation.
    """

    call_id: CallId
    queue_id: QueueId
    offer: OfferMade | None
    talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationTakenOver(Event):
    """After an interruption of the server's decisions: the agent of the offer is rung for a
    colleague, or `talking` with them, as before."""

    offer: OfferMade
    talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpStarted(Event):
    """After a conversation: time to write it up, until `until`."""

    agent_id: AgentId
    call_id: CallId
    queue_id: QueueId
    until: datetime
    dispositions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpExtended(Event):
    """The agent takes more time for it."""

    agent_id: AgentId
    call_id: CallId
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpEnded(Event):
    """The agent is done with it."""

    agent_id: AgentId
    call_id: CallId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent as of now."""

    agent: Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChanged(Event):
    """A queue's figures as of now."""

    queue_id: QueueId
    title: str
    waiting: int
    longest_wait_since: datetime | None
    agents_available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRefused(Event):
    """An agent wanted to send a caller to where that agent may not; the conversation goes on."""

    call_id: CallId
    agent_id: AgentId
    reason: str
