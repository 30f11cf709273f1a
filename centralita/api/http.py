"""From an HTTP request to a typed one, and from an answer or an error to an HTTP response."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from centralita.api import schemas as s
from centralita.api.bodies import check_times, decode, placed
from centralita.core.errors import (
    CentralitaError,
    Conflict,
    InvalidInput,
    NotFound,
    Unavailable,
)
from centralita.core.ids import AgentId
from centralita.store.records import Cursor, Part, Role

log = logging.getLogger(__name__)

B = TypeVar("B", bound=msgspec.Struct)
T = TypeVar("T")
A = TypeVar("A")

_CODES = {413: "request_entity_too_large", 422: "unprocessable_entity"}


class NotSignedIn(CentralitaError):
    """Nobody is signed in, or the session or token is no longer good."""

    code = "not_signed_in"


class Forbidden(CentralitaError):
    """Signed in, but this is not theirs to do."""

    code = "forbidden"


class TooManyAttempts(CentralitaError):
    """Too many failed attempts to sign in; `retry_after` in seconds."""

    code = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts; try again in {retry_after} s")
        self.retry_after = retry_after


class TooManyRequests(CentralitaError):
    """More requests than one may make; `retry_after` in seconds."""

    code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests; go on in {retry_after} s")
        self.retry_after = retry_after


class UnsupportedBody(InvalidInput):
    """The body is not JSON."""

    code = "unsupported_media_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes a request: a user in a session, or a program with an API token.

    `session` is the hash of the session's token, empty for a program.
    """

    user: s.User
    role: Role
    session: str = ""
    csrf: str = ""
    expires_at: datetime | None = None

    @property
    def agent_id(self) -> AgentId | None:
        """The agent that the user is."""
        return AgentId(self.user.agent_id) if self.user.agent_id is not None else None

    @property
    def is_supervisor(self) -> bool:
        """Whether they may act for others."""
        return self.role.covers(Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` None is an empty one."""

    body: msgspec.Struct | None = None
    status: int = 200
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie to set, or to remove when `value` is empty."""

    name: str
    value: str
    http_only: bool
    max_age_s: int = 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose sender has been checked."""

    request: web.Request
    principal: Principal | None
    raw: bytes = b""
    # What a large body has been decoded to already, away from the loop.
    large: msgspec.Struct | InvalidInput | None = None

    @property
    def who(self) -> Principal:
        """The sender; only for endpoints that have a role."""
        if self.principal is None:
            raise NotSignedIn("sign in first")
        return self.principal

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def body(self, kind: type[B]) -> B:
        """The body as `kind`; raises InvalidInput with its place."""
        if self.request.content_type != "application/json":
            raise UnsupportedBody("send JSON, with Content-Type: application/json")
        if self.large is not None:
            if isinstance(self.large, kind):
                return self.large
            if isinstance(self.large, InvalidInput):
                raise self.large
        return decode(self.raw, kind)

    def query(self, kind: type[B]) -> B:
        """The query as `kind`; raises InvalidInput with its place."""
        given = {name: value for name, value in self.request.query.items() if value != ""}
        if any("\x00" in value for value in given.values()):
            raise InvalidInput("a text contains the character NUL", place="query")
        try:
            query = msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as exc:
            raise placed(exc, "query") from exc
        check_times(query, "query")
        return query


Handler = Callable[[Incoming], Awaitable[Reply | web.StreamResponse]]


# --- lists --------------------------------------------------------------------------------------


def page(part: Part[T], view: Callable[[T], A]) -> s.Page[A]:
    """A part of a list as an answer."""
    following = None
    if part.next is not None:
        plain = msgspec.json.encode([part.next.at.isoformat(), part.next.id])
        following = base64.urlsafe_b64encode(plain).decode().rstrip("=")
    return s.Page(items=[view(item) for item in part.items], next=following)


def cursor(text: str | None) -> Cursor | None:
    """What `page` gave out as `next`; raises InvalidInput for anything else."""
    if text is None:
        return None
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, ident = msgspec.json.decode(plain, type=tuple[s.Time, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as exc:
        raise InvalidInput("not a cursor of ours", place="query.cursor") from exc
    check_times(at, "query.cursor")
    if "\x00" in ident:
        raise InvalidInput("not a cursor of ours", place="query.cursor")
    return Cursor(at, ident)


# --- answers ------------------------------------------------------------------------------------


def json_response(
    body: msgspec.Struct | None, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """`body` as a JSON response that nobody keeps."""
    response = web.Response(status=status, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    if body is not None:
        response.body = msgspec.json.encode(body)
        response.content_type = "application/json"
    return response


def error_response(error: Exception) -> web.Response:
    """Any error as the answer it deserves."""
    status, headers = 500, {}
    place = ""
    match error:
        case UnsupportedBody():
            status, place = 415, error.place
        case InvalidInput():
            status, place = 400, error.place
        case NotSignedIn():
            status, headers = 401, {"WWW-Authenticate": "Bearer"}
        case Forbidden():
            status = 403
        case NotFound():
            status = 404
        case Conflict():
            status = 409
        case TooManyAttempts() | TooManyRequests():
            status, headers = 429, {"Retry-After": str(error.retry_after)}
        case Unavailable():
            status, headers = 503, {"Retry-After": "5"}
        case web.HTTPException():
            status = error.status
            # The phrases of http.HTTPStatus change between versions of Python, codes must not.
            code = _CODES.get(status) or error.reason.lower().replace(" ", "_")
            if isinstance(error, web.HTTPMethodNotAllowed):
                headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
            if isinstance(error, web.HTTPRequestRangeNotSatisfiable):
                headers = {"Content-Range": error.headers.get("Content-Range", "bytes */*")}
            return _error(status, code, error.reason, "", headers)
    if status == 500:
        log.error("request failed", exc_info=error)
        return _error(500, "internal", "an error of ours; the log has it", "", headers)
    message = error.reason if isinstance(error, InvalidInput) else str(error)
    detail = s.ErrorDetail(code="internal", message=message, place=place)
    if isinstance(error, CentralitaError):
        detail.code, detail.why, detail.values = error.code, error.why, dict(error.values)
    return json_response(s.Error(error=detail), status, headers)


def _error(
    status: int, code: str, message: str, place: str, headers: Mapping[str, str]
) -> web.Response:
    detail = s.ErrorDetail(code=code, message=message, place=place)
    return json_response(s.Error(error=detail), status, headers)
