"""Texts that are written often: per language, with fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from centralita.core.errors import InvalidInput
from centralita.core.ids import CustomerId, InteractionId, MessageId, TemplateId
from centralita.timeline.model import Channel
from centralita.timeline.sending import MessageStatus

_FIELD = re.compile(r"\{([^{}]*)\}")
# What a template may speak of.
FIELDS = ("name", "agent", "case")
WRITTEN = (Channel.EMAIL, Channel.SMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """A template in one language (ISO 639-1). Only emails have a subject."""

    language: str
    subject: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text for emails or SMS, in one language or several."""

    id: TemplateId
    channel: Channel
    name: str
    texts: tuple[TemplateText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to a customer, and how far it is; its text is that of the interaction. `answer` is
    what the mail server or gateway said to the last try."""

    id: MessageId
    interaction_id: InteractionId
    customer_id: CustomerId
    channel: Channel
    to: str
    created_at: datetime
    created_by: str
    template_id: TemplateId | None = None
    status: MessageStatus = MessageStatus.QUEUED
    tries: int = 0
    trouble: str = ""
    answer: str = ""
    next_at: datetime | None = None
    sent_at: datetime | None = None


def check(template: Template, place: str = "$.texts") -> None:
    """Raises InvalidInput that names the place and the cure."""
    if template.channel not in WRITTEN:
        raise InvalidInput("a template is for email or sms", place="$.channel")
    languages = [text.language for text in template.texts]
    if not languages:
        raise InvalidInput("write it in at least one language", place=place)
    for number, text in enumerate(template.texts):
        if languages.index(text.language) != number:
            raise InvalidInput(
                f'there is a text in "{text.language}" already', place=f"{place}[{number}].language"
            )
        if template.channel is Channel.SMS and text.subject:
            raise InvalidInput("an SMS has no subject", place=f"{place}[{number}].subject")
        for name, given in (("subject", text.subject), ("body", text.body)):
            _check_fields(given, f"{place}[{number}].{name}")


def _check_fields(text: str, place: str) -> None:
    for match in _FIELD.finditer(text):
        if match[1] not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise InvalidInput(f'"{match[0]}" is not a field; there are {known}', place=place)
    rest = _FIELD.sub("", text)
    if "{" in rest or "}" in rest:
        raise InvalidInput("a brace is not closed; a field is written {name}", place=place)


def in_language(template: Template, wanted: Sequence[str]) -> TemplateText:
    """The text in the first of the `wanted` languages that it has, else its first one."""
    by_language = {text.language: text for text in template.texts}
    for language in wanted:
        if language in by_language:
            return by_language[language]
    return template.texts[0]


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled; what is not known leaves no hole in a greeting."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1], "")

    filled = _FIELD.sub(value, text)
    return re.sub(r"(?<! ) +([,.:;!?\n])", r"\1", filled)
