"""`./dev bench load [--case NAME] [--calls N] [--seconds S] [--json FILE]`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.load.cases import CASES, Shape
from bench.load.generator import build
from bench.load.report import Row, table
from bench.load.run import run_case


async def main(arguments: Sequence[str]) -> int:
    """Run the cases, print the table, write the JSON; 1 when a call failed."""
    parser = argparse.ArgumentParser(
        prog="./dev bench load",
        description="A server in its own processes under many real calls at once.",
    )
    parser.add_argument("--case", choices=[*CASES], action="append", help="default: all")
    parser.add_argument(
        "--calls", type=int, default=0, help="held: calls at once; passing: end after so many"
    )
    parser.add_argument("--rate", type=int, default=0, help="passing: new calls a second")
    parser.add_argument("--seconds", type=float, default=60, help="how long the load is held")
    parser.add_argument("--workers", type=int, default=1, help="media workers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="centralita-generator-") as folder:
        program = await build(Path(folder))
        for name in options.case or [*CASES]:
            case = CASES[name]
            held = case.shape is Shape.HELD
            size_asked = options.calls if held else options.rate
            for size in (size_asked,) if size_asked else case.sizes:
                row = await run_case(
                    case,
                    size,
                    program=program,
                    seconds=options.seconds,
                    total=0 if held else options.calls or case.total,
                    workers=options.workers,
                )
                rows.append(row)
                print(table([row]), flush=True)
    if len(rows) > 1:
        print("\n" + table(rows))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    return 1 if any(row.failed for row in rows) else 0
