"""What an INVITE says about the call, read from its text.

Everything here may come from strangers: each step looks at a text once from left to right, and
at no more of it than an honest caller sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from centralita.telephony.worker.wire_text import wire_message, wire_text

# RFC 3261 7.3.3 and RFC 5806
_COMPACT = {"f": "from", "t": "to", "i": "call-id", "s": "subject", "m": "contact"}
_PASSED_ON = ("diversion", "history-info", "subject", "user-to-user", "call-info", "alert-info")
_OURS = "x-centralita-"
TRUNK_HEADER = "x-centralita-trunk"
EXTENSION_HEADER = "x-centralita-extension"

_LONGEST_HEAD = 1 << 16
_MOST_HEADERS = 300
_LONGEST_VALUE = 2000
_LONGEST_ADDRESS = 1000
_MOST_ADDRESSES = 20
_LONGEST_USER = 200
_LONGEST_NAME = 200
_MOST_PASSED_ON = 40

_SEPARATORS = str.maketrans("", "", "-.() ")
_NUMBER = re.compile(r"\+?[0-9*#]{1,40}")
# RFC 3323 4.2 (user, header), RFC 3325 9.3 (id), and what Remote-Party-ID calls it (full, uri).
_NUMBER_IS_PRIVATE = frozenset({"id", "user", "header", "full", "uri"})
_NAME_IS_PRIVATE = _NUMBER_IS_PRIVATE | {"name"}
_NOBODY = frozenset({"anonymous", "unknown", "restricted", "unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteFacts:
    """The fields of `CallArrived` that come from the message."""

    sip_call_id: str
    caller: str
    caller_name: str
    dialled: str
    diversion: str
    trunk: str
    extension: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A name-addr or addr-spec with its parameters (RFC 3261 20.10, 25.1)."""

    name: str
    uri: str
    params: str = ""


def headers_of(message: str) -> dict[str, list[str]]:
    """All values of each header, by lower-case long name; folded lines are joined."""
    head = message[:_LONGEST_HEAD].replace("\r\n", "\n").partition("\n\n")[0]
    headers: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in head.split("\n")[1 : _MOST_HEADERS + 1]:
        if line[:1] in (" ", "\t"):
            if last is not None:
                last[-1] = f"{last[-1]} {line.strip()}"[:_LONGEST_VALUE]
            continue
        name, colon, value = line.partition(":")
        if not colon:
            last = None
            continue
        key = name.strip().lower()
        last = headers.setdefault(_COMPACT.get(key, key), [])
        last.append(value.strip()[:_LONGEST_VALUE])
    return headers


def addresses_of(values: list[str]) -> list[Address]:
    """The addresses in these values of a header, several to a value or not."""
    found = [address for value in values[:_MOST_ADDRESSES] for address in _split(value)]
    return [parse_address(text) for text in found[:_MOST_ADDRESSES]]


def parse_address(text: str) -> Address:
    """Read one address, whatever stands in the quotes before it. Never raises."""
    text = text[:_LONGEST_ADDRESS].strip()
    name, rest = "", text
    if text.startswith('"'):
        name, rest = _quoted(text)
    before, bracket, after = rest.partition("<")
    if bracket:
        uri, _, params = after.partition(">")
        return Address(name=name or before.strip(), uri=uri.strip(), params=params.strip())
    # Without brackets, parameters are the header's and not the URI's.
    uri, _, params = before.partition(";")
    words = uri.partition(",")[0].split()
    return Address(name=name, uri=words[0] if words else "", params=params)


def uri_of(address: str) -> str:
    """The URI in a name-addr or addr-spec."""
    return parse_address(address).uri


def user_of(address: str) -> str:
    """The user part or telephone number of a name-addr, addr-spec or tel URI; empty if none."""
    return user_of_uri(uri_of(address))


def display_name_of(address: str) -> str:
    """The display name before `<`, without its quotes."""
    return parse_address(address).name


def user_of_uri(uri: str) -> str:
    """The user part of a sip or sips URI, or the number of a tel URI, decoded; empty if none.

    A telephone number loses its visual separators, and a local one the context that makes it
    global (RFC 3966 5.1.1, 5.1.5): `911-000-111;phone-context=+34` is `+34911000111`.
    """
    scheme, _, rest = uri[:_LONGEST_ADDRESS].partition(":")
    scheme = scheme.strip().lower()
    is_number = scheme == "tel"
    if is_number:
        subscriber = rest.partition("?")[0]
    elif scheme in ("sip", "sips"):
        before, at, host = rest.partition("@")
        if not at or "?" in before:
            return ""
        subscriber = before
        is_number = "user=phone" in host.lower() or "phone-context=" in before.lower()
    else:
        return ""
    # A password may follow (RFC 3261 19.1.1) in a sip URI, and parameters in both.
    user, _, parameters = subscriber.partition(";")
    user = wire_text(unquote(user.partition(":")[0]))[:_LONGEST_USER]
    return _telephone_number(user, parameters) if is_number or user.startswith("+") else user


def _telephone_number(user: str, parameters: str) -> str:
    number = user.translate(_SEPARATORS)
    if not _NUMBER.fullmatch(number):
        return user
    for parameter in parameters.split(";"):
        name, _, context = parameter.partition("=")
        if name.strip().lower() == "phone-context" and not number.startswith("+"):
            context = unquote(context).translate(_SEPARATORS)
            if context.startswith("+") and _NUMBER.fullmatch(context):
                return context + number
    return number


def invite_facts(message: str, *, behind_edge: bool) -> InviteFacts:
    """Read an INVITE as it came from the wire.

    What the edge vouches for stands in headers of ours, which it takes out of what comes from
    outside. Without an edge anybody could have written them, so they count for nothing.

    A caller who withholds the number (RFC 3323 Privacy, or an anonymous From) is empty. The number
    that a trunk asserts (RFC 3325, or Remote-Party-ID before it) counts more than From, which
    anybody can write.
    """
    message = wire_message(message[:_LONGEST_HEAD])
    headers = headers_of(message)
    ours = {name: headers.pop(name)[0] for name in tuple(headers) if name.startswith(_OURS)}
    if not behind_edge:
        ours = {}
    parts = message.split("\n", 1)[0].split(" ")
    dialled = user_of_uri(parts[1].strip()) if len(parts) >= 3 else ""
    trunk = ours.get(TRUNK_HEADER, "")
    caller, name = _caller(headers, asserts=bool(trunk))
    return InviteFacts(
        sip_call_id=_first(headers, "call-id"),
        caller=caller,
        caller_name=name,
        dialled=dialled,
        diversion=_diversion(headers, dialled),
        trunk=trunk,
        extension=ours.get(EXTENSION_HEADER, ""),
        headers=dict(_passed_on(headers)),
    )


def _caller(headers: Mapping[str, list[str]], *, asserts: bool) -> tuple[str, str]:
    """Number and name of the caller, as far as they are given and may be shown."""
    sources = addresses_of(headers.get("from", [])[:1])
    private = {
        part.strip().lower()
        for value in headers.get("privacy", [])
        for part in value.replace(",", ";").split(";")
    }
    if asserts:
        asserted = addresses_of(headers.get("p-asserted-identity", []))
        if not asserted:
            asserted, rpid_privacy = _remote_party(headers)
            private |= rpid_privacy
        # Of several identities (RFC 3325 9.1: a sip and a tel URI) the number is who calls.
        asserted.sort(key=lambda address: not _is_number(user_of_uri(address.uri)))
        sources = asserted or sources
    if not sources:
        return "", ""
    caller, name = user_of_uri(sources[0].uri), sources[0].name[:_LONGEST_NAME]
    if private & _NUMBER_IS_PRIVATE or caller.lower() in _NOBODY:
        return "", ""
    return caller, "" if private & _NAME_IS_PRIVATE else name


def _remote_party(headers: Mapping[str, list[str]]) -> tuple[list[Address], set[str]]:
    """The calling party of draft-ietf-sip-privacy-04, which old exchanges send for RFC 3325."""
    for address in addresses_of(headers.get("remote-party-id", [])):
        parameters = {
            name.strip().lower(): value.strip().strip('"').lower()
            for name, _, value in (part.partition("=") for part in address.params.split(";"))
        }
        if parameters.get("party", "calling") == "calling":
            return [address], set(parameters.get("privacy", "").split("-"))
    return [], set()


def _diversion(headers: Mapping[str, list[str]], dialled: str) -> str:
    """Who had the call before us: RFC 5806, or else RFC 7044, where the last entry is ourselves."""
    diverted = addresses_of(headers.get("diversion", []))
    if diverted:
        return user_of_uri(diverted[0].uri)
    for entry in reversed(addresses_of(headers.get("history-info", []))):
        user = user_of_uri(entry.uri)
        if user and user != dialled:
            return user
    return ""


def _passed_on(headers: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    wanted = [key for key in headers if key.startswith("x-") or key in _PASSED_ON]
    for key in wanted[:_MOST_PASSED_ON]:
        yield key[:_LONGEST_NAME], headers[key][0]


def _first(headers: Mapping[str, list[str]], name: str) -> str:
    return headers[name][0] if name in headers else ""


def _is_number(user: str) -> bool:
    return _NUMBER.fullmatch(user) is not None


def _quoted(text: str) -> tuple[str, str]:
    """What stands in the quotes with which `text` begins, unescaped, and what comes behind them."""
    found: list[str] = []
    escaped = False
    for at, sign in enumerate(text[1:], start=1):
        if escaped or sign not in '\\"':
            found.append(sign)
            escaped = False
        elif sign == "\\":
            escaped = True
        else:
            return "".join(found), text[at + 1 :]
    # Never closed: what is meant is anyone's guess, but for an address in brackets at the end.
    return "", text[max(text.rfind("<"), 0) :]


def _split(value: str) -> Iterator[str]:
    """At the commas that stand neither in quotes nor in brackets."""
    begin = 0
    quoted = escaped = bracketed = False
    for at, sign in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = sign == "\\", sign != '"'
        elif sign == '"':
            quoted = True
        elif sign in "<>":
            bracketed = sign == "<"
        elif sign == "," and not bracketed:
            yield value[begin:at]
            begin = at + 1
    yield value[begin:]
