"""Whoever wants to be forgotten."""

from __future__ import annotations

import asyncio

from centralita.api import schemas as s
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.ids import CustomerId


class Erasing:
    """Erases customers. The audit log keeps that it was done, by whom, and how much there was."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._store = ports.store
        self._directory = ports.directory
        self._hub = ports.hub
        self._house = ports.house
        self._folder = ports.settings.recordings_dir
        self._auditor = auditor

    def handlers(self) -> dict[str, Handler]:
        return {"erase_customer": self.erase}

    async def erase(self, incoming: Incoming) -> Reply:
        customer_id = CustomerId(incoming.path("id"))
        recordings = await self._store.erasure.recordings(customer_id)
        await self._auditor.enter(incoming, Action.ERASED, customer_id, recordings=len(recordings))
        # Files first: if we are interrupted, the request can be made again.
        for recording in recordings:
            path = self._folder / recording.path
            await asyncio.to_thread(path.unlink, missing_ok=True)
        await self._house.forget_spoken()
        erased = await self._store.erasure.erase(customer_id)
        self._directory.forget(erased.identities)
        self._hub.forget_tasks(erased.task_ids)
        return Reply(
            s.Erased(
                interactions=erased.interactions,
                recordings=erased.recordings,
                cases=erased.cases,
                tasks=erased.tasks,
                merges=erased.merges,
            )
        )
