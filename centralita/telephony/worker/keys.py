"""Keys that a phone tells in two ways at once, as RFC 4733 events and as SIP INFO. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

# INFO is sent when the key is let go, the event when it is pressed; and either may be late.
_TOLD_TWICE = 3.0


@dataclass(slots=True)
class Keys:
    """The keys of one phone. What it tells in one way only is taken as it comes."""

    # Key, way and time of those that have been taken and not been told in the other way.
    _taken: list[tuple[str, int, float]] = field(default_factory=list)

    def take(self, key: str, way: int, now: float) -> bool:
        """Whether this is a key that was not told yet; `now` in seconds."""
        self._taken = [each for each in self._taken if now - each[2] <= _TOLD_TWICE]
        for each in self._taken:
            if each[0] == key and each[1] != way:
                self._taken.remove(each)
                return False
        self._taken.append((key, way, now))
        return True
