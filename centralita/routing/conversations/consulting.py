"""Third parties: who they are, whether they can be rung, and the ringing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta

from centralita.core.errors import CentralitaError, Conflict, InvalidInput, NotFound
from centralita.core.ids import CallId, LegId, OfferId, QueueId, new_id
from centralita.core.refusals import Refusal
from centralita.routing.agent import Agent
from centralita.routing.conversations.events import ConsultationStarted
from centralita.routing.conversations.exchange import Exchange, Third
from centralita.routing.conversations.ports import DeskPorts
from centralita.routing.conversations.targets import (
    Target,
    ToAgent,
    ToFlow,
    ToNumber,
    ToQueue,
    ToVoicemail,
)
from centralita.routing.offer import OfferState
from centralita.routing.queue import QueuedCall
from centralita.telephony.attempts import Attempt, CallingParty, to_phone
from centralita.telephony.call import EndReason, TelephonyError

log = logging.getLogger(__name__)

NOTE = "third"
"""The name under which a third party's leg is noted, so that its end is told to a next server."""

# How long a phone outside may ring.
_OUTSIDE_RINGS = timedelta(seconds=60)
_REFUSALS = {
    EndReason.BUSY: OfferState.DECLINED,
    EndReason.DECLINED: OfferState.DECLINED,
    EndReason.NO_ANSWER: OfferState.NO_ANSWER,
}
_USER = re.compile(r"(?:sips?:|tel:)?([^@;?>]+)", re.IGNORECASE)


class Consulting:
    """Part of the desk."""

    def __init__(self, ports: DeskPorts, gone: Callable[[CallId, LegId, EndReason], None]) -> None:
        """`gone` hears of third parties that cannot be rung."""
        # Legs whose INVITE is on its way to the worker, and those of them that are not wanted.
        self._dialling: set[LegId] = set()
        self._unwanted: set[LegId] = set()
        self._ports = ports
        self._board = ports.board
        self._gone = gone

    def named(self, target: Target) -> Target:
        """The target; a number that is an agent's extension is that agent."""
        if isinstance(target, ToNumber):
            for agent_id in self._board.at_extension(user_of(target.number)):
                return ToAgent(agent_id=agent_id)
        return target

    async def allow(self, x: Exchange, target: Target) -> None:
        """Raises Conflict for a number that this agent may not call; the time that takes may
        change everything else."""
        if isinstance(target, ToNumber):
            await self._ports.lines.foresee(target.number, call_id=x.call_id, agent_id=x.agent_id)

    def check(self, x: Exchange, target: Target) -> None:
        """Raises NotFound or Conflict for where the caller cannot be sent now."""
        match target:
            case ToQueue(queue_id=queue_id) | ToVoicemail(queue_id=queue_id):
                if queue_id not in self._board.queues:
                    raise NotFound(f"there is no queue {queue_id}", code=Refusal.NO_SUCH_QUEUE)
            case ToAgent(agent_id=agent_id):
                if agent_id == x.agent_id:
                    raise Conflict("this agent has the call already", code=Refusal.HAS_THE_CALL)
                self._board.handovers.available(agent_id)
            case ToFlow(flow_id=flow_id, node=node):
                self._ports.lines.check_flow(flow_id, node)

    def choose(self, x: Exchange, target: Target) -> Third:
        """The third party that the target names. Raises as `check`."""
        target = self.named(target)
        self.check(x, target)
        now = self._ports.clock.now()
        match target:
            case ToAgent(agent_id=agent_id):
                return self._agent(self._board.handovers.available(agent_id), None)
            case ToQueue(queue_id=queue_id):
                agent = self._board.handovers.first_free(queue_id, now)
                if agent is None:
                    raise Conflict(
                        "nobody of that queue is free; transfer the caller to it instead",
                        code=Refusal.NOBODY_FREE,
                    )
                return self._agent(agent, queue_id)
            case ToNumber(number=number, hidden=hidden):
                return Third(
                    leg_id=LegId(new_id("leg")),
                    label=user_of(number),
                    number=number,
                    since=now,
                    hidden=hidden,
                )
            case _:
                raise InvalidInput("an agent, a number or a queue can be consulted")

    def begin(self, x: Exchange, third: Third) -> None:
        """Ring the third party."""
        talk = self._board.conversations[x.call_id]
        record = self._board.queues[x.queue_id].record
        self._ports.bus.publish(
            ConsultationStarted(
                call_id=x.call_id, agent_id=x.agent_id, kind=third.kind,
                pii_target=third.agent_id or third.number, leg_id=third.leg_id, record=record,
                language=talk.call.language,
            )
        )  # fmt: skip
        if third.agent_id is not None:
            now = self._ports.clock.now()
            actions = self._board.handovers.consult(third.agent_id, third, talk, now)
            self._ports.dispatcher.carry_out(actions)
        self._dialling.add(third.leg_id)
        self._spawn(self._dial(x, third, talk.call), f"ring {third.leg_id}")
        self.limit(x, third)

    def limit(self, x: Exchange, third: Third) -> None:
        """The phone does not ring for ever."""
        rings = _OUTSIDE_RINGS
        if third.agent_id is not None:
            rings = self._board.queues[x.queue_id].ring_time
        self._spawn(self._give_up(x.call_id, third.leg_id, rings), f"limit {third.leg_id}")

    def unwanted(self, leg_id: LegId) -> None:
        """Whoever is just being dialled is to be let go."""
        if leg_id in self._dialling:
            self._unwanted.add(leg_id)

    @staticmethod
    def refusal(reason: EndReason) -> OfferState:
        """What the end of a third party's leg was."""
        return _REFUSALS.get(reason, OfferState.UNREACHABLE)

    @staticmethod
    def call_of(x: Exchange) -> QueuedCall:
        """The call of a conversation that is over on the board."""
        return QueuedCall(
            call_id=x.call_id,
            leg_id=x.caller_leg,
            queue_id=x.queue_id,
            queued_at=x.since,
            give_up_at=x.since,
        )

    # --- within -------------------------------------------------------------------------------

    def _agent(self, agent: Agent, queue_id: QueueId | None) -> Third:
        return Third(
            leg_id=LegId(new_id("leg")),
            label=agent.profile.name,
            number=agent.profile.extension,
            since=self._ports.clock.now(),
            agent_id=agent.profile.agent_id,
            offer_id=OfferId(new_id("offer")),
            queue_id=queue_id,
        )

    async def _dial(self, x: Exchange, third: Third, call: QueuedCall) -> None:
        control, queue = self._ports.control, self._board.queues[x.queue_id]
        try:
            attempts: Sequence[Attempt]
            if third.agent_id is not None:
                attempts = to_phone(
                    self._ports.lines.find(third.number),
                    caller=call.caller,
                    caller_name=call.caller_name,
                    headers={"X-Centralita-Call": call.call_id},
                )
            else:
                attempts = await self._ports.lines.open(
                    third.number,
                    call_id=x.call_id,
                    leg_id=third.leg_id,
                    agent_id=x.agent_id,
                    party=CallingParty(
                        number=queue.caller_id,
                        hidden=queue.hide_number or third.hidden,
                        caller=call.caller,
                    ),
                )
            await control.dial(
                call.call_id, third.leg_id, attempts, beside=third.own_leg or x.caller_leg
            )
            control.remember(third.leg_id, NOTE, x.call_id)
            if third.own_leg is not None:
                control.remember(third.own_leg, NOTE, x.call_id)
        except CentralitaError as exc:
            log.info(
                "third party could not be rung",
                extra={"call_id": x.call_id, "error": str(exc)},
            )
            self._ports.lines.withdraw(third.leg_id)
            self._gone(x.call_id, third.leg_id, EndReason.UNREACHABLE)
            return
        finally:
            self._dialling.discard(third.leg_id)
            unwanted = third.leg_id in self._unwanted
            self._unwanted.discard(third.leg_id)
        if unwanted:
            with contextlib.suppress(TelephonyError):
                await control.hang_up(third.leg_id, EndReason.OFFER_WITHDRAWN)

    async def _give_up(self, call_id: CallId, leg_id: LegId, after: timedelta) -> None:
        await asyncio.sleep(after.total_seconds())
        if self._ports.dispatcher.desk_rings(call_id, leg_id):
            with contextlib.suppress(TelephonyError):
                await self._ports.control.hang_up(leg_id, EndReason.NO_ANSWER)

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self._ports.tasks.spawn(work, name=name)


def user_of(number: str) -> str:
    """The number or extension in a number, a SIP or a tel URI."""
    match = _USER.match(number.strip("<> "))
    return match[1] if match else ""
