"""Notices phones that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.core.tasks import Tasks
from centralita.telephony.edge.clock_jumps import JUMP, JumpWatch
from centralita.telephony.edge.control import EdgeControl, Registration
from centralita.telephony.edge.events import (
    PageLost,
    PageRegistered,
    PhoneRegistered,
    PhoneUnregistered,
)

log = logging.getLogger(__name__)

# An edge that has never answered is starting: calls wait for it.
_STARTING = 0.05
# One that has just started answers for some 10 ms before it has read its registrations.
_READING = 0.2


Change = PhoneRegistered | PhoneUnregistered | PageRegistered | PageLost


def changes(before: Mapping[str, Registration], after: Mapping[str, Registration]) -> list[Change]:
    """What happened between two looks; those that left come first.

    A page is a phone of its extension, and its coming and going is told of its own, too. One that
    has come back by another connection between the looks has been away.
    """
    was, now = _by_extension(before), _by_extension(after)
    moved = {
        name
        for name in before.keys() & after.keys()
        if after[name].page and before[name].connection != after[name].connection
    }
    lost = [
        PageLost(extension=before[name].extension)
        for name in sorted((before.keys() - after.keys()) | moved)
        if before[name].page
    ]
    left = [PhoneUnregistered(extension=name) for name in sorted(was.keys() - now.keys())]
    came = [
        PhoneRegistered(extension=name, user_agent=now[name].user_agent)
        for name in sorted(now.keys() - was.keys())
    ]
    found = [
        PageRegistered(extension=after[name].extension)
        for name in sorted((after.keys() - before.keys()) | moved)
        if after[name].page
    ]
    return [*lost, *left, *came, *found]


def _by_extension(registered: Mapping[str, Registration]) -> dict[str, Registration]:
    return {registration.extension: registration for registration in registered.values()}


class RegistrationWatch:
    """Looks at the registrations at every `interval` and publishes what changed.

    An edge that does not answer for `patience` has no phones: agents behind it cannot be rung.
    Nor is it believed for so long when the clock has jumped: it takes all registrations for
    expired until its launcher has put them right. And when all phones have gone at once, it is
    asked a second time: it may have died and be reading its registrations.
    """

    def __init__(
        self,
        control: EdgeControl,
        publish: Callable[[Event], None],
        *,
        interval: timedelta = timedelta(seconds=1),
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._control = control
        self._publish = publish
        self._interval = interval.total_seconds()
        self._patience = patience.total_seconds()
        self._tasks = Tasks("edge")
        self._known: dict[str, Registration] = {}
        self._jumps = JumpWatch()
        self._jumped_at: float | None = None
        self._doubted = False
        self.answering = False
        self._first = asyncio.Event()

    @property
    def registered(self) -> Mapping[str, Registration]:
        """The registrations at the last look, by name (see `control.page_name`)."""
        return self._known

    def start(self) -> None:
        """Begin to watch."""
        self._tasks.spawn(self._watch(), name="watch registrations")

    async def looked(self, within: float) -> None:
        """Wait for the first answer of the edge, but not longer than `within` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first.wait(), within)

    async def close(self) -> None:
        """Stop watching; says nothing more."""
        await self._tasks.close()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        answered_at = loop.time()
        pause = _STARTING
        while True:
            try:
                current = await self._control.registrations()
            except Unavailable as exc:
                if self.answering:
                    log.warning("edge does not answer", extra={"reason": str(exc)})
                self.answering = False
                if loop.time() - answered_at > self._patience:
                    self._take({})
            else:
                answered_at = loop.time()
                self.answering = True
                pause = self._interval
                if self._is_doubtful(current):
                    pause = min(pause, _READING)
                elif not self._is_confused(loop.time()):
                    self._take(current)
                self._first.set()
            await asyncio.sleep(pause)

    def _is_doubtful(self, current: Mapping[str, Registration]) -> bool:
        """Whether everybody has gone since the last look, and it was not asked again yet."""
        self._doubted = bool(self._known) and not current and not self._doubted
        return self._doubted

    def _is_confused(self, now: float) -> bool:
        """Whether the clock has jumped so lately that the edge may not be right again."""
        if abs(self._jumps.look()) <= JUMP:
            return False
        if self._jumped_at is None:
            self._jumped_at = now
        if now - self._jumped_at <= self._patience:
            return True
        self._jumped_at = None
        self._jumps.told()
        return False

    def _take(self, current: dict[str, Registration]) -> None:
        happened = changes(self._known, current)
        self._known = current
        for event in happened:
            self._publish(event)
