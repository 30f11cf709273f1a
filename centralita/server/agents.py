"""What agents do by the page, and what their phones do by themselves."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from centralita.api.schemas import AgentStatus as ApiStatus
from centralita.core.bus import Bus
from centralita.core.ids import AgentId
from centralita.core.tasks import Tasks
from centralita.routing.agent import PHONE_LOST, UNREACHABLE, Agent, AgentStatus
from centralita.routing.dispatcher import Dispatcher
from centralita.routing.events import AgentChanged
from centralita.store.store import Store
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered

log = logging.getLogger(__name__)


class Agents:
    """`AgentControl` for the API, and the keeper of statuses over restarts."""

    def __init__(
        self, dispatcher: Dispatcher, store: Store, bus: Bus, *, phone_grace: timedelta
    ) -> None:
        self._dispatcher = dispatcher
        self._store = store
        self._phone_grace = phone_grace.total_seconds()
        # The phones that are gone, and the tasks that wait for their return.
        self._away: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks("agents")
        self._waits = Tasks("phones that are gone")
        self._kept: dict[AgentId, tuple[AgentStatus, str]] = {}
        bus.subscribe(PhoneRegistered, lambda event: self._phone(event.extension, True))
        bus.subscribe(PhoneUnregistered, lambda event: self._phone(event.extension, False))
        bus.subscribe(AgentChanged, self._changed)

    async def restore(self) -> None:
        """Give everybody the status they had before the restart."""
        for agent in await self._store.agents.all():
            if agent.active:
                status = AgentStatus(agent.status)
                self._kept[agent.agent_id] = (status, agent.reason)
                self._dispatcher.choose_status(agent.agent_id, status, agent.reason)

    async def close(self) -> None:
        """Write what is pending."""
        await self._waits.close()
        await self._tasks.settle(within=2)
        await self._tasks.close()

    async def set_status(self, agent_id: AgentId, status: ApiStatus, reason: str) -> None:
        """Chosen on the page."""
        self._dispatcher.choose_status(agent_id, AgentStatus(status), reason)
        await self._store.agents.set_status(agent_id, status, reason)

    async def finish_wrap_up(self, agent_id: AgentId) -> None:
        """Chosen on the page."""
        self._dispatcher.finish_wrap_up(agent_id)

    async def extend_wrap_up(self, agent_id: AgentId, by: timedelta) -> None:
        """Chosen on the page."""
        self._dispatcher.extend_wrap_up(agent_id, by)

    def _phone(self, extension: str, registered: bool) -> None:
        log.info(
            "phone registered" if registered else "phone unregistered",
            extra={"extension": extension},
        )
        self._dispatcher.registration(extension, registered)
        if not registered:
            self._away[extension] = self._waits.spawn(
                self._phone_lost(extension), name=f"phone of {extension} away"
            )
            return
        waiting = self._away.pop(extension, None)
        if waiting is not None:
            waiting.cancel()
        # It was the phone that had gone, and not the agent; so, too, when it was rung before we
        # had heard of that.
        ours = {PHONE_LOST} if waiting is None else {PHONE_LOST, UNREACHABLE}
        for agent in self._at(extension):
            if agent.status is AgentStatus.ON_BREAK and agent.reason in ours:
                self._dispatcher.choose_status(agent.profile.agent_id, AgentStatus.AVAILABLE, "")

    async def _phone_lost(self, extension: str) -> None:
        """No call is offered without a phone; one that stays away is told to everybody."""
        await asyncio.sleep(self._phone_grace)
        for agent in self._at(extension):
            if agent.status is AgentStatus.AVAILABLE and not agent.registered:
                log.warning("agent is taken out, the phone is gone", extra={"extension": extension})
        self._dispatcher.phone_lost(extension)

    def _at(self, extension: str) -> list[Agent]:
        board = self._dispatcher.board
        return [board.agents[agent_id] for agent_id in board.at_extension(extension)]

    def _changed(self, event: AgentChanged) -> None:
        agent = event.agent
        now = (agent.status, agent.reason)
        agent_id = agent.profile.agent_id
        if self._kept.get(agent_id, (AgentStatus.LOGGED_OUT, "")) != now:
            self._kept[agent_id] = now
            self._tasks.spawn(
                self._store.agents.set_status(agent_id, agent.status.value, agent.reason),
                name=f"keep status of {agent_id}",
            )
