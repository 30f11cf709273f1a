"""Where it is written how far each message is: before a try, and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from centralita.channels.protocol import Letter, Place, Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A letter that is being tried. `tries` counts this one; `since` is when the first one was, or
    would have been if the server had not been known to be in trouble."""

    letter: Letter
    tries: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """It has gone."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """It is to be tried again. `answer` is what the server said."""

    at: datetime
    trouble: Trouble
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It is not tried again unless somebody asks for it."""

    trouble: Trouble
    answer: str


Verdict = Sent | Again | Failed


class Ledger(Protocol):
    """The outbox as the postman sees it. Each method is one transaction.

    A letter that was taken and never settled belonged to a process that died: the next one finds
    it by `left_over`. Raises Unavailable while the database is away.
    """

    async def take(self, channel: str, now: datetime) -> Taken | None:
        """The message of the channel that has been due longest, noted as being tried; None when
        none is due. Of several the one that was tried least: one that no server can stand must not
        keep the others back. No other caller gets the same one."""
        ...

    async def next_due(self, channel: str) -> datetime | None:
        """When the next message of the channel is to be tried; None when none waits."""
        ...

    async def left_over(self, channel: str) -> tuple[Taken, ...]:
        """What is noted as being tried."""
        ...

    async def settle(self, letter: Letter, verdict: Verdict) -> Place | None:
        """Write how a try ended; None when the message is gone, since its customer was erased."""
        ...

    async def hold(self, channel: str, now: datetime, verdict: Again) -> None:
        """Put off all messages of the channel that are due now: the server is in trouble, and they
        would meet with the same. Their time to give up begins now, if it has not yet."""
        ...

    async def release(self, channel: str, now: datetime) -> None:
        """The server's trouble is over: what waits because of it is due."""
        ...
