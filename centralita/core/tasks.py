"""Every asyncio task has a name and an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)

RESTART_PAUSE = 0.2
# Between two cancellations, in seconds: an orderly end may take some time.
CANCELLED_AGAIN = 20.0


class Tasks:
    """Owns the background tasks of one object.

    Keeps a reference (the loop itself holds only a weak one), logs what would otherwise be an
    error that nobody sees, and cancels everything on `close`.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(
        self,
        work: Coroutine[object, object, None],
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> asyncio.Task[None]:
        """Run `work` in a task of that name; `on_error` hears of an exception, once logged."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}: {name}")
        self._tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            if finished.cancelled():
                return
            error = finished.exception()
            if error is not None:
                log.error("task failed", extra={"task": finished.get_name()}, exc_info=error)
                if on_error is not None:
                    on_error(error)

        task.add_done_callback(done)
        return task

    def keep(self, work: Callable[[], Coroutine[object, object, None]], *, name: str) -> None:
        """Run `work` for ever: when it fails, that is logged and it is started anew.

        Not at once: a cause that stays must not fill the log and a core.
        """

        async def again() -> None:
            await asyncio.sleep(RESTART_PAUSE)
            self.keep(work, name=name)

        def died(_: BaseException) -> None:
            self.spawn(again(), name=f"restart of {name}")

        self.spawn(work(), name=name, on_error=died)

    async def settle(self, within: float) -> None:
        """Wait up to `within` seconds for the tasks to end by themselves."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=within)

    async def close(self) -> None:
        """Cancel all tasks and wait until they have ended.

        One that does not end is cancelled again: until Python 3.12 `asyncio.wait_for` forgets a
        cancellation that comes in the moment in which what it waits for is there.
        """
        pending = {task for task in self._tasks if task is not asyncio.current_task()}
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCELLED_AGAIN)
