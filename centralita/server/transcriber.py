"""Transcribes recordings after the call, one at a time, so that live callers come first."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from centralita.asr.recognizer import Recognizer, RecognizerError
from centralita.asr.transcribe import Transcript, transcribe
from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, RecordingId
from centralita.core.tasks import Tasks
from centralita.recordings.files import channels_of
from centralita.recordings.recorder import RecordingMade
from centralita.server.call_records import RecordingKept, TaskMade
from centralita.store.records import TranscriptChannel, TranscriptRecord, TranscriptWord
from centralita.store.store import Store
from centralita.vault.keyring import Keyring

log = logging.getLogger(__name__)

_RATE = 8000
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptMade(Event):
    """The words of a recording stand in the store."""

    call_id: CallId
    recording_id: RecordingId
    pii_text: str


class Transcriber:
    """Takes each kept recording in turn."""

    def __init__(
        self, recognizer: Recognizer, store: Store, bus: Bus, folder: Path, keyring: Keyring
    ) -> None:
        self._recognizer = recognizer
        self._store = store
        self._bus = bus
        self._folder = folder
        self._keyring = keyring
        self._waiting: asyncio.Queue[RecordingKept] = asyncio.Queue()
        self._tasks = Tasks("transcriber")
        bus.subscribe(RecordingKept, self._waiting.put_nowait)

    def start(self) -> None:
        """Begin."""
        self._tasks.keep(self._work, name="transcribe")

    async def catch_up(self) -> None:
        """Queue what the last run recorded and did not come to transcribe."""
        for record in await self._store.recordings.without_transcript():
            entry = await self._store.interactions.by_call(record.call_id)
            language = entry.call.language if entry is not None and entry.call else ""
            made = RecordingMade(
                call_id=record.call_id,
                recording_id=record.recording_id,
                kind=record.kind,
                at=record.created_at,
                language=language or "es",
                path=record.path,
                channels=record.channels,
                duration=record.duration,
                sha256=record.sha256,
                leg_id=record.leg_id or LegId(""),
                agent_id=record.agent_id,
            )
            task = None
            if record.kind == "voicemail":
                task = await self._store.tasks.voicemail_of(record.call_id)
            self._waiting.put_nowait(RecordingKept(made=made, task_id=task.id if task else None))

    async def close(self) -> None:
        """Stop; what is not transcribed can be found as such in the store."""
        await self._tasks.close()

    @property
    def pending(self) -> int:
        """How many recordings wait for their transcript."""
        return self._waiting.qsize()

    async def _work(self) -> None:
        while True:
            kept = await self._waiting.get()
            try:
                await self._transcribe(kept)
            except CentralitaError as exc:
                log.error(
                    "recording could not be transcribed",
                    extra={"recording_id": kept.made.recording_id, "error": str(exc)},
                )
            except Exception:
                log.exception(
                    "recording could not be transcribed",
                    extra={"recording_id": kept.made.recording_id},
                )

    async def _transcribe(self, kept: RecordingKept) -> None:
        made = kept.made
        sound, rate = await asyncio.to_thread(channels_of, self._folder / made.path, self._keyring)
        speakers = ("caller", "agent")
        channels = []
        for speaker, samples in zip(speakers, sound, strict=False):
            if rate != _RATE:
                samples = await asyncio.to_thread(_resampled, samples, rate)
            channels.append(_channel(speaker, await self._try(made.language, samples)))
        text = " / ".join(channel.text for channel in channels if channel.text)
        await self._store.recordings.put_transcript(
            TranscriptRecord(
                recording_id=made.recording_id,
                language=made.language,
                text=text,
                channels=tuple(channels),
            )
        )
        if kept.task_id is not None:
            task = await self._store.tasks.set_text(kept.task_id, text)
            self._bus.publish(TaskMade(task=task))
        log.info("recording transcribed", extra={"recording_id": made.recording_id})
        self._bus.publish(
            TranscriptMade(call_id=made.call_id, recording_id=made.recording_id, pii_text=text)
        )

    async def _try(self, language: str, samples: NDArray[np.int16]) -> Transcript:
        """A worker may be killed or full in the meantime: try again a little later."""
        for attempt in range(1, _TRIES + 1):
            try:
                return await transcribe(self._recognizer, language, samples)
            except RecognizerError:
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(attempt)
        raise AssertionError("unreachable")


def _channel(speaker: str, transcript: Transcript) -> TranscriptChannel:
    return TranscriptChannel(
        speaker=speaker,
        text=transcript.text,
        words=tuple(
            TranscriptWord(
                text=word.text, start=word.start, end=word.end, confidence=word.confidence
            )
            for word in transcript.words
        ),
    )


def _resampled(samples: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    return np.asarray(soxr.resample(samples, rate, _RATE), dtype=np.int16)
