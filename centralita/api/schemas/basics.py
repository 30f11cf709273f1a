"""What all bodies have in common."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from centralita.core.wire import Plain

T = TypeVar("T")

Time = Annotated[datetime, Meta(tz=True)]
Short = Annotated[str, Meta(max_length=200)]
# What is only blanks is nothing, too.
NonEmpty = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
TagText = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
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
