"""Customers, and what a pop shows of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from centralita.api.schemas.basics import (
    Answer,
    Body,
    Language,
    NonEmpty,
    PageQuery,
    Short,
    Text,
    Time,
)
from centralita.api.schemas.interactions import Interaction
from centralita.api.schemas.work import Case
from centralita.timeline.model import IdentityKind


class CustomerQuery(PageQuery, kw_only=True):
    """Which customers: by an `identity` (phone or address, exactly), or `q` in name or identity."""

    identity: Annotated[str, Meta(max_length=200)] | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None


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
