"""Two customers who are one: what a merge is, and what its undoing restores. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from centralita.core.ids import CustomerId, MergeId
from centralita.timeline.model import Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """`former` has gone into `into`: both as they were before it. `moved` counts what went along,
    by kind (`interaction`, `case`, `task`, `identity`, `message`).

    After an undo, `stayed` counts what had moved with it and was somewhere else by then, so that it
    stays there; `unlinked` are entries that left their case, since it is now another customer's.
    """

    id: MergeId
    at: datetime
    by: str
    by_name: str
    former: Customer
    into: Customer
    into_id: CustomerId
    moved: Mapping[str, int]
    undone_at: datetime | None = None
    undone_by: str = ""
    stayed: Mapping[str, int] = field(default_factory=dict)
    unlinked: tuple[str, ...] = ()


def merged(into: Customer, former: Customer) -> Customer:
    """`into` with what it lacked of `former`, whose notes are added to its own."""
    notes = into.notes
    if former.notes and former.notes not in notes:
        notes = f"{notes}\n\n{former.notes}" if notes else former.notes
    return replace(
        into,
        name=into.name or former.name,
        segment=into.segment or former.segment,
        language=into.language or former.language,
        notes=notes,
        provisional=into.provisional and former.provisional,
        external_id=into.external_id or former.external_id,
    )


def unmerged(now: Customer, before: Customer, after: Customer, former: Customer) -> Customer:
    """What the undoing of a merge makes of the customer it went into.

    A field that is still as the merge left it becomes what it was `before`; one that somebody has
    changed since stays. Notes lose what the merge added, wherever it stands in them now.
    """
    notes = now.notes
    if notes == after.notes:
        notes = before.notes
    elif after.notes != before.notes:
        notes = notes.replace(f"\n\n{former.notes}", "", 1)
    return replace(
        now,
        name=before.name if now.name == after.name else now.name,
        segment=before.segment if now.segment == after.segment else now.segment,
        language=before.language if now.language == after.language else now.language,
        notes=notes,
        # Who got a name of their own in the meantime is no longer provisional.
        provisional=before.provisional and now.name == after.name,
        external_id=before.external_id if now.external_id == after.external_id else now.external_id,
    )
