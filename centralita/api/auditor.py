"""What requests leave in the audit log: who, from which address."""

from __future__ import annotations

from centralita.api.auth import Authenticator
from centralita.api.http import Incoming
from centralita.audit.entry import Action, Actor, Outcome
from centralita.audit.log import AuditLog
from centralita.core.wire import Plain


class Auditor:
    """Enters what a request does, before it does it."""

    def __init__(self, log: AuditLog, auth: Authenticator) -> None:
        self._log = log
        self._auth = auth

    async def enter(
        self,
        incoming: Incoming,
        action: Action,
        object: str = "",
        outcome: Outcome = Outcome.DONE,
        **details: Plain,
    ) -> None:
        """An entry in the name of whoever sent the request. Raises what keeps it from being made:
        the request then fails, too."""
        user = incoming.who.user
        actor = Actor(who=user.id, name=user.name, address=self._auth.client(incoming.request))
        await self._log.write(actor, action, object, outcome, **details)

    async def enter_stranger(
        self, incoming: Incoming, action: Action, outcome: Outcome, **details: Plain
    ) -> None:
        """As `enter`, for a request of which nobody knows who sent it."""
        actor = Actor(who="", address=self._auth.client(incoming.request))
        await self._log.write(actor, action, "", outcome, **details)
