"""Every setting of sip.conf: a field with its default and the kind of value it takes.

sip.conf.example documents them for people, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from centralita.channels.mailbox import Mailbox
from centralita.server import values
from centralita.server.values import PortRange

T = TypeVar("T")
_AUTO: int | None = None
_OFF: int | None = None
_FOR_EVER: timedelta | None = None
_KEPT: timedelta | None = timedelta(days=90)


def setting(default: T, parse: values.Parser[T]) -> T:
    """A field that sip.conf can set."""
    return field(default=default, metadata={"parse": parse})


def name_of(item: Field[object]) -> str:
    """What a field is called in sip.conf: `from_` is `from`, which Python has taken."""
    return item.name.removesuffix("_")


@dataclass(frozen=True, slots=True, kw_only=True)
class SipConfig:
    """Where phones and trunks reach us, and how they must behave."""

    address: str = setting("0.0.0.0", values.ip_address)
    port: int = setting(5060, values.port)
    public_address: str = setting("", values.or_empty(values.host))
    edge: str = setting("kamailio", values.choice("kamailio", "none"))
    transports: tuple[str, ...] = setting(
        ("udp", "tcp", "tls"), values.choices("udp", "tcp", "tls")
    )
    tls_port: int = setting(5061, values.port)
    tls_certificate: Path | None = setting(None, values.optional(values.path))
    tls_key: Path | None = setting(None, values.optional(values.path))
    ws_port: int = setting(5066, values.port_or_none)
    wss_port: int = setting(7443, values.port_or_none)
    ws_url: str = setting("", values.url("ws", "wss"))
    phone_grace: timedelta = setting(timedelta(seconds=30), values.duration)
    domain: str = setting("centralita", values.host)
    worker_port: int = setting(5070, values.port)
    user_agent: str = setting("Centralita", values.text)
    region: str = setting("ES", values.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConfig:
    """The media workers; how many of None are run follows the cores (`Config.worker_count`)."""

    workers: int | None = setting(_AUTO, values.automatic(values.integer(1, 64)))
    max_calls: int = setting(400, values.integer(1, 1000))
    clock_rate: int = setting(8000, values.number(8000, 16000))
    codecs: tuple[str, ...] = setting(
        ("PCMA/8000", "PCMU/8000", "opus/48000", "G722/16000"), values.codecs
    )
    srtp: str = setting("optional", values.choice("off", "optional", "mandatory"))
    srtp_keys: str = setting("any", values.choice("any", "tls"))
    address: str = setting("", values.or_empty(values.ip_address))
    public_address: str = setting("", values.or_empty(values.ip_address))
    rtp_ports: PortRange = setting(PortRange(20000, 29999), values.port_range)
    rtp_timeout: timedelta = setting(timedelta(minutes=2), values.duration)
    silence_timeout: timedelta = setting(timedelta(seconds=8), values.duration)
    page_return: timedelta = setting(timedelta(seconds=3), values.duration)
    ice_servers: tuple[str, ...] = setting((), values.ice_servers)
    turn_secret_file: Path | None = setting(None, values.optional(values.path))
    rtpengine: tuple[str, int] | None = setting(None, values.optional(values.host_and_port(2223)))
    rtpengine_for: str = setting("outside", values.choice("outside", "all"))
    pjproject: Path | None = setting(None, values.optional(values.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkConfig:
    """A line to the telephone network, `[trunk:NAME]`. Port 0: none is named."""

    name: str
    addresses: tuple[str, ...] = setting((), values.networks)
    proxy: tuple[str, int] | None = setting(None, values.optional(values.host_and_port(0)))
    transport: str = setting("udp", values.choice("udp", "tcp", "tls"))
    registrar: tuple[str, int] | None = setting(None, values.optional(values.host_and_port(0)))
    username: str = setting("", values.text)
    password_file: Path | None = setting(None, values.optional(values.path))
    expires: timedelta = setting(timedelta(minutes=10), values.duration)
    tls_ca: Path | None = setting(None, values.optional(values.path))
    tls_verify: bool = setting(True, values.boolean)
    probe: bool = setting(True, values.boolean)
    number_from: str = setting("auto", values.choice("auto", "uri", "to", "p-called-party-id"))
    caller_id: str = setting("asserted", values.choice("asserted", "from"))
    outbound_proxy: tuple[str, int] | None = setting(None, values.optional(values.host_and_port(0)))
    from_user: str = setting("", values.or_empty(values.sip_user))
    from_domain: str = setting("", values.or_empty(values.host))
    identity: str = setting("pai", values.choice("none", "pai", "ppi", "rpid"))
    number: str = setting("", values.or_empty(values.shown_number))
    hide_number: bool = setting(False, values.boolean)
    number_format: str = setting(
        "e164", values.choice("e164", "e164-without-plus", "00", "national")
    )
    forwarded: str = setting("diversion", values.choice("diversion", "own"))
    priority: int = setting(10, values.integer(0, 1000))
    calls_to: tuple[str, ...] = setting((), values.number_patterns)
    srtp: str = setting("", values.or_empty(values.choice("off", "optional", "mandatory")))
    region: str = setting("", values.or_empty(values.region))


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberConfig:
    """What answers a dialled number, `[number:PATTERN]`."""

    pattern: str
    flow: str = setting("", values.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """The API and the pages."""

    host: str = setting("127.0.0.1", values.host)
    port: int = setting(8080, values.port)
    public_url: str = setting("", values.url("http", "https"))
    cookie_secure: bool = setting(False, values.boolean)
    session_idle: timedelta = setting(timedelta(minutes=30), values.duration)
    trusted_proxies: tuple[str, ...] = setting(("127.0.0.0/8", "::1/128"), values.networks)
    metrics_from: tuple[str, ...] = setting(("127.0.0.0/8", "::1/128"), values.networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """Where everything is kept; an empty URL is an SQLite file in the data folder."""

    url: str = setting("", values.url("sqlite", "postgresql"))
    password_file: Path | None = setting(None, values.optional(values.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class AsrConfig:
    """Speech recognition. An empty model is looked for in the data folder, then the mini one."""

    workers: int = setting(1, values.integer(1, 64))
    max_streams: int = setting(20, values.integer(1, 1000))
    transcript_reserve: int = setting(10, values.integer(0, 1000))
    model_es: Path | None = setting(None, values.optional(values.path))
    model_en: Path | None = setting(None, values.optional(values.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsConfig:
    """Spoken prompts. The rate is in words a minute."""

    engine: str = setting("espeak-ng", values.choice("espeak-ng"))
    voice_es: str = setting("es", values.text)
    voice_en: str = setting("en-us", values.text)
    rate: int = setting(160, values.integer(80, 400))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsConfig:
    """Recorded conversations and voicemail. A retention of None keeps them for ever."""

    dir: Path | None = setting(None, values.optional(values.path))
    encrypt: bool = setting(True, values.boolean)
    announce: bool = setting(True, values.boolean)
    retention: timedelta | None = setting(_KEPT, values.duration_or_forever)
    keep_free_mb: int = setting(500, values.integer(1, 1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How long words are kept; None is for ever. For sound see `RecordingsConfig.retention`."""

    transcripts: timedelta | None = setting(_FOR_EVER, values.duration_or_forever)
    messages: timedelta | None = setting(_FOR_EVER, values.duration_or_forever)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """The keys that what is kept is encrypted and anchored with."""

    dir: Path | None = setting(None, values.optional(values.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Flood control: after `sip_requests` within `sip_interval` an address is ignored for `ban`.

    `stop_grace` is what calls are given to end by themselves when the server is stopped. In a
    `sandbox` children reach only what they work with.
    """

    sip_requests: int = setting(60, values.integer(5, 100000))
    sip_interval: timedelta = setting(timedelta(seconds=2), values.duration)
    ban: timedelta = setting(timedelta(minutes=5), values.duration)
    exempt: tuple[str, ...] = setting((), values.networks)
    stop_grace: timedelta = setting(timedelta(seconds=30), values.duration)
    sandbox: bool = setting(True, values.boolean)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundConfig:
    """Calls and messages to the outside: which, how many a day, how long, at what cost."""

    allow: tuple[str, ...] = setting((), values.prefixes)
    deny: tuple[str, ...] = setting((), values.prefixes)
    costly: tuple[str, ...] = setting((), values.prefixes)
    emergency: tuple[str, ...] = setting((), values.digits)
    night: tuple[time, time] | None = setting(None, values.optional(values.hours))
    night_allow: tuple[str, ...] = setting((), values.prefixes)
    timezone: str = setting("", values.or_empty(values.timezone))
    agent_calls: int = setting(100, values.integer(0, 1_000_000))
    agent_time: timedelta = setting(timedelta(hours=5), values.duration)
    flow_calls: int = setting(300, values.integer(0, 1_000_000))
    flow_time: timedelta = setting(timedelta(hours=20), values.duration)
    calls: int = setting(500, values.integer(0, 1_000_000))
    time: timedelta = setting(timedelta(hours=40), values.duration)
    concurrent: int = setting(20, values.integer(0, 1000))
    agent_sms: int = setting(100, values.integer(0, 1_000_000))
    sms: int = setting(500, values.integer(0, 1_000_000))
    agent_emails: int = setting(300, values.integer(0, 1_000_000))
    emails: int = setting(3000, values.integer(0, 1_000_000))
    sms_alert_at: int | None = setting(_OFF, values.optional(values.integer(1, 1_000_000)))
    emails_alert_at: int | None = setting(_OFF, values.optional(values.integer(1, 1_000_000)))
    prices: tuple[tuple[str, Decimal], ...] = setting((), values.prices)
    alert_at: Decimal | None = setting(None, values.optional(values.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig:
    """The mail server that takes our emails on; without one they wait."""

    server: tuple[str, int | None] | None = setting(None, values.optional(values.server_address))
    security: str = setting("starttls", values.choice("starttls", "tls", "none"))
    user: str = setting("", values.text)
    password_file: Path | None = setting(None, values.optional(values.path))
    from_: Mailbox | None = setting(None, values.optional(values.mailbox))
    reply_to: Mailbox | None = setting(None, values.optional(values.mailbox))

    @property
    def port(self) -> int:
        """The port that is set, or the usual one (RFC 8314)."""
        given = self.server[1] if self.server is not None else None
        return given or {"starttls": 587, "tls": 465, "none": 25}[self.security]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsConfig:
    """The gateway that takes our SMS on (Kannel's `sendsms`); without one they wait."""

    url: str = setting("", values.url("http", "https"))
    user: str = setting("", values.text)
    password_file: Path | None = setting(None, values.optional(values.path))
    from_: str = setting("", values.or_empty(values.sms_sender))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """The log, on standard error unless a file is named."""

    level: str = setting("info", values.choice("debug", "info", "warning", "error"))
    format: str = setting("text", values.choice("text", "json"))
    file: Path | None = setting(None, values.optional(values.path))
    personal_data: bool = setting(False, values.boolean)
