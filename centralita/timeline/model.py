"""The words of the timeline: customers, identities, interactions, cases, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from centralita.core.ids import (
    AgentId,
    CallId,
    CaseId,
    CustomerId,
    IdentityId,
    InteractionId,
    LegId,
    NodeId,
    QueueId,
    RecordingId,
    TaskId,
    new_id,
)
from centralita.core.wire import Plain
from centralita.timeline.sending import Sending


class Channel(StrEnum):
    """How the customer and the company met."""

    CALL = "call"
    SMS = "sms"
    EMAIL = "email"
    CHAT = "chat"
    NOTE = "note"
    VOICEMAIL = "voicemail"


# Entries that count as calls; all others are messages.
SPOKEN = (Channel.CALL, Channel.VOICEMAIL)


class Direction(StrEnum):
    """Who began: the customer (in), the company (out), or nobody else was there (internal)."""

    IN = "in"
    OUT = "out"
    INTERNAL = "internal"


class IdentityKind(StrEnum):
    """What an identity is: decides how its value is written."""

    PHONE = "phone"
    EMAIL = "email"


class CaseState(StrEnum):
    """Where a case stands. A solved one is opened again by moving it back to open."""

    OPEN = "open"
    PENDING = "pending"
    SOLVED = "solved"


class TaskKind(StrEnum):
    """What somebody of the queue has to do."""

    VOICEMAIL = "voicemail"
    MISSED_CALL = "missed_call"
    CALLBACK = "callback"


class TaskState(StrEnum):
    """Whether it is done."""

    OPEN = "open"
    DONE = "done"


class Outcome(StrEnum):
    """How a call ended, from the caller's side. There is no other way."""

    CONVERSATION = "conversation"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    SELF_SERVICE = "self_service"
    TRANSFERRED = "transferred"
    ABANDONED = "abandoned"
    MISSED = "missed"
    NOT_REACHED = "not_reached"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A way to recognise a customer: a phone in E.164 (`+34600111222`) or a lower-case address."""

    id: IdentityId
    customer_id: CustomerId
    kind: IdentityKind
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A person or company we talk to.

    `language` is ISO 639-1 or empty. A `provisional` customer was made from an unknown number or
    address and has no name until an agent gives one.
    """

    id: CustomerId
    name: str
    created_at: datetime
    segment: str = ""
    language: str = ""
    notes: str = ""
    provisional: bool = False
    external_id: str | None = None
    identities: tuple[Identity, ...] = ()


def new_provisional(kind: IdentityKind, value: str, at: datetime) -> Customer:
    """The customer who stands for an identity that nobody has."""
    customer_id = CustomerId(new_id("cus"))
    identity = Identity(
        id=IdentityId(new_id("idn")), customer_id=customer_id, kind=kind, value=value
    )
    return Customer(
        id=customer_id, name="", created_at=at, provisional=True, identities=(identity,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """One node of the flow that the call passed, and what the caller did there.

    `said` is the beginning of what the caller was told or asked, `heard` what was understood.
    """

    node_id: NodeId
    at: datetime
    kind: str = ""
    result: str = ""
    said: str = ""
    heard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWait:
    """Time spent waiting in one queue; `how` it ended is `answered`, `abandoned`, `timeout`..."""

    queue_id: QueueId
    since: datetime
    waited: timedelta
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One agent's part of the conversation. After a transfer there are several.

    `talked` is all of it, with the time in which the caller was `held`.
    """

    agent_id: AgentId
    leg_id: LegId
    since: datetime
    talked: timedelta
    held: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetails:
    """What only calls have.

    `caller` is in E.164 where possible, else as received, and empty when withheld. `ended_by` is
    the reason of the end and `ended_at_place` where in the house it happened (a node, a queue, a
    conversation).
    """

    call_id: CallId
    caller: str
    dialled: str
    answered_at: datetime | None = None
    outcome: Outcome | None = None
    ended_by: str = ""
    ended_at_place: str = ""
    language: str = ""
    path: tuple[PathStep, ...] = ()
    waits: tuple[QueueWait, ...] = ()
    talks: tuple[Talk, ...] = ()
    learned: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """What a call was, known when it has ended.

    `agent_id` and `queue_id` are the last ones; `talks` and `waits` have them all.
    """

    call_id: CallId
    ended_at: datetime
    outcome: Outcome
    ended_by: str
    ended_at_place: str = ""
    answered_at: datetime | None = None
    language: str = ""
    agent_id: AgentId | None = None
    queue_id: QueueId | None = None
    subject: str = ""
    body: str = ""
    path: tuple[PathStep, ...] = ()
    waits: tuple[QueueWait, ...] = ()
    talks: tuple[Talk, ...] = ()
    learned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One entry of a timeline. `call` is there for calls and voicemails that came by phone.

    `external_id` is the id of the message in the system it came from; it is unique. `candidates`
    are the customers who share the number or address, until an agent has said which one it was.
    `sending` says how far a message is that was written here, and is None for all others.
    `created_by` is the user or token that made the entry by the API, at `created_at`, whatever
    time it is about; the house's own have nobody. `by_hand` says that somebody typed in what they
    say was said: nothing but their word stands for it.
    """

    id: InteractionId
    channel: Channel
    direction: Direction
    started_at: datetime
    customer_id: CustomerId | None = None
    ended_at: datetime | None = None
    subject: str = ""
    body: str = ""
    external_id: str | None = None
    case_id: CaseId | None = None
    agent_id: AgentId | None = None
    queue_id: QueueId | None = None
    disposition: str = ""
    notes: str = ""
    candidates: tuple[CustomerId, ...] = ()
    call: CallDetails | None = None
    recording_ids: tuple[RecordingId, ...] = ()
    tags: tuple[str, ...] = ()
    sending: Sending | None = None
    created_by: str = ""
    created_at: datetime | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What several interactions are about."""

    id: CaseId
    customer_id: CustomerId
    subject: str
    state: CaseState
    opened_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that the people of a queue, or one agent, have to do: hear a voicemail, call back.

    With `due_at` it is for then: it shows from that time on, and is overdue a while later.
    """

    id: TaskId
    kind: TaskKind
    state: TaskState
    created_at: datetime
    queue_id: QueueId | None = None
    customer_id: CustomerId | None = None
    interaction_id: InteractionId | None = None
    call_id: CallId | None = None
    caller: str = ""
    text: str = ""
    done_at: datetime | None = None
    done_by: str = ""
    due_at: datetime | None = None
    agent_id: AgentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One line of a call's journal. `seq` counts from 1 within the call."""

    call_id: CallId
    seq: int
    at: datetime
    type: str
    data: Mapping[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerContext:
    """What an agent's screen shows while the phone rings: open case first, then what was said."""

    customer: Customer
    cases: tuple[Case, ...]
    recent: tuple[Interaction, ...]
    calls: int
    messages: int
    open_tasks: int
    # What was said in the calls among `recent`, shortened, by entry.
    said: Mapping[InteractionId, str] = field(default_factory=dict)
    contacts_last_week: int = 0
    last_disposition: str = ""
    last_disposition_at: datetime | None = None


def case_order(case: Case) -> tuple[int, float]:
    """Sort key: open, then pending, then solved; within each the one that moved last."""
    rank = (CaseState.OPEN, CaseState.PENDING, CaseState.SOLVED).index(case.state)
    return rank, -case.updated_at.timestamp()
