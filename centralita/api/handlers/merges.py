"""Two customers who are one, and two who are not after all."""

from __future__ import annotations

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import NotFound
from centralita.core.ids import CustomerId, MergeId
from centralita.core.refusals import Refusal


class Merges:
    """Merging customers. Each merge and each undoing is an entry of the audit log."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._auditor = auditor

    def handlers(self) -> dict[str, Handler]:
        return {
            "merge_customer": self.merge,
            "customer_merges": self.list,
            "undo_merge": self.undo,
        }

    async def merge(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(s.MergeRequest)
        former, into = incoming.path("id"), wanted.into
        await self._auditor.enter(incoming, Action.CUSTOMERS_MERGED, former, into=into)
        user = incoming.who.user
        made = await self._store.merges.merge(
            CustomerId(former), CustomerId(into), self._clock.now(), by=user.id, by_name=user.name
        )
        return Reply(views.merge(made), 201)

    async def list(self, incoming: Incoming) -> Reply:
        customer_id = CustomerId(incoming.path("id"))
        if await self._store.customers.get(customer_id) is None:
            raise NotFound(f"no customer {customer_id}", code=Refusal.NO_SUCH_CUSTOMER)
        merges = await self._store.merges.into(customer_id)
        return Reply(s.Page(items=[views.merge(one) for one in merges]))

    async def undo(self, incoming: Incoming) -> Reply:
        merge_id = MergeId(incoming.path("id"))
        await self._auditor.enter(incoming, Action.MERGE_UNDONE, merge_id)
        undone = await self._store.merges.undo(
            merge_id, self._clock.now(), by=incoming.who.user.name
        )
        return Reply(views.merge(undone))
