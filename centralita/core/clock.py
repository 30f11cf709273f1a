"""Time as a dependency, so that tests can own it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where decisions get the time from."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC. Never goes backwards while the process lives."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMark:
    """It was `wall` when the machine's monotonic clock, in seconds, was `monotonic`."""

    wall: datetime
    monotonic: float


class SteadyClock:
    """The wall clock as it was at start, advanced by the monotonic clock.

    An hour's jump of the machine's clock (NTP, an operator, a suspended VM) must not end every
    wait in the house at once, so after start we follow the monotonic clock only.
    """

    def __init__(self) -> None:
        self._wall = datetime.now(UTC)
        self._mark = time.monotonic()

    @property
    def mark(self) -> ClockMark:
        """By which another process of this machine can have the same time (`follow`)."""
        return ClockMark(wall=self._wall, monotonic=self._mark)

    def follow(self, mark: ClockMark) -> timedelta:
        """Go by the time of another clock from now on; returns by how much later it is."""
        before = self.now()
        self._wall, self._mark = mark.wall, mark.monotonic
        return self.now() - before

    def now(self) -> datetime:
        return self._wall + timedelta(seconds=time.monotonic() - self._mark)


class ManualClock:
    """A clock that tests wind by hand."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
