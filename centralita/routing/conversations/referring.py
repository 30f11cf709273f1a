"""REFER: phones that transfer by themselves, and what they are told of it (RFC 3515, 5589)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Protocol

from centralita.core.errors import CentralitaError, Conflict
from centralita.core.ids import CallId, LegId
from centralita.core.refusals import Refusal
from centralita.routing.conversations.exchange import Complete, Exchange, Happening
from centralita.routing.conversations.ports import DeskPorts
from centralita.routing.conversations.targets import Target, ToNumber
from centralita.routing.events import TransferRefused
from centralita.telephony.call import EndReason, TelephonyError, TransferRequested

log = logging.getLogger(__name__)

# How a REFER that we do not carry out is reported: by the code of what is in its way.
_REFUSED = {"agent_unavailable": 486, "no_consultation": 481, "third_rings": 480, "not_found": 404}


class Conversing(Protocol):
    """The desk."""

    @property
    def exchanges(self) -> Mapping[CallId, Exchange]: ...

    async def transfer(self, call_id: CallId, target: Target) -> None: ...

    def do(self, call_id: CallId, what: Happening) -> None: ...


class Referring:
    """Part of the desk."""

    def __init__(self, ports: DeskPorts, desk: Conversing) -> None:
        self._control = ports.control
        self._bus = ports.bus
        self._tasks = ports.tasks
        self._desk = desk
        # Legs whose phones sent REFER and have not been told the end of it.
        self._referred: set[LegId] = set()

    def asked(self, call_id: CallId, event: TransferRequested) -> None:
        """A phone sent REFER, for the caller or with the name of its other call."""
        self._tasks.spawn(self._carry_out(call_id, event), name=f"REFER on {event.leg_id}")

    def refused(self, event: TransferRequested) -> None:
        """Somebody sent REFER who may not."""
        self._tasks.spawn(self._report(event.leg_id, 603), name=f"REFER on {event.leg_id}")

    def forget(self, leg_id: LegId) -> None:
        """The leg is over: nobody is there to be told."""
        self._referred.discard(leg_id)

    async def farewell(self, leg_id: LegId, reason: EndReason) -> None:
        """End an agent's leg; a phone that sent REFER is told of the success first."""
        with contextlib.suppress(TelephonyError):  # it ended by itself in the meantime
            if leg_id in self._referred:
                self._referred.discard(leg_id)
                await self._control.report_transfer(leg_id, 200)
            await self._control.hang_up(leg_id, reason)

    async def _carry_out(self, call_id: CallId, event: TransferRequested) -> None:
        x = self._desk.exchanges.get(call_id)
        if x is None:
            await self._report(event.leg_id, 481)
            return
        self._referred.add(event.leg_id)
        try:
            if event.replaces is None:
                await self._desk.transfer(call_id, ToNumber(number=event.target))
            else:
                self._replace(x, event)
        except CentralitaError as exc:
            log.warning(
                "transfer refused, the conversation goes on",
                extra={"call_id": call_id, "agent_id": x.agent_id, "error": str(exc)},
            )
            self._bus.publish(
                TransferRefused(call_id=call_id, agent_id=x.agent_id, reason=str(exc))
            )
            self._referred.discard(event.leg_id)
            await self._report(event.leg_id, _REFUSED.get(exc.code, 603))

    def _replace(self, x: Exchange, event: TransferRequested) -> None:
        """REFER with Replaces: it must name the two calls of the agent's phone."""
        named = {event.leg_id, event.replaces}
        if x.third is None or named != {x.agent_leg, x.third.own_leg}:
            raise Conflict("the call that REFER names is not known", code=Refusal.NO_CONSULTATION)
        self._desk.do(x.call_id, Complete())

    async def _report(self, leg_id: LegId, status: int) -> None:
        with contextlib.suppress(TelephonyError):  # that leg has just ended
            await self._control.report_transfer(leg_id, status)
