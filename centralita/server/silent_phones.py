"""What becomes of a call whose agent's phone has died.

A phone that is switched off or cut off says no good-bye: only its sound and its reports cease. When
a worker has told so, its caller hears music; a phone that does not come back is given up, and the
caller is offered on. Pages are watched more closely, in `page_phones`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from centralita.core.bus import Bus
from centralita.core.ids import LegId
from centralita.core.tasks import Tasks
from centralita.telephony.call import (
    CallControl,
    EndReason,
    KeptLeg,
    LegEnded,
    LegEvent,
    LegSilent,
    TelephonyError,
)

log = logging.getLogger(__name__)

# How long a phone that has fallen silent may come back, in seconds.
_COMES_BACK = 4.0


class SilentPhones:
    """One for the house."""

    def __init__(
        self,
        control: CallControl,
        bus: Bus,
        is_agents: Callable[[LegId], bool],
        *,
        comes_back: float = _COMES_BACK,
    ) -> None:
        """`is_agents` says whether a leg is an agent's part in a conversation."""
        self._control = control
        self._is_agents = is_agents
        self._comes_back = comes_back
        self._silent: dict[LegId, asyncio.TimerHandle] = {}
        self._tasks = Tasks("silent phones")
        self._unhear = bus.subscribe(LegEvent, self._take)

    def start(self, kept: Iterable[KeptLeg]) -> None:
        """Take up the legs of the server before this one."""
        for leg in kept:
            if leg.silent and not leg.page and leg.ended is None:
                self._wait_for(leg.leg_id)

    async def close(self) -> None:
        """Give up nobody any more."""
        self._unhear()
        for timer in self._silent.values():
            timer.cancel()
        await self._tasks.close()

    def _take(self, event: LegEvent) -> None:
        match event:
            case LegSilent(leg_id=leg_id, silent=True, page="") if self._is_agents(leg_id):
                log.warning("an agent's phone is silent", extra={"leg_id": leg_id})
                self._wait_for(leg_id)
            case LegSilent(leg_id=leg_id, silent=False) | LegEnded(leg_id=leg_id):
                timer = self._silent.pop(leg_id, None)
                if timer is not None:
                    timer.cancel()
            case _:
                pass

    def _wait_for(self, leg_id: LegId) -> None:
        if leg_id not in self._silent:
            self._silent[leg_id] = asyncio.get_running_loop().call_later(
                self._comes_back, self._give_up, leg_id
            )

    def _give_up(self, leg_id: LegId) -> None:
        del self._silent[leg_id]
        if self._is_agents(leg_id):
            log.warning("phone is given up, its call goes on without it", extra={"leg_id": leg_id})
            self._tasks.spawn(self._end(leg_id), name=f"end {leg_id}")

    async def _end(self, leg_id: LegId) -> None:
        with contextlib.suppress(TelephonyError):  # it has ended already
            await self._control.hang_up(leg_id, EndReason.MEDIA_TIMEOUT)
