"""What a child process is, as a value. `server/` keeps it alive; the packages only describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A child process to be kept alive.

    `argv` is run without a shell. On exit it is started again at once, then with growing pauses
    while it keeps dying. To stop it: SIGTERM, and SIGKILL after `grace`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    grace: timedelta = timedelta(seconds=5)
