"""The own account: its password, and where it is signed in."""

from __future__ import annotations

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.auth import Authenticator
from centralita.api.http import Forbidden, Handler, Incoming, Reply
from centralita.api.password_rules import check_new_password
from centralita.api.ports import ApiPorts
from centralita.api.sign_in_guard import SignInGuard
from centralita.audit.entry import Action, Outcome
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import UserId
from centralita.core.refusals import Refusal
from centralita.store.records import AccountChange, SessionRecord


class OwnAccount:
    """For people who have signed in; programs have neither password nor sessions."""

    def __init__(
        self, ports: ApiPorts, auth: Authenticator, auditor: Auditor, guard: SignInGuard
    ) -> None:
        self._ports = ports
        self._auth = auth
        self._auditor = auditor
        self._guard = guard

    def handlers(self) -> dict[str, Handler]:
        return {
            "change_own_password": self.change_password,
            "own_sessions": self.sessions,
            "end_own_session": self.end_session,
        }

    async def change_password(self, incoming: Incoming) -> Reply:
        given, user_id = incoming.body(s.PasswordChange), _user(incoming)
        user = incoming.who.user
        # A stolen session must not be a way to guess the password.
        attempt = await self._guard.begin(user.username, self._auth.client(incoming.request))
        store, passwords = self._ports.store, self._ports.passwords
        known = await store.users.get(user_id)
        if known is None or not await passwords.verify(known.password_hash, given.old):
            await self._auditor.enter(
                incoming, Action.USER_PASSWORD, user_id, Outcome.REFUSED, own=True
            )
            raise InvalidInput(
                "is not the password", place="$.old", code=Refusal.OLD_PASSWORD_WRONG
            )
        self._guard.succeeded(attempt)
        check_new_password(given.new, user.username, user.name)
        if given.new == given.old:
            raise InvalidInput(
                "is the old password", place="$.new", code=Refusal.PASSWORD_UNCHANGED
            )
        hashed = await passwords.hash(given.new)
        await self._auditor.enter(incoming, Action.USER_PASSWORD, user_id, own=True)
        await store.accounts.change(
            user_id, AccountChange(password_hash=hashed), keep_session=incoming.who.session
        )
        await self._ports.house.show_out()
        return Reply(None, 204)

    async def sessions(self, incoming: Incoming) -> Reply:
        current = incoming.who.session
        found = await self._sessions(_user(incoming))
        return Reply(
            s.Page(items=[views.signed_in(one, current=one.token_hash == current) for one in found])
        )

    async def end_session(self, incoming: Incoming) -> Reply:
        wanted = incoming.path("id")
        found = await self._sessions(_user(incoming))
        session = next((one for one in found if one.session_id == wanted), None)
        if session is None:
            raise NotFound(f"you have no session {wanted}", code=Refusal.NO_SUCH_SESSION)
        await self._auditor.enter(incoming, Action.SESSION_ENDED, wanted)
        await self._ports.store.sessions.end(session.token_hash)
        await self._ports.house.show_out()
        return Reply(None, 204)

    async def _sessions(self, user_id: UserId) -> tuple[SessionRecord, ...]:
        now, idle = self._ports.clock.now(), self._ports.settings.session_idle
        return await self._ports.store.sessions.of_user(user_id, now, idle)


def _user(incoming: Incoming) -> UserId:
    if not incoming.who.session:
        raise Forbidden(
            "an API token has neither password nor sessions", code=Refusal.NOT_FOR_TOKENS
        )
    return UserId(incoming.who.user.id)
