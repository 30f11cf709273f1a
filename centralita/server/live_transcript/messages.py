"""A live transcript as the pages are told of it."""

from __future__ import annotations

from centralita.api import live_messages as live
from centralita.server.live_transcript.events import (
    HearingChanged,
    Saying,
    SayingChanged,
    TranscriptClosed,
    TranscriptOpened,
)


def as_message(
    event: TranscriptOpened | HearingChanged | SayingChanged | TranscriptClosed,
) -> live.Delta:
    """The message of an event."""
    match event:
        case TranscriptOpened():
            return live.LiveTranscript(
                call_id=event.call_id,
                agent_id=event.agent_id,
                language=event.language,
                hearing=event.hearing.value,
                cut=event.cut,
                sayings=[_saying(saying) for saying in event.sayings],
            )
        case HearingChanged(call_id=call_id, agent_id=agent_id, hearing=hearing):
            return live.LiveHearing(call_id=call_id, agent_id=agent_id, hearing=hearing.value)
        case SayingChanged(call_id=call_id, agent_id=agent_id, saying=saying):
            return live.LiveSaid(call_id=call_id, agent_id=agent_id, saying=_saying(saying))
        case TranscriptClosed(call_id=call_id, agent_id=agent_id):
            return live.LiveTranscriptGone(call_id=call_id, agent_id=agent_id)


def _saying(saying: Saying) -> live.Saying:
    return live.Saying(
        number=saying.number,
        speaker=saying.speaker.value,
        at_s=round(saying.at.total_seconds(), 2),
        text=saying.pii_text,
        final=saying.final,
    )
