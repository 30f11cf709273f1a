"""Who makes a request, and whether a page of another site makes it behind the user's back."""

from __future__ import annotations

import hmac
import ipaddress
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.http import Forbidden, NotSignedIn, Principal
from centralita.api.pace import Pace
from centralita.api.passwords import API_TOKEN_PREFIX, csrf_token, token_hash
from centralita.api.ports import ApiSettings, Network
from centralita.api.sign_in_guard import network_of
from centralita.core.clock import Clock
from centralita.core.refusals import Refusal
from centralita.store.store import Store

SESSION_COOKIE = "centralita_session"
CSRF_COOKIE = "centralita_csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# How exactly we know when a token or session was used last; each write costs a transaction.
USED_RESOLUTION = timedelta(minutes=1)


class Authenticator:
    """Finds the principal of a request."""

    def __init__(self, store: Store, clock: Clock, settings: ApiSettings, pace: Pace) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._pace = pace

    async def principal(self, request: web.Request) -> Principal | None:
        """Who makes the request; None if nobody says. Raises NotSignedIn for what is not good.

        A cookie counts only where no page of another site can have caused the request.
        """
        token = _token(request)
        scheme = request.headers.get("Authorization", "").partition(" ")[0]
        if scheme and scheme.lower() != "bearer":
            raise NotSignedIn("send Authorization: Bearer and the token")
        if not token and not scheme:
            return None
        key, network = self.key(request), self.network(request)
        try:
            found = await self.by_token(token)
        except NotSignedIn:
            self._pace.refused(key, network)
            raise
        self._pace.admitted(key, network)
        if not scheme and request.method not in SAFE:
            self.check_origin(request)
            given = request.headers.get("X-CSRF-Token", "")
            if not hmac.compare_digest(given.encode(), found.csrf.encode()):
                raise Forbidden(
                    f"send the cookie {CSRF_COOKIE} as the header X-CSRF-Token", code=Refusal.CSRF
                )
        return found

    def key(self, request: web.Request) -> str:
        """What a request says it is signed in with, as the pace counts it; "" for nothing."""
        token = _token(request)
        return token_hash(token) if token else ""

    def network(self, request: web.Request) -> str:
        """Where a request comes from, as the pace counts it."""
        return network_of(self.client(request))

    def brings(self, request: web.Request, size: int) -> None:
        """A request has brought a body of so many bytes."""
        self._pace.brings(self.key(request), self.network(request), size)

    async def by_token(self, token: str) -> Principal:
        """Whose token it is; raises NotSignedIn."""
        hashed, now = token_hash(token), self._clock.now()
        if token.startswith(API_TOKEN_PREFIX):
            record = await self._store.api_tokens.find(hashed, now)
            if record is not None:
                if record.last_used_at is None or now - record.last_used_at > USED_RESOLUTION:
                    await self._store.api_tokens.used(record.token_id, now)
                user = s.User(
                    id=record.token_id, username=record.name, name=record.name,
                    role=record.role.value,
                )  # fmt: skip
                return Principal(user=user, role=record.role, expires_at=record.expires_at)
        else:
            found = await self._store.sessions.find(hashed, now, self._settings.session_idle)
            if found is not None:
                session, signed_in = found
                if now - session.used_at > min(USED_RESOLUTION, self._settings.session_idle / 10):
                    await self._store.sessions.used([hashed], now)
                return Principal(
                    user=views.user(signed_in),
                    role=signed_in.role,
                    session=hashed,
                    csrf=csrf_token(token),
                    expires_at=session.expires_at,
                )
        raise NotSignedIn("the session or token is not valid, or no longer")

    def check_origin(self, request: web.Request) -> None:
        """Raises Forbidden when a browser says that a page of another site sends this."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site":
            raise Forbidden("pages of other sites may not do this", code=Refusal.CSRF)
        origin = request.headers.get("Origin")
        if origin is None or origin in self._settings.origins:
            return
        if urlsplit(origin).netloc.lower() != request.host.lower():
            raise Forbidden("pages of other sites may not do this", code=Refusal.CSRF)

    def client(self, request: web.Request) -> str:
        """The client's address, as a trusted proxy gives it or as we see it."""
        seen = request.remote or ""
        # Each of our proxies has written behind the others whom it saw: from the end, the first
        # that is none of ours is the client. What stands before that anybody can write.
        told = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        while told and within(seen, self._settings.trusted_proxies):
            before = told.pop().strip()
            if not _is_address(before):
                break
            seen = before
        return seen

    def is_https(self, request: web.Request) -> bool:
        """Whether the client came by TLS, so that a cookie may ask for it."""
        if self._settings.cookie_secure:
            return True
        if within(request.remote or "", self._settings.trusted_proxies):
            return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
        return request.scheme == "https"


def _token(request: web.Request) -> str:
    """The token of a request, of the header before the cookie; "" for none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return token.strip() if scheme.lower() == "bearer" else ""
    return request.cookies.get(SESSION_COOKIE, "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether the address lies in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in networks)
