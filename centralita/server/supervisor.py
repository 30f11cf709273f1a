"""Keeps child processes alive."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.server.child import ChildProcess
from centralita.server.line_budget import LineBudget

log = logging.getLogger(__name__)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A child as it passes from one image of this program to the next.

    `pid` is None for one that is between death and start; `ears` is as in `ChildProcess`.
    """

    spec: ProcessSpec
    pid: int | None
    ears: int | None
    restarts: int
    wanted: bool


@dataclass(slots=True)
class _Child:
    spec: ProcessSpec
    process: ChildProcess | None = None
    restarts: int = 0
    wanted: bool = True
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
            known.spec, known.wanted = spec, True
            return
        self._add(_Child(spec=spec))

    def let_end(self, name: str) -> None:
        """A child that is going to end by itself is not started again, unless it is kept anew."""
        child = self._children.get(name)
        if child is not None:
            child.wanted = False

    def bequeath(self) -> list[Inherited]:
        """The children, for the program that takes the place of this one in the same process.

        Nothing here may run afterwards: only what they print to us stays open.
        """
        heirs = []
        for child in self._children.values():
            process = child.process
            if process is not None and process.ears is not None:
                os.set_inheritable(process.ears, True)
            heirs.append(
                Inherited(
                    spec=child.spec,
                    pid=process.pid if process is not None else None,
                    ears=process.ears if process is not None else None,
                    restarts=child.restarts,
                    wanted=child.wanted,
                )
            )
        return heirs

    def inherit(self, children: Iterable[Inherited]) -> None:
        """Go on with the children of the program before this one."""
        for heir in children:
            if heir.ears is not None:
                os.set_inheritable(heir.ears, False)
            process = ChildProcess(heir.pid, heir.ears) if heir.pid is not None else None
            self._add(
                _Child(spec=heir.spec, process=process, restarts=heir.restarts, wanted=heir.wanted)
            )

    def _add(self, child: _Child) -> None:
        self._children[child.spec.name] = child
        self._tasks.spawn(self._keep(child), name=f"keep {child.spec.name}")

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
            child.process.send(signal.SIGKILL)

    def serving(self) -> None:
        """Nothing to do: this supervisor lives and dies with its house."""

    def expect_ends(self) -> None:
        """The house closes: children that end are not started again, what they say is no news."""
        self._stopping = True

    async def close(self) -> None:
        """End all children, the last started first: SIGTERM, and SIGKILL after their grace."""
        self.expect_ends()
        for child in reversed(tuple(self._children.values())):
            process = child.process
            if process is None:
                continue
            process.send(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), child.spec.grace.total_seconds())
            except TimeoutError:
                log.warning("process did not end, killing it", extra={"child": child.spec.name})
                process.send(signal.SIGKILL)
                await process.wait()
        await self._tasks.close()

    async def _keep(self, child: _Child) -> None:
        pause = 0.0
        while self._wants(child):
            began = time.monotonic()
            process = self._start(child) if child.process is None else child.process
            if process is not None:
                await self._live(child, process)
                if not self._wants(child):
                    break
                if process.code == 0:
                    log.info("process ended, starting it again", extra={"child": child.spec.name})
                else:
                    child.restarts += 1
                    log.error(
                        "process died, starting it again",
                        extra={
                            "child": child.spec.name,
                            "code": process.code,
                            "last_words": child.last_words,
                        },
                    )
            pause = pause_after(pause, lived=time.monotonic() - began)
            await asyncio.sleep(pause)
        if not child.wanted:
            del self._children[child.spec.name]
            self._on_change()

    def _wants(self, child: _Child) -> bool:
        return child.wanted and not self._stopping

    def _start(self, child: _Child) -> ChildProcess | None:
        spec = child.spec
        try:
            process = ChildProcess.start(spec)
        except OSError as exc:
            child.restarts += 1
            child.last_words = f"{spec.argv[0]}: {exc.strerror}"
            log.error(
                "process cannot be started", extra={"child": spec.name, "error": child.last_words}
            )
            return None
        log.info("process started", extra={"child": spec.name, "pid": process.pid})
        return process

    async def _live(self, child: _Child, process: ChildProcess) -> None:
        """From the start of a process to its end."""
        child.process = process
        self._on_change()
        listening = self._tasks.spawn(
            self._listen(child, process), name=f"hear {child.spec.name} {process.pid}"
        )
        await process.wait()
        child.process = None
        await asyncio.wait({listening}, timeout=_LAST_WORDS)
        self._on_change()

    async def _listen(self, child: _Child, process: ChildProcess) -> None:
        """Pass what the child prints on to the log."""
        if process.ears is None:
            return
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(process.ears, "rb")
        )
        try:
            await self._hear(child, reader)
        finally:
            process.ears = None
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
                now = time.monotonic()
                if not budget.take(now):
                    continue
                if withheld := budget.withheld(now):
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
