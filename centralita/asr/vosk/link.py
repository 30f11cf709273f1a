"""The pool's side of one worker: connects, connects again, and notices when it dies or hangs."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from centralita.asr.recognizer import (
    GrammarError,
    RecognitionFailed,
    RecognizerBusy,
    RecognizerError,
)
from centralita.asr.vosk import protocol
from centralita.core.errors import InvalidInput
from centralita.core.events import Event
from centralita.core.tasks import Tasks

log = logging.getLogger(__name__)

_PING_EVERY = 1.0
_HUNG_AFTER = 2.0
_RETRY = (0.05, 0.1, 0.2, 0.4)

# `feed` waits while more than this is on its way: 8 s of audio.
_MOST_UNDECODED = 128_000
_LARGEST_PIECE = 16_000

_REFUSALS = {error.code: error for error in (GrammarError, RecognizerBusy, RecognizerError)}


class VoskRecognition:
    """One stream in a worker. Made by the pool; see `recognizer.Recognition`."""

    def __init__(self, link: WorkerLink, stream: int) -> None:
        self.makes_way = False
        """Whether it may be ended for the sake of somebody who cannot wait."""
        self._link = link
        self._stream = stream
        self._audio_path = ""
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._fed = 0
        self._taken = 0
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._over = False

    @property
    def sink_path(self) -> str:
        return self._audio_path

    @property
    def stream(self) -> int:
        return self._stream

    async def feed(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _LARGEST_PIECE):
            await self._room.wait()
            if self._closing or self._over:
                return
            piece = pcm[start : start + _LARGEST_PIECE]
            self._fed += len(piece)
            if self._fed - self._taken > _MOST_UNDECODED:
                self._room.clear()
            self._link.say(protocol.FeedAudio(stream=self._stream, pcm=piece))

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)  # whoever asks again finds the end again

    async def close(self) -> None:
        if not self._closing and not self._over:
            self._closing = True
            self._link.say(protocol.CloseStream(stream=self._stream))

    def make_way(self) -> None:
        """End at once; the stream is free when the worker has said so."""
        if not self._over:
            self._link.say(protocol.CloseStream(stream=self._stream))
            self.end("a caller in a flow needs the recogniser")

    def opened(self, audio_path: str) -> None:
        """The worker listens at `audio_path`."""
        self._audio_path = audio_path

    def hear(self, message: protocol.Heard) -> None:
        """Pass on what the worker heard."""
        event = message.started or message.partial or message.utterance
        if event is not None and not self._over:
            self._events.put_nowait(event)

    def audio_taken(self, total: int) -> None:
        """The worker has dealt with that many of the bytes fed."""
        self._taken = total
        if self._fed - self._taken <= _MOST_UNDECODED:
            self._room.set()

    def end(self, failure: str = "") -> None:
        """Nothing more will come."""
        if self._over:
            return
        self._over = True
        self._room.set()
        if failure:
            self._events.put_nowait(RecognitionFailed(reason=failure))
        self._events.put_nowait(None)


class WorkerLink:
    """The connection to the worker named `name`, for as long as the pool lives.

    `changed` is called when it comes up, goes down or frees a stream; `hung` with its name when
    it no longer answers.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        changed: Callable[[], None],
        hung: Callable[[str], None],
    ) -> None:
        self.name = name
        self._path = directory / f"{name}.sock"
        self._changed = changed
        self._hung = hung
        self._tasks = Tasks(f"link to {name}")
        self._writer: asyncio.StreamWriter | None = None
        self._ready: protocol.Ready | None = None
        self._closing = False
        self._streams: dict[int, VoskRecognition] = {}
        self._opening: dict[int, asyncio.Future[None]] = {}
        self._checks: dict[int, asyncio.Future[tuple[str, ...]]] = {}
        self._requests = itertools.count()
        self._pongs = asyncio.Event()

    def start(self) -> None:
        """Begin to connect, and never stop trying."""
        self._tasks.spawn(self._keep_connected(), name="connection")

    async def close(self) -> None:
        """Disconnect; streams end as failed."""
        self._closing = True
        await self._tasks.close()
        self._lost("the recogniser was shut down")

    @property
    def up(self) -> bool:
        """Whether the worker can take streams."""
        return self._ready is not None

    @property
    def pid(self) -> int | None:
        """The worker's process id while it is connected."""
        return self._ready.pid if self._ready else None

    @property
    def streams(self) -> int:
        """How many are open or being opened."""
        return len(self._streams)

    @property
    def room(self) -> int:
        """How many more streams fit."""
        return 0 if self._ready is None else max(0, self._ready.max_streams - len(self._streams))

    def make_way(self) -> tuple[int, ...]:
        """End all streams that may be; their numbers."""
        ending = [one for one in self._streams.values() if one.makes_way]
        for recognition in ending:
            recognition.make_way()
        return tuple(recognition.stream for recognition in ending)

    def has(self, stream: int) -> bool:
        """Whether the worker has this stream, or is ending it."""
        return stream in self._streams

    def say(self, message: object) -> None:
        """Send, if connected; a stream of a lost worker has been told already."""
        if self._writer is not None:
            protocol.send(self._writer, message)

    async def open(
        self,
        stream: int,
        language: str,
        phrases: tuple[str, ...] | None,
        *,
        hangover: timedelta,
        longest: timedelta,
    ) -> VoskRecognition:
        """Open a stream there. Raises GrammarError, RecognizerBusy or RecognizerError."""
        if self._ready is None:
            raise RecognizerError(f"{self.name} is not running")
        recognition = VoskRecognition(self, stream)
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams[stream] = recognition
        self._opening[stream] = opened
        self.say(
            protocol.OpenStream(
                stream=stream,
                language=language,
                phrases=phrases,
                hangover=hangover,
                longest=longest,
            )
        )
        try:
            await opened
        except BaseException:  # a cancelled opener must not leave a stream behind, either
            if self._streams.pop(stream, None) is not None:
                self.say(protocol.CloseStream(stream=stream))
            raise
        finally:
            self._opening.pop(stream, None)
        return recognition

    async def check(self, language: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """The words in `phrases` that the worker's model does not know."""
        if self._ready is None:
            raise RecognizerError(f"{self.name} is not running")
        request = next(self._requests)
        answer: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        self._checks[request] = answer
        self.say(protocol.CheckPhrases(request=request, language=language, phrases=phrases))
        try:
            return await answer
        finally:
            self._checks.pop(request, None)

    # --- the connection -------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        pauses = itertools.chain(_RETRY, itertools.repeat(_RETRY[-1]))
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:  # not started yet, or being started again
                await asyncio.sleep(next(pauses))
                continue
            pauses = itertools.chain(_RETRY, itertools.repeat(_RETRY[-1]))
            self._writer = writer
            try:
                await self._converse(reader)
            finally:
                writer.close()
                self._lost(f"{self.name} ended")
            await asyncio.sleep(_RETRY[0])

    async def _converse(self, reader: asyncio.StreamReader) -> None:
        """Read until the worker is gone or no longer answers."""
        reading = self._tasks.spawn(self._read(reader), name="read")
        try:
            for number in itertools.count():
                self._pongs.clear()
                self.say(protocol.Ping(number=number))
                await asyncio.wait({reading}, timeout=_PING_EVERY)
                if not self._pongs.is_set() and not reading.done():
                    await asyncio.wait({reading}, timeout=_HUNG_AFTER - _PING_EVERY)
                if reading.done():
                    return
                if not self._pongs.is_set():
                    log.error("recogniser hangs", extra={"worker": self.name})
                    self._lost(f"{self.name} does not answer")
                    self._hung(self.name)
                    return
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (message := await protocol.receive(reader)) is not None:
                self._handle(message)
        except InvalidInput:
            log.exception("recogniser sent rubbish", extra={"worker": self.name})

    def _handle(self, message: object) -> None:
        match message:
            case protocol.Heard(stream=number) as heard:
                if number in self._streams:
                    self._streams[number].hear(heard)
            case protocol.AudioTaken(stream=number, total=total):
                if number in self._streams:
                    self._streams[number].audio_taken(total)
            case protocol.StreamOpened(stream=number, audio_path=path):
                if number in self._streams and number in self._opening:
                    self._streams[number].opened(path)
                    _resolve(self._opening[number], None)
            case protocol.StreamRefused() as refusal:
                self._streams.pop(refusal.stream, None)
                if refusal.stream in self._opening:
                    error = _REFUSALS.get(refusal.code, RecognizerError)(refusal.reason)
                    _reject(self._opening[refusal.stream], error)
                self._changed()
            case protocol.StreamClosed(stream=number, failure=failure):
                ended = self._streams.pop(number, None)
                if ended is not None:
                    ended.end(failure)
                self._changed()
            case protocol.PhrasesChecked(request=request, unknown=unknown):
                if request in self._checks:
                    _resolve(self._checks[request], unknown)
            case protocol.Pong():
                self._pongs.set()
            case protocol.Ready() as ready:
                self._ready = ready
                log.info("recogniser connected", extra={"worker": self.name, "pid": ready.pid})
                self._changed()
            case _:
                raise InvalidInput(f"{type(message).__name__} is no message from a worker")

    def _lost(self, reason: str) -> None:
        if self._writer is None:
            return
        self._writer = None
        if self._ready is not None and not self._closing:
            log.warning(
                "recogniser lost", extra={"worker": self.name, "streams": len(self._streams)}
            )
        self._ready = None
        error = RecognizerError(reason)
        for opening in self._opening.values():
            _reject(opening, error)
        for check in self._checks.values():
            _reject(check, error)
        for recognition in self._streams.values():
            recognition.end(reason)
        self._streams.clear()
        self._changed()


_T = TypeVar("_T")


def _resolve(future: asyncio.Future[_T], value: _T) -> None:
    if not future.done():  # it may have been cancelled
        future.set_result(value)


def _reject(future: asyncio.Future[_T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
