"""`VoskPool`: the recogniser the rest of the house uses, spread over worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from centralita.asr.recognizer import GrammarError, RecognizerBusy, RecognizerError
from centralita.asr.vosk.grammar import normalise
from centralita.asr.vosk.link import VoskRecognition, WorkerLink
from centralita.core.process import ProcessSpec

# Linux refuses longer names for Unix sockets.
_LONGEST_SOCKET_PATH = 107

# How long, in seconds, a caller waits for the streams of those who can do without to end: a worker
# decodes first what it has taken in of them.
_WAY_WITHIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How many worker processes, and when an utterance counts as finished.

    `hangover` is the silence that ends an answer from a word list, `free_hangover` that which
    ends free speech; a speaker who goes on longer than `longest` is cut into utterances.
    `patience` is how long a new stream waits for a worker that is being started again.
    """

    workers: int = 1
    threads: int = 2
    max_streams: int = 32
    hangover: timedelta = timedelta(milliseconds=500)
    free_hangover: timedelta = timedelta(milliseconds=800)
    longest: timedelta = timedelta(seconds=20)
    patience: timedelta = timedelta(seconds=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker as /healthz and /metrics show it; `pid` is None while it is not connected."""

    name: str
    up: bool
    streams: int
    pid: int | None


class VoskPool:
    """Implements `Recognizer`.

    Somebody else keeps the processes of `specs()` alive; the pool connects to them whenever they
    are there. `on_hung` is told the name of a worker that has to be killed.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        directory: Path,
        settings: PoolSettings = PoolSettings(),
        *,
        on_hung: Callable[[str], None] = lambda name: None,
    ) -> None:
        if not models:
            raise RecognizerError("a recogniser needs a speech model for at least one language")
        self._models = dict(models)
        self._directory = directory
        self._settings = settings
        self._changed = asyncio.Event()
        self._links = [
            WorkerLink(f"asr-{number}", directory, changed=self._changed.set, hung=on_hung)
            for number in range(1, settings.workers + 1)
        ]
        longest = max(len(f"{directory}/{link.name}.audio999") for link in self._links)
        if longest > _LONGEST_SOCKET_PATH:
            raise RecognizerError(f"{directory}: the path is too long for a Unix socket")
        # A restarted worker must not take frames on their way to its predecessor's stream.
        self._numbers = itertools.count(secrets.randbelow(1 << 31))

    def specs(self) -> list[ProcessSpec]:
        """The worker processes to be kept alive."""
        models = [
            part
            for language, path in self._models.items()
            for part in ("--model", f"{language}={path}")
        ]
        return [
            ProcessSpec(
                name=link.name,
                argv=(
                    *(sys.executable, "-m", "centralita.asr.vosk.worker"),
                    *("--name", link.name, "--dir", str(self._directory)),
                    *("--max-streams", str(self._settings.max_streams)),
                    *("--threads", str(self._settings.threads)),
                    *models,
                ),
            )
            for link in self._links
        ]

    async def start_pool(self) -> None:
        """Begin to connect. Returns at once; `start` waits for a worker if need be."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for link in self._links:
            link.start()

    async def close(self) -> None:
        """Disconnect from the workers. Streams that are still open fail."""
        for link in self._links:
            await link.close()

    def languages(self) -> tuple[str, ...]:
        return tuple(self._models)

    def status(self) -> tuple[WorkerStatus, ...]:
        """The state of each worker."""
        return tuple(
            WorkerStatus(name=link.name, up=link.up, streams=link.streams, pid=link.pid)
            for link in self._links
        )

    async def start(
        self, language: str, phrases: tuple[str, ...] | None, *, spare: int | None = None
    ) -> VoskRecognition:
        self._need_language(language)
        if phrases is not None and not phrases:
            raise GrammarError("the word list is empty; give phrases, or None for free speech")
        if spare is not None:
            links = await self._by_load()
            if sum(link.room for link in links) <= spare:
                raise RecognizerBusy("the recogniser streams that are left are for others")
            recognition = await self._open(language, phrases)
            recognition.makes_way = True
            return recognition
        try:
            return await self._open(language, phrases)
        except RecognizerBusy:
            if not await self._make_way():
                raise
        return await self._open(language, phrases)

    async def _open(self, language: str, phrases: tuple[str, ...] | None) -> VoskRecognition:
        hangover = self._settings.hangover if phrases is not None else self._settings.free_hangover
        busy: RecognizerBusy | None = None
        for link in await self._by_load():
            try:
                return await link.open(
                    next(self._numbers) % (1 << 32),
                    language,
                    phrases,
                    hangover=hangover,
                    longest=self._settings.longest,
                )
            except RecognizerBusy as exc:  # it has streams left, but not the time for one more
                busy = exc
        raise busy or RecognizerBusy("all recogniser streams are taken")

    async def _make_way(self) -> bool:
        """End the streams of those who can do without; False when there are none."""
        ending = [(link, number) for link in self._links for number in link.make_way()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WAY_WITHIN):
                while any(link.has(number) for link, number in ending):
                    self._changed.clear()
                    await self._changed.wait()
        return bool(ending)

    async def known_phrases(self, language: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `phrases` all of whose words the model knows, in order."""
        self._need_language(language)
        link = (await self._by_load(with_room=False))[0]
        unknown = set(await link.check(language, phrases))
        return tuple(
            phrase
            for phrase in phrases
            if normalise(phrase) and unknown.isdisjoint(normalise(phrase).split())
        )

    def _need_language(self, language: str) -> None:
        if language not in self._models:
            known = ", ".join(self._models)
            raise RecognizerError(f'no speech model for "{language}"; there is one for {known}')

    async def _by_load(self, *, with_room: bool = True) -> list[WorkerLink]:
        """The connected workers, that with the fewest streams first; waited for if there is none.

        Raises RecognizerError when none comes.
        """
        try:
            async with asyncio.timeout(self._settings.patience.total_seconds()):
                while not (up := [link for link in self._links if link.up]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as exc:
            raise RecognizerError("no recogniser is running") from exc
        usable = [link for link in up if link.room or not with_room]
        return sorted(usable, key=lambda link: link.streams)
