"""`Recognizer`: turns PCM into words. The seam behind which Vosk stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from centralita.core.errors import CentralitaError
from centralita.core.events import Event


class RecognizerError(CentralitaError):
    """Recognition could not be started or broke off."""

    code = "recognizer"


class GrammarError(RecognizerError):
    """A word list that this recogniser cannot use; the message names the words."""

    code = "bad_grammar"


class RecognizerBusy(RecognizerError):
    """All streams are taken. The caller can be served by keys."""

    code = "recognizer_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word; times count from the first sample of the stream."""

    text: str
    start: timedelta
    end: timedelta
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """The voice activity detector heard speech begin: the moment for barge-in."""

    at: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(Event):
    """What the recogniser believes so far; may change."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance(Event):
    """Final text between two pauses. `confidence` is the mean of its words, 0 to 1.

    `text` is empty when sound ended without any word of the grammar (VoiceXML's nomatch).
    """

    text: str
    words: tuple[Word, ...]
    confidence: float
    start: timedelta
    end: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionFailed(Event):
    """The recogniser behind this stream is gone (killed, hung). The last event of the stream."""

    reason: str


class Recognition(Protocol):
    """One stream that is being recognised."""

    @property
    def sink_path(self) -> str:
        """The Unix datagram socket that takes this stream's audio; empty if only `feed` does."""
        ...

    @property
    def stream(self) -> int:
        """The number that marks this stream's datagrams (see telephony.call.AudioSink)."""
        ...

    async def feed(self, pcm: bytes) -> None:
        """Give signed 16-bit little-endian mono samples at 8 kHz, in pieces of any length."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """SpeechStarted, Partial, Utterance in order; ends after `close` or RecognitionFailed."""
        ...

    async def close(self) -> None:
        """Flush: a last Utterance comes if speech was pending; then the events end. Idempotent."""
        ...


class Recognizer(Protocol):
    """Opens streams. Implemented by `vosk.VoskPool` and `fake.FakeRecognizer`."""

    def languages(self) -> tuple[str, ...]:
        """The ISO 639-1 codes there is a model for."""
        ...

    async def start(
        self, language: str, phrases: tuple[str, ...] | None, *, spare: int | None = None
    ) -> Recognition:
        """Open a stream. `phrases` is a closed word list, None is free speech.

        `spare` is for those who can do without: the stream is opened only if that many more could
        still be, and fails when somebody without `spare` would otherwise be refused. Raises
        GrammarError, RecognizerBusy or RecognizerError.
        """
        ...

    async def known_phrases(self, language: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `phrases` all of whose words the model knows, in order: what `start` accepts.

        Raises RecognizerError.
        """
        ...
