"""`AuditLog`: an entry is in the store, and the head file knows it, when `write` returns."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from centralita.audit.chain import Verifier
from centralita.audit.entry import SERVER, Action, Actor, Draft, Entry, Outcome, Tip
from centralita.audit.head import Head, HeadError
from centralita.core.clock import Clock
from centralita.core.tasks import Tasks
from centralita.core.wire import Plain

log = logging.getLogger(__name__)

_BATCH = 1000


class AuditRepository(Protocol):
    """Where entries are kept."""

    async def append(self, drafts: Callable[[Tip], Sequence[Draft]]) -> Tip:
        """Chain what `drafts` wants after the tip, in one transaction of its own; the new tip.

        However many do this at once, on however many machines, the chain has no fork.
        """
        ...

    async def after(self, seq: int, limit: int) -> Sequence[Entry]:
        """The entries after that number, in order."""
        ...


class AuditLog:
    """Writes one entry at a time."""

    def __init__(self, entries: AuditRepository, head: Head, clock: Clock) -> None:
        self._entries = entries
        self._head = head
        self._clock = clock
        self._turn = asyncio.Lock()
        self._tasks = Tasks("audit")

    async def write(
        self,
        actor: Actor,
        action: Action,
        object: str = "",
        outcome: Outcome = Outcome.DONE,
        **details: Plain,
    ) -> None:
        """Enter what is about to be done, or was. Raises CentralitaError when that is impossible:
        then it must not be done. Not to be called within a transaction of the store's."""
        draft = Draft(
            at=self._clock.now(),
            actor=actor,
            action=action,
            object=object,
            outcome=outcome,
            details=details,
        )
        # In a task of its own: who is cancelled meanwhile leaves no entry without an anchor.
        await asyncio.shield(self._tasks.spawn(self._write(draft), name=action.value))

    async def _write(self, draft: Draft) -> None:
        async with self._turn:
            descriptor = await asyncio.to_thread(self._head.lock)
            try:
                anchor, trouble = await asyncio.to_thread(self._anchor)
                tip = await self._entries.append(
                    lambda tip: _with_warning(draft, tip, anchor, trouble)
                )
                await asyncio.to_thread(self._head.write, tip)
            finally:
                os.close(descriptor)

    def _anchor(self) -> tuple[Tip | None, str]:
        """The head, and what is wrong with it."""
        try:
            return self._head.read(), ""
        except HeadError as exc:
            return None, str(exc)

    async def verify(self, *known: Tip) -> Verifier:
        """Go through the whole log. `known` are tips that were noted elsewhere."""
        anchor = await asyncio.to_thread(self._head.read)
        verifier = Verifier((*known, anchor) if anchor is not None else known)
        while entries := await self._entries.after(verifier.tip.seq, _BATCH):
            for entry in entries:
                verifier.take(entry)
            if verifier.broken is not None:
                break
        verifier.end()
        if anchor is None and verifier.tip.seq:
            verifier.remarks.append("there is no head file: nobody can tell whether the end is cut")
        return verifier


def _with_warning(draft: Draft, tip: Tip, anchor: Tip | None, trouble: str) -> Sequence[Draft]:
    """The draft, and before it what is wrong with the anchor: that is about to be overwritten."""
    reason = trouble or _mismatch(tip, anchor)
    if not reason:
        return (draft,)
    log.error("audit log is not as it was anchored", extra={"reason": reason})
    details: dict[str, Plain] = {"reason": reason}
    if anchor is not None:
        details |= {"anchor_seq": anchor.seq, "anchor_hash": anchor.hash}
    return (_warning(draft.at, details), draft)


def _warning(at: datetime, details: dict[str, Plain]) -> Draft:
    return Draft(at=at, actor=SERVER, action=Action.ANCHOR_LOST, details=details)


def _mismatch(tip: Tip, anchor: Tip | None) -> str:
    if anchor is None:
        return "there was no head file" if tip.seq else ""
    if anchor.seq > tip.seq:
        return f"entries {tip.seq + 1} to {anchor.seq} are missing"
    if anchor.seq == tip.seq and anchor.hash != tip.hash:
        return f"entry {tip.seq} is not the one that the log was anchored with"
    return ""
