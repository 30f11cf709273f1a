"""What callers are told when the house closes before they were served."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError
from centralita.core.ids import CallId, LegId
from centralita.ivr.prompts.cache import PromptCache
from centralita.telephony.call import CallControl, LegEnded, PlaybackEnded

log = logging.getLogger(__name__)

_WORDS = {
    "es": "Lo sentimos, tenemos que interrumpir esta llamada. Gracias por llamar, y hasta pronto.",
    "en": "We are sorry, we have to interrupt this call. Thank you for calling, and goodbye.",
}
# A service manager waits for us: whoever has not heard it all by then has heard enough.
_PATIENCE = 10.0


class Farewell(Protocol):
    """Says good-bye to a caller; returns when it has been heard, or cannot be."""

    async def say(self, call_id: CallId, leg_id: LegId, language: str) -> None: ...


class SpokenFarewell:
    """`Farewell` by a prompt, which a site can replace by its own file `closing-notice.wav`."""

    def __init__(self, control: CallControl, bus: Bus, prompts: PromptCache) -> None:
        self._control = control
        self._bus = bus
        self._prompts = prompts

    async def say(self, call_id: CallId, leg_id: LegId, language: str) -> None:
        over = asyncio.Event()
        playback = ""

        def ended(event: PlaybackEnded) -> None:
            if event.playback_id == playback:
                over.set()

        def gone(event: LegEnded) -> None:
            if event.leg_id == leg_id:
                over.set()

        stops = [
            self._bus.subscribe(PlaybackEnded, ended, call_id=call_id),
            self._bus.subscribe(LegEnded, gone, call_id=call_id),
        ]
        try:
            words = _WORDS.get(language, _WORDS["en"])
            file = await self._prompts.prompt("closing-notice", words, language)
            playback = await self._control.play(leg_id, [file])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await over.wait()
        except CentralitaError as exc:
            log.info("no good-bye for a caller", extra={"call_id": call_id, "error": str(exc)})
        finally:
            for stop in stops:
                stop()
