"""How identities are written: phones in E.164, addresses in lower case."""

from __future__ import annotations

import re

import phonenumbers

from centralita.core.errors import InvalidInput
from centralita.core.refusals import Refusal
from centralita.timeline.model import IdentityKind

# What switches and carriers put in From when the caller withholds the number (RFC 3323, 3GPP).
WITHHELD = frozenset(
    {"", "anonymous", "anonimo", "anónimo", "restricted", "private", "unavailable", "unknown",
     "withheld", "asserted-identity"}
)  # fmt: skip

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\".]+(\.[^@\s<>\".]+)+")
_LONGEST = 200


def is_withheld(caller: str) -> bool:
    """Whether the caller's number was not given."""
    return _user_part(caller).casefold() in WITHHELD


def normal_phone(text: str, region: str) -> str:
    """`text` in E.164, read as a number dialled in `region` (ISO 3166, "ES").

    Raises InvalidInput for what cannot be a telephone number.
    """
    number = _user_part(text)
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as exc:
        raise InvalidInput(
            f'"{text}" is not a telephone number; write +34600111222',
            code=Refusal.NOT_A_NUMBER,
            values={"text": text},
        ) from exc
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidInput(
            f'"{text}" has not the length of a telephone number',
            code=Refusal.WRONG_LENGTH,
            values={"text": text},
        )
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def normal_email(text: str) -> str:
    """`text` as an address in lower case; raises InvalidInput for anything else."""
    address = text.strip().lower()
    if len(address) > _LONGEST or not _EMAIL.fullmatch(address):
        raise InvalidInput(
            f'"{text}" is not an email address; write name@example.org',
            code=Refusal.NOT_AN_ADDRESS,
            values={"text": text},
        )
    return address


def normal_identity(text: str, region: str) -> tuple[IdentityKind, str]:
    """A phone or an address, whichever `text` is; raises InvalidInput if it is neither."""
    if "@" in text and not text.lower().startswith(("sip:", "sips:", "tel:")):
        return IdentityKind.EMAIL, normal_email(text)
    return IdentityKind.PHONE, normal_phone(text, region)


def caller_identity(caller: str, region: str) -> str:
    """The number of a caller in E.164; an extension or a SIP name, which has none, as it came."""
    try:
        return normal_phone(caller, region)
    except InvalidInput:
        return _user_part(caller).casefold()[:_LONGEST]


def _user_part(text: str) -> str:
    """The user of `sip:+34600111222@host;user=phone` or `tel:+34-600111222;ext=1`."""
    bare = re.sub(r"^(sips?|tel):", "", text.strip(), flags=re.IGNORECASE)
    return bare.split(";")[0].split("@")[0].strip()
