"""A recogniser that hears what its script says. For unit tests and simulations."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from centralita.asr.recognizer import (
    GrammarError,
    Partial,
    RecognitionFailed,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
    Word,
)
from centralita.core.events import Event

_WORD_LASTS = timedelta(milliseconds=300)


def utterance(text: str, *, confidence: float = 0.95, start: timedelta = timedelta(0)) -> Utterance:
    """An Utterance of these words, one after another from `start`."""
    words = tuple(
        Word(
            text=word,
            start=start + index * _WORD_LASTS,
            end=start + (index + 1) * _WORD_LASTS,
            confidence=confidence,
        )
        for index, word in enumerate(text.split())
    )
    return Utterance(
        text=text,
        words=words,
        confidence=confidence if words else 0.0,
        start=start,
        end=words[-1].end if words else start + _WORD_LASTS,
    )


class FakeRecognition:
    """A stream whose events the test, or the script, decides."""

    def __init__(
        self, number: int, language: str, phrases: tuple[str, ...] | None, script: Iterable[Event]
    ) -> None:
        self.language = language
        self.phrases = phrases
        self.fed = bytearray()
        """All audio it was given."""
        self.closed = False
        self.makes_way = False
        self._number = number
        self._script = deque(script)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._over = False

    @property
    def sink_path(self) -> str:
        return ""

    @property
    def stream(self) -> int:
        return self._number

    async def feed(self, pcm: bytes) -> None:
        """Sound, that is any sample but zero, plays what remains of the script."""
        if self.closed or self._over:
            return
        self.fed += pcm
        if any(pcm):
            while self._script:
                self.hears(self._script.popleft())

    def hears(self, event: Event) -> None:
        """Let `event` happen now."""
        if self._over:
            return
        self._events.put_nowait(event)
        if isinstance(event, RecognitionFailed):
            self._end()

    def says(self, text: str, *, confidence: float = 0.95) -> None:
        """The caller says `text`: SpeechStarted, a Partial and the Utterance."""
        self.hears(SpeechStarted(at=timedelta(0)))
        if text:
            self.hears(Partial(text=text.split()[0]))
        self.hears(utterance(text, confidence=confidence))

    def fails(self, reason: str = "asr-1 ended") -> None:
        """The recogniser behind the stream is gone."""
        self.hears(RecognitionFailed(reason=reason))

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)

    async def close(self) -> None:
        self.closed = True
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._events.put_nowait(None)


class FakeRecognizer:
    """Opens FakeRecognitions and keeps them in `opened`, oldest first.

    `script` queues what the next stream hears as soon as sound is fed to it. `words` limits the
    vocabulary, None knows every word.
    """

    def __init__(
        self,
        languages: tuple[str, ...] = ("es", "en"),
        *,
        max_streams: int = 32,
        words: frozenset[str] | None = None,
    ) -> None:
        self.opened: list[FakeRecognition] = []
        self.down = False
        """While set, `start` fails as with no worker running."""
        self._languages = languages
        self._max_streams = max_streams
        self._words = words
        self._scripts: deque[tuple[Event, ...]] = deque()
        self._news = asyncio.Event()

    def script(self, *events: Event) -> None:
        """What the next stream that is opened hears."""
        self._scripts.append(events)

    def languages(self) -> tuple[str, ...]:
        return self._languages

    async def start(
        self, language: str, phrases: tuple[str, ...] | None, *, spare: int | None = None
    ) -> FakeRecognition:
        if self.down:
            raise RecognizerError("no recogniser is running")
        if language not in self._languages:
            raise RecognizerError(f'no speech model for "{language}"')
        if phrases is not None:
            self._check(phrases)
        if spare is None and self._busy >= self._max_streams:
            for stream in self.opened:
                if stream.makes_way and not stream.closed:
                    stream.closed = True
                    stream.fails("a caller needs the stream")
        if self._busy + (spare or 0) >= self._max_streams:
            raise RecognizerBusy("all recogniser streams are taken")
        events = self._scripts.popleft() if self._scripts else ()
        recognition = FakeRecognition(len(self.opened), language, phrases, events)
        recognition.makes_way = spare is not None
        self.opened.append(recognition)
        self._news.set()
        return recognition

    async def next_stream(self, number: int) -> FakeRecognition:
        """The stream of that index in `opened`, waited for if it is not open yet."""
        while len(self.opened) <= number:
            self._news.clear()
            await self._news.wait()
        return self.opened[number]

    async def known_phrases(self, language: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `phrases` all of whose words it knows."""
        if language not in self._languages:
            raise RecognizerError(f'no speech model for "{language}"')
        return tuple(phrase for phrase in phrases if phrase.split() and not self._unknown(phrase))

    @property
    def _busy(self) -> int:
        return sum(not stream.closed for stream in self.opened)

    def _check(self, phrases: tuple[str, ...]) -> None:
        if not phrases:
            raise GrammarError("the word list is empty; give phrases, or None for free speech")
        for phrase in phrases:
            if not phrase.split():
                raise GrammarError(f'"{phrase}" contains no word')
        missing = [f'"{word}"' for phrase in phrases for word in self._unknown(phrase)]
        if missing:
            raise GrammarError(f"the speech model does not know {', '.join(missing)}")

    def _unknown(self, phrase: str) -> list[str]:
        if self._words is None:
            return []
        return [word for word in phrase.lower().split() if word not in self._words]
