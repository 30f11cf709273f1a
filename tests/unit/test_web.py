"""The web's own unit tests, where its packages are installed."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.browser import WEB, node_path

VITEST = WEB / "node_modules" / "vitest" / "vitest.mjs"


@pytest.mark.skipif(
    node_path() is None or not VITEST.exists(), reason="needs the packages of the web"
)
def test_the_unit_tests_of_the_web_pass() -> None:
    done = subprocess.run(
        [node_path() or "", str(VITEST), "run"],
        cwd=WEB, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
