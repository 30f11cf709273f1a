"""Whoever has lost the right to be here is shown out: live feeds, and pages that are phones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from centralita.api.live import LiveHub
from centralita.api.ports import ApiSettings, PhoneControl
from centralita.api.watcher import Viewer, Watcher
from centralita.core.clock import Clock
from centralita.core.ids import AgentId
from centralita.store.records import ApiTokenRecord, Role
from centralita.store.sessions import Signed
from centralita.store.store import Store

log = logging.getLogger(__name__)


class Eviction:
    """Compares who is here with who may be, as the store has it.

    `look()` may be called at any time and any number of times: it is what signing out, a revoked
    token and a changed account do at once, and what is done every half minute anyway.
    """

    def __init__(
        self, store: Store, hub: LiveHub, phones: PhoneControl, clock: Clock, settings: ApiSettings
    ) -> None:
        self._store = store
        self._hub = hub
        self._phones = phones
        self._clock = clock
        self._idle = settings.session_idle

    async def look(self) -> None:
        """Close the live feeds and dismiss the pages whose session or token is good no more.

        Raises Unavailable while the database or the edge does not answer.
        """
        now = self._clock.now()
        watchers = self._hub.watching()
        # Who looks on is not idle. A session that has been ended is not brought back by this.
        await self._store.sessions.used({each.session for each in watchers if each.session}, now)
        good = await self._store.sessions.good(now, self._idle)
        tokens: dict[str, ApiTokenRecord] = {}
        if any(not each.session for each in watchers):
            tokens = {
                token.token_id: token
                for token in await self._store.api_tokens.all()
                if token.expires_at is None or token.expires_at > now
            }
        for watcher in watchers:
            if not may_watch(watcher, good, tokens):
                log.info("live connection ended", extra={"user_id": watcher.viewer.user})
                watcher.close("session over")
        await self._phones.keep_only(await self._claimed(good.values()))

    async def _claimed(self, good: Iterable[Signed]) -> frozenset[str]:
        """The extensions of which a page with a good session is the phone, or may be."""
        claimed: set[str] = set()
        unknown: set[AgentId] = set()
        for session, user in good:
            if session.phone is not None:
                claimed.add(session.phone)
            elif user.agent_id is not None:
                unknown.add(user.agent_id)
        if unknown:
            agents = await self._store.agents.all()
            claimed |= {agent.extension for agent in agents if agent.agent_id in unknown}
        return frozenset(claimed - {""})


def may_watch(
    watcher: Watcher, good: Mapping[str, Signed], tokens: Mapping[str, ApiTokenRecord]
) -> bool:
    """Whether what this connection is shown is still for its eyes. Pure."""
    viewer = watcher.viewer
    if not watcher.session:
        token = tokens.get(viewer.user)
        return token is not None and viewer == viewer_of(token.token_id, token.role, None)
    signed = good.get(watcher.session)
    if signed is None:
        return False
    _, user = signed
    return viewer == viewer_of(user.user_id, user.role, user.agent_id)


def viewer_of(user_id: str, role: Role, agent_id: str | None) -> Viewer:
    """Whose eyes these are."""
    return Viewer(agent_id, role.covers(Role.SUPERVISOR), user_id)
