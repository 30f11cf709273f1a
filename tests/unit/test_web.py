"""The web's own unit tests, where its packages are installed."""

from __future__ import annotations

import json
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


def test_the_lock_file_of_the_web_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
