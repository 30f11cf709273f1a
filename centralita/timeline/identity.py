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
     "withheld", "asserted-identity", "hidden", "blocked", "none", "no-number", "nonumber",
     "no number", "not-available", "oculto", "privado", "desconocido", "número oculto",
     "numero oculto", "número privado", "numero privado", "sin numero", "sin número"}
)  # fmt: skip
# Digits that are no number: so many zeros, a lone sign.
_NO_NUMBER = re.compile(r"[-+0 ._*#]*")
_SHORTEST_ABROAD = 10

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\".]+(\.[^@\s<>\".]+)+")
_LONGEST = 200


def is_withheld(caller: str) -> bool:
    """Whether the caller's number was not given, whatever stands in its place."""
    user = _user_part(caller).casefold()
    return user.lstrip("+") in WITHHELD or _NO_NUMBER.fullmatch(user) is not None


def normal_phone(text: str, region: str) -> str:
    """`text` in E.164, read as a number dialled in `region` (ISO 3166, "ES").

    Raises InvalidInput for what cannot be a telephone number.
    """
    number = _user_part(text)
    try:
        parsed = phonenumbers.parse(number, region)
        if not phonenumbers.is_valid_number(parsed):
            abroad = _abroad(number)
            if abroad is not None and phonenumbers.is_valid_number(abroad):
                parsed = abroad
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


def _abroad(number: str) -> phonenumbers.PhoneNumber | None:
    """The number of another country that some write without its `+`."""
    if not (number.isascii() and number.isdigit() and len(number) >= _SHORTEST_ABROAD):
        return None
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return None
    return parsed if phonenumbers.is_possible_number(parsed) else None


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
        user = _user_part(caller)
        # A trunk makes no slips of the pen: what is too long for this country is another one's.
        abroad = _abroad(user)
        if abroad is not None:
            return phonenumbers.format_number(abroad, phonenumbers.PhoneNumberFormat.E164)
        return user.casefold()[:_LONGEST]


def _user_part(text: str) -> str:
    """The user of `sip:+34600111222@host;user=phone` or `tel:+34-600111222;ext=1`."""
    bare = re.sub(r"^(sips?|tel):", "", text.strip(), flags=re.IGNORECASE)
    return bare.split(";")[0].split("@")[0].strip()
