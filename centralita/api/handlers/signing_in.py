"""Signing in and out, and tokens for programs."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.auth import CSRF_COOKIE, SESSION_COOKIE, Authenticator
from centralita.api.http import Cookie, Handler, Incoming, NotSignedIn, Principal, Reply
from centralita.api.passwords import (
    API_TOKEN_PREFIX,
    SESSION_PREFIX,
    csrf_token,
    new_token,
    token_hash,
)
from centralita.api.ports import ApiPorts
from centralita.api.sign_in_guard import SignInGuard
from centralita.audit.entry import Action, Outcome
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import new_id
from centralita.core.refusals import Refusal
from centralita.store.records import ApiTokenRecord, Role, SessionRecord

log = logging.getLogger(__name__)

# Of a name that strangers gave, in signs.
_SHOWN = 100
# Of what a browser says it is.
_PROGRAM = 200


class SigningIn:
    """Sessions and tokens."""

    def __init__(
        self, ports: ApiPorts, auth: Authenticator, auditor: Auditor, guard: SignInGuard
    ) -> None:
        self._auditor = auditor
        self._ports = ports
        self._auth = auth
        self._guard = guard

    def handlers(self) -> dict[str, Handler]:
        return {
            "sign_in": self.sign_in,
            "session": self.session,
            "sign_out": self.sign_out,
            "me": self.me,
            "tokens": self.tokens,
            "make_token": self.make_token,
            "revoke_token": self.revoke_token,
        }

    async def sign_in(self, incoming: Incoming) -> Reply:
        self._auth.check_origin(incoming.request)
        given = incoming.body(s.SignIn)
        address = self._auth.client(incoming.request)
        attempt = await self._guard.begin(given.username, address)
        store, passwords = self._ports.store, self._ports.passwords
        user = await store.users.by_name(given.username)
        known = user if user is not None and user.active else None
        right = await passwords.verify(
            known.password_hash if known is not None else None, given.password
        )
        if known is None or not right:
            log.warning("sign-in refused", extra={"pii_user": given.username, "pii_from": address})
            await self._auditor.enter_stranger(
                incoming, Action.SIGN_IN, Outcome.REFUSED, username=given.username[:_SHOWN]
            )
            raise NotSignedIn("the name or the password is wrong", code=Refusal.WRONG_CREDENTIALS)
        self._guard.succeeded(attempt)
        if passwords.outdated(known.password_hash):
            await store.users.set_password_hash(known.user_id, await passwords.hash(given.password))
        token, now = new_token(SESSION_PREFIX), self._ports.clock.now()
        length = self._ports.settings.session_length
        record = SessionRecord(
            token_hash=token_hash(token),
            user_id=known.user_id,
            created_at=now,
            expires_at=now + length,
            used_at=now,
            address=address,
            program=incoming.request.headers.get("User-Agent", "")[:_PROGRAM],
        )
        user_view = views.user(known)
        await self._auditor.enter(
            replace(incoming, principal=Principal(user=user_view, role=known.role)),
            Action.SIGN_IN,
            known.user_id,
        )
        await store.sessions.add(record)
        log.info("signed in", extra={"user_id": known.user_id})
        csrf = csrf_token(token)
        return Reply(
            s.Session(user=user_view, csrf=csrf, expires_at=record.expires_at, token=token),
            cookies=_cookies(token, csrf, length),
        )

    async def session(self, incoming: Incoming) -> Reply:
        who = incoming.who
        if not who.session or who.expires_at is None:
            raise NotFound("an API token has no session")
        return Reply(s.Session(user=who.user, csrf=who.csrf, expires_at=who.expires_at))

    async def sign_out(self, incoming: Incoming) -> Reply:
        who = incoming.who
        if who.session:
            await self._auditor.enter(incoming, Action.SIGN_OUT, who.user.id)
            await self._ports.store.sessions.end(who.session)
            self._ports.hub.end_session(who.session)
            await self._ports.house.show_out()  # the page is a phone no more, either
        return Reply(None, 204, cookies=_cookies("", "", timedelta(0)))

    async def me(self, incoming: Incoming) -> Reply:
        who = incoming.who
        agent = None
        if who.agent_id is not None:
            record = await self._ports.store.agents.get(who.agent_id)
            if record is not None:
                queues = await self._ports.store.queues.all()
                agent = views.agent(record, self._ports.hub.agents.get(who.agent_id), queues)
        return Reply(s.Me(user=who.user, agent=agent))

    async def tokens(self, incoming: Incoming) -> Reply:
        records = await self._ports.store.api_tokens.all()
        return Reply(s.Page(items=[views.api_token(record) for record in records]))

    async def make_token(self, incoming: Incoming) -> Reply:
        wanted, now = incoming.body(s.TokenRequest), self._ports.clock.now()
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise InvalidInput("lies in the past", place="$.expires_at")
        token = new_token(API_TOKEN_PREFIX)
        record = ApiTokenRecord(
            token_id=new_id("tok"),
            name=wanted.name,
            role=Role(wanted.role),
            token_hash=token_hash(token),
            created_at=now,
            expires_at=wanted.expires_at,
        )
        await self._auditor.enter(
            incoming, Action.TOKEN_MADE, record.token_id, name=wanted.name, role=wanted.role
        )
        await self._ports.store.api_tokens.add(record)
        log.info("API token made", extra={"token_id": record.token_id, "by": incoming.who.user.id})
        return Reply(views.api_token(record, token), 201)

    async def revoke_token(self, incoming: Incoming) -> Reply:
        await self._auditor.enter(incoming, Action.TOKEN_REVOKED, incoming.path("id"))
        await self._ports.store.api_tokens.revoke(incoming.path("id"))
        self._ports.hub.end_token(incoming.path("id"))
        return Reply(None, 204)


def _cookies(token: str, csrf: str, length: timedelta) -> tuple[Cookie, ...]:
    seconds = int(length.total_seconds())
    return (
        Cookie(name=SESSION_COOKIE, value=token, http_only=True, max_age_s=seconds),
        Cookie(name=CSRF_COOKIE, value=csrf, http_only=False, max_age_s=seconds),
    )
