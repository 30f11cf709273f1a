"""Finds where speech begins and ends, so that silence need not be decoded. Pure; no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

FRAME = timedelta(milliseconds=20)
FRAME_BYTES = 320
"""20 ms of signed 16-bit samples at 8 kHz."""

_ONSET_WINDOW = 5
_ONSET_VOICED = 3
_PRE_ROLL = 15


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at `at`. `pre_roll` is the audio from `start` on, before and with it."""

    at: timedelta
    start: timedelta
    pre_roll: bytes


@dataclass(frozen=True, slots=True)
class More:
    """Speech, or a pause in it, goes on."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The speaker has been silent for the hangover, or spoken for the longest time allowed."""

    at: timedelta


Piece = Began | More | Ended


class Segmenter:
    """Cuts a stream of 20 ms frames into stretches of speech.

    `is_speech` judges one frame. Speech begins when 3 of 5 frames are voiced and has ended after
    `hangover` without a voiced one.
    """

    def __init__(
        self, is_speech: Callable[[bytes], bool], *, hangover: timedelta, longest: timedelta
    ) -> None:
        self._is_speech = is_speech
        self._hangover = max(1, hangover // FRAME)
        self._longest = max(1, longest // FRAME)
        self._rest = b""
        self._frames = 0
        self._recent: deque[tuple[bytes, bool]] = deque(maxlen=_PRE_ROLL)
        self._speaking = False
        self._began = 0
        self._last_voiced = 0
        # One byte for each frame since the beginning, as decoding may lag behind: 3 kB a minute.
        self._voiced = bytearray()

    @property
    def speaking(self) -> bool:
        """Whether speech has begun and not ended."""
        return self._speaking

    def take(self, pcm: bytes) -> Iterator[Piece]:
        """What the next samples, of any length, bring about."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        self._rest = pcm[whole:]
        for start in range(0, whole, FRAME_BYTES):
            yield from self._frame(pcm[start : start + FRAME_BYTES])

    def finish(self) -> Iterator[Piece]:
        """The stream is over, or stalled: end speech that has begun."""
        if self._speaking:
            yield self._end()

    def voiced(self, start: timedelta, end: timedelta) -> tuple[timedelta, timedelta]:
        """From the first to the last voiced frame between the two, or both as they are.

        The decoder is sure of a word's sounds, not of where the silences around it begin.
        """
        first, last = start // FRAME, end // FRAME
        begins = self._voiced.find(1, first, last)
        if begins < 0:
            return start, end
        return (
            max(start, FRAME * begins),
            min(end, FRAME * (self._voiced.rfind(1, first, last) + 1)),
        )

    def _frame(self, frame: bytes) -> Iterator[Piece]:
        voiced = self._is_speech(frame)
        self._frames += 1
        self._voiced.append(voiced)
        if self._speaking:
            if voiced:
                self._last_voiced = self._frames
            yield More(frame)
            silent = self._frames - self._last_voiced
            if silent >= self._hangover or self._frames - self._began >= self._longest:
                yield self._end()
            return
        self._recent.append((frame, voiced))
        latest = [flag for _, flag in self._recent][-_ONSET_WINDOW:]
        if sum(latest) >= _ONSET_VOICED:
            self._speaking = True
            self._began = self._frames - len(self._recent)
            self._last_voiced = self._frames
            first = self._frames - len(latest) + latest.index(True)
            pre_roll = b"".join(kept for kept, _ in self._recent)
            self._recent.clear()
            yield Began(FRAME * first, FRAME * self._began, pre_roll)

    def _end(self) -> Ended:
        self._speaking = False
        return Ended(FRAME * self._last_voiced)
