"""Whether anything comes from a phone that we talk with. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Heard:
    """RTP that was counted, and the reports (RTCP) of one that says nothing. Times in seconds.

    A phone that saves bandwidth sends no sound while nobody speaks, but goes on reporting. One that
    never sent any sound is not missed.
    """

    at: float
    packets: int = 0
    reports: int = 0
    silent: bool = False
    _sends: bool = False

    def begin(self, now: float) -> None:
        """Wait anew for something to come."""
        self.at = now

    def notice(self, packets: int, reports: int, now: float, limit: float) -> bool:
        """What has come until now; whether the phone has fallen silent, or is heard again."""
        self._sends = self._sends or packets > 0
        if (packets, reports) != (self.packets, self.reports):
            self.packets, self.reports, self.at = packets, reports, now
        silent = self._sends and now - self.at > limit
        changed = silent is not self.silent
        self.silent = silent
        return changed
