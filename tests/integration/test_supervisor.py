"""Real child processes: they die, hang and babble, and are kept alive all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.process import ProcessSpec
from centralita.server.supervisor import Supervisor


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.close()


def child(script: str, *, name: str = "child", grace: float = 5, **env: str) -> ProcessSpec:
    """A child that runs this Python."""
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-S", "-c", script),
        env=env,
        grace=timedelta(seconds=grace),
    )


async def until(holds: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    supervisor.keep(child("import time; time.sleep(60)"))
    await until(lambda: supervisor.pid("child") is not None)
    first = supervisor.pid("child")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pid("child") not in (None, first))
    assert supervisor.restarts("child") == 1
    assert not alive(first)


async def test_a_child_that_hangs_can_be_killed_from_outside(supervisor: Supervisor) -> None:
    """It ignores SIGTERM; only SIGKILL helps."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    supervisor.keep(child(deaf))
    await until(lambda: supervisor.pid("child") is not None)
    first = supervisor.pid("child")
    supervisor.kill("child")
    await until(lambda: supervisor.pid("child") not in (None, first))


async def test_a_deaf_child_is_killed_after_its_grace(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    deaf = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "open(os.environ['READY'], 'w').close(); time.sleep(60)"
    )
    supervisor = Supervisor()
    supervisor.keep(child(deaf, grace=0.3, READY=str(ready)))
    await until(ready.exists)
    pid = supervisor.pid("child")
    assert pid is not None
    began = time.monotonic()
    await supervisor.close()
    assert 0.25 < time.monotonic() - began < 5
    assert not alive(pid)


async def test_a_grandchild_that_lives_on_does_not_hide_the_death(supervisor: Supervisor) -> None:
    """It holds the child's standard error open."""
    supervisor.keep(
        child("import subprocess, sys, time; subprocess.Popen(['sleep', '20']); time.sleep(60)")
    )
    await until(lambda: supervisor.pid("child") is not None)
    first = supervisor.pid("child")
    assert first is not None
    await until(lambda: bool(_children_of(first)))
    (grandchild,) = _children_of(first)
    os.kill(first, signal.SIGKILL)
    try:
        await until(lambda: supervisor.pid("child") not in (None, first), within=5)
    finally:
        for pid in (grandchild, *_children_of(supervisor.pid("child"))):
            os.kill(pid, signal.SIGKILL)


def _children_of(pid: int | None) -> list[int]:
    if pid is None:
        return []
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_last_words_are_kept_and_pauses_grow(supervisor: Supervisor) -> None:
    supervisor.keep(child("import sys; print('no port left', file=sys.stderr); sys.exit(3)"))
    began = time.monotonic()
    await until(lambda: supervisor.restarts("child") >= 3)
    assert time.monotonic() - began > 0.1 + 0.2, "it must not be started in a tight loop"
    assert supervisor.last_words("child") == "no port left"


async def test_a_line_without_end_does_not_stop_the_listening(supervisor: Supervisor) -> None:
    supervisor.keep(
        child("import sys; sys.stderr.write('x' * 300000 + '\\n'); print('end', file=sys.stderr)")
    )
    await until(lambda: supervisor.last_words("child") == "end")


async def test_a_program_that_does_not_exist_is_named(supervisor: Supervisor) -> None:
    supervisor.keep(ProcessSpec(name="child", argv=("/nowhere/kamailio",)))
    await until(lambda: bool(supervisor.last_words("child")))
    assert supervisor.last_words("child") == "/nowhere/kamailio: No such file or directory"


async def test_restarts_leave_no_descriptors_behind(supervisor: Supervisor) -> None:
    supervisor.keep(child("import sys; sys.exit(1)"))
    await until(lambda: supervisor.restarts("child") >= 1)
    before = len(os.listdir("/proc/self/fd"))
    await until(lambda: supervisor.restarts("child") >= 4)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
