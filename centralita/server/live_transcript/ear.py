"""An ear at one leg of a conversation: its audio to the recogniser, its words to whom asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from centralita.asr.recognizer import (
    Partial,
    Recognition,
    RecognitionFailed,
    Recognizer,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
)
from centralita.core.clock import Clock
from centralita.core.events import Event
from centralita.core.ids import LegId
from centralita.core.tasks import Tasks
from centralita.server.live_transcript.events import Hearing, Saying, Speaker
from centralita.telephony.call import AudioSink, CallControl, NoSuchLeg, TelephonyError

log = logging.getLogger(__name__)

# How long until an ear that found the recogniser full, or lost it, tries again, in seconds.
_BUSY_PAUSE = 5.0
_LOST_PAUSE = 1.0

# A page need not be told more often what somebody is just saying.
_PARTIAL_EVERY = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarPorts:
    """What an ear stands on."""

    recognizer: Recognizer
    control: CallControl
    clock: Clock
    tasks: Tasks


class Ear:
    """Listens until it is stopped, and tries again whenever it cannot.

    `spare` tells how many streams of the recogniser must stay free beside its own. `number` gives a
    new saying its number, `heard` takes what is said, `changed` hears when `state` is another.
    `began` is what the sayings' times count from. It starts once `after` is done.
    """

    def __init__(
        self,
        leg_id: LegId,
        speaker: Speaker,
        language: str,
        ports: EarPorts,
        *,
        spare: Callable[[], int],
        began: datetime,
        number: Callable[[], int],
        heard: Callable[[Saying], None],
        changed: Callable[[], None],
        after: asyncio.Task[None] | None = None,
    ) -> None:
        self.leg_id = leg_id
        self.speaker = speaker
        self.state = Hearing.STARTING
        self._language = language
        self._ports = ports
        self._spare = spare
        self._began = began
        self._number = number
        self._heard = heard
        self._changed = changed
        self._recognition: Recognition | None = None
        self._asking = False
        self._tapped = False
        self._stopped = False
        self._deaf = False
        self._saying: Saying | None = None
        self._told_at = datetime.min.replace(tzinfo=began.tzinfo)
        # When the first sample of the stream was spoken, and what is being said began.
        self._zero = self._onset = began
        self._task = ports.tasks.spawn(self._work(after), name=f"hear {leg_id}")

    @property
    def lacks_stream(self) -> bool:
        """Whether it has yet to ask for a stream, or must ask again."""
        return not self._asking and self.state is not Hearing.LISTENING

    def stop(self, *, forget: bool) -> asyncio.Task[None]:
        """Listen no more; the task is done when the leg's audio goes nowhere.

        What has been said until now is still told, unless it is to be forgotten.
        """
        self._stopped = True
        if forget:
            self._withdraw()
            self._deaf = True
        return self._ports.tasks.spawn(self._stop(), name=f"stop hearing {self.leg_id}")

    async def _stop(self) -> None:
        if self._tapped:
            with contextlib.suppress(TelephonyError):  # the leg has ended
                await self._ports.control.stop_listening(self.leg_id)
        if self._recognition is not None:
            await self._recognition.close()
        else:
            self._task.cancel()

    async def _work(self, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        with contextlib.suppress(NoSuchLeg):  # its end, which is on its way, says the rest
            while not self._stopped:
                pause = await self._listen()
                if not self._stopped:
                    await asyncio.sleep(pause)

    async def _listen(self) -> float:
        """Until the recogniser ends it, or refuses; how long to wait then, in seconds."""
        ports = self._ports
        recognition: Recognition | None = None
        try:
            self._asking = True
            recognition = await ports.recognizer.start(self._language, None, spare=self._spare())
            if self._stopped:
                return 0.0
            self._recognition = recognition
            self._tapped = True  # from here on, whoever stops us must send a command after ours
            sink = AudioSink(path=recognition.sink_path, stream=recognition.stream)
            await ports.control.listen(self.leg_id, sink)
            self._zero = self._onset = ports.clock.now()
            self._is(Hearing.LISTENING)
            async for event in recognition.events():
                self._take(event)
        except NoSuchLeg:
            raise
        except RecognizerBusy:
            self._is(Hearing.BUSY)
            return _BUSY_PAUSE
        except (RecognizerError, TelephonyError) as exc:
            if self.state is not Hearing.INTERRUPTED:
                log.warning(
                    "live transcript is interrupted",
                    extra={"leg_id": self.leg_id, "error": str(exc)},
                )
            self._is(Hearing.INTERRUPTED)
        finally:
            self._asking = False
            self._recognition = None
            if recognition is not None:
                await recognition.close()
            self._withdraw()
        return _LOST_PAUSE

    def _take(self, event: Event) -> None:
        now = self._ports.clock.now()
        match event:
            case SpeechStarted(at=at):
                # The stream counts only what has arrived: each beginning sets its clock anew.
                self._zero, self._onset = now - at, now
            case Partial(text=text):
                if self._saying is None:
                    self._tell(text, self._onset - self._began)
                elif now - self._told_at >= _PARTIAL_EVERY:
                    self._tell(text, self._saying.at)
            case Utterance(text=text, start=start):
                self._onset = now
                if text:
                    self._tell(text, self._zero + start - self._began, final=True)
                else:
                    self._withdraw()
            case RecognitionFailed(reason=reason):
                raise RecognizerError(reason)
            case _:
                pass

    def _tell(self, text: str, at: timedelta, *, final: bool = False) -> None:
        if self._deaf:
            return
        self._told_at = self._ports.clock.now()
        saying = Saying(
            number=self._saying.number if self._saying is not None else self._number(),
            speaker=self.speaker,
            at=max(timedelta(0), at),
            pii_text=text,
            final=final,
        )
        self._saying = None if final else saying
        self._heard(saying)

    def _withdraw(self) -> None:
        """What somebody was saying will not be known."""
        saying, self._saying = self._saying, None
        if saying is not None and not self._deaf:
            self._heard(replace(saying, pii_text="", final=True))

    def _is(self, state: Hearing) -> None:
        if self._stopped or self.state is state:
            return
        self.state = state
        self._changed()
