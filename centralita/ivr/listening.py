"""Listening to a caller: one turn after the other, each with a stream of the recogniser."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from centralita.asr.recognizer import (
    GrammarError,
    Recognition,
    RecognitionFailed,
    Recognizer,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
)
from centralita.core.events import Event
from centralita.core.tasks import Tasks
from centralita.ivr.signals import Heard, ListeningFailed, SpeechBegan
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    CallControl,
    NoSuchLeg,
    TelephonyError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard(Event):
    """What the recogniser said; it counts only while that turn of listening lasts."""

    turn: int
    event: Event


class Listening:
    """The turns of one call. What is heard is put before `tell` as `Overheard`."""

    def __init__(
        self,
        arrived: CallArrived,
        control: CallControl,
        recognizer: Recognizer,
        tell: Callable[[Event], None],
        *,
        flow: str,
    ) -> None:
        self._arrived = arrived
        self._control = control
        self._recognizer = recognizer
        self._tell = tell
        self._flow = flow
        self._tasks = Tasks(f"listening {arrived.call_id}")
        self._turn = 0
        self._recognition: Recognition | None = None

    def lasts(self, turn: int) -> bool:
        """Whether that is the turn of now."""
        return turn == self._turn

    def begin(self, language: str, phrases: tuple[str, ...] | None) -> None:
        """A new turn, in a task of its own: the prompt need not wait for the recogniser."""
        self._turn += 1
        self._tasks.spawn(
            self._recognise(self._turn, language, phrases), name=f"listen {self._turn}"
        )

    async def stop(self) -> None:
        """The turn is over: what is still heard in it counts no more."""
        self._turn += 1
        if self._recognition is not None:
            with contextlib.suppress(TelephonyError):
                await self._control.stop_listening(self._arrived.leg_id)
            await self._close_recognition()

    async def close(self) -> None:
        """The call is over."""
        self._turn += 1
        await self._close_recognition()
        await self._tasks.close()

    async def _recognise(self, turn: int, language: str, phrases: tuple[str, ...] | None) -> None:
        recognition: Recognition | None = None
        try:
            await self._close_recognition()
            recognition = await self._start(language, phrases)
            if turn != self._turn:
                return
            self._recognition = recognition
            sink = AudioSink(path=recognition.sink_path, stream=recognition.stream)
            await self._control.listen(self._arrived.leg_id, sink)
            async for event in recognition.events():
                if turn != self._turn:
                    return
                match event:
                    case SpeechStarted():
                        self._overhear(turn, SpeechBegan())
                    case Utterance(text=text, confidence=confidence):
                        self._overhear(turn, Heard(text=text, confidence=confidence))
                    case RecognitionFailed(reason=reason):
                        self._overhear(turn, ListeningFailed(reason=reason))
                    case _:
                        pass
        except NoSuchLeg:
            pass  # the caller has hung up
        except (RecognizerError, TelephonyError) as exc:
            log.warning(
                "cannot listen to the caller",
                extra={"call_id": self._arrived.call_id, "error": str(exc)},
            )
            busy = isinstance(exc, RecognizerBusy)
            self._overhear(turn, ListeningFailed(reason=str(exc), busy=busy))
        finally:
            if recognition is not None:
                await recognition.close()

    async def _start(self, language: str, phrases: tuple[str, ...] | None) -> Recognition:
        """A stream for these phrases; words that the model lacks cost only their own phrase."""
        try:
            return await self._recognizer.start(language, phrases)
        except GrammarError as exc:
            known = await self._recognizer.known_phrases(language, phrases or ())
            if not known:
                raise
            log.warning(
                "some phrases cannot be recognised",
                extra={"flow": self._flow, "language": language, "error": str(exc)},
            )
            return await self._recognizer.start(language, known)

    def _overhear(self, turn: int, event: Event) -> None:
        self._tell(Overheard(turn=turn, event=event))

    async def _close_recognition(self) -> None:
        recognition, self._recognition = self._recognition, None
        if recognition is not None:
            await recognition.close()
