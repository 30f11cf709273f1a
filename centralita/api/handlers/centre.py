"""Agents and queues as of now."""

from __future__ import annotations

from datetime import timedelta

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Forbidden, Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import NotFound
from centralita.core.ids import AgentId
from centralita.core.refusals import Refusal


class Centre:
    """Who is there, and who waits."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._store = ports.store
        self._hub = ports.hub
        self._control = ports.agents

    def handlers(self) -> dict[str, Handler]:
        return {
            "agents": self.agents,
            "set_status": self.set_status,
            "finish_wrap_up": self.finish_wrap_up,
            "extend_wrap_up": self.extend_wrap_up,
            "queues": self.queues,
        }

    async def agents(self, incoming: Incoming) -> Reply:
        records = await self._store.agents.all()
        queues = await self._store.queues.all()
        return Reply(
            s.Page(
                items=[
                    views.agent(record, self._hub.agents.get(record.agent_id), queues)
                    for record in records
                    if record.active
                ]
            )
        )

    async def queues(self, incoming: Incoming) -> Reply:
        records = await self._store.queues.all()
        return Reply(
            s.Page(
                items=[
                    views.queue(record, self._hub.queues.get(record.queue_id)) for record in records
                ]
            )
        )

    async def set_status(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(s.StatusRequest)
        agent_id = self._own_or_led(incoming)
        record = await self._store.agents.get(agent_id)
        if record is None or not record.active:
            raise NotFound(f"no agent {agent_id}", code=Refusal.NO_SUCH_AGENT)
        if agent_id != incoming.who.agent_id:
            await self._auditor.enter(incoming, Action.AGENT_STATUS, agent_id, status=wanted.status)
        await self._control.set_status(agent_id, wanted.status, wanted.reason.strip())
        queues = await self._store.queues.all()
        return Reply(views.agent(record, self._hub.agents.get(agent_id), queues))

    async def finish_wrap_up(self, incoming: Incoming) -> Reply:
        await self._control.finish_wrap_up(self._own_or_led(incoming))
        return Reply(None, 204)

    async def extend_wrap_up(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(s.WrapUpRequest)
        await self._control.extend_wrap_up(
            self._own_or_led(incoming), timedelta(seconds=wanted.seconds)
        )
        return Reply(None, 204)

    @staticmethod
    def _own_or_led(incoming: Incoming) -> AgentId:
        agent_id = AgentId(incoming.path("id"))
        if not incoming.who.is_supervisor and incoming.who.agent_id != agent_id:
            raise Forbidden(
                "agents do this for themselves; a supervisor may for others",
                code=Refusal.NOT_YOUR_STATUS,
            )
        return agent_id
