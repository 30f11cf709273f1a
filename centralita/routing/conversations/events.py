"""What is told of the things that an agent does in a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, QueueId
from centralita.routing.conversations.exchange import Exchange
from centralita.telephony.call import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChanged(Event):
    """An agent's conversation as of now."""

    call_id: CallId
    exchange: Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationGone(Event):
    """The agent has no part in it any more."""

    call_id: CallId
    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """The caller began, or ceased, to hear music in the middle of a conversation."""

    call_id: CallId
    agent_id: AgentId
    held: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationStarted(Event):
    """The agent rings somebody else: a `kind` (agent, number, queue) and its name."""

    call_id: CallId
    agent_id: AgentId
    kind: str
    pii_target: str
    leg_id: LegId
    record: bool
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationAnswered(Event):
    """The one who was rung has answered the agent."""

    call_id: CallId
    agent_id: AgentId
    leg_id: LegId
    record: bool
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultationEnded(Event):
    """It is over: `completed`, `cancelled`, or the third party is `gone`."""

    call_id: CallId
    agent_id: AgentId
    leg_id: LegId
    how: str
    talked: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceStarted(Event):
    """Caller, agent and third party hear each other."""

    call_id: CallId
    agent_id: AgentId
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferred(Event):
    """The agent gave the caller away: `how` is blind or attended, `kind` and target say whereto."""

    call_id: CallId
    agent_id: AgentId
    how: str
    kind: str
    pii_target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTalked(Event):
    """An agent took part in a conference with the caller and has left it."""

    call_id: CallId
    agent_id: AgentId
    leg_id: LegId
    since: datetime
    talked: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParked(Event):
    """The caller hears music in a slot, and comes back to the queue at `until`."""

    call_id: CallId
    slot: str
    agent_id: AgentId
    queue_id: QueueId
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUnparked(Event):
    """The slot is empty: `picked_up`, `timed_out` or `abandoned`."""

    call_id: CallId
    slot: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingStarted(Event):
    """An agent calls somebody for a queue; the agent's own phone rings first."""

    call_id: CallId
    agent_id: AgentId
    queue_id: QueueId
    at: datetime
    task_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingFailed(Event):
    """Nobody was reached: `busy`, `no_answer`, `unavailable`, `no_such_number`, `line_down`,
    `line_refused`, `failed`, or `cancelled` by the agent. `reason` is the leg's."""

    call_id: CallId
    agent_id: AgentId
    outcome: str
    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPaused(Event):
    """What is said is not recorded from now on, or is again."""

    call_id: CallId
    agent_id: AgentId
    paused: bool
