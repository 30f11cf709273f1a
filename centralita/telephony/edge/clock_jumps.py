"""A jump of the machine's clock must not end the registrations, which Kamailio times by it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

# Registrations last half a minute at least: less of a jump, in seconds, only shortens one.
JUMP = 20.0

# Kamailio's SQLite has times as Julian days.
_DAY = 86400.0
_EPOCH = 2440587.5

Row = Mapping[str, object]


class JumpWatch:
    """Tells by how many seconds the wall clock has jumped against the monotonic one."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def look(self) -> float:
        """Since the last jump that was told; small steps add up until they are told."""
        return time.time() - time.monotonic() - self._offset

    def told(self) -> None:
        """That jump is dealt with."""
        self._offset = time.time() - time.monotonic()


class RegistrationMemory:
    """What stood in Kamailio's table of registrations a moment ago.

    Kamailio strikes out what seems to have expired within a second of a jump; from here it can be
    put back.
    """

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, timeout=2.0)
        self._database.row_factory = sqlite3.Row
        self._version = -1
        self._rows: dict[str, Row] = {}

    def look(self, jumps: JumpWatch, tolerated: float) -> None:
        """Take in what has changed, unless the clock has jumped meanwhile."""
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        rows = self._read()
        if abs(jumps.look()) < tolerated:
            self._version, self._rows = version, rows

    def put_back(self, jump: float) -> int:
        """Write the registrations with their times `jump` seconds later; returns how many.

        Kamailio must not run. Those that came after the jump stay as they are.
        """
        now = _EPOCH + time.time() / _DAY
        shift = jump / _DAY
        with closing(self._database.cursor()) as cursor:
            rows = {
                ruid: row if _is_of(now, now - shift, row) else shifted(row, shift)
                for ruid, row in {**self._rows, **self._read()}.items()
            }
            cursor.execute("DELETE FROM location")
            for row in rows.values():
                names = ", ".join(row)
                marks = ", ".join("?" * len(row))
                cursor.execute(
                    f"INSERT INTO location ({names}) VALUES ({marks})",  # its own columns
                    tuple(row.values()),
                )
        self._database.commit()
        self._rows, self._version = rows, -1
        return len(rows)

    def _read(self) -> dict[str, Row]:
        found = self._database.execute("SELECT * FROM location").fetchall()
        return {str(row["ruid"]): {name: row[name] for name in row.keys()} for row in found}  # noqa: SIM118  # a Row iterates over its values


def shifted(row: Row, days: float) -> Row:
    """A registration that was made, and expires, so much later."""
    times = {name: row[name] for name in ("expires", "last_modified")}
    # 0 is a registration without an end.
    return {
        **row,
        **{
            name: value + days
            for name, value in times.items()
            if isinstance(value, float) and value > _EPOCH
        },
    }


def _is_of(now: float, before: float, row: Row) -> bool:
    """Whether a registration was written in the present time, and not in that before the jump."""
    written = row["last_modified"]
    return isinstance(written, float) and abs(written - now) < abs(written - before)
