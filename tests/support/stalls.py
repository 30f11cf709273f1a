"""How long an event loop is kept from everybody else, by its own work alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_EVERY = 0.001


@dataclass
class Stalls:
    """`longest` is the most that the loop's thread has worked between two looks, in seconds of
    CPU: a busy machine makes the looks rarer, and what is between two of them no longer."""

    longest: float = 0.0
    looks: int = 0


@asynccontextmanager
async def stalls() -> AsyncIterator[Stalls]:
    """Looks at this thread's CPU time in each round of the loop."""
    found = Stalls()

    async def look() -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(_EVERY)
            now = time.thread_time()
            found.longest, found.looks = max(found.longest, now - before), found.looks + 1
            before = now

    async with asyncio.TaskGroup() as group:
        task = group.create_task(look())
        try:
            yield found
        finally:
            task.cancel()
