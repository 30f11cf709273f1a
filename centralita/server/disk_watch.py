"""Recordings stop before the disk is full: the last of it is for the journal and the database."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from centralita.core.tasks import Tasks
from centralita.recordings.recorder import Recorder

log = logging.getLogger(__name__)

_EVERY = 1.0
# Space comes and goes around the limit: recording begins again a tenth above it.
_AGAIN = 1.1


class DiskWatch:
    """Looks once a second. `keep_free` is in bytes."""

    def __init__(self, folder: Path, recorder: Recorder, *, keep_free: int) -> None:
        self._folder = folder
        self._recorder = recorder
        self._keep_free = keep_free
        self._tasks = Tasks("disk watch")

    def start(self) -> None:
        """Begin to look."""
        self._tasks.keep(self._watch, name="watch")

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()

    async def look(self) -> None:
        """Stop recording, or begin again, as the disk is now."""
        free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        halted = bool(self._recorder.halted)
        if not halted and free < self._keep_free:
            log.error(
                "disk is nearly full, nothing is recorded until there is space",
                extra={"folder": str(self._folder), "free": free, "needed": self._keep_free},
            )
            await self._recorder.halt(
                f"{free >> 20} MB are free in {self._folder}, less than keep_free"
            )
        elif halted and free >= self._keep_free * _AGAIN:
            log.warning("disk has space, recording again", extra={"free": free})
            self._recorder.resume()

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)
