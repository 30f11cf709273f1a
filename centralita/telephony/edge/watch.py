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
from centralita.telephony.edge.control import EdgeControl, Registration
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered

log = logging.getLogger(__name__)

# An edge that has never answered is starting: calls wait for it.
_STARTING = 0.05


def changes(
    before: Mapping[str, Registration], after: Mapping[str, Registration]
) -> list[PhoneRegistered | PhoneUnregistered]:
    """What happened between two looks; those that left come first."""
    left = [PhoneUnregistered(extension=name) for name in sorted(before.keys() - after.keys())]
    came = [
        PhoneRegistered(extension=name, user_agent=after[name].user_agent)
        for name in sorted(after.keys() - before.keys())
    ]
    return [*left, *came]


class RegistrationWatch:
    """Looks at the registrations at every `interval` and publishes what changed.

    An edge that does not answer for `patience` has no phones: agents behind it cannot be rung.
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
        self.answering = False
        self._first = asyncio.Event()

    @property
    def registered(self) -> Mapping[str, Registration]:
        """The registrations at the last look."""
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
                self._take(current)
                self._first.set()
                pause = self._interval
            await asyncio.sleep(pause)

    def _take(self, current: dict[str, Registration]) -> None:
        happened = changes(self._known, current)
        self._known = current
        for event in happened:
            self._publish(event)
