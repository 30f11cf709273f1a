"""What is told of a live transcript."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId


class Speaker(StrEnum):
    """Whose words these are: the caller's, the agent's, or a third party's in a conference."""

    CALLER = "caller"
    AGENT = "agent"
    THIRD = "third"


class Hearing(StrEnum):
    """Whether a conversation is being listened to, and if not, why.

    The first three are about to change by themselves when the recogniser is free or there again;
    `waiting` is a caller who hears music, `paused` and `not_recorded` follow the recording.
    """

    STARTING = "starting"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    LISTENING = "listening"
    WAITING = "waiting"
    PAUSED = "paused"
    NOT_RECORDED = "not_recorded"
    NO_MODEL = "no_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What somebody says between two pauses, `at` that time of the call's conversation.

    `number` is the same from the first partial text to the final one; it counts within the call.
    """

    number: int
    speaker: Speaker
    at: timedelta
    pii_text: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptOpened(Event):
    """An agent has a call that is transcribed live; `sayings` are what was said in it before.

    `cut` says that something was said before the first of them.
    """

    call_id: CallId
    agent_id: AgentId
    language: str
    hearing: Hearing
    cut: bool
    sayings: tuple[Saying, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingChanged(Event):
    """The conversation is listened to, or not any more."""

    call_id: CallId
    agent_id: AgentId
    hearing: Hearing


@dataclass(frozen=True, slots=True, kw_only=True)
class SayingChanged(Event):
    """What is known of a saying now: provisional while somebody speaks, then final.

    Without text there were no words, or they may not be shown.
    """

    call_id: CallId
    agent_id: AgentId
    saying: Saying


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptClosed(Event):
    """The agent has the call no more."""

    call_id: CallId
    agent_id: AgentId
