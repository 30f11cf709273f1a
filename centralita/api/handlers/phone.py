"""The agent's phone in the page."""

from __future__ import annotations

from centralita.api import schemas as s
from centralita.api.auth import Authenticator
from centralita.api.http import Forbidden, Handler, Incoming, Principal, Reply
from centralita.api.page_phone import websocket_url
from centralita.api.ports import AdmittedPage, ApiPorts
from centralita.core.errors import CentralitaError, Conflict
from centralita.core.ids import UserId
from centralita.core.refusals import Refusal


class Phone:
    """One page at a time is the phone of an agent's extension."""

    def __init__(self, ports: ApiPorts, auth: Authenticator) -> None:
        self._ports = ports
        self._auth = auth

    def handlers(self) -> dict[str, Handler]:
        return {
            "take_phone": self.take,
            "give_up_phone": self.give_up,
            "leave_phone": self.leave,
            "return_phone": self.come_back,
        }

    async def take(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(s.PhoneRequest)
        extension = await self._extension(incoming)
        url = websocket_url(
            self._ports.settings,
            incoming.request.host,
            https=self._auth.is_https(incoming.request),
        )
        if not url:
            raise Conflict(
                "a page can be a phone when it is opened by https, or on the server itself; "
                "see [sip] wss_port and ws_url",
                code=Refusal.NEEDS_HTTPS,
            )
        phone = await self._admit(incoming.who, extension, wanted)
        return Reply(
            s.PagePhone(
                extension=extension,
                domain=phone.domain,
                password=phone.password,
                websocket=url,
                expires_at=phone.expires_at,
                ice_servers=[
                    s.IceServer(
                        urls=list(server.urls),
                        username=server.username,
                        credential=server.credential,
                    )
                    for server in phone.ice_servers
                ],
            )
        )

    async def _admit(self, who: Principal, extension: str, wanted: s.PhoneRequest) -> AdmittedPage:
        """The page belongs to the session, and is the phone no longer than that lasts."""
        sessions = self._ports.store.sessions
        await sessions.set_phone(who.session, extension)
        try:
            phone = await self._ports.phones.admit(
                extension, wanted.device, take_over=wanted.take_over
            )
        except CentralitaError:
            await sessions.set_phone(who.session, "")
            raise
        await sessions.no_phone(UserId(who.user.id), but=who.session)
        return phone

    async def give_up(self, incoming: Incoming) -> Reply:
        extension = await self._extension(incoming)
        await self._ports.store.sessions.no_phone(UserId(incoming.who.user.id))
        await self._ports.phones.dismiss(extension)
        return Reply(None, 204)

    async def leave(self, incoming: Incoming) -> Reply:
        self._ports.phones.leaves(await self._extension(incoming))
        return Reply(None, 204)

    async def come_back(self, incoming: Incoming) -> Reply:
        await self._ports.phones.come_back(await self._extension(incoming))
        return Reply(None, 204)

    async def _extension(self, incoming: Incoming) -> str:
        agent_id = incoming.who.agent_id
        record = await self._ports.store.agents.get(agent_id) if agent_id is not None else None
        if record is None or not record.active or not record.extension:
            raise Forbidden("only agents with an extension have a phone", code=Refusal.NO_EXTENSION)
        return record.extension
