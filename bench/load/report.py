"""A run's figures as a row, a table of rows, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.load.generator import Report
from bench.load.meter import Reading


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One run. CPU is of all our processes together unless it is by process.

    `calls` are those at once when calls are held, else those made. A conversation is one call.
    `reference_ms` says how fast the machine was meanwhile: see `meter.reference`.
    """

    case: str
    size: int
    calls: int
    seconds: float
    failed: int
    lost_pct: float
    late_pct: float
    delay_p99_ms: int
    cpu_s_per_call_min: float | None
    cpu_ms_per_call: float | None
    cpu_pct_of_core: float
    rss_kib_per_call: float | None
    rss_after_pct: float
    setup_p50_ms: float
    setup_p99_ms: float
    ring_p50_ms: float | None
    ring_p99_ms: float | None
    cpu_by_process: dict[str, float]
    memory_kib_by_process: dict[str, int]
    generator_cpu_pct: float
    generator_lag_ms: float
    packets_heard: int
    lost: int
    late: int
    lost_towards_server: int
    reference_ms: float


def make_row(
    *,
    case: str,
    size: int,
    held: bool,
    report: Report,
    setup: Report,
    before: Reading,
    begin: Reading,
    end: Reading,
    after: Reading,
    generator_cpu_s: float,
    failed: int,
    reference_ms: float,
) -> Row:
    """The figures of one run.

    `report` counts from `begin` to `end`; `setup` is where the set-ups were counted; `before`
    was read before the first call and `after` after the last.
    """
    by_process = {name: end.cpu_s[name] - begin.cpu_s.get(name, 0.0) for name in sorted(end.cpu_s)}
    cpu = sum(by_process.values())
    calls = size if held else report.ended
    heard = report.received + report.lost
    per = (
        calls * report.seconds / 60  # call-minutes
        if held
        else max(calls, 1) / 1000
    )
    return Row(
        case=case,
        size=size,
        calls=calls,
        seconds=round(report.seconds, 1),
        failed=failed,
        lost_pct=_percent(report.lost, heard),
        late_pct=_percent(report.late, report.received),
        delay_p99_ms=report.delay_ms(0.99),
        cpu_s_per_call_min=round(cpu / per, 4) if held else None,
        cpu_ms_per_call=None if held else round(cpu / per, 2),
        cpu_pct_of_core=round(100 * cpu / report.seconds, 1),
        rss_kib_per_call=round((end.total_kib - before.total_kib) / calls, 1) if held else None,
        rss_after_pct=round(100 * (after.total_kib / before.total_kib - 1), 1),
        setup_p50_ms=round(setup.setup_ms_p50, 1),
        setup_p99_ms=round(setup.setup_ms_p99, 1),
        ring_p50_ms=round(setup.ring_ms_p50, 1) if setup.rung else None,
        ring_p99_ms=round(setup.ring_ms_p99, 1) if setup.rung else None,
        cpu_by_process={name: round(used / per, 4) for name, used in by_process.items()},
        memory_kib_by_process={
            name: after.memory_kib[name] - before.memory_kib.get(name, 0)
            for name in sorted(after.memory_kib)
        },
        generator_cpu_pct=round(100 * generator_cpu_s / report.seconds, 1),
        generator_lag_ms=report.worst_lag_ms,
        packets_heard=report.received,
        lost=report.lost,
        late=report.late,
        lost_towards_server=report.reported_lost,
        reference_ms=reference_ms,
    )


def table(rows: Sequence[Row]) -> str:
    """What is printed at the end."""
    head = (
        f"{'case':>10}{'size':>6}{'calls':>7}{'failed':>7}{'lost %':>8}{'late %':>8}"
        f"{'CPU-s/call-min':>15}{'CPU-ms/call':>12}{'KiB/call':>9}{'after':>7}"
        f"{'setup p50/p99 ms':>18}{'ring p50/p99':>14}{'generator':>10}{'reference':>10}"
    )
    lines = [head]
    for row in rows:
        lines.append(
            f"{row.case:>10}{row.size:>6}{row.calls:>7}{row.failed:>7}{row.lost_pct:>8.3f}"
            f"{row.late_pct:>8.3f}{_or_dash(row.cpu_s_per_call_min, 4):>15}"
            f"{_or_dash(row.cpu_ms_per_call, 1):>12}{_or_dash(row.rss_kib_per_call, 0):>9}"
            f"{row.rss_after_pct:>+6.0f}%{row.setup_p50_ms:>10.1f}/{row.setup_p99_ms:<7.1f}"
            f"{_or_dash(row.ring_p50_ms, 1):>7}/{_or_dash(row.ring_p99_ms, 1):<6}"
            f"{row.generator_cpu_pct:>8.0f} %{row.reference_ms:>7.2f} ms"
        )
        unit = "CPU-s per call-minute" if row.cpu_s_per_call_min is not None else "CPU-ms per call"
        parts = ", ".join(f"{name} {used:.4g}" for name, used in row.cpu_by_process.items())
        lines.append(f"{'':>10}{unit}: {parts}")
    return "\n".join(lines)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4) if whole else 0.0


def _or_dash(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
