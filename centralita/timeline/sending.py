"""How far a message is that was written here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from centralita.core.ids import MessageId


class MessageStatus(StrEnum):
    """`queued` waits for its first try or another one, `sending` is being tried just now, `sent`
    has been taken by the mail server or gateway, `failed` is not tried again by itself."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


UNSENT = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """The state of a message. `trouble` is why the last try did not succeed (empty: it did, or
    there was none); `next_at` is when it is tried again."""

    message_id: MessageId
    status: MessageStatus
    tries: int = 0
    trouble: str = ""
    next_at: datetime | None = None
    sent_at: datetime | None = None
