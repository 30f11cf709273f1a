"""What registered phones call: colleagues, numbers outside, or, from a conversation, for advice."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Protocol

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.ids import AgentId, LegId, OfferId, new_id
from centralita.core.tasks import Tasks
from centralita.routing.conversations.ports import Lines
from centralita.routing.conversations.targets import ToNumber
from centralita.routing.dispatcher import Dispatcher
from centralita.telephony.attempts import to_phone
from centralita.telephony.call import (
    CallArrived,
    CallControl,
    EndReason,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegRinging,
    TelephonyError,
)
from centralita.telephony.clir import without_prefix

log = logging.getLogger(__name__)

_REFUSALS = {
    "agent_unavailable": EndReason.BUSY,
    "already_consulting": EndReason.BUSY,
    "not_found": EndReason.UNREACHABLE,
    "cannot_dial": EndReason.UNREACHABLE,
}


class CallsOut(Protocol):
    """Makes calls to numbers outside."""

    async def call_by_phone(
        self, agent_id: AgentId, arrived: CallArrived, *, hidden: bool
    ) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Pair:
    """Two phones of the house."""

    caller: LegId
    called: LegId
    agents: tuple[AgentId, AgentId]
    offer_id: OfferId
    answered: bool = False
    unhear: Callable[[], None] = lambda: None


class Inside:
    """Takes the calls of agents' phones that no flow answers."""

    def __init__(
        self, control: CallControl, dispatcher: Dispatcher, lines: Lines, out: CallsOut, bus: Bus,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._control = control
        self._dispatcher = dispatcher
        self._lines = lines
        self._out = out
        self._bus = bus
        self._clock = clock
        self._tasks = Tasks("inside calls")

    async def close(self) -> None:
        """Let go."""
        await self._tasks.close()

    def takes(self, arrived: CallArrived) -> bool:
        """Whether it comes from an agent's phone."""
        return bool(arrived.extension and self._agents(arrived.extension))

    async def serve(self, arrived: CallArrived) -> None:
        """A consultation when that agent talks with a caller; else to a colleague or outside."""
        agent_id = self._agents(arrived.extension)[0]
        desk = self._dispatcher.desk
        dialled, hidden = without_prefix(arrived.dialled)
        arrived = replace(arrived, dialled=dialled)
        try:
            talking = desk.at(agent_id)
            if talking is not None:
                await desk.consult(
                    talking.call_id,
                    ToNumber(number=dialled, hidden=hidden),
                    own_leg=arrived.leg_id,
                )
            elif self._agents(arrived.dialled):
                self._ring_colleague(arrived, agent_id, self._agents(arrived.dialled)[0])
            else:
                await self._out.call_by_phone(agent_id, arrived, hidden=hidden)
        except CentralitaError as exc:
            log.info(
                "call of an agent's phone refused",
                extra={"extension": arrived.extension, "error": str(exc)},
            )
            self._try(
                self._control.hang_up(arrived.leg_id, _REFUSALS.get(exc.code, EndReason.DECLINED))
            )

    # --- colleagues ---------------------------------------------------------------------------

    def _ring_colleague(self, arrived: CallArrived, by: AgentId, to: AgentId) -> None:
        """Both are busy with it; no entry in a timeline comes of it, for no customer is there."""
        handovers, now = self._dispatcher.board.handovers, self._clock.now()
        handovers.available(to)
        pair = _Pair(
            caller=arrived.leg_id,
            called=LegId(new_id("leg")),
            agents=(by, to),
            offer_id=OfferId(new_id("offer")),
        )
        actions = handovers.reserve(by, arrived.call_id, pair.offer_id, now, rings=False)
        actions += handovers.reserve(to, arrived.call_id, pair.offer_id, now, rings=True)
        pair.unhear = self._bus.subscribe(
            LegEvent, lambda event: self._hear(pair, event), call_id=arrived.call_id
        )
        self._dispatcher.carry_out(actions)
        name = self._dispatcher.board.agents[by].profile.name
        self._tasks.spawn(self._dial(pair, arrived, name), name=f"ring {pair.called}")

    async def _dial(self, pair: _Pair, arrived: CallArrived, name: str) -> None:
        found = self._lines.find(arrived.dialled)
        attempts = to_phone(found, caller=arrived.extension, caller_name=name)
        try:
            await self._control.dial(arrived.call_id, pair.called, attempts, beside=pair.caller)
        except TelephonyError:
            self._over(pair, EndReason.UNREACHABLE)

    def _hear(self, pair: _Pair, event: LegEvent) -> None:
        now = self._clock.now()
        match event:
            case LegRinging(leg_id=leg_id) if leg_id == pair.called:
                self._try(self._control.ring(pair.caller))
            case LegAnswered(leg_id=leg_id) if leg_id == pair.called:
                pair.answered = True
                handovers = self._dispatcher.board.handovers
                self._dispatcher.carry_out(handovers.dials(pair.agents[1], pair.offer_id, now))
                self._try(self._connect(pair))
            case LegEnded(reason=reason):
                self._over(pair, reason)
            case _:
                pass

    async def _connect(self, pair: _Pair) -> None:
        await self._control.answer(pair.caller)
        await self._control.bridge(pair.caller, pair.called)

    def _over(self, pair: _Pair, reason: EndReason) -> None:
        pair.unhear()
        handovers, now = self._dispatcher.board.handovers, self._clock.now()
        for agent_id in pair.agents:
            self._dispatcher.carry_out(handovers.not_reached(agent_id, pair.offer_id, None, now))
        for leg_id in (pair.caller, pair.called):
            self._try(self._control.hang_up(leg_id, reason))

    def _agents(self, extension: str) -> tuple[AgentId, ...]:
        return self._dispatcher.board.at_extension(extension)

    def _try(self, command: Coroutine[object, object, None]) -> None:
        async def work() -> None:
            with contextlib.suppress(TelephonyError):
                await command

        self._tasks.spawn(work(), name="tell a phone")
