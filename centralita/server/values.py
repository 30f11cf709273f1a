"""The kinds of values a setting can have: from text to a type, or a ValueError that helps.

The message of each ValueError says what is wrong and what would be right; `config.py` adds the
place.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from centralita.channels.mailbox import Mailbox
from centralita.core.errors import InvalidInput
from centralita.core.wire import parse_duration

T = TypeVar("T")
Parser = Callable[[str], T]

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_ICE = re.compile(
    r"(stun|stuns|turn|turns):([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
    r"(\?transport=(udp|tcp))?"
)
_MAILBOX = re.compile(
    r'"?(?P<name>[^"<>]*?)"?\s*<(?P<address>[^<>\s]+@[^<>\s]+)>|(?P<bare>[^<>\s]+@[^<>\s]+)'
)
_YES = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}

# The names people use, and what pjsua2 calls them.
CODECS = {"pcma": "PCMA/8000", "pcmu": "PCMU/8000", "opus": "opus/48000", "g722": "G722/16000"}


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports from `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def text(value: str) -> str:
    """Any text that has no control characters."""
    if not value.isprintable():
        raise ValueError("it contains a control character; write plain text")
    return value


def boolean(value: str) -> bool:
    try:
        return _YES[value.lower()]
    except KeyError:
        raise ValueError(f'"{value}" is neither yes nor no; write yes or no') from None


def integer(low: int, high: int) -> Parser[int]:
    """A whole number from `low` to `high`."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f'"{value}" is not a number from {low} to {high}; write {low}-{high}')
        return int(value)

    return parse


def port(value: str) -> int:
    if not re.fullmatch(r"\d{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ValueError(f'"{value}" is not a port; write a number from 1 to 65535')
    return int(value)


def port_or_none(value: str) -> int:
    """A port, or `off`, which is 0."""
    if value.lower() == "off":
        return 0
    try:
        return port(value)
    except ValueError as exc:
        raise ValueError(f"{exc}, or off") from None


def ice_servers(value: str) -> tuple[str, ...]:
    """STUN and TURN servers as URLs (RFC 7064, RFC 7065), separated by commas."""
    urls = tuple(filter(None, (part.strip() for part in value.split(","))))
    for url in urls:
        if not _ICE.fullmatch(url):
            raise ValueError(
                f'"{url}" is not a STUN or TURN server; write stun:stun.example.org:3478 or '
                "turn:turn.example.org:3478?transport=udp"
            )
    return urls


def port_range(value: str) -> PortRange:
    match = re.fullmatch(r"(\d{1,5})\s*-\s*(\d{1,5})", value)
    if match is None:
        raise ValueError(f'"{value}" is not a range of ports; write first-last, as in 20000-29999')
    first, last = int(match[1]), int(match[2])
    if not 1024 <= first < last <= 65535:
        raise ValueError(f'"{value}" must rise, and lie between 1024 and 65535')
    if first % 2:
        raise ValueError(f"the first port must be even, since RTP takes pairs; write {first + 1}")
    return PortRange(first, last)


def choice(*allowed: str) -> Parser[str]:
    """One of a few words."""

    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise ValueError(f'"{value}" is not known here; write one of {", ".join(allowed)}')
        return value.lower()

    return parse


def choices(*allowed: str) -> Parser[tuple[str, ...]]:
    """One or several of a few words, separated by commas, in an order that may matter."""
    one = choice(*allowed)

    def parse(value: str) -> tuple[str, ...]:
        words = tuple(one(word.strip()) for word in value.split(","))
        if len(set(words)) != len(words):
            raise ValueError(f'"{value}" names one twice; write each once')
        return words

    return parse


def codecs(value: str) -> tuple[str, ...]:
    """Codecs in order of preference, by the names pjsua2 knows."""
    return tuple(CODECS[name] for name in choices(*CODECS)(value))


def number(low: int, high: int) -> Parser[int]:
    """A choice between numbers that are far apart, such as clock rates."""

    def parse(value: str) -> int:
        if value not in {str(low), str(high)}:
            raise ValueError(f'"{value}" is not possible; write {low} or {high}')
        return int(value)

    return parse


def ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f'"{value}" is not an IP address; write one like 192.0.2.10') from None


def host(value: str) -> str:
    """An IP address or a host name."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if not _HOST.fullmatch(value) or re.fullmatch(r"[\d.]+", value):
            raise ValueError(
                f'"{value}" is neither an IP address nor a host name; '
                "write one like 192.0.2.10 or pbx.example.org"
            ) from None
        return value.lower()


def server_address(value: str) -> tuple[str, int | None]:
    """`host` or `host:port`; without a port it is the one that goes with the rest. An IPv6 address
    stands in brackets before a port."""
    name, colon, digits = value.partition(":") if value.count(":") == 1 else (value, "", "")
    if bracketed := re.fullmatch(r"\[([^][]*)\](?:(:)(\d*))?", value):
        name, colon, digits = bracketed[1], bracketed[2] or "", bracketed[3] or ""
        ipaddress.IPv6Address(name)
    return host(name), port(digits) if colon else None


def host_and_port(usual: int) -> Parser[tuple[str, int]]:
    """`host` or `host:port`; without a port it is the `usual` one."""

    def parse(value: str) -> tuple[str, int]:
        name, number = server_address(value)
        return name, number or usual

    return parse


def mailbox(value: str) -> Mailbox:
    """An address, or a name and an address: `Talleres Gil <hola@example.org>`."""
    match = _MAILBOX.fullmatch(text(value))
    address = (match["address"] or match["bare"]) if match is not None else ""
    try:
        Address(addr_spec=address)
        host(address.rpartition("@")[2])
    except (ValueError, IndexError, HeaderParseError):
        raise ValueError(
            f'"{value}" is not an address; '
            "write hola@example.org or Talleres Gil <hola@example.org>"
        ) from None
    return Mailbox(name=(match["name"] or "") if match is not None else "", address=address)


def sms_sender(value: str) -> str:
    """What SMS come from: a number, or a name of up to eleven signs (3GPP TS 23.040, 9.1.2.5)."""
    if not re.fullmatch(r"\+?\d{3,15}|[A-Za-z0-9 .&_-]{1,11}", value):
        raise ValueError(
            f'"{value}" can send no SMS; write a number, or up to 11 letters and digits'
        )
    return value


def optional(parse: Parser[T]) -> Callable[[str], T | None]:
    """Empty, or what `parse` takes."""
    return lambda value: parse(value) if value else None


def automatic(parse: Parser[T]) -> Callable[[str], T | None]:
    """The word `auto`, which is None, or what `parse` takes."""

    def parse_or_auto(value: str) -> T | None:
        if value.lower() == "auto":
            return None
        try:
            return parse(value)
        except ValueError as exc:
            raise ValueError(f"{exc}, or auto") from None

    return parse_or_auto


def or_empty(parse: Parser[str]) -> Parser[str]:
    """Empty, or the text that `parse` takes."""
    return lambda value: parse(value) if value else ""


def networks(value: str) -> tuple[str, ...]:
    """IP addresses and networks (`192.0.2.0/24`), separated by commas, in canonical form."""
    found: list[str] = []
    for word in filter(None, (part.strip() for part in value.split(","))):
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError as exc:
            raise ValueError(
                f'"{word}" is not an IP address or network ({exc}); '
                "write 192.0.2.10 or 192.0.2.0/24, separated by commas"
            ) from None
    return tuple(found)


def duration(value: str) -> timedelta:
    try:
        return parse_duration(value)
    except InvalidInput as exc:
        raise ValueError(exc.reason) from None


def duration_or_forever(value: str) -> timedelta | None:
    if value.lower() == "forever":
        return None
    try:
        return parse_duration(value)
    except InvalidInput as exc:
        raise ValueError(f"{exc.reason}, or forever") from None


def region(value: str) -> str:
    """A country in two letters."""
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        raise ValueError(f'"{value}" is not a country; write its two letters, as in ES')
    return value.upper()


def prefixes(value: str) -> tuple[str, ...]:
    """Beginnings of numbers in E.164 (`+34`), and whole short numbers (`1004`)."""
    found = tuple(filter(None, (part.strip() for part in value.split(","))))
    for word in found:
        if not re.fullmatch(r"\+[1-9]\d{0,14}|\d{2,6}", word):
            raise ValueError(
                f'"{word}" is neither the beginning of a number nor a short one; write +34 or 1004'
            )
    return found


def number_patterns(value: str) -> tuple[str, ...]:
    """Beginnings of numbers in E.164 (`+34`), and short numbers with X for any digit (`3XX`)."""
    found = tuple(filter(None, (part.strip() for part in value.split(","))))
    for word in found:
        if not re.fullmatch(r"\+[1-9]\d{0,14}|[0-9X]{2,6}", word):
            raise ValueError(
                f'"{word}" is neither the beginning of a number nor a short one; write +34 or 3XX'
            )
    return found


def shown_number(value: str) -> str:
    """A number that those whom we call see."""
    if not re.fullmatch(r"\+?\d{2,15}", value):
        raise ValueError(f'"{value}" is not a number; write +34911234567')
    return value


def sip_user(value: str) -> str:
    """The user part of a SIP URI."""
    if not re.fullmatch(r"[A-Za-z0-9_.!~*'()&=+$-]{1,100}", value):
        raise ValueError(f'"{value}" is not a user name for SIP; write what stands before the @')
    return value


def digits(value: str) -> tuple[str, ...]:
    """Short numbers, separated by commas."""
    found = tuple(filter(None, (part.strip() for part in value.split(","))))
    for word in found:
        if not re.fullmatch(r"\d{2,6}", word):
            raise ValueError(f'"{word}" is not a short number; write 112')
    return found


def prices(value: str) -> tuple[tuple[str, Decimal], ...]:
    """Prices per minute by prefix: `+34: 0.02, +346: 0.1`."""
    found = []
    for word in filter(None, (part.strip() for part in value.split(","))):
        match = re.fullmatch(r"(\+[1-9]\d{0,14}|\d{2,6})\s*:\s*(\d{1,6}(?:\.\d{1,6})?)", word)
        if match is None:
            raise ValueError(f'"{word}" is not a price per minute; write +34: 0.02')
        found.append((match[1], Decimal(match[2])))
    return tuple(found)


def amount(value: str) -> Decimal:
    """A sum of money, without its currency."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value):
        raise ValueError(f'"{value}" is not an amount; write 25 or 25.50')
    return Decimal(value)


def hours(value: str) -> tuple[time, time]:
    """From when to when, also over midnight: `20:00-08:00`."""
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", value)
    if match is None:
        raise ValueError(f'"{value}" is not a span of hours; write 20:00-08:00')
    first, second, third, fourth = map(int, match.groups())
    return time(first, second), time(third, fourth)


def timezone(value: str) -> str:
    """The name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is not a time zone; write Europe/Madrid') from None
    return value


def path(value: str) -> Path:
    """A path; `config.py` makes it absolute, seen from the folder of the file."""
    return Path(value).expanduser()


def url(*schemes: str) -> Parser[str]:
    """Empty, or a URL with one of `schemes`."""

    def parse(value: str) -> str:
        # The value is not repeated in the message: a URL may carry a password.
        if value and not any(value.startswith(f"{scheme}://") for scheme in schemes):
            raise ValueError(
                f"it must start with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            )
        return value

    return parse
