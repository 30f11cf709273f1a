"""Kamailio's processes that an earlier start of the same data folder has left.

Kamailio is a family of processes that holds the SIP ports. When it is killed together with its
launcher, or does not heed the end of it, some of them stay, and no other Kamailio can start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """What /proc says of one: `began` tells it from another of the same number."""

    pid: int
    session: int
    began: str


class FamilyFile:
    """Who the family is, and who looks after it; outlives both."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, family: int, launcher: int) -> None:
        """Note down the first process of a family, whose session it is."""
        began = [process.began if (process := _look(pid)) else "" for pid in (family, launcher)]
        partial = self._file.with_name(f"{self._file.name}.part")
        partial.write_text(f"{family} {began[0]} {launcher} {began[1]}\n")
        partial.replace(self._file)

    def is_looked_after(self) -> bool:
        """Whether the launcher of the latest family runs."""
        noted = self._read()
        if noted is None:
            return False
        _, launcher, began = noted
        process = _look(launcher)
        return process is not None and process.began == began

    def _read(self) -> tuple[int, int, str] | None:
        try:
            family, _, launcher, began = self._file.read_text().split()
            return int(family), int(launcher), began
        except (OSError, ValueError):
            return None

    def leftovers(self, command: str) -> list[int]:
        """Processes of the family that nobody looks after, and whose command line has `command`."""
        noted = self._read()
        if noted is None or self.is_looked_after():
            return []
        return [
            process.pid
            for process in _processes()
            if process.session == noted[0] and command in _command_line(process.pid)
        ]

    def end_leftovers(self, command: str, *, patience: float = 5.0) -> int:
        """End them, and return when they have gone; how many there were."""
        found = self.leftovers(command)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + patience
        while self.leftovers(command) and time.monotonic() < until:
            time.sleep(0.02)
        return len(found)


def _processes() -> Iterator[_Process]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := _look(int(entry.name))) is not None:
            yield process


def _look(pid: int) -> _Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # Behind the name, which may hold anything: state, parent, group, session, and the 22nd, when.
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:  # it holds nothing any more
        return None
    return _Process(pid=pid, session=int(fields[3]), began=fields[19])


def _command_line(pid: int) -> list[str]:
    try:
        data = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return data.decode(errors="replace").split("\0")
