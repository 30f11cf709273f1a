"""The recorder: files of conversations and voicemails, from the first sample to the stored FLAC."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, RecordingId, new_id
from centralita.core.tasks import Tasks
from centralita.recordings.files import RecordingError, StoredFile, store_flac
from centralita.recordings.spool import Running, Spool
from centralita.telephony.call import (
    CallControl,
    LegEnded,
    NoSuchLeg,
    RecordingStopped,
    TelephonyError,
)
from centralita.vault.keyring import Keyring

log = logging.getLogger(__name__)

# How long the end of the house waits for the files of the last conversation, in seconds.
_LAST_WORDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingMade(Event):
    """A recording lies in the store's folder, whole."""

    call_id: CallId
    recording_id: RecordingId
    kind: str
    at: datetime
    language: str
    path: str
    channels: int
    duration: timedelta
    sha256: str
    leg_id: LegId
    agent_id: AgentId | None = None
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Event):
    """What these legs say is being written. `queue` is whose message it is, if it is one."""

    call_id: CallId
    recording_id: RecordingId
    kind: str
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDiscarded(Event):
    """A recording held nothing and is forgotten."""

    call_id: CallId
    recording_id: RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(Event):
    """A recording could not be made or kept; the call went on."""

    call_id: CallId
    recording_id: RecordingId
    reason: str


async def _at_once() -> bool:
    return True


class Recorder:
    """Keeps track of the recordings that run. A failure here never touches the call."""

    def __init__(
        self,
        control: CallControl,
        bus: Bus,
        clock: Clock,
        folder: Path,
        *,
        keyring: Keyring | None = None,
        written_down: Callable[[], Awaitable[bool]] = _at_once,
    ) -> None:
        """With a `keyring`, what is stored is encrypted. `written_down` tells when what the bus has
        been told so far cannot be lost any more; False when that takes too long: the spool then
        keeps the recording for the next start."""
        self._written_down = written_down
        self._control = control
        self._bus = bus
        self._clock = clock
        self._folder = folder
        self._keyring = keyring
        self._spool = Spool(folder / "spool")
        self._running: dict[RecordingId, Running] = {}
        self._paused: set[CallId] = set()
        self._tasks = Tasks("recorder")
        self._stored = asyncio.Event()
        self.halted = ""
        self._stops = (
            bus.subscribe(RecordingStopped, self._stopped),
            bus.subscribe(LegEnded, self._leg_ended),
        )

    def open(self) -> None:
        """Make the folders, for our eyes only."""
        self._spool.open()

    async def recover(self, writing: Collection[str] = ()) -> int:
        """Store what a killed server left in the spool; returns how many recordings that are.

        `writing` are the files that media workers still write: those recordings go on.
        """
        left = await asyncio.to_thread(self._spool.left_over, writing)
        over = 0
        for running in left:
            self._running[running.recording_id] = running
            running.finished = {
                leg_id
                for leg_id, name in running.tracks.items()
                if str(self._spool.path(name)) not in writing
            }
            if len(running.finished) == len(running.tracks):
                over += 1
                self._tasks.spawn(self._keep(running), name=f"recover {running.recording_id}")
            elif running.kind == "voicemail":
                # Its caller is asked again: what has been said stays a message of its own.
                await self.stop(running.call_id)
        return over

    async def close(self) -> None:
        """Store what has been recorded completely, then let go.

        The last conversation may have ended a moment ago: its files are still being finished.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                while self._running:
                    self._stored.clear()
                    await self._stored.wait()
        for stop in self._stops:
            stop()
        await self._tasks.settle(within=10)
        await self._tasks.close()

    async def halt(self, reason: str) -> None:
        """End what is being recorded, and record nothing until `resume`."""
        self.halted = reason
        for call_id in {running.call_id for running in self._running.values()}:
            await self.stop(call_id)

    def resume(self) -> None:
        """Record again, from the next conversation or message on."""
        self.halted = ""

    @property
    def active(self) -> int:
        """How many recordings run or are being stored."""
        return len(self._running)

    async def start(
        self,
        call_id: CallId,
        legs: tuple[LegId, ...],
        *,
        kind: str,
        language: str,
        agent_id: AgentId | None = None,
        queue: str = "",
    ) -> RecordingId:
        """Record each leg on a channel of its own, in this order."""
        recording_id = RecordingId(new_id("rec"))
        if self.halted:
            self._failed(call_id, recording_id, self.halted)
            return recording_id
        tracks = {leg_id: f"{recording_id}-{index}.wav" for index, leg_id in enumerate(legs)}
        running = Running(
            recording_id=recording_id,
            call_id=call_id,
            kind=kind,
            language=language,
            started_at=self._clock.now(),
            tracks=tracks,
            agent_id=agent_id,
            queue=queue,
        )
        paths = {leg_id: self._spool.path(name) for leg_id, name in tracks.items()}
        try:
            await asyncio.to_thread(self._spool.note, running)
            self._running[recording_id] = running
            await self._control.start_recording(paths)
            if call_id in self._paused:
                for leg_id in paths:
                    await self._control.pause_recording(leg_id, True)
        except (TelephonyError, OSError) as exc:
            self._running.pop(recording_id, None)
            await asyncio.to_thread(self._spool.forget, running)
            # Who hangs up in the moment of answering leaves nothing that could be recorded.
            level = logging.INFO if isinstance(exc, NoSuchLeg) else logging.ERROR
            self._failed(call_id, recording_id, str(exc), level)
            return recording_id
        self._bus.publish(
            RecordingStarted(call_id=call_id, recording_id=recording_id, kind=kind, queue=queue)
        )
        return recording_id

    def runs(self, recording_id: RecordingId) -> bool:
        """Whether a recording did start and is not stored yet."""
        return recording_id in self._running

    def records(self, call_id: CallId) -> bool:
        """Whether a recording of this call is being made."""
        return any(
            running.call_id == call_id and len(running.finished) < len(running.tracks)
            for running in self._running.values()
        )

    async def pause(self, call_id: CallId, paused: bool) -> None:
        """Write silence in place of what is said in a call, or again what is said.

        Returns when it is so; raises TelephonyError when it cannot be done. What is recorded from
        here on of the same call begins paused, too, until `resume`, or the end of all of it.
        """
        (self._paused.add if paused else self._paused.discard)(call_id)
        for running in tuple(self._running.values()):
            if running.call_id == call_id:
                for leg_id in running.tracks.keys() - running.finished:
                    with contextlib.suppress(NoSuchLeg):  # that leg's end stopped it
                        await self._control.pause_recording(leg_id, paused)

    async def stop(self, call_id: CallId) -> None:
        """End the recordings of a call, and their pause; RecordingMade follows."""
        self._paused.discard(call_id)
        for running in tuple(self._running.values()):
            if running.call_id != call_id:
                continue
            for leg_id in running.tracks:
                if leg_id not in running.finished:
                    with contextlib.suppress(TelephonyError):  # that leg's end stopped it
                        await self._control.stop_recording(leg_id)

    async def discard(self, recording_id: RecordingId) -> None:
        """Forget a recording that holds nothing, such as a voicemail without words."""
        running = self._running.pop(recording_id, None)
        self._stored.set()
        if running is None:
            return
        running.discarded = True
        self._bus.publish(RecordingDiscarded(call_id=running.call_id, recording_id=recording_id))
        for leg_id in running.tracks:
            if leg_id not in running.finished:
                with contextlib.suppress(TelephonyError):
                    await self._control.stop_recording(leg_id)
        await asyncio.to_thread(self._spool.forget, running)

    def _stopped(self, event: RecordingStopped) -> None:
        for running in tuple(self._running.values()):
            name = running.tracks.get(event.leg_id)
            if name is None or str(self._spool.path(name)) != event.path:
                continue
            self._finished(running, event.leg_id)

    def _leg_ended(self, event: LegEnded) -> None:
        """RecordingStopped comes before a leg's end, unless the worker died: keep what is there."""
        for running in tuple(self._running.values()):
            if event.leg_id in running.tracks and event.leg_id not in running.finished:
                self._finished(running, event.leg_id)

    def _finished(self, running: Running, leg_id: LegId) -> None:
        running.finished.add(leg_id)
        if len(running.finished) == len(running.tracks):
            self._tasks.spawn(self._keep(running), name=f"store {running.recording_id}")

    async def _keep(self, running: Running) -> None:
        sources = [self._spool.path(name) for name in running.tracks.values()]
        try:
            stored: StoredFile = await asyncio.to_thread(
                store_flac,
                sources,
                self._folder,
                running.recording_id,
                running.started_at,
                keyring=self._keyring,
            )
        except RecordingError as exc:
            if running.discarded:
                return
            # The tracks stay in the spool: they are the recording until somebody helps.
            self._failed(running.call_id, running.recording_id, str(exc))
            return
        finally:
            self._running.pop(running.recording_id, None)
            self._stored.set()
        if running.discarded:
            # The caller hung up without a word, and the end of the leg was quicker than the news.
            await asyncio.to_thread(self._spool.forget, running)
            await asyncio.to_thread((self._folder / stored.path).unlink, missing_ok=True)
            return
        self._bus.publish(
            RecordingMade(
                call_id=running.call_id,
                recording_id=running.recording_id,
                kind=running.kind,
                at=running.started_at,
                language=running.language,
                path=stored.path,
                channels=stored.channels,
                duration=stored.duration,
                sha256=stored.sha256,
                leg_id=next(iter(running.tracks)),
                agent_id=running.agent_id,
                queue=running.queue,
            )
        )
        if await self._written_down():
            await asyncio.to_thread(self._spool.forget, running)

    def _failed(
        self,
        call_id: CallId,
        recording_id: RecordingId,
        reason: str,
        level: int = logging.ERROR,
    ) -> None:
        log.log(
            level,
            "recording failed, the call goes on",
            extra={"call_id": call_id, "recording_id": recording_id, "error": reason},
        )
        self._bus.publish(
            RecordingFailed(call_id=call_id, recording_id=recording_id, reason=reason)
        )
