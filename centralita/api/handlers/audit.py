"""The audit log, for admins."""

from __future__ import annotations

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.core.errors import InvalidInput
from centralita.store.audit import AuditFilter


class AuditEntries:
    """Who did what."""

    def __init__(self, ports: ApiPorts) -> None:
        self._store = ports.store

    def handlers(self) -> dict[str, Handler]:
        return {"audit": self.list}

    async def list(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.AuditQuery)
        before = query.cursor
        if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
            raise InvalidInput("not a cursor of ours", place="query.cursor")
        wanted = AuditFilter(
            who=query.who,
            action=query.action,
            object=query.object,
            outcome=query.outcome,
            since=query.since,
            until=query.until,
        )
        entries, following = await self._store.audit.list(
            wanted, limit=query.limit, before=int(before) if before is not None else None
        )
        items = [views.audit_entry(entry) for entry in entries]
        return Reply(s.Page(items=items, next=str(following) if following is not None else None))
