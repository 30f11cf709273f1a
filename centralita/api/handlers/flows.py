"""Flows and their versions."""

from __future__ import annotations

import re

from msgspec import UNSET

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import FlowId
from centralita.core.wire import Plain
from centralita.store.records import FlowRecord

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Flows:
    """What callers go through."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._store = ports.store
        self._clock = ports.clock
        self._control = ports.flows

    def handlers(self) -> dict[str, Handler]:
        return {
            "flows": self.list,
            "flow": self.get,
            "flow_versions": self.versions,
            "flow_version": self.get_version,
            "save_flow": self.save,
            "publish_flow": self.publish,
        }

    async def list(self, incoming: Incoming) -> Reply:
        return Reply(s.Page(items=[views.flow(flow) for flow in await self._store.flows.all()]))

    async def get(self, incoming: Incoming) -> Reply:
        return Reply(views.flow_detail(await self._existing(incoming)))

    async def versions(self, incoming: Incoming) -> Reply:
        found = await self._store.flows.versions(FlowId(incoming.path("id")))
        if not found:
            raise NotFound(f"no flow {incoming.path('id')}")
        return Reply(s.Page(items=[views.flow(flow) for flow in found]))

    async def get_version(self, incoming: Incoming) -> Reply:
        text = incoming.path("version")
        # Nine digits fit the column on every database.
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise InvalidInput("a version is a number", place="path.version")
        return Reply(views.flow_detail(await self._existing(incoming, int(text))))

    async def save(self, incoming: Incoming) -> Reply:
        given = incoming.body(s.NewFlowVersion)
        flow_id = incoming.path("id")
        if not ID.fullmatch(flow_id):
            raise InvalidInput(
                "a flow's id has small letters, digits, - and _, at most 63", place="path.id"
            )
        problems = list(await self._control.validate(FlowId(flow_id), given.document))
        if problems:
            return Reply(
                s.FlowProblems(
                    error=s.ErrorDetail(
                        code="bad_flow", message=problems[0].message, place=problems[0].place
                    ),
                    problems=problems,
                ),
                422,
            )
        await self._auditor.enter(incoming, Action.FLOW_SAVED, flow_id, comment=given.comment)
        saved = await self._store.flows.add_version(
            FlowId(flow_id),
            given.document,
            at=self._clock.now(),
            by=incoming.who.user.username,
            comment=given.comment,
        )
        return Reply(views.flow_detail(saved), 201)

    async def publish(self, incoming: Incoming) -> Reply:
        given = incoming.body(s.PublishRequest)
        if given.version > 999_999_999:
            raise NotFound(f"no version {given.version} of the flow {incoming.path('id')}")
        await self._auditor.enter(
            incoming,
            Action.FLOW_PUBLISHED,
            incoming.path("id"),
            version=given.version,
            numbers=None if given.numbers is UNSET else list[Plain](given.numbers),
        )
        flow = await self._store.flows.publish(
            FlowId(incoming.path("id")),
            given.version,
            None if given.numbers is UNSET else given.numbers,
        )
        await self._control.published(flow)
        return Reply(views.flow_detail(flow))

    async def _existing(self, incoming: Incoming, version: int | None = None) -> FlowRecord:
        flow = await self._store.flows.get(FlowId(incoming.path("id")), version)
        if flow is None:
            raise NotFound(f"no flow {incoming.path('id')}, or not that version")
        return flow
