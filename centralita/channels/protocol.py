"""The seam to the world's mail and SMS: a letter, who sends it, and why it may not have gone.

A new channel is one module with a class that implements `Sender`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from centralita.core.errors import CentralitaError
from centralita.core.ids import CustomerId, InteractionId, MessageId


class Trouble(StrEnum):
    """Why a message has not gone. Stable: they are kept, and the page has words for each."""

    UNREACHABLE = "unreachable"
    """The server does not answer, or broke off before it had the message."""
    LOGIN = "login"
    """The server does not take our name and password."""
    INSECURE = "insecure"
    """The connection cannot be encrypted as wanted, or the certificate is not the server's."""
    SETUP = "setup"
    """The server does not understand us, or not our sender: an address in sip.conf is wrong."""
    BUSY = "busy"
    """The server wants us to come back later (greylisting, a full queue)."""
    ADDRESS = "address"
    """There is no such address, or nobody may write to it."""
    REJECTED = "rejected"
    """The server takes the address, but not this message."""
    UNCLEAR = "unclear"
    """The server may have it, but did not say so."""
    FAULT = "fault"
    """A mistake of ours; the log has it."""

    @property
    def of_server(self) -> bool:
        """Whether every message of the channel would meet with it, and only an operator helps."""
        return self in OF_SERVER


OF_SERVER = frozenset({Trouble.UNREACHABLE, Trouble.LOGIN, Trouble.INSECURE, Trouble.SETUP})


class NotSent(CentralitaError):
    """The letter has not gone. The message says what the server said, for the operator; it may
    hold the address, and so belongs in marked log fields only."""

    code = "not_sent"

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class Refused(NotSent):
    """It never will: another try would be answered the same."""


class Delayed(NotSent):
    """It may go a little later."""


class Unclear(NotSent):
    """It was handed over and nothing was heard: it may have gone, and may not."""

    def __init__(self, message: str) -> None:
        super().__init__(Trouble.UNCLEAR, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as it is to be sent. `to` is an address or a number in E.164; only emails have a
    subject. The same letter is the same in every field whenever it is tried."""

    id: MessageId
    to: str
    subject: str
    body: str
    written_at: datetime


class Sender(Protocol):
    """Sends what is written on one channel."""

    @property
    def channel(self) -> str:
        """`email`, `sms`: the channel's name in the timeline."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether a letter that is sent twice is known to be the same one at the other end. If
        not, one of which nobody knows whether it has gone is not sent again by itself."""
        ...

    async def send(self, letter: Letter) -> None:
        """Hand the letter over. Returns when the server has taken it upon itself.

        Raises Refused, Delayed, or (only when not `repeatable`) Unclear. Ends within a minute.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message stands now, for those who look at it."""

    message_id: MessageId
    interaction_id: InteractionId
    customer_id: CustomerId
