"""One time for all brains that serve the same calls, whatever the wall clock does between them."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import msgspec

from centralita.core.clock import ClockMark, SteadyClock

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WORTH_TELLING = timedelta(seconds=1)


class _Left(msgspec.Struct):
    """What a brain leaves; a monotonic clock begins anew with each boot."""

    boot: str
    mark: ClockMark


def leave_time(clock: SteadyClock, file: Path) -> None:
    """Let the next brain know the time of this one."""
    left = _Left(boot=_boot(), mark=clock.mark)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(left))
    new.replace(file)


def follow_time(clock: SteadyClock, file: Path) -> None:
    """Go by the time of the brain before this one, whose calls have begun by it."""
    try:
        left = msgspec.json.decode(file.read_bytes(), type=_Left)
    except (OSError, msgspec.MsgspecError) as exc:
        log.warning("the time of the last brain is not known", extra={"error": str(exc)})
        return
    if left.boot != _boot():
        return
    later = clock.follow(left.mark)
    if abs(later) > _WORTH_TELLING:
        log.warning(
            "the wall clock has jumped; the time of the calls that go on is kept",
            extra={"seconds": -round(later.total_seconds())},
        )


def _boot() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()
