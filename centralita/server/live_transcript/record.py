"""What has been said in a call so far, for as long as the call lives. Pure."""

from __future__ import annotations

from datetime import datetime

from centralita.api.live_said import MOST
from centralita.server.live_transcript.events import Saying


class Record:
    """The sayings in the order in which they began; `began` is when the conversation did.

    At `most` so many are kept; `cut` tells that something was said before the first of them.
    """

    def __init__(self, began: datetime, *, cut: bool = False, most: int = MOST) -> None:
        self.began = began
        self.cut = cut
        self._most = most
        self._sayings: dict[int, Saying] = {}
        self._count = 0

    @property
    def sayings(self) -> tuple[Saying, ...]:
        """All that is kept."""
        return tuple(self._sayings.values())

    def number(self) -> int:
        """The number of the next saying."""
        self._count += 1
        return self._count

    def put(self, saying: Saying) -> None:
        """Take in a saying, or what is known of it now; without text it is forgotten."""
        if not saying.pii_text:
            self._sayings.pop(saying.number, None)
            return
        self._sayings[saying.number] = saying
        while len(self._sayings) > self._most:
            del self._sayings[next(iter(self._sayings))]
            self.cut = True
