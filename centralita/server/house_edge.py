"""Kamailio in the house: its process, who is registered there, and who wants to come in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable

from centralita.core.clock import Clock, SteadyClock
from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.server.supervision import ProcessKeeper
from centralita.store.records import AgentRecord
from centralita.telephony.edge.config import EdgeConfig, EdgePhone
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.doorman import Doorman
from centralita.telephony.edge.edge import Edge, Lookup
from centralita.telephony.edge.trunk_watch import TrunkWatch
from centralita.telephony.edge.watch import RegistrationWatch

# How long the edge may take to say which phones are there when calls are taken over, in seconds.
_FIRST_LOOK = 2.0
# How often the addresses behind registrars' names are looked up, and how often when one has none.
_LOOK_UP_EVERY = 300.0
_LOOK_UP_AGAIN = 30.0
# How long we wait for an edge that did not answer, in seconds.
_AGAIN = 0.5

log = logging.getLogger(__name__)


class HouseEdge:
    """The edge with all that belongs to it; a house with `[sip] edge = none` has none."""

    def __init__(
        self,
        config: EdgeConfig,
        supervisor: ProcessKeeper,
        publish: Callable[[Event], None],
        confine: Callable[[ProcessSpec], ProcessSpec] = lambda spec: spec,
        clock: Clock | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._config = config
        self._confine = confine
        self._supervisor = supervisor
        self._edge = Edge(config, lookup)
        self._stale_sources = False
        self.control = EdgeControl(config.control_pipe)
        self.watch = RegistrationWatch(self.control, publish)
        self.trunks = TrunkWatch(self.control, config.trunks, publish, clock or SteadyClock())
        self._doorman = Doorman(self.control, config)
        self._tasks = Tasks("edge's phones")
        # What Kamailio has not been told yet: its table, and registrations that must go.
        self._stale = False
        self._gone: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    async def start(self, agents: Iterable[AgentRecord]) -> None:
        """Start Kamailio, or tell the one that is at work who the phones and workers are now."""
        phones = _phones_of(agents)
        spec = self._confine(self._edge.spec())
        if self._supervisor.pid(spec.name) is None:
            self._gone |= await self._edge.prepare(phones)
        else:
            gone, changed = await self._edge.renew(phones)
            self._gone |= gone
            self._supervisor.keep(spec)
            if changed:
                self._start_again(spec.name)
            else:
                with contextlib.suppress(Unavailable):  # it reads them when it has started again
                    await self.control.reload_phones()
                    await self.control.reload_workers()
                    await self.control.reload_sources()
        self._supervisor.keep(spec)
        self._tell_soon()  # who was shown out while we were away is registered still

    def _start_again(self, name: str) -> None:
        """Trunks, ports and certificates are read by Kamailio at its start alone. It keeps no
        calls: they go on, and whoever calls in this moment says it again until it is there."""
        pid = self._supervisor.pid(name)
        if pid is not None:
            log.warning("edge is started again, its configuration has changed")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def look(self) -> None:
        """Begin to look who is registered, who only holds connections, and how the trunks are."""
        self.watch.start()
        self.trunks.start()
        if any(trunk.registration is not None for trunk in self._config.trunks):
            self._tasks.keep(self._follow_names, name="look up registrars")
        self._doorman.start()

    async def look_up(self) -> bool:
        """Let calls come from where registrars' names lead now; whether all lead anywhere. One that
        is not found at this moment keeps the addresses it had."""
        resolved, complete = await self._edge.resolve()
        if self._edge.write_sources(resolved):
            log.info("registrars have other addresses", extra={"addresses": resolved})
            self._stale_sources = True
        if self._stale_sources:
            await self.control.reload_sources()
            self._stale_sources = False
        return complete

    async def _follow_names(self) -> None:
        while True:
            pause = _LOOK_UP_AGAIN
            try:
                if await self.look_up():
                    pause = _LOOK_UP_EVERY
            except Unavailable as exc:
                log.debug("edge not told of addresses", extra={"reason": str(exc)})
            await asyncio.sleep(pause)

    async def looked(self) -> None:
        """Wait until it is known which phones are there, but not for long."""
        await self.watch.looked(within=_FIRST_LOOK)

    async def change_phones(self, agents: Iterable[AgentRecord]) -> None:
        """Take other phones. Those whose agent is gone, or who have another password now, are
        registered no more. An edge that does not answer is told as soon as it does."""
        self._gone |= self._edge.write_phones(_phones_of(agents))
        self._stale = True
        try:
            await self._tell()
        except Unavailable as exc:
            log.warning("edge is told of its phones later", extra={"error": str(exc)})
            self._tell_soon()

    async def _tell(self) -> None:
        if self._stale:
            await self.control.reload_phones()
            self._stale = False
        for extension in sorted(self._gone):
            await self.control.forget_phone(extension, self._config.domain)
            log.info("phone is registered no more", extra={"extension": extension})
            self._gone.discard(extension)

    def _tell_soon(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = self._tasks.spawn(self._tell_when_it_answers(), name="tell the edge")

    async def _tell_when_it_answers(self) -> None:
        while self._stale or self._gone:
            try:
                await self._tell()
            except Unavailable:
                await asyncio.sleep(_AGAIN)

    async def close(self) -> None:
        """Look no more. The process is the supervisor's to end."""
        await self._tasks.close()
        await self.watch.close()
        await self.trunks.close()
        await self._doorman.close()


def _phones_of(agents: Iterable[AgentRecord]) -> list[EdgePhone]:
    return [
        EdgePhone(extension=agent.extension, ha1=agent.ha1)
        for agent in agents
        if agent.extension and agent.ha1
    ]
