"""The worker process: `python -m centralita.asr.vosk.worker --name NAME --dir RUN --model es=PATH`.

It serves one pool at a time at RUN/NAME.sock and takes live audio at RUN/NAME.audio0 and so on,
a socket for each stream.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from centralita.asr.recognizer import RecognizerBusy, RecognizerError
from centralita.asr.vosk import protocol
from centralita.asr.vosk.engine import Decoder, Model
from centralita.asr.vosk.grammar import unknown_words
from centralita.asr.vosk.inlet import AudioInlet
from centralita.asr.vosk.stream import Stream
from centralita.core.errors import CentralitaError, InvalidInput
from centralita.core.tasks import Tasks

log = logging.getLogger(__name__)

# A piece of decoding takes milliseconds. One that takes this long will not come back.
_STUCK_AFTER = 3.0

# Speech that waits this long to be decoded: so many callers are talking that one more would make
# all of them wait. And so long that whoever waits for the answer is better served by keys.
_BEHIND = timedelta(milliseconds=400)
_HOPELESS = timedelta(seconds=3)

# Nobody ends a worker whose parent was killed, so it does not outlive its pool for long.
_ORPHANED_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    name: str
    directory: Path
    models: dict[str, Path]
    max_streams: int
    threads: int


class Worker:
    """Models, streams and the two sockets."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._models = {language: Model(path) for language, path in options.models.items()}
        self._threads = ThreadPoolExecutor(
            options.threads, thread_name_prefix="decode", initializer=_step_back
        )
        self._streams: dict[int, Stream] = {}
        self._opening: set[int] = set()
        self._tasks = Tasks(options.name)
        self._writer: asyncio.StreamWriter | None = None
        self._alone_since = time.monotonic()
        self._audio_paths = [
            options.directory / f"{options.name}.audio{slot}" for slot in range(options.max_streams)
        ]
        self._slots: dict[int, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        inlet = AudioInlet(self._audio_paths, self._take_audio)
        path = self._options.directory / f"{self._options.name}.sock"
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path=str(path))
        self._tasks.spawn(self._watch(stop), name="watch")
        log.info("recogniser ready", extra={"worker": self._options.name})
        try:
            await stop.wait()
        finally:
            inlet.close()
            server.close()
            await self._tasks.close()
            self._threads.shutdown(wait=False, cancel_futures=True)
            path.unlink(missing_ok=True)

    # --- audio ----------------------------------------------------------------------------------

    def _take_audio(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            if len(datagram) <= protocol.STREAM_HEADER.size:
                continue
            (number,) = protocol.STREAM_HEADER.unpack_from(datagram)
            stream = self._streams.get(number)
            if stream is not None:  # the tap outlives the stream for some frames
                stream.take_live(datagram[protocol.STREAM_HEADER.size :])

    async def _watch(self, stop: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            for stream in tuple(self._streams.values()):
                stream.watch(now)
                if stream.behind > _HOPELESS:
                    log.warning("recognition is behind, ending a stream")
                    stream.give_up("recognition is too far behind")
            if self._writer is not None:
                self._alone_since = now
            elif now - self._alone_since > _ORPHANED_AFTER:
                log.warning("recogniser stops, nobody has connected")
                stop.set()

    # --- control --------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:  # a pool that comes back replaces its former self
            self._writer.close()
        self._drop_streams()
        self._writer = writer
        self._say(
            protocol.Ready(
                languages=tuple(self._models),
                max_streams=self._options.max_streams,
                pid=os.getpid(),
            )
        )
        try:
            while self._writer is writer:
                message = await protocol.receive(reader)
                if message is None:
                    break
                self._handle(message)
        except InvalidInput:
            log.exception("recogniser was sent rubbish")
        finally:
            if self._writer is writer:
                self._writer = None
                self._drop_streams()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _handle(self, message: object) -> None:
        match message:
            case protocol.FeedAudio(stream=number, pcm=pcm):
                if number in self._streams:
                    self._streams[number].take_fed(pcm)
            case protocol.OpenStream() as wish:
                self._open(wish)
            case protocol.CloseStream(stream=number):
                if number in self._streams:
                    self._streams[number].close()
                else:
                    self._opening.discard(number)
                    self._say(protocol.StreamClosed(stream=number))
            case protocol.CheckPhrases() as check:
                model = self._models.get(check.language)
                known = model.knows if model is not None else lambda word: False
                missing = unknown_words(check.phrases, known)
                self._say(protocol.PhrasesChecked(request=check.request, unknown=missing))
            case protocol.Ping(number=number):
                now = time.monotonic()
                if all(stream.stuck_for(now) < _STUCK_AFTER for stream in self._streams.values()):
                    self._say(protocol.Pong(number=number))
            case _:
                raise InvalidInput(f"{type(message).__name__} is no message to a worker")

    def _open(self, wish: protocol.OpenStream) -> None:
        model = self._models.get(wish.language)
        if model is None:
            self._refuse(wish, RecognizerError(f'no speech model for "{wish.language}"'))
        elif len(self._streams) + len(self._opening) >= self._options.max_streams:
            self._refuse(wish, RecognizerBusy("all streams are taken"))
        elif (behind := self._behind()) > _BEHIND:
            said = f"recognition is {behind.total_seconds():.1f} s behind"
            self._refuse(wish, RecognizerBusy(said))
        else:
            self._opening.add(wish.stream)
            self._tasks.spawn(self._make(wish, model), name="open stream")

    async def _make(self, wish: protocol.OpenStream, model: Model) -> None:
        loop = asyncio.get_running_loop()
        try:
            decoder = await loop.run_in_executor(self._threads, model.decoder, wish.phrases)
        except CentralitaError as exc:
            self._opening.discard(wish.stream)
            self._refuse(wish, exc)
            return
        if wish.stream not in self._opening:  # closed before it was open
            return
        self._opening.discard(wish.stream)
        self._streams[wish.stream] = self._stream(wish, decoder)
        slot = min(set(range(self._options.max_streams)).difference(self._slots.values()))
        self._slots[wish.stream] = slot
        path = str(self._audio_paths[slot])
        self._say(protocol.StreamOpened(stream=wish.stream, audio_path=path))

    def _stream(self, wish: protocol.OpenStream, decoder: Decoder) -> Stream:
        number = wish.stream

        def say(message: object) -> None:
            if number not in self._streams:
                return  # the pool that asked for it is gone
            if isinstance(message, protocol.StreamClosed):
                del self._streams[number]
                del self._slots[number]
            self._say(message)

        return Stream(
            number,
            decoder,
            hangover=wish.hangover,
            longest=wish.longest,
            threads=self._threads,
            say=say,
        )

    def _behind(self) -> timedelta:
        """How much speech waits, of the stream that waits longest."""
        return max((stream.behind for stream in self._streams.values()), default=timedelta(0))

    def _refuse(self, wish: protocol.OpenStream, error: CentralitaError) -> None:
        self._say(protocol.StreamRefused(stream=wish.stream, code=error.code, reason=str(error)))

    def _say(self, message: object) -> None:
        if self._writer is not None:
            protocol.send(self._writer, message)

    def _drop_streams(self) -> None:
        self._streams.clear()
        self._slots.clear()
        self._opening.clear()


def _step_back() -> None:
    """Let a decoding thread yield to those that take in audio and answer the pool."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m centralita.asr.vosk.worker")
    parser.add_argument("--name", required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--model", action="append", required=True, metavar="LANGUAGE=PATH")
    parser.add_argument("--max-streams", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    models = {}
    for text in given.model:
        language, _, path = text.partition("=")
        models[language] = Path(path)
    return Options(given.name, given.dir, models, given.max_streams, given.threads)


async def _main(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Worker(options).run(stop)


def main() -> None:
    """Run until SIGTERM. Exit code 2: a model cannot be loaded."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    options = _options(sys.argv[1:])
    options.directory.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_main(options))
    except RecognizerError as exc:
        log.error("recogniser cannot start", extra={"reason": str(exc)})
        print(f"{options.name}: {exc}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
