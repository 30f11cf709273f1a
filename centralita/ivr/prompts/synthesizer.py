"""`Synthesizer`: text becomes a WAV file. The seam behind which the engines stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from centralita.core.errors import CentralitaError, InvalidInput

Samples = npt.NDArray[np.float32]
"""Mono, full scale is 1."""


class PromptError(CentralitaError):
    """A prompt could not be made; the flow goes on without it."""

    code = "prompt"


class BadAudio(InvalidInput):
    """A sound file that cannot be used; the message says why."""

    code = "bad_audio"


@dataclass(frozen=True, slots=True)
class Speech:
    """What an engine said, at `rate` samples a second."""

    samples: Samples
    rate: int


class Synthesizer(Protocol):
    """Makes prompts. Implemented by `cache.PromptCache`."""

    async def render(self, text: str, language: str, voice: str | None = None) -> Path:
        """A mono 16-bit WAV at the rate of the media, in which `text` is spoken.

        `language` is ISO 639-1, `voice` a name of the engine's. Raises PromptError.
        """
        ...


class VoiceEngine(Protocol):
    """One text-to-speech engine. Implemented by `espeak.EspeakVoice`."""

    @property
    def identity(self) -> str:
        """Changes whenever the same text would sound different: part of the cache's key."""
        ...

    async def speak(self, text: str, language: str, voice: str | None) -> Speech:
        """Say `text`. Raises PromptError."""
        ...
