"""How many requests one may make: strangers by their address, who has signed in by the session.

An office of two hundred agents has one address, so people count by what they have signed in with,
and only what nobody has signed in for counts by where it comes from. Each has a bucket: so many at
once, and so many a second in the long run.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime

from centralita.api.http import TooManyRequests
from centralita.api.ports import ApiSettings
from centralita.core.clock import Clock

# A file of the page costs little.
FILE = 0.1
REQUEST = 1.0
# So many bytes of a body cost like one more request.
BYTES = 64 * 1024


class Bucket:
    """For many keys: `burst` at once, `rate` a second in the long run."""

    # Bounds the memory that strangers can take; the oldest keys are forgotten first.
    KEYS = 20_000

    def __init__(self, clock: Clock, *, burst: float, rate: float) -> None:
        self._clock = clock
        self._burst = burst
        self._rate = rate
        self._spent: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._spent

    def take(self, key: str, cost: float) -> None:
        """Spend; raises TooManyRequests while all is spent. The last one may cost more than there
        is, and the next ones wait for it."""
        spent = self._now_spent(key)
        if spent >= self._burst:
            raise TooManyRequests(max(1, math.ceil((spent - self._burst + 1) / self._rate)))
        self._put(key, spent + cost)

    def add(self, key: str, cost: float) -> None:
        """Spend in any case; a negative cost gives back."""
        self._put(key, max(0.0, self._now_spent(key) + cost))

    def forget(self, key: str) -> None:
        """It counts no more."""
        self._spent.pop(key, None)

    def _now_spent(self, key: str) -> float:
        spent, at = self._spent.get(key, (0.0, self._clock.now()))
        return max(0.0, spent - self._rate * (self._clock.now() - at).total_seconds())

    def _put(self, key: str, spent: float) -> None:
        self._spent[key] = (spent, self._clock.now())
        self._spent.move_to_end(key)
        while len(self._spent) > self.KEYS:
            self._spent.popitem(last=False)


class Pace:
    """Counts each request from its beginning, by what it is signed in with or by its address.

    What a request says it is signed in with is believed once it has been found good: until then it
    counts as a stranger's, and is given back. So who guesses tokens spends what strangers have.
    """

    def __init__(self, clock: Clock, settings: ApiSettings) -> None:
        self._strangers = Bucket(
            clock, burst=settings.stranger_requests, rate=settings.stranger_rate
        )
        self._sessions = Bucket(clock, burst=settings.session_requests, rate=settings.session_rate)

    def begins(self, key: str, address: str, cost: float) -> None:
        """A request begins, by the hash of its token, "" for none; raises TooManyRequests."""
        if key and key in self._sessions:
            self._sessions.take(key, cost)
        else:
            self._strangers.take(address, cost)

    def admitted(self, key: str, address: str) -> None:
        """It was signed in with something good."""
        if key not in self._sessions:
            self._strangers.add(address, -REQUEST)
            self._sessions.add(key, REQUEST)

    def refused(self, key: str, address: str) -> None:
        """It was not, or no longer."""
        if key in self._sessions:
            self._sessions.forget(key)
            self._strangers.add(address, REQUEST)

    def brings(self, key: str, address: str, size: int) -> None:
        """A body of that many bytes has come with it."""
        cost = size // BYTES
        if cost and key in self._sessions:
            self._sessions.add(key, cost)
        elif cost:
            self._strangers.add(address, cost)
