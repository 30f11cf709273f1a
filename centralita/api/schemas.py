"""The bodies of the REST API. `docs/openapi.json` and the web's types are generated from these.

Times are ISO 8601 in UTC; durations are seconds in fields that end in `_s`; ids are opaque strings.
What comes in refuses unknown fields; in a PATCH a field that is absent stays as it was.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from centralita.channels.protocol import Trouble
from centralita.core.wire import Plain
from centralita.timeline.model import (
    CaseState,
    Channel,
    Direction,
    IdentityKind,
    Outcome,
    TaskKind,
    TaskState,
)
from centralita.timeline.sending import MessageStatus

T = TypeVar("T")

Time = Annotated[datetime, Meta(tz=True)]
Short = Annotated[str, Meta(max_length=200)]
NonEmpty = Annotated[str, Meta(min_length=1, max_length=200)]
TagText = Annotated[str, Meta(min_length=1, max_length=40)]
Text = Annotated[str, Meta(max_length=20_000)]
Language = Annotated[str, Meta(pattern="^([a-z]{2})?$")]
if TYPE_CHECKING:
    JsonObject = dict[str, Plain]
else:
    JsonObject = dict  # msgspec can't follow a type that refers to itself

Role = Literal["agent", "supervisor", "admin"]
AgentStatus = Literal["available", "on_break", "logged_out"]
AgentState = Literal["idle", "offered", "in_call", "wrap_up"]


class Answer(msgspec.Struct, kw_only=True):
    """The base of everything we send."""


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The base of everything we take in."""


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """A part of a list; `next` is the cursor of the part after it, or null."""

    items: list[T]
    next: str | None = None


class PageQuery(Body, kw_only=True):
    """Which part of a list: at most `limit` items, from `cursor` on."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=500)] | None = None


class CallQuery(PageQuery, kw_only=True):
    """Which calls, newest first; `since` included, `until` not."""

    customer_id: str | None = None
    agent_id: str | None = None
    queue_id: str | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    state: Literal["live", "ended"] | None = None
    number: Annotated[str, Meta(max_length=100)] | None = None
    since: Time | None = None
    until: Time | None = None


class CustomerQuery(PageQuery, kw_only=True):
    """Which customers: by an `identity` (phone or address, exactly), or `q` in name or identity."""

    identity: Annotated[str, Meta(max_length=200)] | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None


class TimelineQuery(PageQuery, kw_only=True):
    """Which entries of a timeline, newest first; `since` is the entry to begin with."""

    channel: Channel | None = None
    since: str | None = None


class SearchQuery(PageQuery, kw_only=True):
    """What to find in the texts of entries and in transcripts: all words, each as the beginning of
    one, without case and accents."""

    q: NonEmpty
    customer_id: str | None = None
    channel: Channel | None = None


class TaskQuery(PageQuery, kw_only=True):
    """Which tasks, oldest first."""

    state: TaskState | None = None
    queue_id: str | None = None


class CaseQuery(PageQuery, kw_only=True):
    """Which cases, the one that moved last first."""

    customer_id: str | None = None
    state: CaseState | None = None


class ErrorDetail(Answer, kw_only=True):
    """`code` is stable; `place` is where in the request the error stands (`$.started_at`).

    `why` says more exactly what is in the way where the code leaves that open, and is stable, too.
    `values` are what words of another language need to say it.
    """

    code: str
    message: str
    place: str = ""
    why: str = ""
    values: dict[str, str | int] = msgspec.field(default_factory=dict)


class Error(Answer, kw_only=True):
    """What every answer with a status of 400 and above carries."""

    error: ErrorDetail


# --- people who sign in -------------------------------------------------------------------------


class SignIn(Body, kw_only=True):
    """A name and its password."""

    username: NonEmpty
    password: Annotated[str, Meta(min_length=1, max_length=1000)]


class User(Answer, kw_only=True):
    """Somebody who can sign in; agents and many supervisors are also an agent of the centre."""

    id: str
    username: str
    name: str
    role: Role
    agent_id: str | None = None


class Session(Answer, kw_only=True):
    """A signed-in session. `token` goes into `Authorization: Bearer`, `csrf` into `X-CSRF-Token`
    where the page's cookie is used instead. `token` is null when asked for later."""

    user: User
    csrf: str
    expires_at: Time
    token: str | None = None


class TokenRequest(Body, kw_only=True):
    """An API token to be made, for a program."""

    name: NonEmpty
    role: Role
    expires_at: Time | None = None


class ApiToken(Answer, kw_only=True):
    """A token for programs. `token` itself is shown once, when it is made."""

    id: str
    name: str
    role: Role
    created_at: Time
    expires_at: Time | None = None
    last_used_at: Time | None = None
    token: str | None = None


# --- customers and their timeline ---------------------------------------------------------------


class Identity(Answer, kw_only=True):
    """A phone in E.164 or an email address."""

    id: str
    kind: IdentityKind
    value: str


class Customer(Answer, kw_only=True):
    """A customer. A provisional one was made from an unknown number or address."""

    id: str
    name: str
    segment: str
    language: str
    notes: str
    provisional: bool
    created_at: Time
    identities: list[Identity]


class NewIdentity(Body, kw_only=True):
    """An identity as a person writes it; it is normalised."""

    kind: IdentityKind
    value: NonEmpty


class NewCustomer(Body, kw_only=True):
    """A customer to be made."""

    name: NonEmpty
    segment: Short = ""
    language: Language = ""
    notes: Text = ""
    identities: Annotated[list[NewIdentity], Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )


class Erased(Answer, kw_only=True):
    """What an erasure took out of everything, by number."""

    interactions: int
    recordings: int
    cases: int
    tasks: int
    merges: int


class CustomerPatch(Body, kw_only=True):
    """What to change; giving a provisional customer a name makes it a full one."""

    name: NonEmpty | UnsetType = UNSET
    segment: Short | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    notes: Text | UnsetType = UNSET
    add_identities: Annotated[list[NewIdentity], Meta(max_length=50)] | UnsetType = UNSET


class MergeRequest(Body, kw_only=True):
    """The customer into which this one goes."""

    into: NonEmpty


class Merge(Answer, kw_only=True):
    """`former` went into `into`, both as they were before; `moved` counts what went along, by kind:
    `interaction`, `case`, `task`, `identity`, `message`. After an undo, `stayed` counts what had
    moved on by then and stays where it is; `unlinked` are entries that left a case, since it is now
    another customer's."""

    id: str
    at: Time
    by: str
    by_name: str
    former: Customer
    into: Customer
    into_id: str
    moved: dict[str, int]
    undone_at: Time | None
    undone_by: str
    stayed: dict[str, int]
    unlinked: list[str]


class PathStep(Answer, kw_only=True):
    """One node of the flow that the call passed.

    `said` is the beginning of what the caller was told or asked there, `heard` the words that
    were understood; `result` is what came of it.
    """

    node_id: str
    at: Time
    kind: str
    result: str
    said: str = ""
    heard: str = ""


class QueueWait(Answer, kw_only=True):
    """Time spent waiting in one queue, and how the waiting ended."""

    queue_id: str
    since: Time
    waited_s: float
    how: str


class Talk(Answer, kw_only=True):
    """One agent's part of the conversation; `held_s` of `talked_s` the caller heard music."""

    agent_id: str
    since: Time
    talked_s: float
    held_s: float


class CallDetails(Answer, kw_only=True):
    """What only calls have."""

    call_id: str
    caller: str
    dialled: str
    answered_at: Time | None
    outcome: Outcome | None
    ended_by: str
    ended_at_place: str
    language: str
    path: list[PathStep]
    waits: list[QueueWait]
    talks: list[Talk]
    learned: JsonObject


class Sending(Answer, kw_only=True):
    """How far a message is. It is `queued` for its first try or, at `next_at`, another one; what
    has `failed` is not tried again unless somebody asks for it (`POST /messages/{id}/retry`).
    `trouble` is why the last try did not succeed. `sent` means that the mail server or gateway has
    it."""

    message_id: str
    status: MessageStatus
    tries: int
    trouble: Trouble | None
    next_at: Time | None
    sent_at: Time | None


class Interaction(Answer, kw_only=True):
    """One entry of a timeline. `candidates` are customers who share the number or address, until
    somebody says which one it was (`POST /interactions/{id}/customer`). `sending` says how far a
    message is that was written here, and is null for all others."""

    id: str
    channel: Channel
    direction: Direction
    started_at: Time
    ended_at: Time | None
    customer_id: str | None
    subject: str
    body: str
    external_id: str | None
    case_id: str | None
    agent_id: str | None
    queue_id: str | None
    disposition: str
    notes: str
    recording_ids: list[str]
    candidates: list[str]
    tags: list[str]
    sending: Sending | None
    call: CallDetails | None


class Piece(Answer, kw_only=True):
    """A part of a snippet; `hit` when it is what was looked for."""

    text: str
    hit: bool


class Found(Answer, kw_only=True):
    """A text in which something was found. Of a transcript also the recording, and the second at
    which the first word that was found is said (null when the words have no times)."""

    place: Literal["subject", "body", "notes", "transcript"]
    pieces: list[Piece]
    recording_id: str | None
    at_s: float | None


class SearchHit(Answer, kw_only=True):
    """An entry of a timeline in which something was found."""

    interaction: Interaction
    customer_name: str
    found: list[Found]


class NewInteraction(Body, kw_only=True):
    """A message or note from another system, or written by an agent.

    With `external_id` the request can be repeated: the first answers 201, later ones 200 with what
    is there. `identity` (a phone or address) finds the customer, or makes a provisional one;
    `customer_id` names it. A call can't be made here: calls come by phone.
    """

    channel: Literal["sms", "email", "chat", "note"]
    direction: Literal["in", "out", "internal"] = "in"
    started_at: Time | None = None
    ended_at: Time | None = None
    customer_id: str | None = None
    identity: NonEmpty | None = None
    subject: Annotated[str, Meta(max_length=1000)] = ""
    body: Annotated[str, Meta(max_length=200_000)] = ""
    external_id: NonEmpty | None = None
    case_id: str | None = None


class InteractionPatch(Body, kw_only=True):
    """What an agent adds in wrap-up. `case_id` null takes the entry out of its case."""

    notes: Text | UnsetType = UNSET
    disposition: Short | UnsetType = UNSET
    tags: Annotated[list[TagText], Meta(max_length=20)] | UnsetType = UNSET
    case_id: str | UnsetType | None = UNSET


class AssignCustomer(Body, kw_only=True):
    """Says which customer this interaction was with. With `merge`, a provisional customer whom it
    belonged to so far is merged into this one: identities, interactions, cases and tasks move."""

    customer_id: NonEmpty
    merge: bool = False


class Case(Answer, kw_only=True):
    """What several interactions are about."""

    id: str
    customer_id: str
    subject: str
    state: CaseState
    opened_at: Time
    updated_at: Time


class NewCase(Body, kw_only=True):
    """A case to be opened."""

    customer_id: NonEmpty
    subject: NonEmpty


class CasePatch(Body, kw_only=True):
    """What to change."""

    subject: NonEmpty | UnsetType = UNSET
    state: CaseState | UnsetType = UNSET


class Task(Answer, kw_only=True):
    """Something that the people of a queue have to do."""

    id: str
    kind: TaskKind
    state: TaskState
    created_at: Time
    queue_id: str | None
    customer_id: str | None
    interaction_id: str | None
    call_id: str | None
    caller: str
    text: str
    done_at: Time | None
    done_by: str
    due_at: Time | None
    agent_id: str | None


class NewTask(Body, kw_only=True):
    """A callback at a time: for a queue, or for an agent (agents: for themselves)."""

    due_at: Time
    queue_id: str | None = None
    agent_id: str | None = None
    customer_id: str | None = None
    interaction_id: str | None = None
    number: Short = ""
    text: Annotated[str, Meta(max_length=2000)] = ""


class TaskPatch(Body, kw_only=True):
    """Done, or open again. `agent_id` takes it (agents: for themselves); null gives it back."""

    state: TaskState | UnsetType = UNSET
    agent_id: str | UnsetType | None = UNSET


class TagQuery(Body, kw_only=True):
    """Which tags to suggest: those that contain `q`."""

    q: TagText | Literal[""] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class Tag(Answer, kw_only=True):
    """A tag in use, and how often."""

    tag: str
    used: int


class TemplateText(Body, kw_only=True):
    """A template in one language, with fields: {name}, {agent}, {case}."""

    language: Annotated[str, Meta(pattern="^[a-z]{2}$")]
    subject: Short = ""
    body: Annotated[str, Meta(min_length=1, max_length=20_000)]


class TemplateBody(Body, kw_only=True):
    """A template to be kept."""

    channel: Literal["email", "sms"]
    name: NonEmpty
    texts: Annotated[list[TemplateText], Meta(max_length=20)]


class Template(Answer, kw_only=True):
    """A text that is written often, per language."""

    id: str
    channel: Literal["email", "sms"]
    name: str
    texts: list[TemplateText]


class DraftQuery(Body, kw_only=True):
    """For whom a template is to be filled; `language` if not in the customer's."""

    customer_id: str
    case_id: str | None = None
    language: Language = ""


class Draft(Answer, kw_only=True):
    """A template filled for a customer, and where it may go. `will_be_sent` says whether there is a
    mail server or gateway for it; if not, what is written waits until there is one."""

    language: str
    subject: str
    body: str
    to: list[str]
    will_be_sent: bool


class NewMessage(Body, kw_only=True):
    """A message to a customer, to be sent at once. An SMS is no longer than ten together."""

    channel: Literal["email", "sms"]
    customer_id: NonEmpty
    to: NonEmpty
    subject: Annotated[str, Meta(max_length=1000)] = ""
    body: Annotated[str, Meta(min_length=1, max_length=200_000)]
    case_id: str | None = None
    template_id: str | None = None


class OutboxQuery(PageQuery, kw_only=True):
    """Messages with that status; without one, all that have not gone."""

    status: MessageStatus | None = None


class Message(Answer, kw_only=True):
    """A message to a customer, and how far it is; its text is the interaction's. `answer` is what
    the mail server or gateway said to the last try, in its own words."""

    id: str
    interaction_id: str
    customer_id: str
    channel: Channel
    to: str
    status: MessageStatus
    created_at: Time
    created_by: str
    template_id: str | None
    tries: int
    trouble: Trouble | None
    answer: str
    next_at: Time | None
    sent_at: Time | None


class DayQuery(Body, kw_only=True):
    """Since when: the midnight of whoever asks; by default that of UTC."""

    since: Time | None = None


class DayCall(Answer, kw_only=True):
    """A conversation of the day, with the wrap-up after it; `talked_s` includes hold."""

    call_id: str
    interaction_id: str | None
    customer_id: str | None
    caller: str
    ended_at: Time
    talked_s: float
    wrapped_up_s: float


class DayMissed(Answer, kw_only=True):
    """A call that rang at the agent's phone and was not answered."""

    call_id: str
    interaction_id: str | None
    customer_id: str | None
    caller: str
    at: Time
    how: Literal["no_answer", "declined", "unreachable"]


class MyDay(Answer, kw_only=True):
    """The agent's own figures, each with the list behind it."""

    since: Time
    calls: int
    talked_s: float
    wrapped_up_s: float
    missed: int
    tasks_due: int
    conversations: list[DayCall]
    missed_offers: list[DayMissed]
    tasks: list[Task]


class CustomerContext(Answer, kw_only=True):
    """A customer as the screen-pop shows them: open case first, then what was said. `said` has the
    beginning of the transcript of the calls among `recent`, by interaction."""

    customer: Customer
    cases: list[Case]
    recent: list[Interaction]
    calls: int
    messages: int
    open_tasks: int
    said: dict[str, str]
    contacts_last_week: int
    last_disposition: str
    last_disposition_at: Time | None


# --- calls --------------------------------------------------------------------------------------


class CallEvent(Answer, kw_only=True):
    """One line of a call's journal."""

    seq: int
    at: Time
    type: str
    data: JsonObject


class Word(Answer, kw_only=True):
    """A recognised word; times count from the start of the recording."""

    text: str
    start_s: float
    end_s: float
    confidence: float


class TranscriptChannel(Answer, kw_only=True):
    """What was said on one channel of a recording (`caller`, `agent`, `voicemail`)."""

    speaker: str
    text: str
    words: list[Word]


class Transcript(Answer, kw_only=True):
    """The words of a recording."""

    recording_id: str
    language: str
    text: str
    channels: list[TranscriptChannel]


class Recording(Answer, kw_only=True):
    """A sound file. `kind` is `conversation` (left the caller, right the agent) or `voicemail`.
    `available` while the sound is kept; `audible` if it is for whoever asks to hear it."""

    id: str
    call_id: str
    kind: str
    channels: int
    duration_s: float
    sha256: str
    created_at: Time
    agent_id: str | None
    audio: str
    available: bool
    audible: bool


class Peaks(Answer, kw_only=True):
    """What a waveform is drawn from: for each channel the highest level (0 to 255) in each of
    equally long parts of the recording."""

    recording_id: str
    channels: list[list[int]]


class Call(Answer, kw_only=True):
    """A call: its entry in the timeline under the id of the call. `state` is live or ended."""

    id: str
    interaction_id: str
    state: Literal["live", "ended"]
    direction: Direction
    caller: str
    dialled: str
    started_at: Time
    answered_at: Time | None
    ended_at: Time | None
    duration_s: float | None
    customer_id: str | None
    candidates: list[str]
    agent_id: str | None
    queue_id: str | None
    outcome: Outcome | None
    ended_by: str
    ended_at_place: str
    disposition: str
    notes: str
    case_id: str | None
    language: str
    path: list[PathStep]
    waits: list[QueueWait]
    talks: list[Talk]
    learned: JsonObject


class CallDetail(Call, kw_only=True):
    """A call with its journal, its recordings and what was said (the longest transcript). `task` is
    what an agent called for."""

    task: Task | None
    events: list[CallEvent]
    recordings: list[Recording]
    transcripts: list[Transcript]
    transcript: Transcript | None


# --- agents, queues, flows ----------------------------------------------------------------------


class Agent(Answer, kw_only=True):
    """An agent as of now. `status` is what they chose, `state` what is happening to them."""

    id: str
    name: str
    extension: str
    status: AgentStatus
    reason: str
    state: AgentState
    since: Time | None
    registered: bool
    call_id: str | None
    skills: list[str]
    queues: list[str]


class StatusRequest(Body, kw_only=True):
    """A status to choose; a break has a reason."""

    status: AgentStatus
    reason: Short = ""


class WrapUpRequest(Body, kw_only=True):
    """More time for wrap-up."""

    seconds: Annotated[int, Meta(ge=1, le=3600)]


class Queue(Answer, kw_only=True):
    """A queue as of now."""

    id: str
    title: str
    language: str
    agents: list[str]
    waiting: int
    longest_wait_since: Time | None
    agents_available: int
    dispositions: list[str]


class Flow(Answer, kw_only=True):
    """One version of a flow. `numbers` are the dialled numbers that the published one serves."""

    id: str
    version: int
    published: bool
    numbers: list[str]
    created_at: Time
    created_by: str
    comment: str


class FlowDetail(Flow, kw_only=True):
    """A version with its document."""

    document: JsonObject


class NewFlowVersion(Body, kw_only=True):
    """The next version of a flow. It serves calls only when published."""

    document: JsonObject
    comment: Short = ""


class PublishRequest(Body, kw_only=True):
    """The version to publish, and the dialled numbers it answers (absent: as before)."""

    version: Annotated[int, Meta(ge=1)]
    numbers: Annotated[list[NonEmpty], Meta(max_length=100)] | UnsetType = UNSET


class FlowProblem(Answer, kw_only=True):
    """One thing that is wrong in a document."""

    place: str
    message: str


class FlowProblems(Answer, kw_only=True):
    """Why a document was refused."""

    error: ErrorDetail
    problems: list[FlowProblem]


class Me(Answer, kw_only=True):
    """Who I am, and the agent that I am."""

    user: User
    agent: Agent | None


# --- the phone in the page ----------------------------------------------------------------------


class PhoneRequest(Body, kw_only=True):
    """`device` is the browser's own name for itself, made once and kept there."""

    device: Annotated[str, Meta(min_length=8, max_length=64)]
    take_over: bool = False


class IceServer(Answer, kw_only=True):
    """A STUN or TURN server (RTCIceServer); name and credential serve until the phone expires."""

    urls: list[str]
    username: str
    credential: str


class PagePhone(Answer, kw_only=True):
    """What a page registers with, by SIP over WebSocket. The password is shown this once."""

    extension: str
    domain: str
    password: str
    websocket: str
    expires_at: Time
    ice_servers: list[IceServer]


# --- the edge -----------------------------------------------------------------------------------


class Ban(Answer, kw_only=True):
    """An address that the edge ignores: for too many requests, or too many guesses at passwords."""

    address: str
    reason: Literal["requests", "guesses"]
    since: Time
    until: Time


# --- audit --------------------------------------------------------------------------------------


class AuditQuery(PageQuery, kw_only=True):
    """Which entries of the audit log, newest first; `since` included, `until` not."""

    who: NonEmpty | None = None
    action: NonEmpty | None = None
    object: NonEmpty | None = None
    outcome: Literal["done", "refused"] | None = None
    since: Time | None = None
    until: Time | None = None


class AuditEntry(Answer, kw_only=True):
    """Who did what to what. `prev` is the hash of the entry before, `hash` covers it and all of
    this entry; `details` is the text that is hashed, read as JSON."""

    seq: int
    at: Time
    who: str
    name: str
    address: str
    action: str
    object: str
    outcome: str
    details: JsonObject
    prev: str
    hash: str


# --- health -------------------------------------------------------------------------------------


class Part(Answer, kw_only=True):
    """One part of the house. `detail` holds what that part can tell."""

    ok: bool
    message: str = ""
    detail: JsonObject = msgspec.field(default_factory=dict)


class WorkerPart(Part, kw_only=True):
    """The media workers together. `max_calls` is the limit of their pjsua2 build."""

    max_calls: int = 0
    calls: int = 0
    version: str = ""


class Health(Answer, kw_only=True):
    """`ok` when everything works, `degraded` when calls can be taken but something is missing,
    `down` (status 503) when they can't. Parts: worker, asr, edge, database, recordings,
    outbound (calls to the outside, and what they cost today), messages (emails and SMS)."""

    status: Literal["ok", "degraded", "down"]
    version: str
    worker: WorkerPart
    asr: Part
    edge: Part
    database: Part
    recordings: Part
    outbound: Part
    messages: Part
