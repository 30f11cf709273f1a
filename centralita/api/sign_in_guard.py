"""How often somebody may be wrong about a password, and who has to wait for it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from centralita.api.http import TooManyAttempts
from centralita.api.ports import ApiSettings
from centralita.core.clock import Clock

# Of an attempt on somebody whose password is being guessed from everywhere, in seconds.
_LONGEST_WAIT = 8.0
_FIRST_WAIT = 0.5

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in that has begun."""

    username: str
    source: str

    @property
    def pair(self) -> Key:
        return ("pair", self.username, self.source)

    @property
    def address(self) -> Key:
        return ("from", self.source)

    @property
    def user(self) -> Key:
        return ("user", self.username)


class SignInGuard:
    """Counts attempts, and refuses when one address has made too many, at one user or at all.

    Nobody can be locked out from elsewhere: what other addresses try at a user only makes attempts
    on that user slow, and not even that where the user has signed in before. An attempt counts
    from its beginning, so that many at once are counted too; a success takes its own count back.
    Unknown users are counted like known ones.
    """

    # Bounds the memory that strangers can take; the oldest keys are forgotten first.
    KEYS = 20_000

    def __init__(
        self,
        clock: Clock,
        settings: ApiSettings,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._window = settings.sign_in_window
        self._per_user = settings.failures_per_user
        self._per_address = settings.failures_per_address
        self._wait = wait
        self._attempts: OrderedDict[Key, deque[datetime]] = OrderedDict()
        # Where users have signed in.
        self._known: OrderedDict[Key, None] = OrderedDict()

    async def begin(self, username: str, address: str) -> Attempt:
        """An attempt begins, perhaps after a wait; raises TooManyAttempts."""
        now = self._clock.now()
        attempt = Attempt(username.strip().casefold(), network_of(address))
        for key, most in ((attempt.pair, self._per_user), (attempt.address, self._per_address)):
            attempts = self._recent(key, now)
            if len(attempts) >= most:
                wait = attempts[0] + self._window - now
                raise TooManyAttempts(max(1, int(wait.total_seconds()) + 1))
        tried = len(self._recent(attempt.user, now))
        for key in (attempt.pair, attempt.address, attempt.user):
            self._attempts.setdefault(key, deque(maxlen=10 * self._per_address)).append(now)
            self._attempts.move_to_end(key)
        while len(self._attempts) > self.KEYS:
            self._attempts.popitem(last=False)
        if tried >= self._per_user and attempt.pair not in self._known:
            doublings = min((tried - self._per_user) // self._per_user, 10)
            await self._wait(min(_FIRST_WAIT * 2.0**doublings, _LONGEST_WAIT))
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """It was the right password."""
        self._attempts.pop(attempt.pair, None)
        for key in (attempt.address, attempt.user):
            attempts = self._attempts.get(key)
            if attempts:
                attempts.pop()
        self._known[attempt.pair] = None
        self._known.move_to_end(attempt.pair)
        while len(self._known) > self.KEYS:
            self._known.popitem(last=False)

    def _recent(self, key: Key, now: datetime) -> deque[datetime]:
        attempts = self._attempts.get(key, deque())
        while attempts and attempts[0] + self._window <= now:
            attempts.popleft()
        if not attempts:
            self._attempts.pop(key, None)
        return attempts


def network_of(address: str) -> str:
    """What counts as one address: with IPv6 one customer of a provider has a whole /64."""
    try:
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        pass
    return address
