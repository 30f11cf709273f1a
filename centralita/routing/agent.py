"""An agent: what they chose (status) and what can be observed of them (state)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from centralita.core.ids import AgentId, CallId, OfferId, QueueId


class AgentStatus(StrEnum):
    """What the agent chose, or what was chosen for them (RONA)."""

    AVAILABLE = "available"
    ON_BREAK = "on_break"
    LOGGED_OUT = "logged_out"


class AgentState(StrEnum):
    """What the agent is doing."""

    IDLE = "idle"
    OFFERED = "offered"
    IN_CALL = "in_call"
    WRAP_UP = "wrap_up"


# Reasons that the house itself gives for a break.
NO_ANSWER = "no_answer"
DECLINED = "declined"
UNREACHABLE = "unreachable"
DROPPED = "dropped_call"
PHONE_LOST = "phone_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """What is known of an agent beforehand. `queues` are those they serve."""

    agent_id: AgentId
    name: str
    extension: str
    skills: Mapping[str, int] = field(default_factory=dict)
    queues: frozenset[QueueId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as of now. `idle_since` orders longest-idle; a withdrawn offer keeps it.

    `expected`: the phone has left a moment ago and most likely comes back, as a page does that is
    loaded anew, or whose network changes.
    """

    profile: AgentProfile
    since: datetime
    idle_since: datetime
    status: AgentStatus = AgentStatus.LOGGED_OUT
    reason: str = ""
    state: AgentState = AgentState.IDLE
    registered: bool = False
    expected: bool = False
    offer_id: OfferId | None = None
    call_id: CallId | None = None
    wrap_up_until: datetime | None = None

    @property
    def serving(self) -> bool:
        """Whether the agent is at work, free or busy, or will be again in a moment."""
        return self.status is AgentStatus.AVAILABLE and (self.registered or self.expected)

    @property
    def free(self) -> bool:
        """Whether a call can be offered at this instant."""
        return self.serving and self.registered and self.state is AgentState.IDLE
