"""Who signs in, and with what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from centralita.api.schemas.basics import Answer, Body, NonEmpty, Role, Time


class SignIn(Body, kw_only=True):
    """A name and its password."""

    username: NonEmpty
    password: Annotated[str, Meta(min_length=1, max_length=1000)]


class User(Answer, kw_only=True):
    """Somebody who can sign in; agents and many supervisors are also an agent of the centre."""

    id: str
    username: str
    name: str
    role: Role
    agent_id: str | None = None


class Session(Answer, kw_only=True):
    """A signed-in session. `token` goes into `Authorization: Bearer`, `csrf` into `X-CSRF-Token`
    where the page's cookie is used instead. `token` is null when asked for later."""

    user: User
    csrf: str
    expires_at: Time
    token: str | None = None


class TokenRequest(Body, kw_only=True):
    """An API token to be made, for a program."""

    name: NonEmpty
    role: Role
    expires_at: Time | None = None


class ApiToken(Answer, kw_only=True):
    """A token for programs. `token` itself is shown once, when it is made."""

    id: str
    name: str
    role: Role
    created_at: Time
    expires_at: Time | None = None
    last_used_at: Time | None = None
    token: str | None = None
