"""The ledger of tests that had to be tried twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.flakes import LEDGER, stumbled

pytest_plugins = ("pytester",)

TODAY = date(2026, 1, 5)
STUMBLES_ONCE = """
    import pytest
    tries = []
    @pytest.mark.parametrize("number", [1])
    def test_it(number):
        tries.append(1)
        assert len(tries) > 1, "too | soon"
    def test_other():
        pass
"""


def test_a_test_is_entered_once_while_its_cause_is_open() -> None:
    ledger = stumbled(LEDGER.read_text(encoding="utf-8"), "tests/a.py::b[1]", "x |\ny", TODAY)
    assert ledger.endswith("| 2026-01-05 | `tests/a.py::b[1]` | x \\| y | open |\n")
    assert stumbled(ledger, "tests/a.py::b[1]", "another", TODAY) == ledger
    mended = ledger.replace("| open |", "| mended |")
    assert stumbled(mended, "tests/a.py::b[1]", "another", TODAY).count("tests/a.py::b[1]") == 2


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_that_stumbles_passes_and_is_entered(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: str
) -> None:
    ledger = tmp_path / "flakes.md"
    ledger.write_text("| date | test | cause | state |\n|---|---|---|---|\n")
    pytester.makeconftest(
        f"""
        from pathlib import Path
        from tests.support.flakes import Ledger
        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Ledger(Path({str(ledger)!r})), "ledger")
        """
    )
    pytester.makepyfile(test_stumbling=STUMBLES_ONCE)
    monkeypatch.setenv("PYTHONPATH", str(LEDGER.parents[1]))
    done = pytester.runpytest_subprocess("--reruns", "1", "-n", workers, "-p", "no:cacheprovider")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*tried twice*", "*test_stumbling.py::test_it[[]1]: *too | soon*"])
    (line,) = ledger.read_text().splitlines()[2:]
    assert "`test_stumbling.py::test_it[1]`" in line and line.endswith("| open |")
