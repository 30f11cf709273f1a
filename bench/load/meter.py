"""What the server's processes use: CPU from /proc/PID/stat, memory from /proc/PID/smaps_rollup."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from centralita.core.tasks import Tasks

# Words of a command line, and what the process is called in the table; the first that fits.
_KINDS = (
    ("centralita.telephony.worker", "media"),
    ("centralita.asr.vosk.worker", "asr"),
    ("kamailio", "edge"),
    ("centralita.server", "brain"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds used and memory held (PSS: shared pages count once), by kind of process."""

    cpu_s: dict[str, float]
    memory_kib: dict[str, int]

    @property
    def total_kib(self) -> int:
        """All memory."""
        return sum(self.memory_kib.values())


def read(root: int) -> Reading:
    """The processes below and with `root`, the keeper."""
    cpu: dict[str, float] = defaultdict(float)
    memory: dict[str, int] = defaultdict(int)
    keeper = psutil.Process(root)
    for process in (keeper, *keeper.children(recursive=True)):
        try:
            kind = "keeper" if process.pid == root else _kind(process)
            times = process.cpu_times()
            cpu[kind] += times.user + times.system
            memory[kind] += _pss_kib(process.pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
            continue  # it ended meanwhile
    return Reading(dict(cpu), dict(memory))


def cpu_of(pid: int) -> float:
    """CPU seconds of one process."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def reference(*, every: float = 5.0) -> AsyncIterator[list[float]]:
    """What a fixed piece of work takes meanwhile, in CPU-ms: on a machine whose cores are shared
    with strangers the same work costs now more, now less, and every figure with it."""
    taken: list[float] = []

    async def sample() -> None:
        while True:
            began = time.thread_time()
            sum(number * number for number in range(50_000))
            taken.append(1000 * (time.thread_time() - began))
            await asyncio.sleep(every)

    tasks = Tasks("meter")
    tasks.spawn(sample(), name="reference")
    try:
        yield taken
    finally:
        await tasks.close()


def median(taken: list[float]) -> float:
    """Of what `reference` took."""
    return round(statistics.median(taken), 2)


def _kind(process: psutil.Process) -> str:
    argv = process.cmdline()
    words = " ".join(argv)
    kind = next((kind for sign, kind in _KINDS if sign in words), "other")
    return f"media {Path(argv[-1]).stem}" if kind == "media" else kind


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
