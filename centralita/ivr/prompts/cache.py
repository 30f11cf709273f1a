"""Prompts are made once and kept; a file of the site's own replaces any of them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Final

from centralita.core.tasks import Tasks
from centralita.ivr.prompts import audio, sounds
from centralita.ivr.prompts.synthesizer import BadAudio, Samples, VoiceEngine

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"\w[\w.-]*")

# Changes when the way from an engine's speech to the file does.
_VERSION: Final = "1"
# How long a file that was there is taken to be there still, in seconds.
_SEEN_FOR: Final = 10.0
_SEEN_AT_MOST: Final = 1000

# What nobody has heard for so long goes, and of more than this what nobody has heard the longest;
# what may be playing stays in any case. In seconds, and bytes.
_UNHEARD_FOR: Final = 30 * 24 * 3600.0
_AT_MOST: Final = 200 << 20
_MAY_PLAY: Final = 3600.0
_TIDY_EVERY: Final = 3600.0


class PromptCache:
    """Implements `Synthesizer`, and knows the other sounds too.

    Made files lie in `directory`, `at_most` so many bytes, and those that were heard lately. A
    sound file at `overrides`/LANGUAGE/NAME.wav replaces the prompt of that name. A made file that
    is deleted is made again, 10 s later at most. `rate` is the clock of the media workers, in
    samples a second.
    """

    def __init__(
        self,
        engine: VoiceEngine,
        directory: Path,
        overrides: Path,
        *,
        rate: int = 8000,
        at_most: int = _AT_MOST,
    ) -> None:
        self._at_most = at_most
        self._engine = engine
        self._directory = directory
        self._overrides = overrides
        self._rate = rate
        self._tasks = Tasks("prompts")
        self._making: dict[Path, asyncio.Task[None]] = {}
        # When a file was last seen to be there, by the loop's time: a prompt that all callers hear
        # is not looked for each time.
        self._seen: dict[Path, float] = {}
        # Nor is its name worked out each time.
        self._place = functools.lru_cache(maxsize=_SEEN_AT_MOST)(self._named)

    def start(self) -> None:
        """Tidy up now and every hour."""
        self._tasks.keep(self._keep_tidy, name="tidy up")

    async def close(self) -> None:
        """Give up what is being made."""
        await self._tasks.close()

    async def render(self, text: str, language: str, voice: str | None = None) -> Path:
        """`text` spoken, as a WAV file. Raises PromptError."""
        path = self._speech(text, language, voice)

        async def make() -> None:
            speech = await self._engine.speak(text, language, voice)
            await asyncio.to_thread(self._finish, path, speech.samples, speech.rate)

        return await self._made(path, make)

    async def forget_spoken(self, lasting: Iterable[tuple[str, str]]) -> None:
        """Remove all that was spoken but the `lasting` texts, each with its language: in others
        names and numbers of callers may stand. They are made again when somebody is to hear them.
        """
        kept = {self._speech(text, language, None) for text, language in lasting}
        self._seen.clear()
        await asyncio.to_thread(self._remove, lambda path: path not in kept)
        self._seen.clear()

    def _remove(self, unwanted: Callable[[Path], bool]) -> None:
        for path in self._directory.glob("speech-*.wav"):
            if unwanted(path):
                path.unlink(missing_ok=True)

    async def tidy_up(self) -> int:
        """Remove what has not been heard lately; returns how many files went."""
        return await asyncio.to_thread(self._tidy_up)

    def _tidy_up(self) -> int:
        if not self._directory.is_dir():
            return 0
        self._directory.chmod(0o700)
        now, size, removed = time.time(), 0, 0
        states = {path: path.stat() for path in self._directory.glob("*.wav")}
        for path, state in sorted(states.items(), key=lambda item: -item[1].st_mtime):
            size += state.st_size
            unheard = now - state.st_mtime
            if unheard > _UNHEARD_FOR or (size > self._at_most and unheard > _MAY_PLAY):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    async def _keep_tidy(self) -> None:
        while True:
            if removed := await self.tidy_up():
                log.info("prompts removed, nobody heard them lately", extra={"count": removed})
            await asyncio.sleep(_TIDY_EVERY)

    async def prompt(self, name: str, text: str, language: str, voice: str | None = None) -> Path:
        """The site's own file for the prompt `name`, if there is a good one, or `text` spoken.

        Raises PromptError. A file that cannot be played is reported in the log and passed over.
        """
        try:
            replaced = await self.replacement(name, language)
        except BadAudio as exc:
            log.warning("prompt file passed over", extra={"prompt": name, "reason": str(exc)})
            replaced = None
        return replaced or await self.render(text, language, voice)

    async def replacement(self, name: str, language: str) -> Path | None:
        """The site's own file for the prompt `name`, ready to be played. Raises BadAudio."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(language):
            raise BadAudio(f'"{name}" cannot be the name of a prompt')
        path = self._overrides / language / f"{name}.wav"
        if not await asyncio.to_thread(path.is_file):
            return None
        return await self.import_wav(path)

    async def import_wav(self, source: Path) -> Path:
        """Any sound file as one that can be played: itself or a converted copy.

        Raises BadAudio, or PromptError when the copy cannot be written.
        """
        if await asyncio.to_thread(self._plays_as_it_is, source):
            return source
        try:
            state = await asyncio.to_thread(source.stat)
        except OSError as exc:
            raise BadAudio("there is no such file", place=str(source)) from exc
        changed = f"{state.st_size} {state.st_mtime_ns}"
        path = self._place("import", str(source), changed)

        async def make() -> None:
            samples, rate = await asyncio.to_thread(audio.read_sound, source)
            converted = await asyncio.to_thread(audio.resampled, samples, rate, self._rate)
            await asyncio.to_thread(audio.write_wav, path, converted, self._rate)

        return await self._made(path, make)

    async def music_on_hold(self) -> Path:
        """The site's `music.wav` in the folder of overrides, or soft chords. Meant to be looped."""
        return await self._sound("music", sounds.music_on_hold)

    async def ringing(self) -> Path:
        """The site's `ringing.wav` in the folder of overrides, or a tone. To be looped."""
        return await self._sound("ringing", sounds.ringing)

    async def beep(self) -> Path:
        """The site's `beep.wav` in the folder of overrides, or a tone."""
        return await self._sound("beep", sounds.beep)

    async def _sound(self, name: str, generate: Callable[[int], Samples]) -> Path:
        own = self._overrides / f"{name}.wav"
        if await asyncio.to_thread(own.is_file):
            try:
                return await self.import_wav(own)
            except BadAudio as exc:
                log.warning("prompt file passed over", extra={"prompt": name, "reason": str(exc)})
        path = self._place("sound", name)

        async def make() -> None:
            samples = await asyncio.to_thread(generate, self._rate)
            await asyncio.to_thread(audio.write_wav, path, samples, self._rate)

        return await self._made(path, make)

    def _plays_as_it_is(self, source: Path) -> bool:
        """Media workers read these two folders and nothing that a link from there leads to."""
        real = source.resolve()
        readable = (self._overrides.resolve(), self._directory.resolve())
        return any(real.is_relative_to(folder) for folder in readable) and audio.is_playable(
            source, self._rate
        )

    def _finish(self, path: Path, samples: Samples, rate: int) -> None:
        speech = audio.trimmed(audio.resampled(samples, rate, self._rate), self._rate)
        audio.write_wav(path, audio.levelled(speech), self._rate)

    def _speech(self, text: str, language: str, voice: str | None) -> Path:
        return self._place("speech", self._engine.identity, text, language, voice or "")

    def _named(self, kind: str, *parts: str) -> Path:
        key = "\0".join((_VERSION, kind, str(self._rate), *parts))
        return self._directory / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:40]}.wav"

    async def _made(self, path: Path, make: Callable[[], Coroutine[object, object, None]]) -> Path:
        """The file at `path`, made if need be, and only once however many ask at a time."""
        now = asyncio.get_running_loop().time()
        if now - self._seen.get(path, -_SEEN_FOR) < _SEEN_FOR:
            return path
        running = self._making.get(path)
        if running is None:
            if await asyncio.to_thread(_is_there, path):
                if len(self._seen) >= _SEEN_AT_MOST:
                    self._seen.clear()
                self._seen[path] = now
                return path
            running = self._making.get(path)  # somebody may have begun while we looked
        if running is None:
            running = self._tasks.spawn(make(), name=path.stem)
            self._making[path] = running
            running.add_done_callback(lambda _: self._making.pop(path, None))
        # One caller's hang-up must not take the prompt away from the others.
        await asyncio.shield(running)
        return path


def _is_there(path: Path) -> bool:
    """Whether there is such a file; if so, it is heard now."""
    try:
        if time.time() - path.stat().st_mtime > _MAY_PLAY / 2:
            os.utime(path)
    except OSError:
        return False
    return True
