"""An offer: one attempt to give one call to one agent. A lease that always ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId


class OfferState(StrEnum):
    """Where the offer is; all but ringing are final."""

    RINGING = "ringing"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """`expires_at` is when the lease ends, whatever the phone does."""

    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    queue_id: QueueId
    made_at: datetime
    expires_at: datetime
    state: OfferState = OfferState.RINGING
    settled_at: datetime | None = None
    leg_id: LegId | None = None
