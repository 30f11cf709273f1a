"""The postman: takes what is due from the ledger, has it sent, and writes down how it went.

`policy.py` decides. One round for each channel, so that a mail server that is slow to answer holds
up no SMS.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from centralita.channels import policy
from centralita.channels.ledger import Again, Failed, Ledger, Sent, Taken, Verdict
from centralita.channels.protocol import Delayed, NotSent, Place, Sender, Trouble
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.events import Event
from centralita.core.tasks import Tasks

log = logging.getLogger(__name__)

# The ledger is asked again after so long, in seconds, when the database is away.
_AWAY = 5.0
# Nobody sleeps longer than this, in seconds: an hour's jump of a later brain's clock must not hold
# up what waits.
_LONGEST_REST = 600.0
# These tell nothing about how the server is.
_SAYS_NOTHING = frozenset({Trouble.UNCLEAR, Trouble.FAULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMoved(Event):
    """It is known of a message that it has gone, waits for another try, or has failed."""

    place: Place
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class InTrouble:
    """The server of a channel takes nothing since then."""

    since: datetime
    trouble: Trouble


class Postman:
    """Sends what is in the ledger, on the channels that have a sender. The others wait."""

    def __init__(self, senders: Iterable[Sender], ledger: Ledger, bus: Bus, clock: Clock) -> None:
        self._senders = {sender.channel: sender for sender in senders}
        self._ledger = ledger
        self._bus = bus
        self._clock = clock
        self._wakes = {channel: asyncio.Event() for channel in self._senders}
        self._leaving = False
        self._tasks = Tasks("postman")
        self._troubles: dict[str, InTrouble] = {}
        self.results: Counter[tuple[str, str]] = Counter()
        """How many tries ended how, by channel and `sent`, `again` or `failed`."""

    def start(self) -> None:
        """Begin with what the last run left."""
        for channel, sender in self._senders.items():
            self._tasks.keep(functools.partial(self._go_round, sender), name=channel)

    async def close(self, within: float = 10.0) -> None:
        """Take nothing more, and let the letters that are on their way end within so many seconds.

        What does not end is found as such by the next start.
        """
        self._leaving = True
        for wake in self._wakes.values():
            wake.set()
        await self._tasks.settle(within)
        await self._tasks.close()
        for sender in self._senders.values():
            await sender.close()

    def sends(self, channel: str) -> bool:
        """Whether what is written on a channel is sent."""
        return channel in self._senders

    def wake(self, channel: str) -> None:
        """Something was written, or is to be tried at once."""
        wake = self._wakes.get(channel)
        if wake is not None:
            wake.set()

    @property
    def troubles(self) -> Mapping[str, InTrouble]:
        """The channels whose servers take nothing, for longer than `policy.TOLD_AFTER`."""
        told = self._clock.now() - policy.TOLD_AFTER
        return {channel: one for channel, one in self._troubles.items() if one.since <= told}

    # --- one channel ------------------------------------------------------------------------

    async def _go_round(self, sender: Sender) -> None:
        """Until told to leave. A database that is away is waited for."""
        left_over = True
        away = False
        while not self._leaving:
            wake = self._wakes[sender.channel]
            wake.clear()
            try:
                if left_over:
                    await self._find_left_over(sender)
                    left_over = False
                taken = await self._ledger.take(sender.channel, self._clock.now())
                due = None
                if taken is None:
                    due = await self._ledger.next_due(sender.channel)
            except CentralitaError as exc:
                if not away:
                    log.warning(
                        "the outbox cannot be read, messages wait",
                        extra={"channel": sender.channel, "error": str(exc)},
                    )
                away = True
                await _rest(wake, _AWAY)
                continue
            away = False
            if taken is not None:
                await self._deliver(sender, taken)
            else:
                await _rest(wake, self._until(due))

    def _until(self, due: datetime | None) -> float | None:
        if due is None:
            return None
        left: timedelta = due - self._clock.now()
        return min(max(left.total_seconds(), 0.0), _LONGEST_REST)

    async def _find_left_over(self, sender: Sender) -> None:
        for taken in await self._ledger.left_over(sender.channel):
            verdict = policy.interrupted(taken, self._clock.now(), repeatable=sender.repeatable)
            await self._settle(sender.channel, taken, verdict)

    async def _deliver(self, sender: Sender, taken: Taken) -> None:
        verdict: Verdict
        try:
            await sender.send(taken.letter)
        except NotSent as exc:
            verdict = self._after(sender, taken, exc)
        except Exception:
            log.exception("a sender failed", extra={"channel": sender.channel})
            verdict = self._after(sender, taken, Delayed(Trouble.FAULT, "see the log"))
        else:
            verdict = Sent(at=self._clock.now())
        await self._settle(sender.channel, taken, verdict)
        with contextlib.suppress(CentralitaError):  # then each message finds out by itself
            await self._learn(sender.channel, verdict)

    def _after(self, sender: Sender, taken: Taken, error: NotSent) -> Verdict:
        now = self._clock.now()
        return policy.after(
            taken,
            error,
            now,
            repeatable=sender.repeatable,
            in_trouble=now - self._in_trouble_since(sender.channel),
        )

    def _in_trouble_since(self, channel: str) -> datetime:
        known = self._troubles.get(channel)
        return known.since if known is not None else self._clock.now()

    async def _learn(self, channel: str, verdict: Verdict) -> None:
        """What a try says about the server, and so about the other messages."""
        now = self._clock.now()
        match verdict:
            case Again(trouble=trouble) | Failed(trouble=trouble) if trouble.of_server:
                since = self._in_trouble_since(channel)
                self._troubles[channel] = InTrouble(since=since, trouble=trouble)
                at = now + policy.server_pause(now - since)
                again = Again(at=at, trouble=trouble, answer=verdict.answer)
                await self._ledger.hold(channel, now, again)
            case Again(trouble=trouble) | Failed(trouble=trouble) if trouble in _SAYS_NOTHING:
                pass
            case _ if self._troubles.pop(channel, None) is not None:
                log.info("messages are taken again", extra={"channel": channel})
                await self._ledger.release(channel, now)

    async def _settle(self, channel: str, taken: Taken, verdict: Verdict) -> None:
        """Write it down, however long the database is away: what has gone must not go again."""
        told = False
        while True:
            try:
                place = await self._ledger.settle(taken.letter, verdict)
                break
            except CentralitaError as exc:
                if not told:
                    log.error(
                        "how a message went cannot be written down yet, no other one is tried",
                        extra={"message_id": taken.letter.id, "error": str(exc)},
                    )
                told = True
                await asyncio.sleep(_AWAY)  # a database says nothing when it comes back
        self._tell(channel, taken, verdict)
        if place is not None:
            self._bus.publish(MessageMoved(place=place, verdict=verdict))

    def _tell(self, channel: str, taken: Taken, verdict: Verdict) -> None:
        fields: dict[str, object] = {
            "message_id": taken.letter.id, "channel": channel, "tries": taken.tries,
        }  # fmt: skip
        match verdict:
            case Sent():
                self.results[channel, "sent"] += 1
                log.info("message sent", extra=fields)
            case Again():
                self.results[channel, "again"] += 1
                fields |= {"trouble": verdict.trouble.value, "again_at": verdict.at.isoformat()}
                log.warning(
                    "message not sent, it is tried again",
                    extra=fields | {"pii_answer": verdict.answer},
                )
            case Failed():
                self.results[channel, "failed"] += 1
                log.error(
                    "message not sent, and not tried again",
                    extra=fields | {"trouble": verdict.trouble.value, "pii_answer": verdict.answer},
                )


async def _rest(wake: asyncio.Event, seconds: float | None) -> None:
    """Until somebody wakes us, or so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
