"""What a flow hears and what it asks for: the events and commands of `FlowRun`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from centralita.core.events import Event
from centralita.core.ids import LegId


class Timer(StrEnum):
    """The timers a node may set; setting one again restarts it."""

    NO_INPUT = "no_input"
    INTER_DIGIT = "inter_digit"
    MAX_SPEECH = "max_speech"


class QueueExit(StrEnum):
    """Why a caller came back from a queue."""

    MAX_WAIT = "max_wait"
    EMPTY = "empty"
    KEY = "key"
    UNAVAILABLE = "unavailable"
    CONVERSATION_ENDED = "conversation_ended"


class VoicemailEnd(StrEnum):
    """How leaving a message ended."""

    SAVED = "saved"
    NOTHING_SAID = "nothing_said"
    FAILED = "failed"


# --- where an agent sends a caller ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNumber:
    """To an extension, a number or a SIP URI of the house, on the account of the agent `by`."""

    target: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveMessage:
    """To a voicemail of that queue."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterFlow:
    """To a node of a flow, or to its beginning."""

    flow: str
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayWith:
    """Nowhere: the caller is with this leg, which the agent has called. `acquainted`: they heard
    each other before the agent left."""

    leg_id: LegId
    acquainted: bool = False


Onward = CallNumber | LeaveMessage | EnterFlow | StayWith


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptsEnded(Event):
    """All prompts of the node have been heard out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed(Event):
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan(Event):
    """The caller began to speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(Event):
    """The caller said something; `text` is empty when no word was recognised."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningFailed(Event):
    """Nobody listens: the recogniser is gone, full, or has no model for the language.

    `busy`: there are more callers than it can listen to; asking again at once would not help.
    """

    reason: str
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Event):
    """A timer of the node ran out."""

    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLeft(Event):
    """The caller is back from the queue."""

    how: QueueExit


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailEnded(Event):
    """Leaving a message is over."""

    how: VoicemailEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFailed(Event):
    """The other party could not be reached; the caller is still here."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """A command could not be carried out."""

    what: str


# --- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Something to be spoken: `text` in `language`, or the WAV file `wav`."""

    text: str = ""
    wav: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The base of what a flow may ask its driver for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayPrompts(Command):
    """Play these; PromptsEnded follows unless they are stopped."""

    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPrompts(Command):
    """Be silent at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartListening(Command):
    """Recognise what the caller says: one of `phrases`, or anything if None."""

    language: str
    phrases: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer(Command):
    """TimerFired follows after `after`, unless the node is left or the timer set again."""

    timer: Timer
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer(Command):
    """The timer does not fire."""

    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet(Command):
    """The node is left: no prompts, no listening, no timers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue(Command):
    """Wait in a queue for an agent; QueueLeft follows if no conversation comes of it."""

    queue: str
    priority: int = 0
    skills: Mapping[str, int] = field(default_factory=dict)
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeVoicemail(Command):
    """Beep and record a message for `queue`; VoicemailEnded follows."""

    queue: str
    language: str
    max_length: timedelta
    silence: timedelta
    stop_keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCall(Command):
    """Connect the caller to a number or SIP URI; TransferFailed follows if that fails."""

    target: str
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall(Command):
    """Hang up. `outcome` says what the flow makes of it: self-service done, gave up, fault."""

    outcome: str
