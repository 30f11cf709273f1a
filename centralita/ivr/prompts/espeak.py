"""Speech by espeak-ng, a process for each prompt."""

from __future__ import annotations

import asyncio
import io
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

import numpy as np
import soundfile

from centralita.ivr.prompts.synthesizer import PromptError, Speech

LONGEST_TEXT: Final = 3000
"""Characters: about four minutes of speech."""

_TIMEOUT: Final = 30.0
_WAV_HEADER: Final = 44

# The name goes on the command line: it must not look like an option or a path.
_VOICE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")

DEFAULT_VOICES: Final = {"es": "es", "en": "en-us"}


class EspeakVoice:
    """Implements `VoiceEngine`. `voices` names the voice of each language.

    `words_per_minute` is between 80 and 400, `pitch` from 0 to 99.
    """

    def __init__(
        self,
        voices: Mapping[str, str] | None = None,
        *,
        words_per_minute: int = 160,
        pitch: int = 45,
        program: str = "espeak-ng",
    ) -> None:
        self._voices = {**DEFAULT_VOICES, **(voices or {})}
        self._speed = words_per_minute
        self._pitch = pitch
        self._program = program
        self._turn = asyncio.Semaphore(2)

    @property
    def identity(self) -> str:
        voices = ",".join(f"{language}={name}" for language, name in sorted(self._voices.items()))
        return f"espeak-ng {voices} {self._speed} {self._pitch}"

    async def speak(self, text: str, language: str, voice: str | None) -> Speech:
        name = voice or self._voices.get(language, language)
        if not _VOICE_NAME.fullmatch(name):
            raise PromptError(f'"{name}" is not the name of an espeak-ng voice')
        spoken = _speakable(text)
        async with self._turn:
            output = await self._run(name, spoken)
        with soundfile.SoundFile(io.BytesIO(output)) as header:
            rate = int(header.samplerate)
        # espeak-ng cannot seek in a pipe, so its header promises a length that never comes.
        body = output[_WAV_HEADER : len(output) - len(output) % 2]
        samples = np.frombuffer(body, "<i2").astype(np.float32) / np.float32(32768)
        return Speech(samples, rate)

    async def _run(self, voice: str, text: str) -> bytes:
        argv = ["-v", voice, "-s", str(self._speed), "-p", str(self._pitch), "--stdin", "--stdout"]
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as exc:
            raise PromptError(
                f"{self._program} cannot be run ({exc.strerror}); install it: apt install espeak-ng"
            ) from exc
        try:
            async with asyncio.timeout(_TIMEOUT):
                output, complaint = await process.communicate(text.encode())
        except TimeoutError as exc:
            raise PromptError(f"{self._program} took longer than {_TIMEOUT:.0f} s") from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0 or len(output) <= _WAV_HEADER:
            reason = complaint.decode(errors="replace").strip() or "it said nothing"
            raise PromptError(f'{self._program} could not speak with voice "{voice}": {reason}')
        return output


def _speakable(text: str) -> str:
    """The text without control characters. Raises PromptError when nothing can be said."""
    plain = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text).strip()
    if not any(c.isalnum() for c in plain):
        raise PromptError("a prompt without words cannot be spoken")
    if len(plain) > LONGEST_TEXT:
        raise PromptError(
            f"a prompt of {len(plain)} characters is too long; at most {LONGEST_TEXT}"
        )
    return plain
