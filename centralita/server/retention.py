"""Removes recordings, transcripts and messages when their time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from centralita.audit.entry import SERVER, Action
from centralita.audit.log import AuditLog
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.tasks import Tasks
from centralita.server.config import Config
from centralita.store.store import Store

log = logging.getLogger(__name__)

_EVERY = 3600.0
# How long others may write between two parts of what is too old, in seconds.
_BREATH = 0.05

Expire = Callable[[datetime], Awaitable[int]]


class Retention:
    """Looks once an hour. The entry in the timeline stays; its sound goes, and its words go, each
    after their own time."""

    def __init__(self, config: Config, store: Store, clock: Clock, audit: AuditLog) -> None:
        self._audit = audit
        self._keep = config.recordings.retention
        self._texts: tuple[tuple[str, timedelta | None, Expire], ...] = (
            ("transcripts", config.retention.transcripts, store.expiry.transcripts),
            ("messages", config.retention.messages, store.expiry.messages),
        )
        self._folder = config.recordings_dir
        self._store = store
        self._clock = clock
        self._tasks = Tasks("retention")

    def start(self) -> None:
        """Begin, unless everything is kept for ever."""
        if self._keep is not None or any(keep is not None for _, keep, _ in self._texts):
            self._tasks.keep(self._watch, name="remove")

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()

    async def remove_expired(self) -> int:
        """Remove recordings older than the retention; returns how many files went."""
        if self._keep is None:
            return 0
        removed = 0
        before = self._clock.now() - self._keep
        while expired := await self._store.recordings.older_than(before):
            for recording in expired:
                path = self._folder / recording.path
                await self._audit.write(
                    SERVER,
                    Action.RECORDING_EXPIRED,
                    recording.recording_id,
                    call_id=recording.call_id,
                    made_at=recording.created_at.isoformat(),
                )
                await asyncio.to_thread(path.unlink, missing_ok=True)
                await self._store.recordings.mark_removed(recording.recording_id)
                removed += 1
        return removed

    async def remove_texts(self) -> dict[str, int]:
        """Remove words older than the retention; how many texts went, by kind."""
        removed = {}
        for kind, keep, expire in self._texts:
            if keep is None:
                continue
            before, gone = self._clock.now() - keep, 0
            while count := await expire(before):
                gone += count
                await asyncio.sleep(_BREATH)
            if gone:
                removed[kind] = gone
                await self._audit.write(
                    SERVER, Action.TEXTS_EXPIRED, kind, before=before.isoformat(), count=gone
                )
        return removed

    async def _watch(self) -> None:
        while True:
            try:
                if removed := await self.remove_expired():
                    log.info("recordings removed, their time was over", extra={"count": removed})
                for kind, count in (await self.remove_texts()).items():
                    log.info("texts removed, time was over", extra={"kind": kind, "count": count})
            except CentralitaError as exc:
                # The database is away, perhaps: what is too old is so in an hour, too.
                log.warning("what is too old is removed later", extra={"error": str(exc)})
            await asyncio.sleep(_EVERY)
