"""Real speech and a real recogniser for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from centralita.asr.mini.synth import RATE, Saying, say
from centralita.asr.vosk import PoolSettings, VoskPool
from centralita.asr.vosk.models import PACKAGED
from centralita.core.process import ProcessSpec

MINI = {"es": PACKAGED / "es", "en": PACKAGED / "en"}


def speak(text: str, language: str = "es", *, before: float = 0.5, after: float = 1.0) -> bytes:
    """What espeak-ng says, as 16-bit samples at 8 kHz, between so many seconds of silence."""
    voice = "es" if language == "es" else "en-us"
    speech = say(Saying(language, voice, "", tuple(text.split()), text, speed=150, pitch=50))
    return silence(before) + as_pcm(speech * 0.7) + silence(after)


def as_pcm(samples: npt.NDArray[np.float32]) -> bytes:
    """Samples between -1 and 1 as a stream carries them."""
    return (samples * 32767).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    """A line on which nobody speaks: a faint hiss."""
    hiss = np.random.default_rng(1).normal(0, 8, int(RATE * seconds))
    return hiss.astype("<i2").tobytes()


class Workers:
    """Keeps the processes of a pool for a test, which may kill and start them."""

    def __init__(self) -> None:
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, spec: ProcessSpec) -> None:
        """Run the process of `spec`."""
        self.processes[spec.name] = await asyncio.create_subprocess_exec(
            *spec.argv, stderr=asyncio.subprocess.DEVNULL
        )

    async def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    async def close(self) -> None:
        """End what still runs."""
        for name in list(self.processes):
            await self.kill(name)


@asynccontextmanager
async def running_pool(
    directory: Path, settings: PoolSettings | None = None
) -> AsyncIterator[tuple[VoskPool, Workers]]:
    """A pool with the small models and its worker processes."""
    pool = VoskPool(MINI, directory, settings or PoolSettings())
    workers = Workers()
    try:
        for spec in pool.specs():
            await workers.start(spec)
        await pool.start_pool()
        yield pool, workers
    finally:
        await pool.close()
        await workers.close()
