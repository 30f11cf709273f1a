"""A key that a phone tells in two ways counts once."""

from __future__ import annotations

import pytest

from centralita.telephony.worker.keys import Keys

EVENT, INFO = 0, 1


def _heard(told: list[tuple[str, int, float]]) -> str:
    keys = Keys()
    return "".join(key for key, way, at in told if keys.take(key, way, at))


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ([("1", EVENT, 0.0), ("1", INFO, 0.1)], "1"),
        ([("1", INFO, 0.0), ("1", EVENT, 0.1)], "1"),
        ([("1", EVENT, 0.0), ("1", EVENT, 0.2), ("1", INFO, 0.3), ("1", INFO, 0.4)], "11"),
        ([("1", EVENT, 0.0), ("1", INFO, 0.1), ("1", EVENT, 0.3), ("1", INFO, 0.4)], "11"),
        ([("1", EVENT, 0.0), ("2", EVENT, 0.2), ("1", INFO, 0.3), ("2", INFO, 0.4)], "12"),
        ([("1", EVENT, 0.0), ("1", EVENT, 0.1)], "11"),
        ([("1", INFO, 0.0), ("1", INFO, 0.1)], "11"),
        ([("1", EVENT, 0.0), ("1", INFO, 10.0)], "11"),  # seconds apart: another one
    ],
)
def test_what_was_told_in_both_ways_is_one_key(
    told: list[tuple[str, int, float]], heard: str
) -> None:
    assert _heard(told) == heard
