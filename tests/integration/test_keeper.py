"""Real brains, small ones: they die, hang and give up, below a real keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.server.keeper import Keeper
from centralita.server.supervision import WIRE, Keep
from tests.integration.test_supervisor import alive, until

BRAIN = """
import asyncio, os, sys
from datetime import timedelta
from pathlib import Path
from centralita.core.process import ProcessSpec
from centralita.server.keeper_link import KeeperLink

async def main(folder):
    link = await KeeperLink.connect(Path(os.environ["CENTRALITA_KEEPER"]))
    found = link.pid("worker")
    spec = ProcessSpec(
        name="worker",
        argv=(sys.executable, "-S", "-c", "import time; time.sleep(60)"),
        grace=timedelta(seconds=5),
    )
    link.keep(spec)
    while link.pid("worker") is None:
        await asyncio.sleep(0.01)
    {then}
    with (folder / "story").open("a") as story:
        story.write(f"{{os.getpid()}} {{found}} {{link.pid('worker')}}\\n")
    await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1])))
"""

BOTH = {"SIGHUP", "SIGUSR2"}


def brain_of(folder: Path, *, then: str = "link.serving()") -> tuple[str, ...]:
    """The command of a brain that writes its story into the folder."""
    return (sys.executable, "-c", BRAIN.format(then=then), str(folder))


class Story:
    """What the brains wrote: their pid, the worker they found at the start, the one they left."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "story"

    def lines(self) -> list[list[int | None]]:
        if not self._file.exists():
            return []
        text = self._file.read_text()
        whole = text[: text.rfind("\n") + 1]
        return [
            [None if word == "None" else int(word) for word in line.split()]
            for line in whole.splitlines()
        ]


@asynccontextmanager
async def kept(
    folder: Path, *, then: str = "link.serving()", hangs_after: float = 20
) -> AsyncIterator[tuple[Keeper, Awaitable[int], Callable[[], list[list[int | None]]]]]:
    keeper = Keeper(
        folder / "keeper.sock",
        brain_of(folder, then=then),
        hangs_after=timedelta(seconds=hangs_after),
    )
    tasks = Tasks("keeper")
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        ended.set_result(await keeper.run())

    tasks.spawn(run(), name="run")
    try:
        yield keeper, ended, Story(folder).lines
    finally:
        if not ended.done():
            keeper.stop()
            await ended
        await tasks.close()


async def test_a_killed_brain_is_followed_by_one_that_finds_its_children_at_work(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path) as (_, _, story):
        await until(lambda: len(story()) == 1)
        first, found, worker = story()[0]
        assert found is None and first is not None and worker is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(story()) == 2)
        second, *workers = story()[1]
        assert second != first
        assert workers == [worker, worker]
        assert alive(worker)


async def test_a_brain_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with kept(tmp_path, hangs_after=1) as (_, _, story):
        await until(lambda: len(story()) == 1)
        first = story()[0][0]
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await until(lambda: len(story()) == 2)
        assert not alive(first)


async def test_a_brain_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    async with kept(tmp_path, then="sys.exit(3)") as (_, ended, story):
        assert await ended == 3
        assert story() == []


async def test_who_is_not_the_brain_cannot_have_anything_run(tmp_path: Path) -> None:
    """A media worker that a stranger has taken over is of the same user, and in the same folder."""
    async with kept(tmp_path) as (_, _, story):
        await until(lambda: len(story()) == 1)
        mark = tmp_path / "done"
        spec = ProcessSpec(name="mischief", argv=("/usr/bin/touch", str(mark)))
        reader, writer = await asyncio.open_unix_connection(tmp_path / "keeper.sock")
        WIRE.send(writer, Keep(spec=spec))
        # It is sent away without a word, and the brain is heard as before.
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        brain, _, worker = story()[0]
        assert brain is not None and alive(brain)
        assert worker is not None and alive(worker)
        assert not mark.exists()


async def test_sigterm_ends_the_brain_first_and_then_its_children(tmp_path: Path) -> None:
    async with kept(tmp_path) as (keeper, ended, story):
        await until(lambda: len(story()) == 1)
        brain, _, worker = story()[0]
        keeper.stop()
        assert await ended == 128 + signal.SIGTERM  # this brain has no better end
        assert brain is not None and not alive(brain)
        assert worker is not None and not alive(worker)


async def test_signals_wait_for_a_brain_that_can_take_them(tmp_path: Path) -> None:
    slow = """
    import signal
    await asyncio.sleep(0.5)
    def take(number):
        with (folder / "taken").open("a") as taken:
            taken.write(number.name + " ")
    for number in (signal.SIGHUP, signal.SIGUSR2):
        asyncio.get_running_loop().add_signal_handler(number, take, number)
    link.serving()"""
    async with kept(tmp_path, then=slow) as (keeper, _, story):
        keeper.reload()
        keeper.renew()
        await until(lambda: len(story()) == 1)
        taken = tmp_path / "taken"
        await until(lambda: taken.exists() and set(taken.read_text().split()) >= BOTH)
