"""The load bench itself, with a handful of calls: it counts what there is to count."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.load import run
from bench.load.cases import CASES
from bench.load.generator import build
from bench.load.report import Row, table
from bench.load.run import run_case


@pytest.fixture
async def program(tmp_path: Path) -> Path:
    return await build(tmp_path)


async def test_conversations_that_are_held_are_heard_and_paid_for(program: Path) -> None:
    row = await run_case(CASES["bridged"], 2, program=program, seconds=2, total=0, workers=1)
    assert (row.calls, row.failed, row.lost, row.lost_towards_server) == (2, 0, 0, 0)
    # Four legs of fifty packets a second.
    assert 300 < row.packets_heard <= 450
    assert row.cpu_s_per_call_min is not None and row.cpu_s_per_call_min > 0
    assert {"brain", "edge", "keeper", "media worker-0"} <= set(row.cpu_by_process)
    assert row.ring_p99_ms is not None and 0 < row.setup_p50_ms < row.ring_p99_ms
    assert "bridged" in table([row])


async def test_calls_that_pass_are_counted_one_by_one(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "REMEMBERED", 0.0)  # what memory is left, nobody asks here
    row = await run_case(CASES["short"], 10, program=program, seconds=0, total=12, workers=1)
    assert (row.calls, row.failed) == (12, 0)
    assert row.cpu_ms_per_call is not None and row.cpu_ms_per_call > 0
    assert row.setup_p50_ms <= row.setup_p99_ms
    assert msgspec.json.decode(msgspec.json.encode(row), type=Row) == row
