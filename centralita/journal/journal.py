"""`Journal`: records are numbered at once and on disk a moment later, many with one fsync."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from centralita.core.tasks import Tasks
from centralita.journal.files import Folder, JournalError, Reader
from centralita.journal.segment import Record, pack_record

log = logging.getLogger(__name__)

SEGMENT_SIZE = 16 * 1024 * 1024
# How long a record may wait for company, unless somebody waits for it to be on disk.
GATHER = 0.05
# While the disk refuses, records wait in memory: so many bytes, about a day of a busy house.
MAX_WAITING = 256 * 1024 * 1024
_RETRY = 0.5


class Journal:
    """Append-only. One event loop owns it; files are touched in threads.

    A disk that refuses (full, broken) delays what is written and loses nothing while there is
    memory: the same bytes are written again until the disk takes them.
    """

    def __init__(self, folder: Path, *, segment_size: int = SEGMENT_SIZE) -> None:
        self._folder = Folder(folder)
        self._segment_size = self._full_at = segment_size
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._last = 0
        self._on_disk = 0
        self._new_segment = False
        # The end of the records that a file began with; None while that file is not begun.
        self._droppable_at: tuple[int, int] | None = None
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._news = asyncio.Condition()
        self._tasks = Tasks("journal")
        self.refusal = ""
        self.carry: Callable[[], Iterable[bytes]] = tuple

    # --- life -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read what is there. Raises Conflict when another process has the folder."""
        self._last = self._on_disk = await asyncio.to_thread(self._folder.open)
        self._tasks.keep(self._write_for_ever, name="write")

    async def close(self) -> None:
        """Write what is waiting, as far as the disk takes it, and let go."""
        if self._waiting and self.is_open and not await self.flushed(within=5):
            log.error("journal could not be finished", extra={"error": self.refusal})
        await self._tasks.close()
        self._folder.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return self._folder.is_open

    @property
    def identity(self) -> str:
        """Of this journal, for ever, in hexadecimal digits."""
        return self._folder.identity.hex()

    @property
    def last(self) -> int:
        """The number of the newest record."""
        return self._last

    @property
    def on_disk(self) -> int:
        """The number of the last record that a power failure cannot take."""
        return self._on_disk

    # --- writing ----------------------------------------------------------------------------

    def append(self, data: bytes) -> int:
        """Number a record and write it soon. Raises JournalError when memory for it has run out."""
        if self._waiting_size > MAX_WAITING:
            raise JournalError(f"the disk has refused the journal for too long: {self.refusal}")
        self._last += 1
        packed = pack_record(Record(self._last, data))
        self._waiting.append(packed)
        self._waiting_size += len(packed)
        self._some.set()
        return self._last

    def skip_to(self, number: int) -> None:
        """Let the next record have a number above `number`."""
        if number > self._last:
            self._last = self._on_disk = number
            self._new_segment = True

    def hurry(self) -> None:
        """Write what waits without waiting for more."""
        self._hurry.set()

    async def flushed(self, number: int | None = None, *, within: float) -> bool:
        """Wait until the record (the newest, if None) is on disk; False when it takes too long."""
        wanted = self._last if number is None else number
        if self._on_disk >= wanted:
            return True
        self.hurry()
        try:
            async with asyncio.timeout(within):
                await self.beyond(wanted - 1)
        except TimeoutError:
            return False
        return True

    async def beyond(self, number: int) -> None:
        """Wait until a record above `number` is on disk."""
        async with self._news:
            await self._news.wait_for(lambda: self._on_disk > number)

    def rotate(self) -> None:
        """Go on in a new file, which begins with what `carry` returns: with that, older files are
        of no use once they have been applied."""
        self._new_segment = True
        first, before = self._last + 1, self._waiting_size
        for data in self.carry():
            self.append(data)
        # As much that is new as was carried: or else a file whose calls fill it is no sooner
        # begun than another one is.
        self._full_at = max(self._segment_size, 2 * (self._waiting_size - before))
        self._droppable_at = (first, self._last)
        self._some.set()

    def applied(self, number: int) -> None:
        """Everything up to `number` has been applied: delete the files that nobody needs."""
        if self._droppable_at is None or self._new_segment:
            return
        first, end = self._droppable_at
        if number >= end:
            self._droppable_at = None
            dropped = self._folder.drop_before(first)
            if dropped:
                log.info("journal files are no longer needed", extra={"files": dropped})

    async def _write_for_ever(self) -> None:
        while True:
            await self._some.wait()
            if not self._hurry.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GATHER):
                        await self._hurry.wait()
            self._some.clear()
            self._hurry.clear()
            while self._waiting or self._new_segment:
                await self._write()

    async def _write(self) -> None:
        records, data = len(self._waiting), b"".join(self._waiting)
        last = self._last
        first = last - records + 1
        fresh = self._new_segment
        try:
            await asyncio.to_thread(self._put, first if fresh else None, data)
        except OSError as exc:
            if not self.refusal:
                log.error("disk refuses the journal, trying again", extra={"error": str(exc)})
            self.refusal = exc.strerror or str(exc)
            await asyncio.sleep(_RETRY)
            return
        if self.refusal:
            log.warning("disk takes the journal again")
            self.refusal = ""
        if fresh:
            self._new_segment = False
        del self._waiting[:records]
        self._waiting_size -= len(data)
        async with self._news:
            self._on_disk = last
            self._news.notify_all()
        if self._folder.size >= self._full_at:
            self.rotate()

    def _put(self, first: int | None, data: bytes) -> None:
        if first is not None:
            self._folder.begin_segment(first)
        if data:
            self._folder.write(data)

    # --- reading ----------------------------------------------------------------------------

    def reader(self, *, after: int) -> Reader:
        """Reads from the record behind that number on. Its `read` blocks; use `read_next`."""
        return Reader(self._folder, after=after)

    async def read_next(self, reader: Reader, *, size: int) -> list[Record]:
        """The next records that are on disk, about `size` bytes; empty when there are none."""
        return await asyncio.to_thread(reader.read, self._on_disk, size)
