"""What the page can do with a call: the bodies of the endpoints below `/calls/{id}`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from centralita.api.schemas.basics import Answer, Body, Time

Ident = Annotated[str, Meta(min_length=1, max_length=200)]
Number = Annotated[str, Meta(min_length=1, max_length=200)]


class _Target(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The base of the places where a call can be sent."""


class ToQueue(_Target, tag="queue", kw_only=True):
    """To whoever of the queue is next."""

    queue_id: Ident


class ToAgent(_Target, tag="agent", kw_only=True):
    """To one agent."""

    agent_id: Ident


class ToNumber(_Target, tag="number", kw_only=True):
    """To a number outside or an extension."""

    number: Number


class ToVoicemail(_Target, tag="voicemail", kw_only=True):
    """To a message for the people of a queue."""

    queue_id: Ident


class ToFlow(_Target, tag="flow", kw_only=True):
    """Back into a flow, at a node or at its beginning."""

    flow_id: Ident
    node: str | None = None


class TransferRequest(Body, kw_only=True):
    """Where the caller is to go."""

    to: ToQueue | ToAgent | ToNumber | ToVoicemail | ToFlow


class ConsultRequest(Body, kw_only=True):
    """Whom the agent wants to talk with first."""

    to: ToQueue | ToAgent | ToNumber


class KeysRequest(Body, kw_only=True):
    """Keys to send."""

    keys: Annotated[str, Meta(pattern="^[0-9*#A-D]{1,64}$")]


class ParkingSlot(Answer, kw_only=True):
    """Where a caller is parked."""

    slot: str


class ParkedCall(Answer, kw_only=True):
    """A parked caller; `by` is the agent who parked the call."""

    slot: str
    call_id: str
    caller: str
    customer_id: str | None
    customer_name: str
    since: Time
    by: str


class CallRequest(Body, kw_only=True):
    """A number to call, for a queue: its caller id is shown. `task_id` is what it is about: that
    task is the agent's from then on, and is done once the two talk."""

    to: Number
    queue_id: Ident
    task_id: Ident | None = None


class StartedCall(Answer, kw_only=True):
    """A call that is being made: the agent's phone rings first."""

    call_id: str
    interaction_id: str
