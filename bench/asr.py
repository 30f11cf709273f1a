"""`./dev bench asr`: how many callers can be listened to, and how soon they are understood.

Real recogniser processes, fed as media workers feed them: a datagram of 20 ms for each caller. A
caller says a word and is silent for twice as long; each says another word, and begins at another
moment. What is measured is what the callers' turn waits for: from the last sample of the word to
the utterance, of which the hangover (the silence that ends an answer) is part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from centralita.asr.mini.synth import RATE
from centralita.asr.recognizer import Utterance
from centralita.asr.vosk import PoolSettings, VoskPool
from centralita.asr.vosk.link import VoskRecognition
from centralita.asr.vosk.models import resolve_models
from centralita.asr.vosk.protocol import STREAM_HEADER
from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from tests.support.speech import silence, speak

_FRAME = 320
_FRAME_TIME = 0.02
_WORDS = ("ventas", "soporte", "cinco", "cuatro")
_LOUD = 300
# A third of the time.
_SILENCE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run. `streams_per_core` is at this load: 100 % of a core by the CPU of one stream."""

    callers: int
    talking: bool
    seconds: float
    answers: int
    right: int
    missing: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    cpu_pct_of_core: float
    cpu_ms_per_stream_s: float
    streams_per_core: float


@dataclass(slots=True)
class _Caller:
    recognition: VoskRecognition
    audio: bytes
    word: str
    ends: tuple[float, ...]
    """Where words end, in seconds from the beginning of `audio`, which is repeated."""
    delay: float
    """How long after the beginning of the run it begins to speak, in seconds."""
    heard: list[tuple[float, str]]


async def main(arguments: Sequence[str]) -> int:
    """Run the loads, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="./dev bench asr", description=__doc__)
    parser.add_argument("--callers", type=int, action="append", help="default: 1, 10, 20 and 40")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", type=Path, help="of Spanish; default: the small one")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    configured = {"es": options.model} if options.model else {}
    rows = []
    for callers in options.callers or (1, 10, 20, 40):
        rows.append(await _run(callers, options.seconds, options.workers, configured))
        print(_line(rows[-1]), flush=True)
    most = max(options.callers or (40,))
    rows.append(await _run(most, options.seconds, options.workers, configured, talking=False))
    print(_line(rows[-1]))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 1 if any(row.missing for row in rows) else 0


async def _run(
    callers: int,
    seconds: float,
    workers: int,
    configured: dict[str, Path],
    *,
    talking: bool = True,
) -> Row:
    settings = PoolSettings(workers=workers, max_streams=-(-callers // workers))
    with tempfile.TemporaryDirectory(prefix="centralita-asr-") as folder:
        models = resolve_models(Path(folder), configured)
        pool = VoskPool({"es": models["es"].path}, Path(folder), settings)
        async with _processes(pool.specs()) as processes:
            await pool.start_pool()
            while not all(status.up for status in pool.status()):
                await pool.known_phrases("es", _WORDS)
                await asyncio.sleep(0.05)
            crowd = [await _caller(pool, number, callers, talking) for number in range(callers)]
            tasks = Tasks("bench")
            hearing = [tasks.spawn(_hear(caller), name="hear") for caller in crowd]
            before, began = sum(map(_cpu, processes)), time.monotonic()
            await _speak(crowd, began, seconds)
            used = sum(map(_cpu, processes)) - before
            for caller in crowd:
                await caller.recognition.close()
            await asyncio.gather(*hearing)
            await pool.close()
    return _row(crowd, talking, seconds, used, began)


@asynccontextmanager
async def _processes(specs: Sequence[ProcessSpec]) -> AsyncIterator[list[psutil.Process]]:
    running = [
        await asyncio.create_subprocess_exec(*spec.argv, stderr=asyncio.subprocess.DEVNULL)
        for spec in specs
    ]
    try:
        yield [psutil.Process(process.pid) for process in running]
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _caller(pool: VoskPool, number: int, callers: int, talking: bool) -> _Caller:
    word = _WORDS[number % len(_WORDS)]
    audio, ends = await asyncio.to_thread(_sound, word, talking)
    return _Caller(
        recognition=await pool.start("es", _WORDS),
        audio=audio,
        word=word,
        ends=ends,
        delay=number / callers * len(audio) / 2 / RATE,
        heard=[],
    )


def _sound(word: str, talking: bool) -> tuple[bytes, tuple[float, ...]]:
    if not talking:
        return silence(3.0), ()
    # Digital silence around the word, so that its last loud sample is the end of speech.
    said = speak(word, before=0, after=0)
    length = len(said) // 2 / RATE
    audio = said + bytes(int(RATE * length * _SILENCE) * 2)
    audio += bytes(-len(audio) % _FRAME)
    loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2")) > _LOUD)
    return audio, (float(loud[-1]) / RATE,)


async def _speak(crowd: Sequence[_Caller], began: float, seconds: float) -> None:
    """Everybody's frames in one burst each 20 ms, as the media clock sends them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tap:
        tap.setblocking(False)
        for number in range(int(seconds / _FRAME_TIME)):
            due = began + number * _FRAME_TIME
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for caller in crowd:
                frame = round((due - began - caller.delay) / _FRAME_TIME)
                if frame < 0:
                    continue
                place = frame * _FRAME % len(caller.audio)
                header = STREAM_HEADER.pack(caller.recognition.stream)
                with contextlib.suppress(BlockingIOError):  # a media worker would drop it, too
                    tap.sendto(
                        header + caller.audio[place : place + _FRAME], caller.recognition.sink_path
                    )


async def _hear(caller: _Caller) -> None:
    async for event in caller.recognition.events():
        if isinstance(event, Utterance):
            caller.heard.append((time.monotonic(), event.text))


def _row(crowd: Sequence[_Caller], talking: bool, seconds: float, used: float, began: float) -> Row:
    latencies: list[float] = []
    right = missing = answers = 0
    for caller in crowd:
        period = len(caller.audio) / 2 / RATE
        for end in caller.ends:
            spoken_at = began + caller.delay + end
            # The last word may be cut off by the end of the run.
            while spoken_at + 1.0 < began + seconds:
                answer = next(
                    ((at, text) for at, text in caller.heard if 0 < at - spoken_at < period), None
                )
                answers += 1
                if answer is None:
                    missing += 1
                else:
                    latencies.append(1000 * (answer[0] - spoken_at))
                    right += answer[1] == caller.word
                spoken_at += period
    per_stream = used / seconds / len(crowd)
    p50, p95, p99 = (
        float(np.percentile(latencies, share)) if latencies else 0.0 for share in (50, 95, 99)
    )
    return Row(
        callers=len(crowd),
        talking=talking,
        seconds=seconds,
        answers=answers,
        right=right,
        missing=missing,
        latency_p50_ms=round(p50, 1),
        latency_p95_ms=round(p95, 1),
        latency_p99_ms=round(p99, 1),
        cpu_pct_of_core=round(100 * used / seconds, 1),
        cpu_ms_per_stream_s=round(1000 * per_stream, 2),
        streams_per_core=round(1 / per_stream, 1) if per_stream else 0.0,
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _line(row: Row) -> str:
    what = "talking a third of the time" if row.talking else "silent"
    return (
        f"{row.callers:4} callers {what}: {row.answers} answers, {row.right} right, "
        f"{row.missing} missing; end of speech to answer p50 {row.latency_p50_ms:.0f}, "
        f"p95 {row.latency_p95_ms:.0f}, p99 {row.latency_p99_ms:.0f} ms; "
        f"{row.cpu_pct_of_core:.1f} % of a core, {row.streams_per_core:.0f} streams a core"
    )
