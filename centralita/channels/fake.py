"""A sender and a ledger in memory, for tests; `tests/contract/` holds them to the real ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from centralita.channels.ledger import Again, Failed, Sent, Taken, Verdict
from centralita.channels.protocol import Delayed, Letter, NotSent, Place, Trouble
from centralita.core.ids import CustomerId, InteractionId


class FakeSender:
    """Does with each letter what it was told, and then takes all."""

    def __init__(self, channel: str = "email", *, repeatable: bool = True) -> None:
        self.channel = channel
        self.repeatable = repeatable
        self.taken: list[Letter] = []
        self.tried: list[Letter] = []
        self.answers: deque[Exception | None] = deque()
        self.hanging: asyncio.Event | None = None
        self.unbearable: set[str] = set()
        """Letters at which the server breaks off, whenever it gets them."""
        self.closed = False

    async def send(self, letter: Letter) -> None:
        self.tried.append(letter)
        if self.hanging is not None:
            await self.hanging.wait()
        if letter.id in self.unbearable:
            raise Delayed(Trouble.UNREACHABLE, "it broke off")
        answer = self.answers.popleft() if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(letter)

    def refuse(self, *errors: NotSent | None) -> None:
        """Answer so to the next letters; None takes one."""
        self.answers.extend(errors)

    async def close(self) -> None:
        self.closed = True


@dataclass
class _Line:
    """A message in the fake ledger."""

    channel: str
    letter: Letter
    status: str
    due: datetime
    tries: int = 0
    since: datetime | None = None
    verdict: Verdict | None = None


class FakeLedger:
    """Keeps messages in memory."""

    def __init__(self) -> None:
        self.lines: dict[str, _Line] = {}
        self.away: list[Exception] = []

    def write(self, channel: str, letter: Letter) -> None:
        """A message is written, and due at once."""
        self.lines[letter.id] = _Line(channel, letter, "queued", letter.written_at)

    def erase(self, letter: Letter) -> None:
        """Its customer is erased."""
        del self.lines[letter.id]

    async def take(self, channel: str, now: datetime) -> Taken | None:
        self._fail()
        due = [line for line in self._queued(channel) if line.due <= now]
        if not due:
            return None
        line = due[0]
        line.status = "sending"
        line.tries += 1
        line.since = line.since or now
        return Taken(letter=line.letter, tries=line.tries, since=line.since)

    async def next_due(self, channel: str) -> datetime | None:
        return next((line.due for line in self._queued(channel)), None)

    async def left_over(self, channel: str) -> tuple[Taken, ...]:
        self._fail()
        return tuple(
            Taken(letter=line.letter, tries=line.tries, since=line.since or line.letter.written_at)
            for line in self.lines.values()
            if line.channel == channel and line.status == "sending"
        )

    async def settle(self, letter: Letter, verdict: Verdict) -> Place | None:
        self._fail()
        line = self.lines.get(letter.id)
        if line is None:
            return None
        line.verdict = verdict
        match verdict:
            case Sent():
                line.status = "sent"
            case Again(at=at):
                line.status, line.due = "queued", at
            case Failed():
                line.status = "failed"
        return Place(
            message_id=letter.id, interaction_id=InteractionId(""), customer_id=CustomerId("")
        )

    async def hold(self, channel: str, now: datetime, verdict: Again) -> None:
        self._fail()
        for line in self._queued(channel):
            if line.due <= now:
                line.due, line.verdict = verdict.at, verdict
                line.since = line.since or now

    async def release(self, channel: str, now: datetime) -> None:
        self._fail()
        for line in self._queued(channel):
            if isinstance(line.verdict, Again) and line.verdict.trouble.of_server:
                line.due = now

    def _queued(self, channel: str) -> Sequence[_Line]:
        waiting = [
            line
            for line in self.lines.values()
            if line.channel == channel and line.status == "queued"
        ]
        return sorted(waiting, key=lambda line: (line.due, line.tries, line.letter.id))

    def _fail(self) -> None:
        if self.away:
            raise self.away.pop(0)
