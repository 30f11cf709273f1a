"""Events: past-tense, frozen, typed facts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of every fact that one part tells the others.

    Subclasses are frozen keyword-only dataclasses of plain values (strings, numbers, enums,
    datetimes, timedeltas, tuples, nested dataclasses), so that `core.wire` can carry them.
    """
