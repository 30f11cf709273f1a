"""Settings of `[email]` and `[sms]` that are sound alone but not together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from centralita.server.settings import EmailConfig, SmsConfig

# The setting, and what is wrong with it.
Problem = tuple[str, str]


def email_problems(config: EmailConfig) -> Iterator[Problem]:
    """Settings of `[email]` that do not go together."""
    if config.server is None:
        return
    if config.from_ is None:
        yield "from", "say whom emails come from: from = Talleres Gil <hola@example.org>"
    if bool(config.user) != (config.password_file is not None):
        missing = "password_file" if config.user else "user"
        yield missing, "user and password_file belong together; write both or none"
    if config.user and config.security == "none" and not is_this_machine(config.server[0]):
        yield (
            "security",
            f"the password would go to {config.server[0]} for everybody to read; "
            "write starttls or tls",
        )


def sms_problems(config: SmsConfig) -> Iterator[Problem]:
    """Settings of `[sms]` that do not go together."""
    if not config.url:
        return
    host = ""
    try:
        parts = urlsplit(config.url)
        host, secret = parts.hostname or "", parts.username is not None or bool(parts.query)
    except ValueError:
        secret = False
    if not host:
        yield "url", "there is no host in it; write http://127.0.0.1:13013/cgi-bin/sendsms"
    elif secret:
        yield "url", "leave out name, password and what follows a ?; there are settings for them"
    elif config.url.startswith("http://") and not is_this_machine(host):
        yield "url", f"the password would go to {host} for everybody to read; write https://"
    if not (config.user and config.password_file):
        missing = "password_file" if config.user else "user"
        yield missing, "the gateway wants user and password_file"
    if not config.from_:
        yield "from", "say whom SMS come from: a number, or up to 11 letters"


def is_this_machine(host: str) -> bool:
    """Whether a host is reached without a network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
