"""What an INVITE says about the call, read from its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

_URI = re.compile(r"<\s*(?P<uri>[^>]*)>|(?P<bare>(?:sips?|tel):[^\s;,>]+)", re.IGNORECASE)
_SCHEME_USER = re.compile(
    r"(?:sips?:(?:(?P<user>[^@;?]*)@)?[^@]*|tel:(?P<number>[^;?]*))$", re.IGNORECASE
)
# RFC 3261 7.3.3 and RFC 5806
_COMPACT = {"f": "from", "t": "to", "i": "call-id", "s": "subject", "m": "contact"}
_PASSED_ON = ("diversion", "history-info", "subject", "user-to-user", "call-info", "alert-info")
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


def user_of(address: str) -> str:
    """The user part or telephone number of a name-addr, addr-spec or tel URI; empty if none."""
    match = _URI.search(address)
    uri = (match["uri"] or match["bare"] or "").strip() if match else address.strip()
    parts = _SCHEME_USER.match(uri)
    if parts is None:
        return ""
    user = parts["user"] if parts["user"] is not None else parts["number"] or ""
    # `user;phone-context=…` and `user:password` carry more than the number
    return unquote(re.split(r"[;:]", user)[0])


def display_name_of(address: str) -> str:
    """The display name before `<`, without its quotes."""
    name, bracket, _ = address.partition("<")
    if not bracket:
        return ""
    name = name.strip()
    if name.startswith('"'):
        name = name[1:].rsplit('"', 1)[0].replace('\\"', '"').replace("\\\\", "\\")
    return name


def invite_facts(message: str) -> InviteFacts:
    """Read an INVITE.

    A caller who withholds the number (RFC 3323 Privacy: id, or an anonymous From) is empty. The
    number that a trunk asserts (RFC 3325) counts more than From, which anybody can write.
    """
    headers = headers_of(message)
    request_line = message.split("\n", 1)[0].strip()
    request_uri = request_line.split(" ")[1] if request_line.count(" ") >= 2 else ""
    trunk = headers.get(TRUNK_HEADER, "")
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
        dialled=user_of(request_uri),
        diversion=user_of(headers.get("diversion", "")),
        trunk=trunk,
        extension=headers.get(EXTENSION_HEADER, ""),
        headers={
            key: value
            for key, value in headers.items()
            if key.startswith("x-") or key in _PASSED_ON
        },
    )
