"""Kamailio in the house: its process, who is registered there, and who wants to come in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.server.supervision import ProcessKeeper
from centralita.store.records import AgentRecord
from centralita.telephony.edge.config import EdgeConfig, EdgePhone
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.doorman import Doorman
from centralita.telephony.edge.edge import Edge
from centralita.telephony.edge.watch import RegistrationWatch

# How long the edge may take to say which phones are there when calls are taken over, in seconds.
_FIRST_LOOK = 2.0


class HouseEdge:
    """The edge with all that belongs to it; a house with `[sip] edge = none` has none."""

    def __init__(
        self, config: EdgeConfig, supervisor: ProcessKeeper, publish: Callable[[Event], None]
    ) -> None:
        self._config = config
        self._supervisor = supervisor
        self._edge = Edge(config)
        self.control = EdgeControl(config.control_pipe)
        self.watch = RegistrationWatch(self.control, publish)
        self._doorman = Doorman(self.control, config)

    async def start(self, agents: Iterable[AgentRecord]) -> None:
        """Start Kamailio, or tell the one that is at work who the phones and workers are now."""
        phones = _phones_of(agents)
        spec = self._edge.spec()
        if self._supervisor.pid(spec.name) is None:
            await self._edge.prepare(phones)
        else:
            self._edge.write_phones(phones)
            self._edge.write_workers()
            with contextlib.suppress(Unavailable):  # it reads them when it has started again
                await self.control.reload_phones()
                await self.control.reload_workers()
        self._supervisor.keep(spec)

    def look(self) -> None:
        """Begin to look who is registered and who only holds connections."""
        self.watch.start()
        self._doorman.start()

    async def looked(self) -> None:
        """Wait until it is known which phones are there, but not for long."""
        await self.watch.looked(within=_FIRST_LOOK)

    async def change_phones(self, agents: Iterable[AgentRecord], *, gone: Iterable[str]) -> None:
        """Take other phones; the extensions that are `gone` are registered no more."""
        self._edge.write_phones(_phones_of(agents))
        await self.control.reload_phones()
        for extension in gone:
            await self.control.forget_phone(extension, self._config.domain)

    async def close(self) -> None:
        """Look no more. The process is the supervisor's to end."""
        await self.watch.close()
        await self._doorman.close()


def _phones_of(agents: Iterable[AgentRecord]) -> list[EdgePhone]:
    return [
        EdgePhone(extension=agent.extension, ha1=agent.ha1)
        for agent in agents
        if agent.extension and agent.ha1
    ]
