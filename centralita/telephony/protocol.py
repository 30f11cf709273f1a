"""What travels over the Unix socket between the brain and a media worker.

Frames are a big-endian 32-bit length and a `core.wire` message. The worker listens, the brain
connects; after connecting, the worker sends a `KeptLeg` for each leg it holds or has just seen
end, then `Hello`, then events as they happen and one `Done` for each command but `Remember`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from centralita.core.errors import InvalidInput
from centralita.core.ids import CallId, LegId, PlaybackId
from centralita.core.wire import Wire
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    DigitReceived,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegRinging,
    LegsBridged,
    LegSilent,
    PlaybackEnded,
    RecordingStopped,
    TransferRequested,
)

MAX_FRAME = 1 << 20
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The base of every command; `seq` numbers the commands of one connection."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember(Command):
    """Keep a note with the leg; an empty text takes it away. Not answered with `Done`."""

    leg_id: LegId
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Command):
    leg_id: LegId
    early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring(Command):
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Command):
    leg_id: LegId
    playback_id: PlaybackId
    files: tuple[str, ...]
    loop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlaying(Command):
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen(Command):
    leg_id: LegId
    sink: AudioSink


@dataclass(frozen=True, slots=True, kw_only=True)
class StopListening(Command):
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits(Command):
    leg_id: LegId
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecording(Command):
    files: Mapping[LegId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecording(Command):
    leg_id: LegId
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording(Command):
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial(Command):
    call_id: CallId
    leg_id: LegId
    # The first attempt, as a worker understands it that is older than this program.
    target: str
    caller: str
    caller_name: str
    headers: Mapping[str, str]
    peer: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RingAgain(Command):
    """Ring for a leg that is up: who answers takes its place."""

    leg_id: LegId
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Command):
    """Let these legs hear each other, and nobody else."""

    legs: tuple[LegId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HearEarly(Command):
    """Let a leg hear another one that has not answered."""

    leg_id: LegId
    other: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(Command):
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Command):
    leg_id: LegId
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTransfer(Command):
    leg_id: LegId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Command):
    leg_id: LegId
    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Command):
    """Take no new calls from now on; with `leave`, end when the last of the others is over."""

    leave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Command):
    """Whoever answers is alive; the answer comes after a `HeldLegs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The worker has told what it holds; `max_calls` is how many legs it can carry.

    `arrivals` are calls on which no brain has left a note: they have to be begun with (again).
    """

    version: str
    max_calls: int
    arrivals: tuple[CallArrived, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLegs:
    """The legs that the worker has and does not end already: the brain should know the same."""

    legs: tuple[LegId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The outcome of the command `seq`; `error` is empty, or the code of what was wrong."""

    seq: int
    error: str = ""
    message: str = ""


COMMANDS = Wire(
    (
        Remember,
        Answer,
        Ring,
        Play,
        StopPlaying,
        Listen,
        StopListening,
        SendDigits,
        StartRecording,
        PauseRecording,
        StopRecording,
        Dial,
        RingAgain,
        Join,
        HearEarly,
        Disconnect,
        Transfer,
        ReportTransfer,
        HangUp,
        Drain,
        Ping,
    )
)
EVENTS = Wire(
    (
        KeptLeg,
        Hello,
        HeldLegs,
        Done,
        CallArrived,
        LegRinging,
        LegAnswered,
        LegEnded,
        DigitReceived,
        PlaybackEnded,
        RecordingStopped,
        LegsBridged,
        LegHeld,
        LegSilent,
        TransferRequested,
    )
)


def frame(body: bytes) -> bytes:
    """`body` with its length before it."""
    return _LENGTH.pack(len(body)) + body


class Deframer:
    """Cuts a byte stream into frame bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def push(self, data: bytes) -> Iterator[bytes]:
        """The bodies completed by `data`; raises InvalidInput when a length is absurd."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise InvalidInput(f"a frame of {length} bytes is longer than {MAX_FRAME}")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield body
