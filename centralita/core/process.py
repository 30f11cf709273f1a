"""What a child process is, as a value. `server/` keeps it alive; the packages only describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a process may reach of the file system, beside programs, libraries and public facts of
    the machine. Each is a file, or a folder with all that is beneath.

    It reads `reads`, does what it likes in `writes`, writes new files into `drops` without reading
    any, and makes and removes sockets in `sockets`. Without `tcp` it has none; without `signals` it
    sends them to its own children only.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    tcp: bool = False
    signals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A child process to be kept alive.

    `argv` is run without a shell. On exit it is started again at once, then with growing pauses
    while it keeps dying. To stop it: SIGTERM, and SIGKILL after `grace`. In a `sandbox`, where the
    kernel can, it reaches nothing else.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    grace: timedelta = timedelta(seconds=5)
    sandbox: Sandbox | None = None
