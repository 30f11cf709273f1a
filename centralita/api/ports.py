"""What the API needs from the rest of the house. `server/wiring.py` fills it."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry

from centralita.api import schemas as s
from centralita.api.live import LiveHub
from centralita.api.passwords import Passwords
from centralita.api.schemas import oncall as o
from centralita.audit.log import AuditLog
from centralita.core.clock import Clock
from centralita.core.ids import AgentId, CallId, FlowId
from centralita.core.wire import Plain
from centralita.outbound.messages import MessageLimits
from centralita.outbound.rules import Rules
from centralita.store.records import FlowRecord
from centralita.store.store import Store
from centralita.timeline.directory import Directory
from centralita.vault.keyring import Keyring

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)


class AgentControl(Protocol):
    """What agents may do by the page. Raises NotFound for an unknown agent, Conflict when the
    state does not allow it (no wrap-up to end)."""

    async def set_status(self, agent_id: AgentId, status: s.AgentStatus, reason: str) -> None:
        """Choose a status. Publishes AgentChanged and keeps it in the store before it returns."""
        ...

    async def finish_wrap_up(self, agent_id: AgentId) -> None:
        """End wrap-up now."""
        ...

    async def extend_wrap_up(self, agent_id: AgentId, by: timedelta) -> None:
        """Take more time for wrap-up."""
        ...


class ConversationControl(Protocol):
    """What agents may do with a call by the page. Raises NotFound for a call in which nobody
    talks, and Conflict, whose code says what is in the way."""

    def owner(self, call_id: CallId) -> AgentId:
        """The agent who has the call now."""
        ...

    async def hang_up(self, call_id: CallId) -> None: ...

    async def hold(self, call_id: CallId) -> None: ...

    async def resume(self, call_id: CallId) -> None: ...

    async def keys(self, call_id: CallId, keys: str) -> None: ...

    async def transfer(
        self, call_id: CallId, to: o.ToQueue | o.ToAgent | o.ToNumber | o.ToVoicemail | o.ToFlow
    ) -> None: ...

    async def consult(self, call_id: CallId, to: o.ToQueue | o.ToAgent | o.ToNumber) -> None: ...

    async def swap(self, call_id: CallId) -> None: ...

    async def complete(self, call_id: CallId) -> None: ...

    async def confer(self, call_id: CallId) -> None: ...

    async def cancel(self, call_id: CallId) -> None: ...

    async def pause_recording(self, call_id: CallId, paused: bool) -> None: ...

    async def park(self, call_id: CallId) -> str:
        """Returns the slot."""
        ...

    async def pick_up(self, slot: str, agent_id: AgentId) -> None: ...

    async def call(self, agent_id: AgentId, wanted: o.CallRequest) -> o.StartedCall:
        """Ring the agent, then call the number."""
        ...


class HouseControl(Protocol):
    """Everything that works by the directory of users, agents and queues."""

    async def take_changes(self) -> None:
        """Work by the directory as the store has it now: routing, the edge's phones, and whoever
        is here without a right to be. No call notices. What cannot be told at once (the edge is
        starting) is told as soon as it can be."""
        ...

    async def forget_spoken(self) -> None:
        """Remove the sound of what was said to single callers, with their names and numbers."""
        ...

    async def show_out(self) -> None:
        """End what a session or token kept open that is good no more. As above, what cannot be
        done at once is done soon."""
        ...


class HealthReport(Protocol):
    """Tells how the parts of the house are."""

    async def report(self) -> s.Health:
        """As of now; answers within a second."""
        ...


class BanControl(Protocol):
    """The addresses that the edge ignores."""

    async def all(self) -> Sequence[s.Ban]:
        """As of now, the latest first."""
        ...

    async def lift(self, address: str, by: str) -> None:
        """Listen to it again; NotFound when it is not banned. `by` is who forgives, for the log."""
        ...


class TrunkReport(Protocol):
    """Tells how the lines to the telephone network are."""

    def all(self) -> Sequence[s.Trunk]:
        """As of now, in the order of the configuration."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server for pages."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedPage:
    """What a page needs to register: the password is known to nobody else."""

    domain: str
    password: str = field(repr=False)
    expires_at: datetime
    ice_servers: Sequence[IceServer] = ()


class PhoneControl(Protocol):
    """Pages as phones of their agents' extensions."""

    async def admit(self, extension: str, device: str, *, take_over: bool) -> AdmittedPage:
        """Let the page of a browser be the phone. Raises Conflict (`phone_elsewhere`) while
        another browser is it, unless it is to take over; Unavailable without an edge."""
        ...

    async def dismiss(self, extension: str) -> None:
        """No page is the phone any more."""
        ...

    async def keep_only(self, extensions: Collection[str]) -> None:
        """Dismiss the pages of all other extensions: nobody who may is signed in there."""
        ...

    def leaves(self, extension: str) -> None:
        """The page is being closed or loaded anew."""
        ...

    async def come_back(self, extension: str) -> None:
        """Ring the page for the call it had, if it had one."""
        ...


class PostControl(Protocol):
    """Whoever sends what agents write."""

    def sends(self, channel: str) -> bool:
        """Whether there is somebody who takes it on (`email`, `sms`)."""
        ...

    def wake(self, channel: str) -> None:
        """There is something new to send."""
        ...


class FlowControl(Protocol):
    """Judges flow documents and is told of new ones."""

    async def validate(
        self, flow_id: FlowId, document: Mapping[str, Plain]
    ) -> Sequence[s.FlowProblem]:
        """What is wrong with a document; empty when it can be published. Not done in the loop."""
        ...

    async def published(self, flow: FlowRecord) -> None:
        """This version answers calls from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the HTTP side behaves. `region` reads national numbers (ISO 3166).

    `trusted_proxies` may say in X-Forwarded-For and X-Forwarded-Proto who the client is. With
    `cookie_secure` the cookies are for TLS only, whatever a proxy says.
    `origins` are other origins of the page (the public URL, where a proxy changes the host).
    A session is over after `session_length`, or when neither a request nor an open live feed was
    there for `session_idle`. `domain` is what phones register with.
    A request has `head_time` for its first line and headers when a connection begins, and
    `body_time` for its body.
    `ws_port` and `wss_port` are where pages find the edge on the host they came from, `ws_url` is
    where they find it behind a proxy; the page may talk to that and to nothing else.
    An address has `stranger_requests` at once and `stranger_rate` a second for what nobody has
    signed in for, each session and each API token `session_requests` and `session_rate`.
    Messages go where `outbound` lets calls go (without it, to `region`), so many a day.
    `/metrics` answers to `metrics_from`, and to anybody with `metrics_token` as Bearer.
    """

    region: str
    version: str
    recordings_dir: Path
    outbound: Rules | None = None
    message_limits: MessageLimits = field(default_factory=MessageLimits)
    web_dir: Path | None = None
    session_length: timedelta = timedelta(hours=12)
    session_idle: timedelta = timedelta(minutes=30)
    domain: str = "centralita"
    body_time: timedelta = timedelta(seconds=30)
    head_time: timedelta = timedelta(seconds=15)
    max_connections: int = 4000
    connections_per_address: int = 200
    sign_in_window: timedelta = timedelta(minutes=5)
    failures_per_user: int = 10
    failures_per_address: int = 30
    stranger_requests: int = 3000
    stranger_rate: float = 20
    session_requests: int = 1000
    session_rate: float = 50
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    cookie_secure: bool = False
    origins: tuple[str, ...] = ()
    ws_port: int = 0
    wss_port: int = 0
    ws_url: str = ""
    metrics_from: tuple[Network, ...] = LOOPBACK
    metrics_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPorts:
    """Everything that the API stands on."""

    settings: ApiSettings
    store: Store
    clock: Clock
    directory: Directory
    hub: LiveHub
    agents: AgentControl
    conversations: ConversationControl
    health: HealthReport
    flows: FlowControl
    bans: BanControl
    trunks: TrunkReport
    phones: PhoneControl
    house: HouseControl
    post: PostControl
    metrics: CollectorRegistry
    keyring: Keyring
    audit: AuditLog
    passwords: Passwords = field(default_factory=Passwords)
