"""A scripted CallControl for tests: phones are Python objects, sound takes no time.

It keeps the promises of `CallControl` that the rest of the house relies on, and the contract
suite holds it to the real worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId, new_id
from centralita.telephony.attempts import Attempt, following
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    DialError,
    DigitReceived,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegDirection,
    LegEnded,
    LegHeld,
    LegRinging,
    LegsBridged,
    LegSilent,
    NoSuchLeg,
    PlaybackEnd,
    PlaybackEnded,
    RecordingStopped,
    TransferRequested,
)


@dataclass(slots=True)
class FakeLeg:
    """A leg and what was done to it."""

    leg_id: LegId
    call_id: CallId
    direction: LegDirection
    attempts: tuple[Attempt, ...] = ()
    tried: int = 0
    rang: bool = False
    answered: bool = False
    early: bool = False
    playback: PlaybackId | None = None
    playing: tuple[Path, ...] = ()
    looping: bool = False
    played: list[Path] = field(default_factory=list)
    sink: AudioSink | None = None
    recording: Path | None = None
    paused: bool = False
    peers: set[LegId] = field(default_factory=set)
    hears_early: LegId | None = None
    sent_digits: str = ""
    transferred_to: str = ""
    rung_again: list[str] = field(default_factory=list)
    page: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    arrived: CallArrived | None = None
    reports: list[int] = field(default_factory=list)

    @property
    def attempt(self) -> Attempt:
        """The one that is being made, or was answered."""
        return self.attempts[self.tried]

    @property
    def target(self) -> str:
        """What is dialled; empty for a leg that came in."""
        return self.attempt.uri if self.attempts else ""

    @property
    def caller(self) -> str:
        """Who is shown there."""
        return self.attempt.caller if self.attempts else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """What else is said there."""
        return self.attempt.headers if self.attempts else {}

    @property
    def other(self) -> LegId | None:
        """The one it hears; of several, any."""
        return min(self.peers, default=None)


class FakeCallControl:
    """The whole of telephony in one object. Tests call the methods of the first group."""

    def __init__(self, *, prompts_end_at_once: bool = False) -> None:
        self.legs: dict[LegId, FakeLeg] = {}
        self.ended: dict[LegId, EndReason] = {}
        self.unreachable: set[str] = set()
        self.unspeakable: set[str] = set()
        self.history: list[FakeLeg] = []
        self.prompts_end_at_once = prompts_end_at_once
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._dialled: asyncio.Queue[FakeLeg] = asyncio.Queue()
        self._ends: list[KeptLeg] = []

    # --- the world outside ------------------------------------------------------------------

    def arrives(
        self,
        dialled: str,
        *,
        caller: str = "+34600111222",
        trunk: str = "test",
        extension: str = "",
    ) -> FakeLeg:
        """Somebody calls `dialled`; with `extension`, from that phone of the house."""
        leg = self._new_leg(LegId(new_id("leg")), CallId(new_id("call")), LegDirection.IN)
        leg.arrived = CallArrived(
            leg_id=leg.leg_id,
            call_id=leg.call_id,
            sip_call_id=new_id("sip"),
            caller=caller,
            caller_name="",
            dialled=dialled,
            trunk="" if extension else trunk,
            extension=extension,
        )
        self._emit(leg.arrived)
        return leg

    def new_brain(self) -> list[KeptLeg]:
        """The brain is killed and another one takes over: what it is told is returned.

        News that the old one had not read is lost with it; calls without a note arrive again.
        """
        self._events = asyncio.Queue()
        held = list(self.legs.values())
        for leg in held:
            if leg.arrived is not None and not leg.notes:
                self._emit(leg.arrived)
        return self._ends + [self._kept(leg) for leg in held if leg.notes or leg.arrived is None]

    async def next_dialled(self) -> FakeLeg:
        """Wait for the next leg that the house dials."""
        return await self._dialled.get()

    def rings(self, leg: FakeLeg, *, early: bool = False) -> None:
        """The dialled phone rings; with `early`, its network sends sound of its own."""
        leg.rang = True
        self._emit(LegRinging(leg_id=leg.leg_id, call_id=leg.call_id, early=early))

    def falls_silent(self, leg: FakeLeg, silent: bool) -> None:
        """No sound comes from the other side any more, or it comes again."""
        self._emit(LegSilent(leg_id=leg.leg_id, call_id=leg.call_id, silent=silent))

    def answers(self, leg: FakeLeg) -> None:
        """The dialled phone is picked up."""
        if leg.leg_id in self.legs and not leg.answered:
            leg.answered = True
            self._emit(
                LegAnswered(
                    leg_id=leg.leg_id, call_id=leg.call_id, codec="PCMA/8000", page=leg.page
                )
            )

    def refuses(self, leg: FakeLeg, reason: EndReason = EndReason.DECLINED) -> None:
        """The dialled phone says no, or cannot be reached."""
        self._end(leg.leg_id, reason)

    def fails(self, leg: FakeLeg, sip_code: int, reason: EndReason) -> None:
        """That is the answer to an attempt: the next one is made, or the leg is over."""
        following_one = following(leg.attempts, leg.tried, sip_code, rang=leg.rang)
        if following_one is None:
            self._end(leg.leg_id, reason)
            return
        leg.tried = following_one
        self._dialled.put_nowait(leg)

    def hangs_up(self, leg: FakeLeg) -> None:
        """The other side hangs up."""
        answered = leg.answered or leg.direction is LegDirection.OUT
        self._end(leg.leg_id, EndReason.REMOTE_HANGUP if answered else EndReason.CANCELLED)

    def presses(self, leg: FakeLeg, digits: str) -> None:
        """Keys are pressed."""
        for digit in digits:
            self._emit(DigitReceived(leg_id=leg.leg_id, call_id=leg.call_id, digit=digit))

    def holds(self, leg: FakeLeg, held: bool) -> None:
        """The other side puts us on hold, or takes us back."""
        self._emit(LegHeld(leg_id=leg.leg_id, call_id=leg.call_id, held=held))

    def refers(self, leg: FakeLeg, target: str, replaces: FakeLeg | None = None) -> None:
        """The other side asks for a transfer, perhaps to whom its other call is with."""
        self._emit(
            TransferRequested(
                leg_id=leg.leg_id,
                call_id=leg.call_id,
                target=target,
                replaces=replaces.leg_id if replaces is not None else None,
            )
        )

    def hears_out(self, leg: FakeLeg) -> None:
        """The running prompt ends by itself."""
        if leg.playback is not None and not leg.looping:
            self._stop(leg, PlaybackEnd.COMPLETED)

    # --- CallControl ------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()

    def remember(self, leg_id: LegId, name: str, text: str) -> None:
        leg = self.legs.get(leg_id)
        if leg is not None and text:
            leg.notes[name] = text
        elif leg is not None:
            leg.notes.pop(name, None)

    async def answer(self, leg_id: LegId, *, early: bool = False) -> None:
        leg = self._at(leg_id)
        if early:
            leg.early = True
        elif not leg.answered:
            leg.answered = True
            self._emit(LegAnswered(leg_id=leg_id, call_id=leg.call_id, codec="PCMA/8000"))

    async def ring_again(
        self, leg_id: LegId, target: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self._at(leg_id).rung_again.append(target)

    async def ring(self, leg_id: LegId) -> None:
        self._at(leg_id)

    async def play(self, leg_id: LegId, files: Sequence[Path], *, loop: bool = False) -> PlaybackId:
        leg = self._at(leg_id)
        self._stop(leg, PlaybackEnd.STOPPED)
        playback_id = PlaybackId(new_id("play"))
        leg.playback, leg.playing, leg.looping = playback_id, tuple(files), loop
        leg.played.extend(files)
        if self.prompts_end_at_once and not loop:
            asyncio.get_running_loop().call_soon(self._ended_by_itself, leg, playback_id)
        return playback_id

    async def stop_playing(self, leg_id: LegId) -> None:
        self._stop(self._at(leg_id), PlaybackEnd.STOPPED)

    async def listen(self, leg_id: LegId, sink: AudioSink) -> None:
        self._at(leg_id).sink = sink

    async def stop_listening(self, leg_id: LegId) -> None:
        self._at(leg_id).sink = None

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        self._at(leg_id).sent_digits += digits

    async def start_recording(self, files: Mapping[LegId, Path]) -> None:
        for leg_id, path in files.items():
            leg = self._at(leg_id)
            self._stop_recording(leg)
            leg.recording = path

    async def pause_recording(self, leg_id: LegId, paused: bool) -> None:
        leg = self._at(leg_id)
        leg.paused = paused and leg.recording is not None

    async def stop_recording(self, leg_id: LegId) -> None:
        self._stop_recording(self._at(leg_id))

    async def dial(
        self,
        call_id: CallId,
        leg_id: LegId,
        attempts: Sequence[Attempt],
        *,
        beside: LegId | None,
    ) -> None:
        if beside is not None:
            self._at(beside)
        leg = FakeLeg(leg_id=leg_id, call_id=call_id, direction=LegDirection.OUT)
        leg.attempts = tuple(attempts)
        while not self._can_be_sent(leg.attempt):
            if leg.attempt is leg.attempts[-1]:
                raise DialError(f"cannot call {leg.target}")
            leg.tried += 1
        self._add(leg)
        self._dialled.put_nowait(leg)

    def _can_be_sent(self, attempt: Attempt) -> bool:
        return attempt.uri not in self.unreachable and attempt.caller not in self.unspeakable

    async def bridge(self, leg_id: LegId, other: LegId) -> None:
        await self.join((leg_id, other))

    async def join(self, legs: Sequence[LegId]) -> None:
        joined = [self._at(leg_id) for leg_id in legs]
        before = {leg.leg_id: set(leg.peers) for leg in joined}
        for leg in joined:
            for stranger in leg.peers - set(legs):
                self._apart(leg.leg_id, stranger)
            self._stop(leg, PlaybackEnd.STOPPED)
            leg.peers = set(legs) - {leg.leg_id}
            leg.hears_early = None
        for leg in joined:
            for other in legs:
                if other in leg.peers and other not in before[leg.leg_id]:
                    self._emit(LegsBridged(leg_id=leg.leg_id, call_id=leg.call_id, other=other))

    async def hear_early(self, leg_id: LegId, other: LegId) -> None:
        leg = self._at(leg_id)
        self._stop(leg, PlaybackEnd.STOPPED)
        leg.hears_early = self._at(other).leg_id

    async def unbridge(self, leg_id: LegId) -> None:
        self._at(leg_id).hears_early = None
        self._part(self._at(leg_id))

    async def transfer(self, leg_id: LegId, target: str) -> None:
        self._at(leg_id).transferred_to = target

    async def report_transfer(self, leg_id: LegId, status: int) -> None:
        self._at(leg_id).reports.append(status)

    async def hang_up(self, leg_id: LegId, reason: EndReason) -> None:
        self._at(leg_id)
        self._end(leg_id, reason)

    # --- within -----------------------------------------------------------------------------

    def _new_leg(self, leg_id: LegId, call_id: CallId, direction: LegDirection) -> FakeLeg:
        return self._add(FakeLeg(leg_id=leg_id, call_id=call_id, direction=direction))

    def _add(self, leg: FakeLeg) -> FakeLeg:
        self.legs[leg.leg_id] = leg
        self.history.append(leg)
        return leg

    def _at(self, leg_id: LegId) -> FakeLeg:
        leg = self.legs.get(leg_id)
        if leg is None:
            raise NoSuchLeg(f"leg {leg_id} has ended or never was")
        return leg

    def _emit(self, event: Event) -> None:
        self._events.put_nowait(event)

    def _ended_by_itself(self, leg: FakeLeg, playback_id: PlaybackId) -> None:
        if leg.playback == playback_id:
            self._stop(leg, PlaybackEnd.COMPLETED)

    def _stop(self, leg: FakeLeg, how: PlaybackEnd) -> None:
        if leg.playback is not None:
            self._emit(
                PlaybackEnded(
                    leg_id=leg.leg_id, call_id=leg.call_id, playback_id=leg.playback, how=how
                )
            )
        leg.playback, leg.playing = None, ()

    def _stop_recording(self, leg: FakeLeg) -> None:
        path, leg.recording, leg.paused = leg.recording, None, False
        if path is not None:
            self._emit(
                RecordingStopped(
                    leg_id=leg.leg_id,
                    call_id=leg.call_id,
                    path=str(path),
                    duration=timedelta(seconds=1),
                )
            )

    def _part(self, leg: FakeLeg) -> None:
        for other in tuple(leg.peers):
            self._apart(leg.leg_id, other)

    def _apart(self, one: LegId, other: LegId) -> None:
        for leg_id, peer in ((one, other), (other, one)):
            leg = self.legs.get(leg_id)
            if leg is not None:
                leg.peers.discard(peer)

    def _end(self, leg_id: LegId, reason: EndReason) -> None:
        leg = self.legs.get(leg_id)
        if leg is None:
            return
        self._part(leg)
        self._stop(leg, PlaybackEnd.STOPPED)
        self._stop_recording(leg)
        del self.legs[leg_id]
        self.ended[leg_id] = reason
        ended = LegEnded(leg_id=leg_id, call_id=leg.call_id, reason=reason)
        if leg.notes or (leg.answered and leg.arrived is not None):
            self._ends.append(self._kept(leg, ended))
        self._emit(ended)

    def _kept(self, leg: FakeLeg, ended: LegEnded | None = None) -> KeptLeg:
        return KeptLeg(
            leg_id=leg.leg_id,
            call_id=leg.call_id,
            direction=leg.direction,
            answered=leg.answered,
            other=leg.other,
            recording=str(leg.recording or ""),
            notes=dict(leg.notes),
            ended=ended,
        )
