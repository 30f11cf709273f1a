"""Calls to the outside from flows and agents: where they go, on whose account, and what of them is
told to whom. Everything that dials a trunk goes through here or asks the gate itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from centralita.audit.entry import Action, Actor, Outcome
from centralita.audit.log import AuditLog
from centralita.core.errors import CentralitaError, Conflict, InvalidInput, NotFound
from centralita.core.ids import AgentId, CallId, LegId
from centralita.core.refusals import Refusal
from centralita.core.wire import Plain
from centralita.ivr.flow import Flow
from centralita.outbound.policy import OutboundPolicy, OutboundRefused, Running, Wanted
from centralita.outbound.rules import Kind, Limits, Originator, Reason, Rules
from centralita.routing.agent import Agent, AgentStatus
from centralita.server.adapters import Phones
from centralita.server.config import Config
from centralita.telephony.attempts import Attempt, CallingParty, to_phone
from centralita.telephony.call import CallArrived, CallControl, TelephonyError
from centralita.vault.keyring import Key, Keyring

log = logging.getLogger(__name__)


def outbound_rules(config: Config) -> Rules:
    """The section [outbound] as rules."""
    given = config.outbound
    return Rules(
        region=config.sip.region,
        zone=ZoneInfo(given.timezone) if given.timezone else None,
        allow=given.allow,
        deny=given.deny,
        costly=given.costly,
        emergency=given.emergency,
        night=given.night,
        night_allow=given.night_allow,
        limits=Limits(
            agent_calls=given.agent_calls,
            agent_time=given.agent_time,
            flow_calls=given.flow_calls,
            flow_time=given.flow_time,
            calls=given.calls,
            time=given.time,
            concurrent=given.concurrent,
        ),
        prices=dict(given.prices),
        alert_at=given.alert_at,
    )


class AgentsOnTheFloor(Protocol):
    """What the board knows of the agents."""

    @property
    def agents(self) -> Mapping[AgentId, Agent]: ...


@dataclass(frozen=True, slots=True)
class Outward:
    """`ivr.ports.Targets`, and below `AgentLines`: phones as they are, numbers of
    the outside through the policy. `answers` is whether a number was given to a flow of ours."""

    phones: Phones
    policy: OutboundPolicy
    floor: AgentsOnTheFloor
    answers: Callable[[str], bool] = lambda number: False

    async def open(
        self,
        target: str,
        *,
        arrived: CallArrived,
        leg_id: LegId,
        flow: str,
        agent_id: AgentId | None,
    ) -> tuple[Attempt, ...]:
        """How to dial for a transfer. It is on the account of the agent who asked for it, of the
        agent whose phone the call comes from, or of the flow."""
        place = self.phones.locate(target)
        if not place.is_outside:
            return to_phone(place.attempts, caller=arrived.caller, caller_name=arrived.caller_name)
        if agent_id is None and arrived.extension:
            agent_id = self._agent_at(arrived.extension)
        who = self._agent(agent_id) if agent_id is not None else _flow(flow)
        wanted = Wanted(leg_id=leg_id, call_id=arrived.call_id, dialled=place.number, who=who)
        return await self._permitted(wanted, _sent_on(arrived))

    def withdraw(self, leg_id: LegId) -> None:
        """The leg could not be started."""
        self.policy.withdraw(leg_id)

    async def open_for(
        self,
        agent_id: AgentId,
        target: str,
        *,
        call_id: CallId,
        leg_id: LegId,
        party: CallingParty,
    ) -> tuple[Attempt, ...]:
        """As `open`, for what an agent calls in the middle of a conversation, or by click."""
        place = self.phones.locate(target)
        if not place.is_outside:
            return to_phone(place.attempts, caller=party.number or party.caller)
        who = self._agent(agent_id)
        wanted = Wanted(leg_id=leg_id, call_id=call_id, dialled=place.number, who=who)
        return await self._permitted(wanted, party)

    async def _permitted(self, wanted: Wanted, party: CallingParty) -> tuple[Attempt, ...]:
        number = await self.policy.permit(wanted)
        try:
            return self.phones.outside(number, party)
        except InvalidInput:
            self.policy.withdraw(wanted.leg_id)
            raise

    async def foresee(self, target: str, call_id: CallId, agent_id: AgentId) -> None:
        """Raises what `open` would raise for that agent's transfer."""
        place = self.phones.locate(target)
        if place.is_outside:
            who = self._agent(agent_id)
            await self.policy.foresee(
                Wanted(leg_id=LegId(""), call_id=call_id, dialled=place.number, who=who)
            )

    def leads_nowhere(self, target: str) -> bool:
        """Whether it is a number outside, and there is no trunk to call it through."""
        number = self.phones.locate(target).number
        return not (
            self.phones.calls_out
            or self.phones.has(number)
            or self._agent_at(number) is not None
            or self.answers(number)
        )

    def _agent_at(self, extension: str) -> AgentId | None:
        for agent_id, agent in self.floor.agents.items():
            if agent.profile.extension == extension:
                return agent_id
        return None

    def _agent(self, agent_id: AgentId) -> Originator:
        agent = self.floor.agents.get(agent_id)
        at_work = agent is not None and agent.status is not AgentStatus.LOGGED_OUT
        return Originator(kind=Kind.AGENT, ident=agent_id, signed_in=at_work)


def _sent_on(arrived: CallArrived) -> CallingParty:
    """A caller whom nobody in the house talks with any more. One of our phones is no caller."""
    if arrived.extension:
        return CallingParty()
    return CallingParty(
        caller=arrived.caller,
        caller_name=arrived.caller_name,
        dialled=arrived.dialled,
        forwarded=True,
    )


def _flow(name: str) -> Originator:
    return Originator(kind=Kind.FLOW, ident=name)


class AgentLines:
    """`routing.conversations.ports.Lines`: phones, numbers that an agent may call, flows."""

    def __init__(self, outward: Outward, flows: Mapping[str, Flow]) -> None:
        self._outward = outward
        self._flows = flows

    def find(self, extension: str) -> tuple[Attempt, ...]:
        """How an agent's phone is rung."""
        return self._outward.phones.find(extension)

    async def foresee(self, number: str, *, call_id: CallId, agent_id: AgentId) -> None:
        """Raises Conflict with the code cannot_dial, or not_allowed by the policy."""
        with _told():
            if self._outward.leads_nowhere(number):
                raise Conflict(
                    "there is no trunk to call outside; set one up in sip.conf",
                    code=Refusal.NO_TRUNK,
                )
            await self._outward.foresee(number, call_id, agent_id)

    async def open(
        self,
        number: str,
        *,
        call_id: CallId,
        leg_id: LegId,
        agent_id: AgentId,
        party: CallingParty,
    ) -> tuple[Attempt, ...]:
        """How a number is dialled; it counts from now on. Raises as `foresee`."""
        with _told():
            return await self._outward.open_for(
                agent_id, number, call_id=call_id, leg_id=leg_id, party=party
            )

    def withdraw(self, leg_id: LegId) -> None:
        """The leg could not be started."""
        self._outward.withdraw(leg_id)

    def check_flow(self, flow_id: str, node: str) -> None:
        """Raises NotFound."""
        flow = self._flows.get(flow_id)
        if flow is None:
            raise NotFound(f"there is no published flow {flow_id}", code=Refusal.NO_SUCH_FLOW)
        if node and node not in flow.nodes:
            raise NotFound(f"flow {flow_id} has no node {node}", code=Refusal.NO_SUCH_FLOW)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is in the way, in words for the agent's page."""
    try:
        yield
    except InvalidInput as exc:
        raise Conflict(str(exc), code=Refusal.CANNOT_DIAL) from exc
    except OutboundRefused as exc:
        why = Refusal(f"not_allowed.{exc.reason.value}")
        raise Conflict(str(exc), code=why, values=exc.values) from exc


_NUMBER = re.compile(r"\+?[0-9]{5,}")


def disguised(number: str, key: Key) -> str:
    """A number as the audit log has it, which forgets nothing: the same for the same number while
    the key is in use, and not the number of somebody who is erased. There are so few numbers that a
    hash without a key could be tried out."""
    secret = key.derived("numbers in the audit log")
    return f"number:{hmac.new(secret, number.encode(), hashlib.sha256).hexdigest()[:16]}"


class AuditWitness:
    """`outbound.policy.Witness`: the audit log. What it cannot take costs no call."""

    def __init__(self, audit: AuditLog, keyring: Keyring) -> None:
        self._audit = audit
        self._keyring = keyring

    async def refused(self, wanted: Wanted, reason: Reason, message: str) -> None:
        await self._enter(
            wanted.who,
            wanted.dialled,
            call_id=wanted.call_id,
            reason=reason.value,
            message=_NUMBER.sub("…", message),
        )

    async def cut(self, running: Running) -> None:
        await self._enter(running.who, running.number, call_id=running.call_id, reason="cut")

    async def _enter(self, who: Originator, number: str, **details: Plain) -> None:
        actor = Actor(who=who.ident if who.kind is Kind.AGENT else who.key)
        try:
            async with asyncio.timeout(2):
                key = await asyncio.to_thread(self._keyring.current)
                await self._audit.write(
                    actor, Action.CALL_OUT, disguised(number, key), Outcome.REFUSED, **details
                )
        except (CentralitaError, TimeoutError) as exc:
            log.error("refused call is not in the audit log", extra={"error": str(exc)})


class Beeper:
    """`outbound.gate.Warn`: a tone to both sides of a conversation, over their voices."""

    def __init__(self, control: CallControl, beep: Beep) -> None:
        self._control = control
        self._beep = beep

    async def __call__(self, leg_id: LegId) -> None:
        files: Sequence[Path] = [await self._beep.beep()]
        try:
            await self._control.play(leg_id, files)
        except TelephonyError as exc:
            log.warning("warning tone was not heard", extra={"leg_id": leg_id, "error": str(exc)})


class Beep(Protocol):
    """The tone."""

    async def beep(self) -> Path: ...
