"""Knows how the trunks are: has them asked, reads what came of it, and tells what changed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from centralita.core.clock import Clock
from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.core.tasks import Tasks
from centralita.telephony.edge.config import EdgeTrunk
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.events import TrunkChanged
from centralita.telephony.edge.render import place
from centralita.telephony.edge.trunk_state import (
    Condition,
    Facts,
    Opinion,
    Pace,
    Trouble,
    TrunkState,
)
from centralita.telephony.edge.trunk_trouble import target, what_ails, why_refused

log = logging.getLogger(__name__)

# After so many more questions that failed, the cause may be another one.
_LOOKED_INTO_AGAIN = 6


class TrunkWatch:
    """The states of `trunks`, kept up to date by one task from `start` to `close`."""

    def __init__(
        self,
        control: EdgeControl,
        trunks: Iterable[EdgeTrunk],
        publish: Callable[[Event], None],
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._control = control
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._publish = publish
        self._clock = clock
        self._pace = pace or Pace()
        self._accounts = any(trunk.registration is not None for trunk in self._trunks.values())
        now = clock.now()
        # Questions of an earlier watch have other numbers.
        first = secrets.randbelow(1 << 30)
        self._opinions = {
            name: Opinion(
                asks=trunk.probe and (trunk.proxy is not None or trunk.registration is not None),
                registers=trunk.registration is not None,
                number=first,
            )
            for name, trunk in self._trunks.items()
        }
        self._states = {
            name: TrunkState(name=name, since=now, registration=opinion.enrolment)
            for name, opinion in self._opinions.items()
        }
        self._looked_into: dict[str, int] = {}
        self._tasks = Tasks("trunks")

    @property
    def states(self) -> tuple[TrunkState, ...]:
        """All trunks, in the order of the configuration."""
        return tuple(self._states.values())

    def usable(self, name: str) -> bool:
        """Whether a call may be tried by that trunk: all but those that are known to be down."""
        state = self._states.get(name)
        return state is None or state.condition is not Condition.DOWN

    def start(self) -> None:
        """Begin to watch."""
        if self._trunks:
            self._tasks.keep(self._watch, name="watch trunks")

    async def close(self) -> None:
        """Watch no more."""
        await self._tasks.close()

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as exc:
                # Nothing is known of trunks while the edge is away: whatever was, stays.
                log.debug("edge not asked for trunks", extra={"reason": str(exc)})
            await asyncio.sleep(self._pace.look)

    async def look(self) -> None:
        """Look once at each trunk. Raises Unavailable when the edge does not answer."""
        facts = await self._control.trunk_facts(accounts=self._accounts)
        told = []
        for name, trunk in self._trunks.items():
            known = facts.get(name, Facts())
            now = asyncio.get_running_loop().time()
            opinion, ask = self._opinions[name].look(known, now, self._pace)
            self._opinions[name] = opinion.not_asked() if ask else opinion
            if ask:
                await self._control.probe_trunk(
                    name,
                    str(opinion.number),
                    name if trunk.own_tls else "none",
                    probe_uri(trunk),
                )
                self._opinions[name] = opinion
            told.append((trunk, opinion, known))
        await asyncio.gather(*(self._tell(*one) for one in told))

    async def _tell(self, trunk: EdgeTrunk, opinion: Opinion, facts: Facts) -> None:
        before = self._states[trunk.name]
        trouble, message = await self._explain(trunk, opinion, before)
        now = self._clock.now()
        registered = opinion.registered and facts.online
        state = replace(
            before,
            condition=opinion.condition,
            since=before.since if before.condition is opinion.condition else now,
            answers=opinion.answers,
            registration=opinion.enrolment,
            code=opinion.code,
            expires_at=now + timedelta(seconds=facts.expires) if registered else None,
            trouble=trouble,
            message=message,
            calls_in=facts.calls[0],
            calls_out=facts.calls[1],
        )
        self._states[trunk.name] = state
        if state.condition is before.condition:
            if state.trouble is not before.trouble and trouble is not None:
                log.warning("trunk is still down", extra={"trunk": trunk.name, "cause": message})
            return
        if state.condition is Condition.DOWN:
            log.warning("trunk is down", extra={"trunk": trunk.name, "cause": message})
        elif before.condition is Condition.DOWN:
            away = round((now - before.since).total_seconds())
            log.warning("trunk is up again", extra={"trunk": trunk.name, "seconds": away})
        else:
            log.info("trunk is up", extra={"trunk": trunk.name})
        self._publish(TrunkChanged(trunk=trunk.name, condition=state.condition.value))

    async def _explain(
        self, trunk: EdgeTrunk, opinion: Opinion, before: TrunkState
    ) -> tuple[Trouble | None, str]:
        trouble = opinion.trouble
        if trouble is None:
            self._looked_into.pop(trunk.name, None)
            return None, ""
        if trouble is not Trouble.NO_ANSWER:
            return trouble, why_refused(trunk, trouble, opinion.code)
        spell = opinion.failures // _LOOKED_INTO_AGAIN
        if self._looked_into.get(trunk.name) == spell and before.message:
            return before.trouble, before.message
        self._looked_into[trunk.name] = spell
        return await what_ails(trunk)


def probe_uri(trunk: EdgeTrunk) -> str:
    """Where a question to a trunk goes."""
    host, port = target(trunk)
    return f"sip:{place(host, port)};transport={trunk.transport}"
