"""Who may sign in, as which agent, and from where they have."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from centralita.api.schemas.basics import Answer, Body, Role, Time

Extension = Annotated[str, Meta(pattern=r"^[0-9]{1,16}$")]


class Account(Answer, kw_only=True):
    """Somebody who can sign in while `active`, with the phone and queues of the agent whom they
    are. `phone_password` is shown once, when a new extension has made a new one necessary."""

    id: str
    username: str
    name: str
    role: Role
    active: bool
    agent_id: str | None
    extension: str | None
    queues: list[str]
    phone_password: str | None = None


class AccountPatch(Body, kw_only=True):
    """What is to be different about an account. `active` false signs out and locks out; another
    `extension` is another phone, with a new password; `queues` are all that are served then."""

    active: bool | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    extension: Extension | UnsetType = UNSET
    queues: Annotated[list[str], Meta(max_length=1000)] | UnsetType = UNSET


class NewPassword(Answer, kw_only=True):
    """A password that was made; it is shown this once. `extension` says which phone's it is."""

    password: str
    extension: str | None = None


class PasswordChange(Body, kw_only=True):
    """The own password, and the one to take its place."""

    old: Annotated[str, Meta(min_length=1, max_length=1000)]
    new: Annotated[str, Meta(min_length=1, max_length=1000)]


class SignedIn(Answer, kw_only=True):
    """A session of one's own: since when, when it was used last, from which address, and what the
    browser or program said it is. `phone` is whether its page is the phone."""

    id: str
    created_at: Time
    used_at: Time
    expires_at: Time
    address: str
    program: str
    phone: bool
    current: bool
