"""Builds the generator, runs it, and reads what it reports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from centralita.core.tasks import Tasks

_SOURCES = Path(__file__).with_name("generator")
_ANSWERS_WITHIN = 10.0


class Report(msgspec.Struct, kw_only=True):
    """A line of the generator; times in milliseconds, counts since the last `mark`.

    `lost` are gaps in the sequence numbers of what came, `reported_lost` what the server says
    in RTCP that it has not got. `delays_ms` counts packets by whole milliseconds behind their
    stream's schedule. `worst_lag_ms` is how late the generator itself once was.
    """

    type: str
    seconds: float
    started: int
    answered: int
    ended: int
    failed: int
    cut: int
    up: int
    agents_up: int
    registered: int
    rung: int
    picked_up: int
    keys: int
    sent: int
    unsent: int
    received: int
    lost: int
    reported_lost: int
    late: int
    repeated: int
    worst_lag_ms: float
    setup_ms_p50: float = 0
    setup_ms_p99: float = 0
    setup_ms_max: float = 0
    ring_ms_p50: float = 0
    ring_ms_p99: float = 0
    ring_ms_max: float = 0
    codes: dict[str, int] = msgspec.field(default_factory=dict)
    delays_ms: list[int] = msgspec.field(default_factory=list)

    def delay_ms(self, share: float) -> int:
        """The delay that this share of the packets stayed below."""
        wanted, seen = share * sum(self.delays_ms), 0
        for delay, count in enumerate(self.delays_ms):
            seen += count
            if seen >= wanted:
                return delay + 1
        return 0


async def build(folder: Path) -> Path:
    """Compile the generator; raises RuntimeError with the compiler's words."""
    program = folder / "load"
    sources = [str(path) for path in sorted(_SOURCES.glob("*.c"))]
    process = await asyncio.create_subprocess_exec(
        *("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), *sources, "-lcrypto"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the generator does not compile:\n{output.decode()}")
    return program


class Generator:
    """A running generator: `async with Generator(program, options) as generator`."""

    def __init__(
        self,
        program: Path,
        options: Mapping[str, object],
        on_progress: Callable[[Report], None],
    ) -> None:
        self._argv = (str(program), *(f"{name}={value}" for name, value in options.items()))
        self._on_progress = on_progress
        self._tasks = Tasks("load generator")
        self._process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Condition()
        self._figures: asyncio.Queue[Report] = asyncio.Queue()
        self._latest: Report | None = None
        self._ended = False

    async def __aenter__(self) -> Generator:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._tasks.spawn(self._read(), name="reports")
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        await self._tasks.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def mark(self) -> None:
        """Count anew from now on."""
        self._say("mark")

    async def figures(self) -> Report:
        """What was counted since `mark`."""
        self._say("figures")
        return await asyncio.wait_for(self._figures.get(), _ANSWERS_WITHIN)

    async def until(self, reached: Callable[[Report], bool], *, within: float) -> Report:
        """The first progress report of which `reached` is true; raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(
                lambda: self._ended or (self._latest is not None and reached(self._latest))
            )
        if self._latest is None or self._ended:
            raise RuntimeError("the generator ended; its last words are above")
        return self._latest

    async def stop(self) -> Report:
        """Hang up everything; its last figures."""
        self._say("stop")
        last = await asyncio.wait_for(self._figures.get(), 3 * _ANSWERS_WITHIN)
        assert self._process is not None
        await self._process.wait()
        return last

    def _say(self, word: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with contextlib.suppress(asyncio.CancelledError):
            async for line in self._process.stdout:
                report = msgspec.json.decode(line, type=Report)
                if report.type != "progress":
                    self._figures.put_nowait(report)
                    continue
                self._on_progress(report)
                async with self._changed:
                    self._latest = report
                    self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
