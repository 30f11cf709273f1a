"""What the board wants done. The dispatcher does it; events among it are told to everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, OfferId
from centralita.routing.events import LeaveReason
from centralita.routing.offer import Offer
from centralita.routing.queue import QueuedCall


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
