"""The configuration: sip.conf and the command line, parsed once into frozen types.

The settings themselves are in `settings.py`. No file at all is a valid configuration.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from centralita.core.errors import InvalidInput
from centralita.server.inifile import Section, did_you_mean, read_sections
from centralita.server.post_checks import email_problems, sms_problems
from centralita.server.settings import (
    AsrConfig,
    DatabaseConfig,
    EmailConfig,
    HttpConfig,
    KeysConfig,
    LimitsConfig,
    LogConfig,
    MediaConfig,
    NumberConfig,
    OutboundConfig,
    RecordingsConfig,
    RetentionConfig,
    SipConfig,
    SmsConfig,
    TrunkConfig,
    TtsConfig,
    name_of,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_NAME = "sip.conf"
# More media workers than this are run only where somebody has asked for them.
_MOST_BY_ITSELF = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line says; it wins over the file."""

    data: Path | None = None
    sip_port: int | None = None
    http_port: int | None = None
    http_host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be set. `source` is the file it was read from, if any."""

    data: Path
    source: Path | None = None
    sip: SipConfig = field(default_factory=SipConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    asr: AsrConfig = field(default_factory=AsrConfig)
    tts: TtsConfig = field(default_factory=TtsConfig)
    recordings: RecordingsConfig = field(default_factory=RecordingsConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    keys: KeysConfig = field(default_factory=KeysConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    outbound: OutboundConfig = field(default_factory=OutboundConfig)
    email: EmailConfig = field(default_factory=EmailConfig)
    sms: SmsConfig = field(default_factory=SmsConfig)
    log: LogConfig = field(default_factory=LogConfig)
    trunks: tuple[TrunkConfig, ...] = ()
    numbers: tuple[NumberConfig, ...] = ()

    @property
    def run_dir(self) -> Path:
        """Sockets and files written for child processes; made anew at each start."""
        return self.data / "run"

    @property
    def recordings_dir(self) -> Path:
        """Where audio is kept."""
        return self.recordings.dir or self.data / "recordings"

    @property
    def keys_dir(self) -> Path:
        """Where the keyring is."""
        return self.keys.dir or self.data / "keys"

    @property
    def audit_dir(self) -> Path:
        """Where the head of the audit log is."""
        return self.data / "audit"

    @property
    def database_url(self) -> str:
        """The URL for the store: with its asynchronous driver, and the password from its file."""
        url = self.database.url or f"sqlite:///{self.data / 'centralita.db'}"
        for scheme, driver in (("sqlite", "aiosqlite"), ("postgresql", "asyncpg")):
            url = url.replace(f"{scheme}://", f"{scheme}+{driver}://", 1)
        if self.database.password_file is not None:
            url = with_password(url, read_secret(self.database.password_file))
        return url

    @property
    def worker_count(self) -> int:
        """How many media workers are run: as set, or one for each two cores.

        The other half of the cores is for the brain, the recognisers and Kamailio.
        """
        if self.media.workers is not None:
            return self.media.workers
        if self.sip.edge == "none":
            return 1
        return max(1, min(len(os.sched_getaffinity(0)) // 2, _MOST_BY_ITSELF))

    def number_for(self, dialled: str) -> NumberConfig | None:
        """The most specific `[number:...]` that fits what was dialled."""
        fitting = [number for number in self.numbers if pattern_fits(number.pattern, dialled)]
        # More fixed digits are more specific; then fewer open places.
        return max(
            fitting,
            key=lambda number: sum(sign in "+0123456789#" for sign in number.pattern),
            default=None,
        )


SECTIONS: dict[str, type[DataclassInstance]] = {
    "sip": SipConfig,
    "media": MediaConfig,
    "http": HttpConfig,
    "database": DatabaseConfig,
    "asr": AsrConfig,
    "tts": TtsConfig,
    "recordings": RecordingsConfig,
    "retention": RetentionConfig,
    "keys": KeysConfig,
    "limits": LimitsConfig,
    "outbound": OutboundConfig,
    "email": EmailConfig,
    "sms": SmsConfig,
    "log": LogConfig,
    "trunk": TrunkConfig,
    "number": NumberConfig,
}
# Sections that stand several times, each with a name, and the field that holds the name.
NAMED = {"trunk": "name", "number": "pattern"}
_NAME_FORMS = {
    "trunk": (re.compile(r"[a-z][a-z0-9_-]{0,30}"), "small letters, digits, - and _"),
    "number": (
        re.compile(r"\+?[0-9X]*[*]?#?"),
        "digits, a leading +, X for any digit, * at the end",
    ),
}


class ConfigError(InvalidInput):
    """The configuration is wrong; the message has one line for each problem."""

    code = "config"

    def __init__(self, problems: Iterable[InvalidInput]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def pattern_fits(pattern: str, dialled: str) -> bool:
    """Whether a pattern such as `+3491X`, `9*` or `100` fits a dialled number."""
    expression = re.escape(pattern).replace("X", "[0-9]").replace(r"\*", ".*")
    return re.fullmatch(expression, dialled) is not None


def read_secret(path: Path) -> str:
    """The first line of a file that only its owner can read."""
    if path.stat().st_mode & 0o077:
        raise InvalidInput(f"other users can read it; chmod 600 {path}", place=str(path))
    return path.read_text(encoding="utf-8").split("\n", 1)[0].strip()


def with_password(url: str, password: str) -> str:
    """`scheme://user@host/…` with the password behind the user."""
    return re.sub(r"^([a-z+]+://[^:@/]+)(:[^@/]*)?@", rf"\g<1>:{quote(password, safe='')}@", url)


def load_config(path: Path | None = None, overrides: Overrides | None = None) -> Config:
    """Read `path`, or ./sip.conf if it is there, or take the defaults.

    Raises ConfigError with every problem, each with file, line, section, key, what is wrong and
    what would be right.
    """
    overrides = overrides or Overrides()
    if path is None and Path(DEFAULT_NAME).is_file():
        path = Path(DEFAULT_NAME)
    if path is None:
        return _overridden(Config(data=_data_dir(overrides)), overrides)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            [InvalidInput(f"cannot be read as a configuration: {exc}", place=str(path))]
        ) from exc
    config = parse_config(text, path, _data_dir(overrides))
    return _overridden(config, overrides)


def parse_config(text: str, path: Path, data: Path) -> Config:
    """The configuration in `text`, which came from `path`; raises ConfigError."""
    sections, problems = read_sections(text, str(path))
    single: dict[str, DataclassInstance] = {}
    trunks: list[TrunkConfig] = []
    numbers: list[NumberConfig] = []
    for section in sections:
        built = _build(section, path, problems)
        if isinstance(built, TrunkConfig):
            trunks.append(built)
        elif isinstance(built, NumberConfig):
            numbers.append(built)
        elif built is not None:
            single[section.kind] = built
    if problems:
        raise ConfigError(problems)
    config = dataclasses.replace(
        Config(data=data, source=path, trunks=tuple(trunks), numbers=tuple(numbers)),
        **single,  # type: ignore[arg-type]  # SECTIONS pairs each name with its type
    )
    problems = list(_contradictions(config, path, sections))
    if problems:
        raise ConfigError(problems)
    return config


def _build(section: Section, path: Path, problems: list[InvalidInput]) -> DataclassInstance | None:
    """The typed section, with what is wrong added to `problems`."""
    place = f"{path}:{section.line} [{section.title}]"
    kind = SECTIONS.get(section.kind)
    if kind is None:
        hint = did_you_mean(section.kind, SECTIONS)
        problems.append(InvalidInput(f"there is no such section; {hint}", place=place))
        return None
    taken: dict[str, object] = {}
    if section.kind in NAMED:
        form, description = _NAME_FORMS[section.kind]
        if not section.name or not form.fullmatch(section.name):
            problems.append(
                InvalidInput(
                    f'"{section.name}" is not a name for it; '
                    f"write [{section.kind}:NAME] with {description}",
                    place=place,
                )
            )
        taken[NAMED[section.kind]] = section.name
    elif section.name:
        problems.append(InvalidInput(f"takes no name; write [{section.kind}]", place=place))
    fields = {name_of(item): item for item in dataclasses.fields(kind) if item.metadata}
    for entry in section.entries.values():
        where = f"{path}:{entry.line} [{section.title}] {entry.key}"
        item = fields.get(entry.key)
        if item is None:
            hint = did_you_mean(entry.key, fields)
            problems.append(InvalidInput(f"there is no such setting; {hint}", place=where))
            continue
        try:
            value = item.metadata["parse"](entry.value)
        except ValueError as exc:
            problems.append(InvalidInput(str(exc), place=where))
            continue
        taken[item.name] = path.absolute().parent / value if isinstance(value, Path) else value
    return kind(**taken)


def _contradictions(config: Config, path: Path, sections: list[Section]) -> Iterable[InvalidInput]:
    """Settings that are sound alone but not together, or that name files which are not there."""
    lines = {
        (section.title, entry.key): entry.line
        for section in sections
        for entry in section.entries.values()
    }
    headings = {section.title: section.line for section in sections}

    def at(title: str, key: str, message: str) -> InvalidInput:
        line = lines.get((title, key), headings.get(title, 1))
        return InvalidInput(message, place=f"{path}:{line} [{title}] {key}")

    sip, media = config.sip, config.media
    if (sip.tls_certificate is None) != (sip.tls_key is None):
        missing = "tls_key" if sip.tls_key is None else "tls_certificate"
        yield at("sip", missing, "certificate and key belong together; name both files or none")
    if "tls" in sip.transports and sip.tls_port == sip.port and "tcp" in sip.transports:
        yield at("sip", "tls_port", f"{sip.tls_port} is taken by [sip] port; write another")
    if config.worker_count > 1 and sip.edge == "none":
        yield at("media", "workers", "several workers need [sip] edge = kamailio before them")
    worker_ports = range(sip.worker_port, sip.worker_port + config.worker_count)
    if sip.edge == "kamailio" and (sip.port in worker_ports or sip.tls_port in worker_ports):
        yield at("sip", "worker_port", f"{sip.worker_port} and up collide with the public ports")
    if media.srtp_keys == "tls":
        yield from (
            at(title, key, f"{key} = {value}: keys would go in the clear; [media] srtp_keys = tls")
            for title, key, value in _keys_in_the_clear(config)
        )
    if len(media.rtp_ports) // config.worker_count < 8:
        yield at("media", "rtp_ports", "too few for the workers; two ports are used by each leg")
    files = [
        ("sip", "tls_certificate", sip.tls_certificate),
        ("sip", "tls_key", sip.tls_key),
        ("database", "password_file", config.database.password_file),
        ("email", "password_file", config.email.password_file),
        ("sms", "password_file", config.sms.password_file),
        *((f"trunk:{trunk.name}", "password_file", trunk.password_file) for trunk in config.trunks),
        *((f"trunk:{trunk.name}", "tls_ca", trunk.tls_ca) for trunk in config.trunks),
    ]
    for title, key, file in files:
        if file is not None and not file.is_file():
            yield at(title, key, f"{file} is not a file")
        elif (
            file is not None
            and key not in {"tls_certificate", "tls_ca"}
            and file.stat().st_mode & 0o077
        ):
            yield at(title, key, f"other users can read it; chmod 600 {file}")
    if (
        urlsplit(config.database.url).password is not None
        and path.is_file()
        and path.stat().st_mode & 0o077
    ):
        yield at(
            "database",
            "url",
            f"a password stands in it, and other users can read the file; chmod 600 {path}, or "
            "write it into a file of its own with password_file",
        )
    for trunk in config.trunks:
        title = f"trunk:{trunk.name}"
        if not trunk.addresses and trunk.registrar is None:
            yield at(
                title,
                "addresses",
                "a trunk needs addresses by which its calls are known, or a registrar",
            )
        if trunk.outbound_proxy and not (trunk.proxy or trunk.registrar):
            yield at(title, "outbound_proxy", "it is on the way to a proxy or registrar; name one")
        if trunk.registrar is not None and not (trunk.username and trunk.password_file):
            yield at(title, "registrar", "registering needs username and password_file")
    for number in config.numbers:
        if not number.flow:
            yield at(f"number:{number.pattern}", "flow", "say which flow answers: flow = main")
    for title, problems in (
        ("email", email_problems(config.email)),
        ("sms", sms_problems(config.sms)),
    ):
        for key, message in problems:
            yield at(title, key, message)


def _keys_in_the_clear(config: Config) -> Iterable[tuple[str, str, str]]:
    """What has us send keys of audio without TLS: section, setting and value."""
    sip, media = config.sip, config.media
    if sip.edge == "none":
        yield "sip", "edge", "none"
    elif media.srtp == "mandatory":
        # All that we offer has keys then; otherwise nothing has that leaves the house.
        if sip.transports != ("tls",):
            yield "sip", "transports", ", ".join(sip.transports)
        for trunk in config.trunks:
            if trunk.transport != "tls" and (trunk.proxy or trunk.registrar):
                yield f"trunk:{trunk.name}", "transport", trunk.transport


def _data_dir(overrides: Overrides) -> Path:
    return (overrides.data or Path("data")).absolute()


def _overridden(config: Config, overrides: Overrides) -> Config:
    sip, http = config.sip, config.http
    if overrides.sip_port is not None:
        sip = dataclasses.replace(sip, port=overrides.sip_port)
        if sip.tls_port == SipConfig().tls_port:
            # A second server on one machine moves with all its ports.
            sip = dataclasses.replace(
                sip, tls_port=overrides.sip_port + 1, worker_port=overrides.sip_port + 10
            )
        if (sip.ws_port, sip.wss_port) == (SipConfig().ws_port, SipConfig().wss_port):
            sip = dataclasses.replace(
                sip, ws_port=overrides.sip_port + 2, wss_port=overrides.sip_port + 3
            )
    if overrides.http_port is not None:
        http = dataclasses.replace(http, port=overrides.http_port)
    if overrides.http_host is not None:
        http = dataclasses.replace(http, host=overrides.http_host)
    return dataclasses.replace(config, sip=sip, http=http)
