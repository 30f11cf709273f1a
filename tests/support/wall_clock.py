"""A wall clock that jumps, for the processes of one server; the monotonic one goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

_LIBRARY = "*/faketime/libfaketimeMT.so.1"


class WallClock:
    """Give `env` to the processes, then let the clock `jump`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self._offset = 0.0
        self.jump(timedelta(0))
        self.env = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # Else one process would notice up to a second after another, as with no real clock.
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.env["CENTRALITA_PASS"] = ",".join(self.env)

    def jump(self, by: timedelta) -> None:
        """From one second to the next it is so much later, or earlier."""
        self._offset += by.total_seconds()
        # Renamed: whoever reads it finds the old time or the new one.
        new = self._file.with_suffix(".new")
        new.write_text(f"{self._offset:+.0f}\n", encoding="ascii")
        new.replace(self._file)


def _library() -> Path:
    found = next(Path("/usr/lib").glob(_LIBRARY), None)
    assert found is not None, "libfaketime is not installed: apt-get install libfaketime"
    return found
