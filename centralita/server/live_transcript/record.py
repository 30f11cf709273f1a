"""What has been said in a call so far, for as long as the call lives. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from centralita.api.live_said import MOST
from centralita.server.live_transcript.events import Saying
from centralita.server.live_transcript.secret import BEFORE_PAUSE, masked


class Record:
    """The sayings in the order in which they began; `began` is when the conversation did.

    At `most` so many are kept; `cut` tells that something was said before the first of them.
    """

    def __init__(self, began: datetime, *, cut: bool = False, most: int = MOST) -> None:
        self.began = began
        self.cut = cut
        self._most = most
        self._sayings: dict[int, Saying] = {}
        # When the last of each was heard.
        self._heard: dict[int, datetime] = {}
        self._count = 0

    @property
    def sayings(self) -> tuple[Saying, ...]:
        """All that is kept."""
        return tuple(self._sayings.values())

    def number(self) -> int:
        """The number of the next saying."""
        self._count += 1
        return self._count

    def put(self, saying: Saying, now: datetime) -> None:
        """Take in a saying, or what is known of it now; without text it is forgotten."""
        if not saying.pii_text:
            self._forget(saying.number)
            return
        self._sayings[saying.number] = saying
        self._heard[saying.number] = now
        while len(self._sayings) > self._most:
            self._forget(next(iter(self._sayings)))
            self.cut = True

    def mask(self, now: datetime) -> tuple[Saying, ...]:
        """Take the numbers out of what was heard within `BEFORE_PAUSE`; returns what changed."""
        changed = []
        for number, saying in self._sayings.items():
            text = masked(saying.pii_text)
            if text != saying.pii_text and now - self._heard[number] <= BEFORE_PAUSE:
                changed.append(replace(saying, pii_text=text))
        self._sayings |= {saying.number: saying for saying in changed}
        return tuple(changed)

    def _forget(self, number: int) -> None:
        self._sayings.pop(number, None)
        self._heard.pop(number, None)
