"""Templates, and messages that agents write."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from centralita.api.schemas.basics import Answer, Body, Language, NonEmpty, PageQuery, Short, Time
from centralita.channels.protocol import Trouble
from centralita.timeline.model import Channel
from centralita.timeline.sending import MessageStatus


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
