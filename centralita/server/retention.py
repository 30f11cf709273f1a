"""Removes recordings when their time is over."""

from __future__ import annotations

import asyncio
import logging

from centralita.audit.entry import SERVER, Action
from centralita.audit.log import AuditLog
from centralita.core.clock import Clock
from centralita.core.tasks import Tasks
from centralita.server.config import Config
from centralita.store.store import Store

log = logging.getLogger(__name__)

_EVERY = 3600.0


class Retention:
    """Looks once an hour. The entry in the timeline and the transcript stay; the sound goes."""

    def __init__(self, config: Config, store: Store, clock: Clock, audit: AuditLog) -> None:
        self._audit = audit
        self._keep = config.recordings.retention
        self._folder = config.recordings_dir
        self._store = store
        self._clock = clock
        self._tasks = Tasks("retention")

    def start(self) -> None:
        """Begin, unless recordings are kept for ever."""
        if self._keep is not None:
            self._tasks.keep(self._watch, name="remove")

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()

    async def remove_expired(self) -> int:
        """Remove what is older than the retention; returns how many files went."""
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

    async def _watch(self) -> None:
        while True:
            removed = await self.remove_expired()
            if removed:
                log.info("recordings removed, their time was over", extra={"count": removed})
            await asyncio.sleep(_EVERY)
