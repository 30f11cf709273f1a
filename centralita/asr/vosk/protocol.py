"""What the pool and a worker say to each other: typed messages on a Unix stream socket.

Live audio does not pass here: media workers send it straight to the worker's datagram socket.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import timedelta

from centralita.asr.recognizer import Partial, SpeechStarted, Utterance
from centralita.core.wire import Wire

STREAM_HEADER = struct.Struct(">I")
"""Starts each datagram of live audio: the number of its stream."""

# --- to the worker ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """Listen to `stream`. The answer is StreamOpened or StreamRefused."""

    stream: int
    language: str
    phrases: tuple[str, ...] | None
    hangover: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAudio:
    """Audio of a stream that does not come by datagram. AudioTaken follows when it is decoded."""

    stream: int
    pcm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream:
    """Finish what was begun; StreamClosed is the last word of the stream."""

    stream: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPhrases:
    """Which of these does the model know? Answered by PhrasesChecked."""

    request: int
    language: str
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there, and does decoding get on? Answered by Pong."""

    number: int


# --- from the worker ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The first message on a connection: which languages there are, how many streams fit."""

    languages: tuple[str, ...]
    max_streams: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The stream listens from now on, to datagrams at `audio_path` and to FeedAudio."""

    stream: int
    audio_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRefused:
    """The stream was not opened; `code` is that of the error to raise."""

    stream: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something was heard on the stream: exactly one of the three."""

    stream: int
    started: SpeechStarted | None = None
    partial: Partial | None = None
    utterance: Utterance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTaken:
    """That many bytes of FeedAudio have been dealt with since the stream began."""

    stream: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed:
    """Nothing more comes from this stream; `failure` says why if it broke off."""

    stream: int
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhrasesChecked:
    """`unknown` are the words that the model lacks, as asked and in that order."""

    request: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """Alive, and no decoding has been stuck for long."""

    number: int


WIRE = Wire(
    (
        *(OpenStream, FeedAudio, CloseStream, CheckPhrases, Ping),
        *(Ready, StreamOpened, StreamRefused, Heard, AudioTaken, StreamClosed),
        *(PhrasesChecked, Pong),
    )
)


send, receive = WIRE.send, WIRE.receive
