"""The door of the house, and its lines."""

from __future__ import annotations

from centralita.api import schemas as s
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action


class Edge:
    """Who is kept out, and how the trunks are."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._bans = ports.bans
        self._trunks = ports.trunks

    def handlers(self) -> dict[str, Handler]:
        return {"bans": self.bans, "lift_ban": self.lift_ban, "trunks": self.trunks}

    async def bans(self, incoming: Incoming) -> Reply:
        return Reply(s.Page(items=list(await self._bans.all())))

    async def trunks(self, incoming: Incoming) -> Reply:
        return Reply(s.Page(items=list(self._trunks.all())))

    async def lift_ban(self, incoming: Incoming) -> Reply:
        await self._auditor.enter(incoming, Action.BAN_LIFTED, incoming.path("id"))
        await self._bans.lift(incoming.path("id"), incoming.who.user.username)
        return Reply(None, 204)
