"""pjsua2 is not built without the changes that calls depend on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy" / "pjsua2"


def _build(tmp_path: Path, *, without: str) -> subprocess.CompletedProcess[str]:
    """Build a tree in which every file that a patch touches is missing."""
    recipe = tmp_path / "recipe"
    shutil.copytree(BUILD, recipe)
    for patch in (recipe / "patches").glob("*.patch"):
        if not patch.name.startswith(without):
            patch.unlink()
    (tmp_path / "pjproject").mkdir()
    return subprocess.run(
        ["sh", str(recipe / "build.sh"), str(tmp_path / "pjproject"), sys.executable,
         str(tmp_path / "wheels")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "patch", ["07-rtp-source-lock.patch", "11-info-options.patch", "13-sdes-mki.patch"]
)
def test_a_patch_that_calls_depend_on_fails_the_build_when_it_does_not_apply(
    tmp_path: Path, patch: str
) -> None:
    done = _build(tmp_path, without=patch[:2])
    assert done.returncode == 1
    assert f"{patch} does not apply" in done.stderr
    assert "CENTRALITA_PJPROJECT=FILE" in done.stderr


def test_one_that_only_makes_it_quicker_is_left_out_and_named(tmp_path: Path) -> None:
    done = _build(tmp_path, without="05")
    assert "NOTE: 05-rtp-read-once.patch does not apply to this version" in done.stdout
    assert "config_site.h" in done.stderr  # it went on, as far as an empty folder allows
