"""What the edge tells about phones and trunks."""

from __future__ import annotations

from dataclasses import dataclass

from centralita.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRegistered(Event):
    """A phone can be rung now, and could not before."""

    extension: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRegistered(Event):
    """An agent's page can be rung now; a phone of that extension may be there, too."""

    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLost(Event):
    """The page's connection is gone: it was closed, left, or lost its network."""

    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneUnregistered(Event):
    """The last phone of an extension has left, its registration ran out, or the edge is down."""

    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChanged(Event):
    """A trunk is down, or is up again: `condition` is of `trunk_state.Condition`."""

    trunk: str
    condition: str
