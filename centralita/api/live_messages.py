"""What `/api/v1/live` sends: a snapshot first, then deltas. A closed union, tagged by `type`.

Each message carries `seq`, which counts the messages of this one connection: the snapshot has 0 and
each delta one more than the message before it. A gap means: connect again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from centralita.api.schemas import (
    AgentState,
    AgentStatus,
    Customer,
    CustomerContext,
    JsonObject,
    PathStep,
    Task,
    Time,
)
from centralita.timeline.sending import MessageStatus


class Message(msgspec.Struct, kw_only=True, tag_field="type", frozen=True):
    """The base of everything on the live feed."""

    seq: int = 0


class AgentChanged(Message, tag="agent", frozen=True, kw_only=True):
    """An agent as of now."""

    agent_id: str
    name: str
    extension: str
    status: AgentStatus
    reason: str = ""
    state: AgentState
    since: Time
    registered: bool
    call_id: str | None = None


class AgentGone(Message, tag="agent_gone", frozen=True, kw_only=True):
    """An agent was removed."""

    agent_id: str


class QueueChanged(Message, tag="queue", frozen=True, kw_only=True):
    """A queue as of now."""

    queue_id: str
    title: str
    waiting: int
    longest_wait_since: Time | None = None
    agents_available: int


class CallChanged(Message, tag="call", frozen=True, kw_only=True):
    """A call as of now, `since` when. An agent sees only calls that they are in. `talking_since` is
    when the conversation with the agent began, held or not."""

    call_id: str
    state: Literal["ivr", "queued", "offered", "bridged", "voicemail", "held", "dialling", "ending"]
    caller: str
    customer_id: str | None = None
    customer_name: str = ""
    queue_id: str | None = None
    agent_id: str | None = None
    since: Time
    talking_since: Time | None = None


class CallGone(Message, tag="call_gone", frozen=True, kw_only=True):
    """A call is over, or no longer this viewer's business."""

    call_id: str


class OfferMade(Message, tag="offer", frozen=True, kw_only=True):
    """A phone rings. Goes to that agent's pages (all tabs) and to supervisors.

    Exactly one of these holds: `customer` (we know who it is), `choices` (several share the
    number), or neither (a withheld number). `learned` is what the flow found out.
    `transferred_from` is the agent who had the caller before, or, in a `consultation`, who has the
    caller and wants to talk; `notes` are what was written of the call until now.
    """

    offer_id: str
    call_id: str
    agent_id: str
    queue_id: str
    queue_title: str
    ringing_since: Time
    caller: str
    interaction_id: str | None = None
    customer: CustomerContext | None = None
    choices: list[Customer] = msgspec.field(default_factory=list)
    learned: JsonObject = msgspec.field(default_factory=dict)
    path: list[PathStep] = msgspec.field(default_factory=list)
    transferred_from: str | None = None
    transferred_from_name: str = ""
    consultation: bool = False
    notes: str = ""


class OfferGone(Message, tag="offer_gone", frozen=True, kw_only=True):
    """The phone rings no more."""

    offer_id: str
    agent_id: str
    how: Literal["accepted", "declined", "no_answer", "withdrawn"]


class ThirdParty(msgspec.Struct, kw_only=True, frozen=True):
    """Whom an agent consults."""

    kind: Literal["agent", "number", "queue"]
    label: str
    number: str
    agent_id: str | None = None
    state: Literal["ringing", "talking", "held"]
    since: Time


class Conversation(Message, tag="conversation", frozen=True, kw_only=True):
    """What an agent does with a call. Goes to that agent's pages and to supervisors.

    `with_` is whom the agent talks to, or would, were the one not held. While `dialling`, the
    number outside, or first the agent's own phone, rings. From those who are `unheard` no sound
    comes any more: their line, phone or network has died.
    """

    call_id: str
    agent_id: str
    state: Literal["talking", "held", "consulting", "conference", "dialling"]
    direction: Literal["in", "out"]
    with_: Literal["caller", "third"]
    third: ThirdParty | None = None
    recording: Literal["on", "paused", "off"]
    since: Time
    unheard: tuple[Literal["caller", "third", "agent"], ...] = ()


class ConversationGone(Message, tag="conversation_gone", frozen=True, kw_only=True):
    """The agent has no part in it any more. `outcome` says why a number that was called never
    answered: busy, no_answer, unavailable (it is there and cannot be rung now), no_such_number,
    line_down (the trunk does not work), line_refused (it does not take our call), failed,
    cancelled, agent_no_answer."""

    call_id: str
    agent_id: str
    outcome: str = ""


class ThirdNotReached(Message, tag="third_not_reached", frozen=True, kw_only=True):
    """Whom the agent wanted to consult did not answer; `outcome` is as in `conversation_gone`. The
    customer still waits."""

    call_id: str
    agent_id: str
    outcome: str


class Parked(Message, tag="parked", frozen=True, kw_only=True):
    """A caller waits with music in a parking slot. For all agents."""

    slot: str
    call_id: str
    caller: str
    customer_id: str | None = None
    customer_name: str = ""
    since: Time
    by: str


class ParkedGone(Message, tag="parked_gone", frozen=True, kw_only=True):
    """The slot is empty."""

    slot: str
    call_id: str


class Saying(msgspec.Struct, kw_only=True, frozen=True):
    """What somebody says between two pauses, `at_s` seconds into the call's conversation.

    `number` is that of the saying in its call. `text` is provisional until `final`. A `third` is
    somebody in a conference.
    """

    number: int
    speaker: Literal["caller", "agent", "third"]
    at_s: float
    text: str
    final: bool


Hearing = Literal[
    "starting", "busy", "interrupted", "listening", "waiting", "paused", "not_recorded", "no_model"
]


class LiveTranscript(Message, tag="live_transcript", frozen=True, kw_only=True):
    """A call of this agent is transcribed while they talk. Goes to that agent's pages and to
    supervisors; what follows are `live_said` and `live_hearing`.

    `shown` says whether this viewer is told the words: supervisors are once they ask for them
    (`PUT /calls/{id}/live-transcript`), and get this message again with what was said so far.

    `hearing` says whether they are being listened to, or why not: the recogniser is `busy`, or was
    `interrupted` and comes back; the caller is `waiting` with music; the recording is `paused` or
    there is none; there is no speech model of the language. `cut` says that something was said
    before the first of `sayings`. Nothing of it is stored: the transcript that is kept is made of
    the recording.
    """

    call_id: str
    agent_id: str
    language: str
    hearing: Hearing
    cut: bool
    sayings: list[Saying]
    shown: bool = True


class LiveSaid(Message, tag="live_said", frozen=True, kw_only=True):
    """A saying is new or has changed. A final one without text is to be taken away.

    Goes to those to whom the transcript is `shown`.
    """

    call_id: str
    agent_id: str
    saying: Saying


class LiveHearing(Message, tag="live_hearing", frozen=True, kw_only=True):
    """They are being listened to, or not any more."""

    call_id: str
    agent_id: str
    hearing: Hearing


class LiveTranscriptGone(Message, tag="live_transcript_gone", frozen=True, kw_only=True):
    """The agent has the call no more."""

    call_id: str
    agent_id: str


class WrapUpStarted(Message, tag="wrap_up", frozen=True, kw_only=True):
    """After a conversation: time for notes and a disposition, until `until`."""

    agent_id: str
    call_id: str
    interaction_id: str
    until: Time
    dispositions: list[str]


class WrapUpEnded(Message, tag="wrap_up_gone", frozen=True, kw_only=True):
    """The agent is free again."""

    agent_id: str
    call_id: str


class TaskChanged(Message, tag="task", frozen=True, kw_only=True):
    """A task is new or has changed."""

    task: Task


class MessageChanged(Message, tag="message", frozen=True, kw_only=True):
    """A message to a customer has gone, has failed, or waits for another try. For all agents: it
    says nothing but which entry of which customer is another one now."""

    message_id: str
    interaction_id: str
    customer_id: str
    status: MessageStatus


Delta = (
    AgentChanged
    | AgentGone
    | QueueChanged
    | CallChanged
    | CallGone
    | OfferMade
    | OfferGone
    | Conversation
    | ConversationGone
    | ThirdNotReached
    | Parked
    | ParkedGone
    | LiveTranscript
    | LiveSaid
    | LiveHearing
    | LiveTranscriptGone
    | WrapUpStarted
    | WrapUpEnded
    | TaskChanged
    | MessageChanged
)


class Snapshot(Message, tag="snapshot", frozen=True, kw_only=True):
    """Everything that this viewer may see, as of now. The first message.

    `accepted` are the offers that led to what agents have in hand, be it a call or its wrap-up: a
    page that is opened later knows by them who gave the call, or who consults this agent.
    """

    agents: list[AgentChanged]
    queues: list[QueueChanged]
    calls: list[CallChanged]
    offers: list[OfferMade]
    accepted: list[OfferMade]
    conversations: list[Conversation]
    parked: list[Parked]
    transcripts: list[LiveTranscript]
    wrap_ups: list[WrapUpStarted]
    tasks: list[TaskChanged]


LiveMessage = Snapshot | Delta


class LiveSignIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The first message of a client that can send neither cookie nor header."""

    token: str
