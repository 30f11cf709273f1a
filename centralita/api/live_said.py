"""The live transcripts that pages may ask for again, kept as their messages change them. Pure."""

from __future__ import annotations

import msgspec

from centralita.api.live_messages import (
    LiveHearing,
    LiveSaid,
    LiveTranscript,
    LiveTranscriptGone,
    Saying,
)

MOST = 400
"""How many sayings of a call are kept; the oldest go first."""


def take_in(
    kept: dict[str, LiveTranscript],
    delta: LiveTranscript | LiveSaid | LiveHearing | LiveTranscriptGone,
) -> bool:
    """Bring `kept`, by call, up to date; says whether that changed anything."""
    known = kept.get(delta.call_id)
    match delta:
        case LiveTranscript():
            kept[delta.call_id] = delta
            return known != delta
        case _ if known is None or known.agent_id != delta.agent_id:
            return False  # a late word to somebody who has the call no more
        case LiveTranscriptGone():
            del kept[delta.call_id]
            return True
        case LiveSaid(saying=saying):
            sayings = with_saying(known.sayings, saying)
            cut = known.cut or len(sayings) > MOST
            kept[delta.call_id] = msgspec.structs.replace(known, sayings=sayings[-MOST:], cut=cut)
            return True
        case LiveHearing(hearing=hearing):
            kept[delta.call_id] = msgspec.structs.replace(known, hearing=hearing)
            return known.hearing != hearing


def with_saying(sayings: list[Saying], saying: Saying) -> list[Saying]:
    """The list with what is known of one saying now."""
    place = next(
        (at for at in range(len(sayings) - 1, -1, -1) if sayings[at].number == saying.number),
        len(sayings),
    )
    return [*sayings[:place], *([saying] if saying.text else []), *sayings[place + 1 :]]
