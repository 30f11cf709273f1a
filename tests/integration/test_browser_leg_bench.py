"""The bench of the browser leg finds chirps in both directions, and loses what it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.browser_leg import measure
from tests.support.browser import why_skip

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())


async def test_a_short_case_measures_both_directions_with_packets_really_lost(
    tmp_path: Path,
) -> None:
    to_agent, to_caller = await measure(tmp_path, [10], 5, seed=1)
    for one in (to_agent, to_caller):
        assert one.chirps >= 2
        # Sixty milliseconds are in the frames and codecs alone.
        assert 20 < one.delay_p50_ms < 800
        assert 3 < one.lost_percent < 20
        assert 1 < one.mos < 4.4
    assert to_agent.buffer_ms is not None and to_agent.buffer_ms > 0
    assert to_agent.missing_percent > 0
