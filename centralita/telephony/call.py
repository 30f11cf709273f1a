"""The vocabulary of telephony, and `CallControl`: everything that may be asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from centralita.core.errors import CentralitaError
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId, WorkerId
from centralita.telephony.attempts import Attempt


class TelephonyError(CentralitaError):
    """A command that telephony could not carry out."""

    code = "telephony"


class DialError(TelephonyError):
    """The leg could not even be started (bad URI, no transport, worker at its limit)."""

    code = "dial_failed"


class NoSuchLeg(TelephonyError):
    """The leg has ended, or never was. Normal in a race with the caller's hang-up."""

    code = "no_such_leg"


class EndReason(StrEnum):
    """Why a leg ended. The first eight are ours to choose; the others are observed.

    Of a phone or number that we dialled: `BUSY` and `DECLINED` are what somebody there said,
    `NO_ANSWER` that it rang in vain, `UNREACHABLE` that it is there and cannot be rung now,
    `NO_SUCH_NUMBER` that it is not there. `LINE_DOWN` is that the way to it does not work, and
    `LINE_REFUSED` that a trunk does not take the call from us.
    """

    FLOW_ENDED = "flow_ended"
    CONVERSATION_ENDED = "conversation_ended"
    OFFER_TIMED_OUT = "offer_timed_out"
    OFFER_WITHDRAWN = "offer_withdrawn"
    TRANSFERRED = "transferred"
    NOT_ACCEPTED = "not_accepted"
    SHUTDOWN = "shutdown"
    FAULT = "fault"
    REMOTE_HANGUP = "remote_hangup"
    CANCELLED = "cancelled"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    NO_SUCH_NUMBER = "no_such_number"
    LINE_DOWN = "line_down"
    LINE_REFUSED = "line_refused"
    REJECTED = "rejected"
    MEDIA_TIMEOUT = "media_timeout"
    WORKER_LOST = "worker_lost"


class LegDirection(StrEnum):
    """Who sent the INVITE: the other side (in) or we (out)."""

    IN = "in"
    OUT = "out"


class PlaybackEnd(StrEnum):
    """How a playback ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSink:
    """Where a media worker sends the PCM of a caller who is being listened to.

    A Unix datagram socket. Each datagram is `stream` as a big-endian unsigned 32-bit number and
    then 20 ms of signed 16-bit little-endian mono samples at 8 kHz (320 bytes).
    """

    path: str
    stream: int


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEvent(Event):
    """Something happened on one leg."""

    leg_id: LegId
    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(LegEvent):
    """An INVITE from outside: a new call, whose first leg is the caller's.

    `caller` and `dialled` are the user parts of From (or P-Asserted-Identity) and of the
    Request-URI; `caller` is empty when the caller withholds it. `trunk` names the trunk, or
    `extension` the registered phone, that the edge vouched for. `headers` are the X- headers,
    Diversion, History-Info and Subject, by lower-case name.
    """

    sip_call_id: str
    caller: str
    caller_name: str
    dialled: str
    diversion: str = ""
    trunk: str = ""
    extension: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging(LegEvent):
    """The phone that we dialled rings (180 or 183); again when `early` changes.

    With `early` its network sends sound before the answer, such as "this number is not in service":
    see `hear_early`.
    """

    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered(LegEvent):
    """The leg is up (200 and ACK) and its audio flows. For both directions.

    `page` is the extension whose page in a browser answered; empty for a phone.
    """

    codec: str = ""
    encrypted: bool = False
    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded(LegEvent):
    """The leg is over; the last event of every leg. `sip_code` is 0 when nothing was received.

    The media figures are of what we received on this leg, from RTP and RTCP.
    """

    reason: EndReason
    sip_code: int = 0
    rtp_packets: int = 0
    rtp_lost: int = 0
    jitter_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitReceived(LegEvent):
    """A key (`0-9*#A-D`) by RFC 4733 or SIP INFO."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded(LegEvent):
    """A playback is over. Exactly one for each `play`."""

    playback_id: PlaybackId
    how: PlaybackEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(LegEvent):
    """The file at `path` is complete. Exactly one for each `start_recording`.

    Files that one `start_recording` began are aligned: their first samples belong to the same
    instant, give or take one 20 ms tick of the conference clock.
    """

    path: str
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LegsBridged(LegEvent):
    """This leg and `other` hear each other."""

    other: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class LegHeld(LegEvent):
    """The other side put us on hold (a re-INVITE with sendonly or inactive) or took us back."""

    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSilent(LegEvent):
    """No audio comes from the other side any more, or it comes again.

    A page that talks or listens always sends; `page` is as in LegAnswered. It was closed, is being
    loaded anew, or its network is gone. Of a phone or trunk it is told only while it has part in a
    conversation, and when neither audio nor reports come for longer (`silence_timeout`).
    """

    silent: bool
    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequested(LegEvent):
    """The other side sent REFER: it wants the peer of this leg to be connected to `target`.

    With `replaces`, a leg of the same phone, it wants it connected to the peer of that one
    (RFC 3891); `replaces` is empty although a dialog was named when that dialog is none of ours.
    It waits for `report_transfer`.
    """

    target: str
    replaces: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUp(Event):
    """A media worker is connected and takes calls. `max_calls` is the limit of its pjsua2 build."""

    worker_id: WorkerId
    max_calls: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost(Event):
    """The connection to a media worker broke; LegEnded(WORKER_LOST) follows for each leg."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLeg:
    """A leg that a media worker held, or saw end, while there was no brain to tell.

    `notes` are what the brain before us had the worker remember. `other` is the peer, or one of
    them. `recording` is the file that is being written, or empty. `page` is as in LegAnswered;
    `silent` says that LegSilent was told last.
    `ended` is how the leg ended, when it did.
    """

    leg_id: LegId
    call_id: CallId
    direction: LegDirection
    answered: bool
    other: LegId | None = None
    recording: str = ""
    page: str = ""
    silent: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    ended: LegEnded | None = None


# --- commands -----------------------------------------------------------------------------------


class CallControl(Protocol):
    """What can be done with legs. Implemented by `link.WorkerLink` and by `fake.FakeCallControl`.

    Commands return when the worker has accepted them; what comes of them arrives as events. A
    command for a leg that has ended raises NoSuchLeg: callers treat it as the end of the leg,
    whose LegEnded is on its way or has passed.
    """

    def events(self) -> AsyncIterator[Event]:
        """All events of all legs, in order. One consumer."""
        ...

    def remember(self, leg_id: LegId, name: str, text: str) -> None:
        """Leave a note with the leg, in its worker: it outlives this process. Empty takes it away.

        Neither waits nor fails; a brain that takes over reads the notes in `KeptLeg`.
        """
        ...

    async def answer(self, leg_id: LegId, *, early: bool = False) -> None:
        """Answer an arrived call with 200, or with 183 and early media. Twice does no harm."""
        ...

    async def ring(self, leg_id: LegId) -> None:
        """Send 180 to an arrived call."""
        ...

    async def play(self, leg_id: LegId, files: Sequence[Path], *, loop: bool = False) -> PlaybackId:
        """Play mono 16-bit WAV files one after another to the leg.

        A new playback replaces the running one, whose PlaybackEnded(STOPPED) comes first. With
        `loop` it goes on from the start until stopped.
        """
        ...

    async def stop_playing(self, leg_id: LegId) -> None:
        """Stop the running playback, if there is one."""
        ...

    async def listen(self, leg_id: LegId, sink: AudioSink) -> None:
        """Send what the leg says to `sink`, replacing an earlier one."""
        ...

    async def stop_listening(self, leg_id: LegId) -> None:
        """Stop sending audio of the leg."""
        ...

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """Send keys to the other side by RFC 4733."""
        ...

    async def start_recording(self, files: Mapping[LegId, Path]) -> None:
        """Write what each leg says to its mono 16-bit WAV file, silence included, from now on.

        The legs named in one command start at the same instant. They are in one worker.
        """
        ...

    async def pause_recording(self, leg_id: LegId, paused: bool) -> None:
        """Write silence in place of what the leg says, or again what it says.

        Time goes on in the file, so that it stays aligned with its siblings. Without a recording
        nothing happens.
        """
        ...

    async def stop_recording(self, leg_id: LegId) -> None:
        """End the recording, if there is one; RecordingStopped follows. So does a leg's end."""
        ...

    async def dial(
        self,
        call_id: CallId,
        leg_id: LegId,
        attempts: Sequence[Attempt],
        *,
        beside: LegId | None,
    ) -> None:
        """Start an outgoing leg by the first of `attempts` that can be sent, in the worker that
        holds the leg `beside`, or, for the first leg of a call, in the one that has the fewest.

        The caller of this method chooses `leg_id`, so as to know the leg before its first event. An
        attempt whose way turns out to be closed is followed by the next (`attempts.following`),
        without a word: the leg ends with the last. Raises DialError when it cannot even be started.
        """
        ...

    async def ring_again(
        self, leg_id: LegId, target: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Ring `target` for a leg that is up: who answers takes its place, with all it has.

        Until then, and when nobody answers, the leg stays as it is. Nothing but LegSilent tells.
        """
        ...

    async def bridge(self, leg_id: LegId, other: LegId) -> None:
        """Let two answered legs hear each other; stops their playbacks. LegsBridged for both."""
        ...

    async def join(self, legs: Sequence[LegId]) -> None:
        """Let two answered legs or more hear each other, and nobody else.

        As `bridge`: it stops their playbacks. LegsBridged comes for each leg and each that it did
        not hear before.
        """
        ...

    async def hear_early(self, leg_id: LegId, other: LegId) -> None:
        """Let a leg hear what the network of `other` sends before that one answers, and not the
        other way round; stops its playback. Ends with `unbridge`, `join`, or one of the two."""
        ...

    async def unbridge(self, leg_id: LegId) -> None:
        """Take the leg and its peers apart; all stay up. Two or more peers still hear each other,
        a single one hears silence."""
        ...

    async def transfer(self, leg_id: LegId, target: str) -> None:
        """Blind transfer by REFER: ask the other side of the leg to call `target`."""
        ...

    async def report_transfer(self, leg_id: LegId, status: int) -> None:
        """Tell who sent REFER on this leg how it goes: 100 is under way, 200 and above the end."""
        ...

    async def hang_up(self, leg_id: LegId, reason: EndReason) -> None:
        """End the leg: BYE, CANCEL or a final response, as its state wants. LegEnded follows."""
        ...
