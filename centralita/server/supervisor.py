"""Keeps child processes alive."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.server.line_budget import LineBudget

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
# A child that lived this long did start; one that dies sooner waits longer before the next try.
_HEALTHY_AFTER = 10.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
# How long to wait for what a dead child had printed and we have not read yet.
_LAST_WORDS = 0.2

# How Kamailio and Python mark their lines. What a child notes about itself is for its developers;
# one that ends says a lot that nobody need hear.
_LEVEL = re.compile(r"\b(DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERG|BUG):")
_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.DEBUG,
    "NOTICE": logging.DEBUG,
    "WARNING": logging.INFO,
    "ERROR": logging.WARNING,
    "CRITICAL": logging.ERROR,
    "ALERT": logging.ERROR,
    "EMERG": logging.ERROR,
    "BUG": logging.ERROR,
}

_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Runs in the child: should its parent be killed, the kernel sends it SIGTERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class _Child:
    spec: ProcessSpec
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    last_words: str = ""


def pause_after(before: float, *, lived: float) -> float:
    """How long to wait, in seconds, until the next start of a process that lived that long."""
    return _FIRST_PAUSE if lived > _HEALTHY_AFTER or not before else min(before * 2, _LONGEST_PAUSE)


class Supervisor:
    """Starts the processes it is given, and starts them again when they die.

    `on_change` is called when a child has started or died.
    """

    def __init__(self, *, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._children: dict[str, _Child] = {}
        self._tasks = Tasks("supervisor")
        self._stopping = False

    def keep(self, spec: ProcessSpec) -> None:
        """Start this process and keep it alive from now on.

        One of that name goes on as it is; its next start, if it ever dies, is by the new spec.
        """
        known = self._children.get(spec.name)
        if known is not None:
            known.spec = spec
            return
        child = _Child(spec=spec)
        self._children[spec.name] = child
        self._tasks.spawn(self._keep(child), name=f"keep {spec.name}")

    def pid(self, name: str) -> int | None:
        """The process id of a child that runs."""
        child = self._children.get(name)
        return child.process.pid if child is not None and child.process is not None else None

    def names(self) -> tuple[str, ...]:
        """The children."""
        return tuple(self._children)

    def restarts(self, name: str) -> int:
        """How often the child had to be started again."""
        return self._children[name].restarts

    def last_words(self, name: str) -> str:
        """What the child printed before it died the last time."""
        child = self._children.get(name)
        return child.last_words if child is not None else ""

    def kill(self, name: str) -> None:
        """Kill a child that hangs; it is started again."""
        child = self._children.get(name)
        if child is not None and child.process is not None:
            log.error("process hangs and is killed", extra={"child": name})
            with contextlib.suppress(ProcessLookupError):
                child.process.kill()

    def serving(self) -> None:
        """Nothing to do: this supervisor lives and dies with its house."""

    def expect_ends(self) -> None:
        """The house closes: children that end are not started again, what they say is no news."""
        self._stopping = True

    async def close(self) -> None:
        """End all children, the last started first: SIGTERM, and SIGKILL after their grace."""
        self.expect_ends()
        for child in reversed(self._children.values()):
            process = child.process
            if process is None or process.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), child.spec.grace.total_seconds())
            except TimeoutError:
                log.warning("process did not end, killing it", extra={"child": child.spec.name})
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await self._tasks.close()

    async def _keep(self, child: _Child) -> None:
        pause = 0.0
        while not self._stopping:
            spec = child.spec
            began = time.monotonic()
            # A pipe of our own: asyncio's would let a grandchild that holds it hide the death.
            ears, mouth = os.pipe()
            try:
                process = await asyncio.create_subprocess_exec(
                    *spec.argv,
                    env={**os.environ, **spec.env},
                    cwd=spec.cwd,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=mouth,
                    preexec_fn=die_with_parent,
                )
            except OSError as exc:
                os.close(ears)
                os.close(mouth)
                child.last_words = f"{spec.argv[0]}: {exc.strerror}"
                log.error(
                    "process cannot be started",
                    extra={"child": spec.name, "error": child.last_words},
                )
            else:
                os.close(mouth)
                child.process = process
                self._on_change()
                log.info("process started", extra={"child": spec.name, "pid": process.pid})
                listening = self._tasks.spawn(
                    self._listen(child, ears), name=f"hear {spec.name} {process.pid}"
                )
                await process.wait()
                child.process = None
                await asyncio.wait({listening}, timeout=_LAST_WORDS)
                self._on_change()
                if self._stopping:
                    return
                log.error(
                    "process died, starting it again",
                    extra={
                        "child": spec.name,
                        "code": process.returncode,
                        "last_words": child.last_words,
                    },
                )
            child.restarts += 1
            pause = pause_after(pause, lived=time.monotonic() - began)
            await asyncio.sleep(pause)

    async def _listen(self, child: _Child, ears: int) -> None:
        """Pass what the child prints on to the log."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ears, "rb")
        )
        try:
            await self._hear(child, reader)
        finally:
            transport.close()

    async def _hear(self, child: _Child, reader: asyncio.StreamReader) -> None:
        budget = LineBudget()
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # a line without an end; the rest of it follows
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if text:
                child.last_words = text
                if not budget.take(time.monotonic()):
                    continue
                if withheld := budget.withheld():
                    log.warning(
                        "process said more than is written down",
                        extra={"child": child.spec.name, "lines": withheld},
                    )
                level = logging.DEBUG if self._stopping else _level_of(text)
                log.log(level, "process says", extra={"child": child.spec.name, "line": text})


def _level_of(line: str) -> int:
    """How much a line of a child matters to the operator of the house."""
    found = _LEVEL.search(line)
    return _LEVELS.get(found[1], logging.INFO) if found is not None else logging.INFO
