"""Rules of the house that no linter of others knows."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "centralita"
# The one place that makes tasks.
TASKS = PACKAGE / "core" / "tasks.py"


def bare_tasks(source: str) -> Iterator[int]:
    """Line numbers of calls to create_task or ensure_future, on whatever object."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(attr="create_task" | "ensure_future"):
                    yield node.lineno
                case ast.Name(id="create_task" | "ensure_future"):
                    yield node.lineno


def test_every_task_is_spawned_through_tasks() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if path != TASKS
        for line in bare_tasks(path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


@pytest.mark.parametrize(
    "source",
    [
        "loop.create_task(work())",
        "asyncio.create_task(work())",
        "create_task(work())",
        "asyncio.ensure_future(work())",
    ],
)
def test_a_bare_task_is_found_however_it_is_written(source: str) -> None:
    assert list(bare_tasks(source)) == [1]


def test_the_lock_files_name_no_package_index() -> None:
    locks = [*ROOT.glob("requirements*.txt"), *ROOT.glob("deploy/pjsua2/*.txt")]
    assert len(locks) >= 4
    for lock in locks:
        lines = lock.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")], lock
        assert any(line.lstrip().startswith("--hash=sha256:") for line in lines), lock


@pytest.mark.parametrize(
    "script", ["dev", "tools/as-own-user", "tools/lock-requirements", "deploy/pjsua2/build.sh"]
)
def test_the_scripts_are_plain_shell(script: str) -> None:
    assert (ROOT / script).read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", script], cwd=ROOT, check=True)


def test_an_unknown_command_is_answered_with_what_there_is() -> None:
    answer = subprocess.run(["./dev", "sreve"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 2
    assert './dev does not know "sreve"' in answer.stderr
    assert "serve [--demo]" in answer.stderr
