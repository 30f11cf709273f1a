"""SIP as we write it ourselves: users percent-encoded, names quoted, nothing that breaks a line."""

from __future__ import annotations

from urllib.parse import quote

from centralita.telephony.worker.wire_text import wire_text

# RFC 3261 25.1: user = 1*( unreserved / escaped / user-unreserved ). Of the latter those are left
# out that stand for something else in the eyes of some parsers: ; ? / and the comma.
_USER = "-_.!~*'()&=+$"
_LONGEST_NAME = 100
_LONGEST_USER = 200
ANONYMOUS = "anonymous"


def sip_uri(user: str, host: str) -> str:
    """`sip:user@host` for any text as user; an empty one is anonymous (RFC 3261 8.1.1.3)."""
    user = wire_text(user)[:_LONGEST_USER]
    return f"sip:{quote(user, safe=_USER) or ANONYMOUS}@{host}"


def name_addr(name: str, uri: str) -> str:
    """`"name" <uri>`, for any text as name."""
    plain = wire_text(name)[:_LONGEST_NAME].replace("\\", "").replace('"', "").strip()
    return f'"{plain}" <{uri}>' if plain else f"<{uri}>"


def header_value(value: str) -> str:
    """A header's value that stays one header."""
    return wire_text(value)
