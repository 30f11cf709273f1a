"""What the edge is told, as values. The server translates sip.conf and the directory into these."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from centralita.core.errors import InvalidInput

_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_TRUNK_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePhone:
    """An agent's phone: its extension, which is its user name, and its HA1 (see `ha1`)."""

    extension: str
    ha1: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _EXTENSION.fullmatch(self.extension):
            raise InvalidInput(
                f'"{self.extension}" is not an extension; write up to 32 letters, digits, . _ -'
            )
        if not re.fullmatch(r"[0-9a-f]{32}", self.ha1):
            raise InvalidInput(f"the HA1 of extension {self.extension} is not 32 hex digits")


def ha1(extension: str, domain: str, password: str) -> str:
    """What is stored instead of a phone's password: MD5 of user, realm and password (RFC 7616).

    MD5 because that is what desk phones speak. It serves in this realm only, and must be kept
    like a password.
    """
    text = f"{extension}:{domain}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRegistration:
    """An account at a provider that wants us to register. Port 0: as DNS says (RFC 3263)."""

    registrar: str
    port: int
    username: str
    password: str = field(repr=False)
    expires: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTrunk:
    """A line to the telephone network.

    Calls from `addresses` (IP addresses and networks) are the trunk's. `asserted` is whether its
    P-Asserted-Identity is believed. `number_from` is where the dialled number stands: "uri", "to",
    "p-called-party-id", or "auto", which is the request URI unless that is the name we registered
    under, and then To. By TLS its certificate must be signed by the authorities of this machine, or
    by those in `tls_ca`; with `tls_verify` off it may be anything. Calls to the outside go to
    `proxy` (host, port), if there is one, by way of the URI `NUMBER@NAME.trunk.invalid`; they and
    our registration are sent to `outbound_proxy`, if there is one. With `probe` the proxy is asked
    now and then whether it is there. A port that is 0 is what DNS says (RFC 3263).
    """

    name: str
    addresses: tuple[str, ...] = ()
    asserted: bool = True
    proxy: tuple[str, int] | None = None
    outbound_proxy: tuple[str, int] | None = None
    transport: str = "udp"
    number_from: str = "auto"
    tls_ca: Path | None = None
    tls_verify: bool = True
    registration: EdgeRegistration | None = None
    probe: bool = True

    def __post_init__(self) -> None:
        if not _TRUNK_NAME.fullmatch(self.name):
            raise InvalidInput(f'"{self.name}" is not a name for a trunk')

    @property
    def own_tls(self) -> bool:
        """Whether its certificate is judged otherwise than by the authorities of this machine."""
        return self.tls_ca is not None or not self.tls_verify

    def uri(self, number: str) -> str:
        """The URI by which a worker calls `number` through this trunk."""
        return trunk_uri(self.name, number)


def trunk_uri(trunk: str, number: str) -> str:
    """The URI by which a worker calls `number` through the trunk of that name."""
    return f"sip:{number}@{trunk}.trunk.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """Everything the edge needs to know, apart from the phones.

    `run_dir` is for files of this start, `state_dir` for what outlives it (the self-signed
    certificate). `workers` are the media workers, as IP address and port; `retiring` those that
    only keep the calls they have. More than
    `flood_requests` in `flood_interval` from one address, or more than `guesses_of_address` wrong
    passwords, means silence for `ban`, and more than `guesses` at one user's password means it for
    that user at that address; `exempt` addresses and trunks are spared. A challenge is good for
    `nonce`. A TCP or TLS connection that
    has not shown who it is lives for `unproven`, and one address has at most
    `unproven_connections` of them.

    Pages register by WebSocket: without TLS on `ws_port` of loopback, for this machine and for a
    reverse proxy, and with TLS on `wss_port`; 0 is not at all. `origins` are where our pages may
    come from, beside https on the host that they connect to. A page's secret serves for
    `page_secret`.

    With `guarded_keys` no key of audio (SDES) is taken or told without TLS.

    `rtpengine` is where rtpengine takes commands (host, port): the audio of agents whose phone or
    page is outside the private networks, or of all agents, goes through it.
    """

    run_dir: Path
    state_dir: Path
    workers: tuple[tuple[str, int], ...]
    retiring: tuple[tuple[str, int], ...] = ()
    address: str = "0.0.0.0"
    port: int = 5060
    transports: tuple[str, ...] = ("udp", "tcp", "tls")
    tls_port: int = 5061
    ws_port: int = 0
    wss_port: int = 0
    origins: tuple[str, ...] = ()
    page_secret: timedelta = timedelta(hours=1)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_address: str = ""
    rtpengine: tuple[str, int] | None = None
    rtpengine_for_all: bool = False
    domain: str = "centralita"
    user_agent: str = "Centralita"
    trunks: tuple[EdgeTrunk, ...] = ()
    flood_requests: int = 60
    flood_interval: timedelta = timedelta(seconds=2)
    guesses: int = 10
    guesses_of_address: int = 100
    nonce: timedelta = timedelta(minutes=5)
    ban: timedelta = timedelta(minutes=5)
    unproven: timedelta = timedelta(seconds=20)
    unproven_connections: int = 50
    exempt: tuple[str, ...] = ()
    guarded_keys: bool = False
    processes: int = 4
    binary: str = "kamailio"
    modules: str = ""

    def __post_init__(self) -> None:
        if not self.workers:
            raise InvalidInput("the edge needs at least one media worker")
        for name, text in (("user_agent", self.user_agent), ("domain", self.domain)):
            # These stand in quoted strings of a configuration language.
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._/()-]*", text):
                raise InvalidInput(f'"{text}" has signs that SIP does not take', place=name)
        for origin in self.origins:
            if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin):
                raise InvalidInput(f'"{origin}" is not the origin of a page', place="origins")
        for path in (self.run_dir, self.state_dir):
            if re.search(r"[^A-Za-z0-9._/@+-]", str(path)):
                raise InvalidInput(
                    f"{path} has a space or another sign that Kamailio does not take; "
                    "choose another data folder"
                )

    @property
    def takes_pages(self) -> bool:
        """Whether a page can be a phone."""
        return bool(self.ws_port or self.wss_port)

    @property
    def folder(self) -> Path:
        """Where the edge's files are written."""
        return self.run_dir / "edge"

    @property
    def control_pipe(self) -> Path:
        """Where the edge takes commands."""
        return self.folder / "control.pipe"

    @property
    def registrations(self) -> Path:
        """Where the edge keeps which phones are registered; outlives it."""
        return self.state_dir / "edge" / "registrations.sqlite"

    @property
    def uri(self) -> str:
        """Where media workers send their calls."""
        host = "127.0.0.1" if self.address in {"0.0.0.0", "::"} else self.address
        return f"sip:{host}:{self.port}"
