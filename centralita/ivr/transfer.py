"""The leg that a caller is transferred to, from its first ring to the end of the conversation."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta

from centralita.core.errors import CentralitaError
from centralita.core.ids import AgentId, LegId, new_id
from centralita.core.tasks import Tasks
from centralita.ivr.events import TransferAnswered
from centralita.ivr.ports import IvrPorts
from centralita.ivr.resume import NOTE
from centralita.ivr.signals import StayWith, TransferCall
from centralita.telephony.call import (
    CallArrived,
    EndReason,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegRinging,
    LegSilent,
    NoSuchLeg,
    TelephonyError,
)

# How long the phone that an agent transferred to may ring.
AGENT_TRANSFER = timedelta(seconds=30)

# A third party that hangs up so soon after the agent has left has not talked with the caller.
_CROSSING = timedelta(seconds=1)


class Transfer:
    """Of one call, and one target at a time: `leg_id` is None while there is none."""

    def __init__(self, arrived: CallArrived, ports: IvrPorts, *, flow: str) -> None:
        self.leg_id: LegId | None = None
        self.answered = False
        self._arrived = arrived
        self._ports = ports
        self._flow = flow
        self._by_agent = self._early = False
        self._left_alone_at: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(f"transfer {arrived.call_id}")

    async def start(
        self, order: TransferCall, agent_id: AgentId | None = None, *, by_agent: bool = False
    ) -> str:
        """Ring the target. Returns why that cannot be, empty when it rings.

        Raises NoSuchLeg when the caller has hung up.
        """
        self._by_agent = self._by_agent or by_agent
        leg_id = LegId(new_id("leg"))
        self.leg_id, self.answered, self._early = leg_id, False, False
        try:
            attempts = await self._ports.targets.open(
                order.target,
                arrived=self._arrived,
                leg_id=leg_id,
                flow=self._flow,
                agent_id=agent_id,
            )
        except CentralitaError as exc:
            return str(exc)
        try:
            ringing = await self._ports.prompts.ringing()
            await self._ports.control.play(self._arrived.leg_id, [ringing], loop=True)
            await self._ports.control.dial(
                self._arrived.call_id,
                leg_id,
                attempts,
                beside=self._arrived.leg_id,
            )
        except BaseException as exc:
            self._ports.targets.withdraw(leg_id)
            if isinstance(exc, NoSuchLeg) or not isinstance(exc, CentralitaError):
                raise
            return str(exc)
        self._ports.control.remember(leg_id, NOTE, self._arrived.leg_id)
        self.limit(leg_id, order.timeout)
        return ""

    def stay_with(self, onward: StayWith) -> None:
        """An agent has left the caller alone with that leg."""
        self.leg_id, self.answered = onward.leg_id, True
        self._left_alone_at = None if onward.acquainted else self._ports.clock.now()
        self._ports.control.remember(onward.leg_id, NOTE, self._arrived.leg_id)

    def take_over(self, leg_id: LegId, *, answered: bool) -> None:
        """A driver before this one began it."""
        self.leg_id, self.answered = leg_id, answered

    def limit(self, leg_id: LegId, after: timedelta = AGENT_TRANSFER) -> None:
        """Let the target ring for so long from now on."""
        self._timer = asyncio.get_running_loop().call_later(
            after.total_seconds(),
            lambda: self._tasks.spawn(self._give_up(leg_id), name="transfer timeout"),
        )

    async def take(self, event: LegEvent) -> str:
        """An event of its leg. Returns why the caller is without it again, empty while not so."""
        match event:
            case LegAnswered(leg_id=leg_id):
                self.answered = True
                await self._ports.control.bridge(self._arrived.leg_id, leg_id)
                if self._by_agent:
                    self.tell_answered(leg_id)
            case LegRinging(leg_id=leg_id, early=early) if not self.answered:
                await self._rings(leg_id, early)
            case LegSilent(leg_id=leg_id, silent=silent) if self.answered:
                await self._is_heard(leg_id, not silent)
            case LegEnded() if self.answered and not self._just_left():
                with contextlib.suppress(TelephonyError):
                    await self._ports.control.hang_up(
                        self._arrived.leg_id, EndReason.CONVERSATION_ENDED
                    )
            case LegEnded(reason=reason):
                return reason.value
            case _:
                pass
        return ""

    async def _rings(self, leg_id: LegId, early: bool) -> None:
        """The caller hears the other network's sound, if it sends some, or else our own."""
        heard, self._early = self._early, early
        with contextlib.suppress(CentralitaError):
            if early:
                await self._ports.control.hear_early(self._arrived.leg_id, leg_id)
            elif heard:
                await self._wait_with_music()

    async def _is_heard(self, leg_id: LegId, heard: bool) -> None:
        """The other side has died, or its network; when it comes back the two talk on."""
        with contextlib.suppress(CentralitaError):
            if heard:
                await self._ports.control.bridge(self._arrived.leg_id, leg_id)
            else:
                await self._wait_with_music()

    async def _wait_with_music(self) -> None:
        await self._ports.control.unbridge(self._arrived.leg_id)
        music = await self._ports.prompts.ringing()
        await self._ports.control.play(self._arrived.leg_id, [music], loop=True)

    def tell_answered(self, leg_id: LegId) -> None:
        """The caller talks with whom an agent has sent the call to."""
        self._ports.bus.publish(
            TransferAnswered(
                call_id=self._arrived.call_id, caller_leg=self._arrived.leg_id, leg_id=leg_id
            )
        )

    def forget(self) -> None:
        """There is no such leg any more."""
        self.leg_id = self._left_alone_at = None

    async def close(self) -> None:
        """The caller has hung up: so does the other side."""
        if self._timer is not None:
            self._timer.cancel()
        if self.leg_id is not None:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.hang_up(self.leg_id, EndReason.CONVERSATION_ENDED)
        await self._tasks.close()

    def _just_left(self) -> bool:
        # It hung up in the instant in which the agent left the two alone.
        at = self._left_alone_at
        return at is not None and self._ports.clock.now() - at < _CROSSING

    async def _give_up(self, leg_id: LegId) -> None:
        if not self.answered:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.hang_up(leg_id, EndReason.NO_ANSWER)
