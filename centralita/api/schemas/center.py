"""Agents, queues, flows, and the phone in the page."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from centralita.api.schemas.basics import (
    AgentState,
    AgentStatus,
    Answer,
    Body,
    ErrorDetail,
    JsonObject,
    NonEmpty,
    Short,
    Time,
)
from centralita.api.schemas.signing_in import User


class Agent(Answer, kw_only=True):
    """An agent as of now. `status` is what they chose, `state` what is happening to them."""

    id: str
    name: str
    extension: str
    status: AgentStatus
    reason: str
    state: AgentState
    since: Time | None
    registered: bool
    call_id: str | None
    skills: list[str]
    queues: list[str]


class StatusRequest(Body, kw_only=True):
    """A status to choose; a break has a reason."""

    status: AgentStatus
    reason: Short = ""


class WrapUpRequest(Body, kw_only=True):
    """More time for wrap-up."""

    seconds: Annotated[int, Meta(ge=1, le=3600)]


class Queue(Answer, kw_only=True):
    """A queue as of now."""

    id: str
    title: str
    language: str
    agents: list[str]
    waiting: int
    longest_wait_since: Time | None
    agents_available: int
    dispositions: list[str]


class Flow(Answer, kw_only=True):
    """One version of a flow. `numbers` are the dialled numbers that the published one serves."""

    id: str
    version: int
    published: bool
    numbers: list[str]
    created_at: Time
    created_by: str
    comment: str


class FlowDetail(Flow, kw_only=True):
    """A version with its document."""

    document: JsonObject


class NewFlowVersion(Body, kw_only=True):
    """The next version of a flow. It serves calls only when published."""

    document: JsonObject
    comment: Short = ""


class PublishRequest(Body, kw_only=True):
    """The version to publish, and the dialled numbers it answers (absent: as before)."""

    version: Annotated[int, Meta(ge=1)]
    numbers: Annotated[list[NonEmpty], Meta(max_length=100)] | UnsetType = UNSET


class FlowProblem(Answer, kw_only=True):
    """One thing that is wrong in a document."""

    place: str
    message: str


class FlowProblems(Answer, kw_only=True):
    """Why a document was refused."""

    error: ErrorDetail
    problems: list[FlowProblem]


class Me(Answer, kw_only=True):
    """Who I am, and the agent that I am."""

    user: User
    agent: Agent | None


class PhoneRequest(Body, kw_only=True):
    """`device` is the browser's own name for itself, made once and kept there."""

    device: Annotated[str, Meta(min_length=8, max_length=64)]
    take_over: bool = False


class IceServer(Answer, kw_only=True):
    """A STUN or TURN server (RTCIceServer); name and credential serve until the phone expires."""

    urls: list[str]
    username: str
    credential: str


class PagePhone(Answer, kw_only=True):
    """What a page registers with, by SIP over WebSocket. The password is shown this once."""

    extension: str
    domain: str
    password: str
    websocket: str
    expires_at: Time
    ice_servers: list[IceServer]
