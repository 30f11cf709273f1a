"""Taking a message: beep, record, and know when the caller has finished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from centralita.core.errors import CentralitaError
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId, RecordingId
from centralita.ivr.signals import (
    Heard,
    KeyPressed,
    ListeningFailed,
    SpeechBegan,
    TakeVoicemail,
    VoicemailEnd,
    VoicemailEnded,
)
from centralita.telephony.call import CallControl, NoSuchLeg

log = logging.getLogger(__name__)

# People take a breath after the beep: the first word may come this much later than a later pause.
_THINKING_TIME = timedelta(seconds=3)


class MessageRecorder(Protocol):
    """Records messages. `recordings/` does it; `server/wiring.py` joins them."""

    async def start(
        self, call_id: CallId, leg_id: LegId, *, language: str, queue: str
    ) -> RecordingId:
        """Record the leg from now on. Raises CentralitaError when that cannot be."""
        ...

    async def finish(self, call_id: CallId, recording_id: RecordingId) -> None:
        """The message is complete: keep it, and make a task of it."""
        ...

    async def discard(self, recording_id: RecordingId) -> None:
        """Nothing was said: forget it."""
        ...


class VoicemailSession:
    """One message. The driver passes it what happens until `done`."""

    def __init__(
        self,
        call_id: CallId,
        leg_id: LegId,
        order: TakeVoicemail,
        *,
        control: CallControl,
        recorder: MessageRecorder,
        listen: Callable[[], None],
        settle: Callable[[Event], None],
    ) -> None:
        self._call_id = call_id
        self._leg_id = leg_id
        self._order = order
        self._control = control
        self._recorder = recorder
        self._listen = listen
        self._settle = settle
        self._beep: PlaybackId | None = None
        self._recording: RecordingId | None = None
        self._spoken = False
        self._heard_by_nobody = False
        self._failed = False
        self._silence: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None
        self.finished_by = ""
        self.done = False

    async def start(self, beep: Path) -> None:
        """Beep; recording starts when it has ended, so that it is not in the message."""
        self._beep = await self._control.play(self._leg_id, [beep])

    async def beeped(self, playback_id: PlaybackId) -> None:
        """A playback on the leg has ended."""
        if playback_id != self._beep or self._recording is not None or self.done:
            return
        try:
            self._recording = await self._recorder.start(
                self._call_id, self._leg_id, language=self._order.language, queue=self._order.queue
            )
        except NoSuchLeg:
            raise
        except CentralitaError as exc:
            self._fail(exc)
            return
        self._listen()
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(
            self._order.max_length.total_seconds(), self._timed_out, "maximum length"
        )
        self._wait_for_silence(self._order.silence + _THINKING_TIME)

    def react(self, event: Event) -> None:
        """Speech, silence and keys."""
        match event:
            case SpeechBegan():
                self._spoken = True
                self._stop_waiting()
            case Heard():
                self._spoken = True
                self._wait_for_silence(self._order.silence)
            case KeyPressed(digit=digit) if digit in self._order.stop_keys:
                self._timed_out("key")
            case ListeningFailed():
                # Without ears only the caller's key, hang-up or the maximum ends the message.
                self._heard_by_nobody = True
                self._stop_waiting()
            case _:
                pass

    async def finish(self) -> VoicemailEnd:
        """Keep or forget what was recorded; also when the caller has hung up."""
        self.done = True
        self._stop_waiting()
        if self._limit is not None:
            self._limit.cancel()
        if self._failed:
            return VoicemailEnd.FAILED
        if self._recording is None:
            return VoicemailEnd.NOTHING_SAID
        try:
            if self._spoken or self._heard_by_nobody:
                await self._recorder.finish(self._call_id, self._recording)
                return VoicemailEnd.SAVED
            await self._recorder.discard(self._recording)
        except CentralitaError as exc:
            log.error("voicemail failed", extra={"call_id": self._call_id, "error": str(exc)})
            return VoicemailEnd.FAILED
        return VoicemailEnd.NOTHING_SAID

    def _fail(self, exc: CentralitaError) -> None:
        """Nothing can be recorded: the caller must not talk to nobody."""
        log.error("voicemail failed", extra={"call_id": self._call_id, "error": str(exc)})
        self._failed = True
        self._timed_out("failure")

    def _wait_for_silence(self, span: timedelta) -> None:
        self._stop_waiting()
        self._silence = asyncio.get_running_loop().call_later(
            span.total_seconds(), self._timed_out, "silence"
        )

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _timed_out(self, why: str) -> None:
        if not self.finished_by:
            self.finished_by = why
            # The driver calls `finish` and tells the flow how it went.
            self._settle(VoicemailEnded(how=VoicemailEnd.SAVED))
