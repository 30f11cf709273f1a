"""The ledger of tests that had to be tried twice: a change never waits for one that stumbled, and
none is forgotten."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

LEDGER = Path(__file__).resolve().parents[1] / "flakes.md"
_LONGEST_CAUSE = 160


def stumbled(ledger: str, test: str, why: str, on: date) -> str:
    """The ledger with one more line, unless this test is in it and its cause is still open."""
    row = re.compile(rf"^\| [^|]* \| `{re.escape(test)}` \|.*\| open \|$", re.MULTILINE)
    if row.search(ledger):
        return ledger
    cause = " ".join(why.split())[:_LONGEST_CAUSE].replace("|", "\\|") or "not looked into"
    return f"{ledger.rstrip()}\n| {on.isoformat()} | `{test}` | {cause} | open |\n"


class Ledger:
    """A pytest plugin: what is tried twice is printed and entered. One process enters."""

    def __init__(self, file: Path = LEDGER) -> None:
        self._file = file
        self._tried_twice: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test of this process, or of one of those that work for it."""
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures
            crash = getattr(report.longrepr, "reprcrash", None)
            said = str(getattr(crash, "message", "") or report.longreprtext.rpartition("\n")[2])
            self._tried_twice[report.nodeid] = said

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """At the end, in the order in which they stumbled."""
        if not self._tried_twice:
            return
        terminalreporter.section("tried twice: each goes into tests/flakes.md, with its cause")
        today = datetime.now(UTC).date()
        for test, why in self._tried_twice.items():
            terminalreporter.line(f"{test}: {why.splitlines()[0] if why else ''}")
            before = self._file.read_text(encoding="utf-8")
            self._file.write_text(stumbled(before, test, why, today), encoding="utf-8")
