"""Who keeps the house's processes alive, as the brain sees it; and what brain and keeper say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from centralita.core.process import ProcessSpec
from centralita.core.wire import Wire

KEEPER_SOCKET = "CENTRALITA_KEEPER"
"""The environment variable that tells the brain where its keeper listens."""

ALIVE_EVERY = timedelta(seconds=2)
"""How often a brain says that it lives."""


class ProcessKeeper(Protocol):
    """Implemented by `supervisor.Supervisor` in this process and by `keeper_link.KeeperLink`."""

    def keep(self, spec: ProcessSpec) -> None:
        """Have this process run from now on. One that runs already as described goes on."""
        ...

    def let_end(self, name: str) -> None:
        """A child that is going to end by itself is not started again, unless it is kept anew."""
        ...

    def pid(self, name: str) -> int | None:
        """The process id of a child that runs."""
        ...

    def names(self) -> tuple[str, ...]:
        """The children."""
        ...

    def restarts(self, name: str) -> int:
        """How often the child had to be started again."""
        ...

    def last_words(self, name: str) -> str:
        """What the child printed before it died the last time."""
        ...

    def kill(self, name: str) -> None:
        """Kill a child that hangs; it is started again."""
        ...

    def serving(self) -> None:
        """The house takes calls: from now on a brain that dies is replaced."""
        ...

    def expect_ends(self) -> None:
        """The house closes: children that end are not started again."""
        ...

    async def close(self) -> None:
        """The house is closed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """To the keeper: have this process run."""

    spec: ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LetEnd:
    """To the keeper: this child is not started again when it ends."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """To the keeper: this child hangs."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """To the keeper: the house takes calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """To the keeper: the house closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """To the keeper: the brain's loop turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildState:
    """A child of the keeper; `pid` is None between its death and its next start."""

    name: str
    pid: int | None
    restarts: int
    last_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """To the brain: all children as of now; sent at first and on each change."""

    children: tuple[ChildState, ...]


WIRE = Wire((Keep, LetEnd, Kill, Serving, Closing, Alive, Children))
