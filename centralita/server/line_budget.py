"""How much of what a child process prints is written to the log.

Some of it is at the mercy of strangers: Kamailio says a line about each message it cannot parse.
"""

from __future__ import annotations

# A child may say much at once when it starts or dies, and little for ever.
_AT_ONCE = 200
_PER_SECOND = 10.0
# How often is said how much was left out.
_SAY_EVERY = 10.0


class LineBudget:
    """A bucket of lines that fills slowly."""

    def __init__(self, *, at_once: int = _AT_ONCE, per_second: float = _PER_SECOND) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._left = float(at_once)
        self._at = 0.0
        self._withheld = 0
        self._said_at = 0.0

    def take(self, now: float) -> bool:
        """Whether a line may be written at this time, in seconds; if not, it is counted."""
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            self._withheld += 1
            return False
        self._left -= 1
        return True

    def withheld(self, now: float) -> int:
        """The lines that were not written since this told of any; it does so now and then."""
        if not self._withheld or now - self._said_at < _SAY_EVERY:
            return 0
        self._said_at = now
        count, self._withheld = self._withheld, 0
        return count
