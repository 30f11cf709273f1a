"""Who hears whom: the audio of several legs joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from centralita.core.errors import InvalidInput
from centralita.core.events import Event
from centralita.telephony.call import LegsBridged, PlaybackEnd
from centralita.telephony.worker.leg import PjLeg


class Teller(Protocol):
    """Who tells the brain."""

    def emit(self, event: Event) -> None: ...


def join(teller: Teller, legs: Sequence[PjLeg]) -> None:
    """Let these legs hear each other, and nobody else; what plays to them stops."""
    if len(set(legs)) < 2:
        raise InvalidInput("two legs or more can be joined")
    before = {leg: set(leg.peers) for leg in legs}
    for leg in legs:
        for stranger in before[leg].difference(legs):
            leg.disconnect(stranger)
        leg.stop_playing(PlaybackEnd.STOPPED)
    for index, leg in enumerate(legs):
        for other in legs[index + 1 :]:
            leg.connect(other)
    for leg in legs:
        for other in legs:
            if other is not leg and other not in before[leg]:
                teller.emit(LegsBridged(leg_id=leg.leg_id, call_id=leg.call_id, other=other.leg_id))
