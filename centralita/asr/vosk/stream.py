"""One stream in a worker: frames in, words out, decoded in order on a shared pool of threads."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta

import msgspec

from centralita.asr.recognizer import Partial, SpeechStarted, Utterance, Word
from centralita.asr.vosk.engine import Decoder
from centralita.asr.vosk.grammar import UNKNOWN
from centralita.asr.vosk.protocol import AudioTaken, Heard, StreamClosed
from centralita.asr.vosk.segmenter import FRAME, FRAME_BYTES, Began, Ended, More, Piece, Segmenter
from centralita.asr.vosk.voice import RATE, VoiceDetector

# How much speech is decoded at a time. Less costs a thread switch a frame, more delays Partials.
_CHUNK_BYTES = 1600

# How much at most, where a recording has been fed: a live caller's turn comes after it.
_LARGEST_CHUNK = 16_000

_LONGEST_LAST_SOUND = timedelta(milliseconds=500)


class _WordFields(msgspec.Struct):
    word: str
    start: float
    end: float
    conf: float


class _ResultFields(msgspec.Struct):
    text: str = ""
    result: list[_WordFields] = []  # msgspec copies it for each instance


_RESULT = msgspec.json.Decoder(_ResultFields)


class Stream:
    """Feeds one decoder and tells `say` what was heard. Lives in the worker's event loop."""

    def __init__(
        self,
        number: int,
        decoder: Decoder,
        *,
        hangover: timedelta,
        longest: timedelta,
        threads: Executor,
        say: Callable[[Heard | AudioTaken | StreamClosed], None],
    ) -> None:
        self._number = number
        self._decoder = decoder
        self._threads = threads
        self._say = say
        self._segmenter = Segmenter(VoiceDetector(), hangover=hangover, longest=longest)
        self._work: deque[Piece | AudioTaken | StreamClosed] = deque()
        self._busy = False
        self._running_since = 0.0
        self._closing = self._given_up = False
        self._live_at = 0.0
        self._fed = 0
        # The decoder counts what it was fed; the stream also counts the silence it was spared.
        self._decoded = timedelta(0)
        self._offset = timedelta(0)
        self._start = timedelta(0)
        self._partial = ""
        self._words_in_segment = False

    def take_live(self, pcm: bytes) -> None:
        """Audio from a media worker, which we cannot slow down."""
        self._live_at = time.monotonic()
        self._take(pcm)

    def take_fed(self, pcm: bytes) -> None:
        """Audio from the pool, which waits until AudioTaken says how far we are."""
        self._fed += len(pcm)
        self._take(pcm)
        self._work.append(AudioTaken(stream=self._number, total=self._fed))
        self._go_on()

    def close(self) -> None:
        """Finish what was begun, then say StreamClosed."""
        if self._closing:
            return
        self._closing = True
        self._work.extend(self._segmenter.finish())
        self._work.append(StreamClosed(stream=self._number))
        self._go_on()

    def watch(self, now: float) -> None:
        """End speech whose audio stopped arriving: a caller on hold must not hang in mid-word."""
        if self._segmenter.speaking and self._live_at and now - self._live_at > 1.0:
            self._work.extend(self._segmenter.finish())
            self._go_on()

    @property
    def behind(self) -> timedelta:
        """How much of what a live caller has said waits to be decoded."""
        if not self._live_at:
            return timedelta(0)  # a recording is fed at the pace at which it is taken
        return FRAME * sum(isinstance(piece, More) for piece in self._work)

    def give_up(self, reason: str) -> None:
        """End at once, with what has been heard so far."""
        if not self._given_up:
            self._given_up = self._closing = True
            self._work.clear()
            self._say(StreamClosed(stream=self._number, failure=reason))

    def stuck_for(self, now: float) -> float:
        """How long the running piece of decoding has taken, in seconds; 0 while it waits."""
        since = self._running_since
        return now - since if since else 0.0

    def _take(self, pcm: bytes) -> None:
        if self._closing:
            return
        for piece in self._segmenter.take(pcm):
            if isinstance(piece, Began):
                self._say(Heard(stream=self._number, started=SpeechStarted(at=piece.at)))
            self._work.append(piece)
        self._go_on()

    def _go_on(self) -> None:
        """Start the next piece of decoding, if there is one and none runs."""
        while self._work and not self._busy:
            match self._work[0]:
                case AudioTaken() | StreamClosed() as message:
                    self._work.popleft()
                    self._say(message)
                case Began() as began:
                    self._work.popleft()
                    self._start = began.start
                    self._offset = began.start - self._decoded
                    self._partial = ""
                    self._words_in_segment = False
                    self._decode(began.pre_roll)
                case Ended() as ended:
                    self._work.popleft()
                    self._run(self._decoder.finish, lambda text: self._final(text, ended.at))
                case More():
                    speech = self._gather()
                    if not speech:
                        return
                    self._decode(speech)

    def _gather(self) -> bytes:
        """The speech at the head of the queue, once it is a chunk or something follows it."""
        frames: list[bytes] = []
        for piece in self._work:
            if not isinstance(piece, More) or len(frames) * FRAME_BYTES >= _LARGEST_CHUNK:
                break
            frames.append(piece.pcm)
        size = sum(len(frame) for frame in frames)
        if size < _CHUNK_BYTES and len(frames) == len(self._work):
            return b""
        for _ in frames:
            self._work.popleft()
        return b"".join(frames)

    def _decode(self, pcm: bytes) -> None:
        self._decoded += timedelta(seconds=len(pcm) / 2 / RATE)
        self._run(lambda: self._decoder.accept(pcm), self._progress)

    def _run(self, work: Callable[[], str], then: Callable[[str], None]) -> None:
        self._busy = True

        def timed() -> str:
            self._running_since = time.monotonic()
            try:
                return work()
            finally:
                self._running_since = 0.0

        future = asyncio.get_running_loop().run_in_executor(self._threads, timed)

        def done(finished: asyncio.Future[str]) -> None:
            self._busy = False
            if finished.cancelled():
                return
            error = finished.exception()
            if error is not None:
                self.give_up(str(error))
                return
            if self._given_up:
                return
            then(finished.result())
            self._go_on()

        future.add_done_callback(done)

    def _progress(self, text: str) -> None:
        answer = json.loads(text)
        if "partial" not in answer:  # the library found an end by itself: a pause within speech
            self._utterance(text, self._offset + self._decoded)
            return
        partial = _without_unknown(answer["partial"])
        if partial and partial != self._partial:
            self._partial = partial
            self._say(Heard(stream=self._number, partial=Partial(text=partial)))

    def _final(self, text: str, end: timedelta) -> None:
        self._utterance(text, end, last=True)

    def _utterance(self, text: str, end: timedelta, *, last: bool = False) -> None:
        result = _RESULT.decode(text)
        limits = [*(self._at(fields.start) for fields in result.result[1:]), end]
        words = tuple(
            self._word(fields, limit)
            for fields, limit in zip(result.result, limits, strict=False)
            if fields.word != UNKNOWN
        )
        if not words and (self._words_in_segment or not last):
            return  # the rest of a stretch of speech whose words have been told
        self._words_in_segment = True
        self._partial = ""
        confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
        utterance = Utterance(
            text=" ".join(word.text for word in words),
            words=words,
            confidence=confidence,
            start=words[0].start if words else self._start,
            end=max(words[-1].end, words[0].start) if words else max(end, self._start),
        )
        self._say(Heard(stream=self._number, utterance=utterance))

    def _at(self, seconds: float) -> timedelta:
        """The decoder's time in the stream's."""
        return self._offset + timedelta(seconds=seconds)

    def _word(self, fields: _WordFields, limit: timedelta) -> Word:
        """The word, which ends with its last voiced frame before `limit`.

        The decoder's end is where it became sure of the last sound, not where that ended.
        """
        start = self._at(fields.start)
        latest = min(limit, self._at(fields.end) + _LONGEST_LAST_SOUND)
        start, end = self._segmenter.voiced(start, max(start, latest))
        return Word(
            text=fields.word,
            start=start,
            end=end,
            confidence=min(1.0, max(0.0, fields.conf)),
        )


def _without_unknown(text: str) -> str:
    return " ".join(word for word in text.split() if word != UNKNOWN)
