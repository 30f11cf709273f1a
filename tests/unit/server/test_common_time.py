"""A brain that takes over calls goes by the time of the one before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.clock import SteadyClock
from centralita.server import common_time
from centralita.server.common_time import follow_time, leave_time


def _of_an_hour_ago() -> SteadyClock:
    """The clock of a brain that began before the wall clock jumped by an hour."""
    clock = SteadyClock()
    clock.follow(replace(clock.mark, wall=clock.mark.wall - timedelta(hours=1)))
    return clock


def test_the_next_brain_has_the_time_of_the_one_before(tmp_path: Path) -> None:
    first, second = _of_an_hour_ago(), SteadyClock()
    leave_time(first, tmp_path / "time.json")
    follow_time(second, tmp_path / "time.json")
    assert abs(second.now() - first.now()) < timedelta(milliseconds=50)


def test_after_another_boot_the_wall_clock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_time(_of_an_hour_ago(), tmp_path / "time.json")
    monkeypatch.setattr(common_time, "_boot", lambda: "another")
    second = SteadyClock()
    before = second.now()
    follow_time(second, tmp_path / "time.json")
    assert second.now() - before < timedelta(minutes=1)


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_without_a_readable_time_the_wall_clock_counts(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "time.json").write_text(text)
    clock = SteadyClock()
    before = clock.now()
    follow_time(clock, tmp_path / "time.json")
    assert timedelta(0) <= clock.now() - before < timedelta(minutes=1)
