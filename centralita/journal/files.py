"""The journal's folder: which files there are, what a start finds in them. Blocking."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from centralita.core.errors import CentralitaError, Conflict
from centralita.core.files import sync_folder
from centralita.journal.segment import (
    HEADER_SIZE,
    MAX_RECORD,
    Header,
    Record,
    pack_header,
    read_header,
    records_in,
)

log = logging.getLogger(__name__)

_SUFFIX = ".journal"


class JournalError(CentralitaError):
    """The journal cannot be read or written."""

    code = "journal"


@dataclass(frozen=True, slots=True)
class Segment:
    """A file and the number of its first record."""

    first: int
    path: Path


class Folder:
    """The files of one journal, in order. One process at a time has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = b""
        self.segments: tuple[Segment, ...] = ()
        self._lock = -1
        self._file = -1
        self._size = 0

    def open(self) -> int:
        """Read what is there and cut a tail that was never finished; returns the last number.

        Raises Conflict when another process has the folder, JournalError when it cannot be read.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take()
            return self._look_through()
        except OSError as exc:
            self.close()
            raise JournalError(f"{self.path} cannot be read: {exc.strerror}") from exc
        except CentralitaError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._file >= 0

    @property
    def size(self) -> int:
        """Of the newest file, in bytes."""
        return self._size

    def begin_segment(self, first: int) -> None:
        """Go on in a new file, whose first record will have that number."""
        if self._size == HEADER_SIZE and self.segments and self.segments[-1].first == first:
            return  # an empty one: nothing has come since it was begun
        path = self.path / f"{first:016d}{_SUFFIX}"
        if not self.identity:
            self.identity = secrets.token_bytes(16)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, pack_header(Header(self.identity, first)), 0)
            os.fdatasync(file)
            sync_folder(self.path)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, HEADER_SIZE
        self.segments = (*self.segments, Segment(first, path))

    def write(self, data: bytes) -> None:
        """Add whole records and wait until they are on disk.

        After an error the same data can be written again: it goes to the same place.
        """
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], self._size + written)
        os.fdatasync(self._file)
        self._size += len(data)

    def drop_before(self, first: int) -> int:
        """Delete the files before the one that begins with that number; returns how many."""
        gone = [segment for segment in self.segments[:-1] if segment.first < first]
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        self.segments = tuple(segment for segment in self.segments if segment not in gone)
        return len(gone)

    # --- a start ----------------------------------------------------------------------------

    def _take(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Conflict(
                f"another Centralita uses {self.path}; stop it, or give this one a data folder "
                "of its own"
            ) from exc

    def _look_through(self) -> int:
        found = []
        for path in sorted(self.path.glob(f"*{_SUFFIX}")):
            with path.open("rb") as file:
                header = read_header(file.read(HEADER_SIZE))
            if header is None:
                # A file is made whole before anything is written to it: this one is empty.
                log.warning("journal file was never begun, removing it", extra={"file": str(path)})
                path.unlink()
                continue
            if self.identity and header.identity != self.identity:
                raise JournalError(
                    f"{path} belongs to another journal; move it away, or restore the whole folder"
                )
            self.identity = header.identity
            found.append(Segment(header.first, path))
        self.segments = tuple(found)
        if not found:
            self.begin_segment(1)
            return 0
        return self._open_last(found[-1])

    def _open_last(self, segment: Segment) -> int:
        self._file = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        data = segment.path.read_bytes()
        last, whole = segment.first - 1, HEADER_SIZE
        for record, end in records_in(data, HEADER_SIZE):
            last, whole = record.number, end
        if whole < len(data):
            log.warning(
                "journal ends in a record that was never finished, cutting it off",
                extra={"file": str(segment.path), "offset": whole, "bytes": len(data) - whole},
            )
            os.ftruncate(self._file, whole)
            os.fdatasync(self._file)
        self._size = whole
        return last


class Reader:
    """Reads records in order, through the files, up to where they are known to be on disk."""

    def __init__(self, folder: Folder, *, after: int) -> None:
        self._folder = folder
        self._last = after
        self._segment: Segment | None = None
        self._place = HEADER_SIZE

    def read(self, until: int, size: int) -> list[Record]:
        """The next records up to number `until`, at least one and about `size` bytes if there are
        any. A damaged place costs the rest of its file, and is logged."""
        while self._last < until:
            if self._segment is None and not self._next_segment():
                return []
            found = self._read(until, size)
            if found:
                self._last = found[-1].number
                return found
            if not self._is_over():
                self._skip_to(until)
        return []

    def _next_segment(self) -> bool:
        """Go to the file that holds the next record."""
        segments = self._folder.segments
        holding = [segment for segment in segments if segment.first <= self._last + 1]
        self._segment = holding[-1] if holding else (segments[0] if segments else None)
        self._place = HEADER_SIZE
        return self._segment is not None

    def _read(self, until: int, size: int) -> list[Record]:
        assert self._segment is not None
        while True:
            with self._segment.path.open("rb") as file:
                file.seek(self._place)
                data = file.read(size)
            found: list[Record] = []
            place = self._place
            for record, end in records_in(data):
                if record.number > until:
                    break
                self._place = place + end
                if record.number > self._last:
                    found.append(record)
            if found or len(data) < size or size > MAX_RECORD:
                return found
            if self._place == place:
                size *= 2  # one record is longer than what was read

    def _is_over(self) -> bool:
        """Whether there is a later file to go on with; the newest is never over."""
        assert self._segment is not None
        later = [s for s in self._folder.segments if s.first > self._segment.first]
        if not later:
            return False
        if later[0].first > self._last + 1:
            self._skip_to(later[0].first - 1)
        self._segment, self._place = later[0], HEADER_SIZE
        return True

    def _skip_to(self, number: int) -> None:
        """Records up to `number` cannot be read any more."""
        assert self._segment is not None
        log.error(
            "journal is damaged, records are lost",
            extra={
                "file": str(self._segment.path),
                "offset": self._place,
                "first": self._last + 1,
                "last": number,
            },
        )
        self._last = number
