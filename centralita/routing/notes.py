"""Where a caller is in the queues, in words that outlive the process that kept the queues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from centralita.core.errors import InvalidInput
from centralita.routing.conversations.exchange import Exchange
from centralita.routing.offer import Offer
from centralita.routing.queue import Parked, QueuedCall

NOTE = "queue"
"""The name under which the dispatcher leaves a `QueueNote` with the caller's leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNote:
    """A caller who waits, or talks since `talking_since`.

    `offer` is the one that rings, or that led to the conversation; it names the agent's leg.
    `exchange` is what the agent does with the caller. Or the caller is `parked`.
    """

    call: QueuedCall
    offer: Offer | None = None
    talking_since: datetime | None = None
    exchange: Exchange | None = None
    parked: Parked | None = None


def write_note(note: QueueNote) -> str:
    """The note as text."""
    return msgspec.json.encode(note).decode()


def read_note(text: str) -> QueueNote:
    """The note again. Raises InvalidInput for what `write_note` did not write."""
    try:
        note = msgspec.json.decode(text, type=QueueNote)
    except msgspec.MsgspecError as exc:
        raise InvalidInput(f"note of a queue: {exc}") from exc
    if note.offer is not None and note.offer.leg_id is None:
        raise InvalidInput("note of a queue: an offer without a leg")
    if note.talking_since is not None and note.offer is None:
        raise InvalidInput("note of a queue: a conversation without its offer")
    return note
