"""What an INVITE says about the call, read from its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

_URI = re.compile(r"<\s*(?P<uri>[^>]*)>|(?P<bare>(?:sips?|tel):[^\s;,>]+)", re.IGNORECASE)
_QUOTED = re.compile(r'^\s*"(?:[^"\\]|\\.)*"')
# The user may carry parameters of its own: `+34911;phone-context=example.com@host`.
_SCHEME_USER = re.compile(
    r"(?:sips?:(?:(?P<user>[^@?]*)@)?[^@]*|tel:(?P<number>[^;?]*).*)$", re.IGNORECASE
)
# RFC 3261 7.3.3 and RFC 5806
_COMPACT = {"f": "from", "t": "to", "i": "call-id", "s": "subject", "m": "contact"}
_PASSED_ON = ("diversion", "history-info", "subject", "user-to-user", "call-info", "alert-info")
_OURS = "x-centralita-"
TRUNK_HEADER = "x-centralita-trunk"
EXTENSION_HEADER = "x-centralita-extension"


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


def headers_of(message: str) -> dict[str, str]:
    """The first value of each header, by lower-case long name; folded lines are joined."""
    head, _, _ = message.replace("\r\n", "\n").partition("\n\n")
    unfolded = re.sub(r"\n[ \t]+", " ", head)
    headers: dict[str, str] = {}
    for line in unfolded.split("\n")[1:]:
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if colon:
            headers.setdefault(_COMPACT.get(key, key), value.strip())
    return headers


def uri_of(address: str) -> str:
    """The URI in a name-addr or addr-spec, whatever stands in the quotes before it."""
    rest = _QUOTED.sub("", address, count=1)
    match = _URI.search(rest)
    return (match["uri"] or match["bare"] or "").strip() if match else rest.strip()


def user_of(address: str) -> str:
    """The user part or telephone number of a name-addr, addr-spec or tel URI; empty if none."""
    parts = _SCHEME_USER.match(uri_of(address))
    if parts is None:
        return ""
    user = parts["user"] if parts["user"] is not None else parts["number"] or ""
    # `user;phone-context=…` and `user:password` carry more than the number
    return unquote(re.split(r"[;:]", user)[0])


def display_name_of(address: str) -> str:
    """The display name before `<`, without its quotes."""
    quoted = _QUOTED.match(address)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[0].strip()[1:-1], flags=re.DOTALL)
    name, bracket, _ = address.partition("<")
    return name.strip() if bracket else ""


def invite_facts(message: str, *, behind_edge: bool) -> InviteFacts:
    """Read an INVITE.

    What the edge vouches for stands in headers of ours, which it takes out of what comes from
    outside. Without an edge anybody could have written them, so they count for nothing.

    A caller who withholds the number (RFC 3323 Privacy: id, or an anonymous From) is empty. The
    number that a trunk asserts (RFC 3325) counts more than From, which anybody can write.
    """
    headers = headers_of(message)
    ours = {name: headers.pop(name) for name in tuple(headers) if name.startswith(_OURS)}
    if not behind_edge:
        ours = {}
    request_line = message.split("\n", 1)[0].strip()
    request_uri = request_line.split(" ")[1] if request_line.count(" ") >= 2 else ""
    trunk = ours.get(TRUNK_HEADER, "")
    asserted = headers.get("p-asserted-identity", "") if trunk else ""
    source = asserted or headers.get("from", "")
    caller, name = user_of(source), display_name_of(source)
    withheld = "id" in [
        part.strip().lower() for part in re.split("[;,]", headers.get("privacy", ""))
    ]
    if withheld or caller.lower() in {"anonymous", "unknown", "restricted", "unavailable"}:
        caller = name = ""
    return InviteFacts(
        sip_call_id=headers.get("call-id", ""),
        caller=caller,
        caller_name=name,
        dialled=user_of(f"<{request_uri}>"),
        diversion=user_of(headers.get("diversion", "")),
        trunk=trunk,
        extension=ours.get(EXTENSION_HEADER, ""),
        headers={
            key: value
            for key, value in headers.items()
            if key.startswith("x-") or key in _PASSED_ON
        },
    )
