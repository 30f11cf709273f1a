"""Entries of a timeline, how they are found, and what is written on them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from centralita.api.schemas.basics import (
    Answer,
    Body,
    JsonObject,
    NonEmpty,
    PageQuery,
    Short,
    TagText,
    Text,
    Time,
)
from centralita.channels.protocol import Trouble
from centralita.timeline.model import Channel, Direction, Outcome
from centralita.timeline.sending import MessageStatus


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
    message is that was written here, and is null for all others. `created_by` is the user or token
    that made it by the API, at `created_at`; empty and null for what the house itself has entered.
    `by_hand`: a person typed it in, and nothing but their word says that it was so, and when."""

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
    created_by: str
    created_at: Time | None
    by_hand: bool
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


class TagQuery(Body, kw_only=True):
    """Which tags to suggest: those that contain `q`."""

    q: TagText | Literal[""] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class Tag(Answer, kw_only=True):
    """A tag in use, and how often."""

    tag: str
    used: int
