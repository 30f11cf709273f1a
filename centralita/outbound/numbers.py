"""What a dialled number is, by Google's numbering plans. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, shortnumberinfo

from centralita.core.errors import InvalidInput

# Numbers of which calling one can cost whatever its owner likes.
_COSTLY = frozenset({PhoneNumberType.PREMIUM_RATE})
_DIGITS = re.compile(r"\+?[0-9]{2,20}")
_LONGEST_SHORT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number as it is dialled: `+34911234567`, or `112` for a short one.

    `costly` are premium rates, and what is in no numbering plan (Spain's 905 is such): nobody
    knows what those cost. `region` is the country (ISO 3166), or `001` for none.
    """

    text: str
    region: str = ""
    emergency: bool = False
    costly: bool = False

    @property
    def is_short(self) -> bool:
        """Whether it has a meaning only where it is dialled."""
        return not self.text.startswith("+")


def is_emergency(dialled: str, region: str, emergency: Iterable[str] = ()) -> bool:
    """Whether somebody in `region` calls for help by it. `emergency` are more such numbers than
    everybody knows."""
    return dialled in set(emergency) or shortnumberinfo.is_emergency_number(dialled, region)


def read_number(dialled: str, region: str, emergency: Iterable[str] = ()) -> Number:
    """The number that somebody dials in `region`. `emergency` are more such numbers than
    everybody knows. Raises InvalidInput for what is no number."""
    if not _DIGITS.fullmatch(dialled):
        raise InvalidInput(f'"{dialled}" is not a telephone number')
    if is_emergency(dialled, region, emergency):
        return Number(text=dialled, region=region, emergency=True)
    short = not dialled.startswith(("+", "00")) and len(dialled) <= _LONGEST_SHORT
    try:
        parsed = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException as exc:
        if short:
            return Number(text=dialled, region=region, costly=True)
        raise InvalidInput(f'"{dialled}" is not a telephone number') from exc
    if not phonenumbers.is_possible_number(parsed):
        if short:
            return Number(text=dialled, region=region, costly=True)
        raise InvalidInput(f'"{dialled}" has not the length of a telephone number')
    valid = phonenumbers.is_valid_number(parsed)
    return Number(
        text=phonenumbers.format_number(parsed, PhoneNumberFormat.E164),
        region=phonenumbers.region_code_for_number(parsed) or _main_region(parsed.country_code),
        costly=not valid or phonenumbers.number_type(parsed) in _COSTLY,
    )


def _main_region(country_code: int | None) -> str:
    return str(phonenumbers.region_code_for_country_code(country_code or 0))


def longest(prefixes: Iterable[str], number: str) -> str:
    """The longest of the prefixes that the number begins with; empty when there is none. A short
    number is matched as a whole."""
    if number.startswith("+"):
        fitting = (prefix for prefix in prefixes if number.startswith(prefix))
    else:
        fitting = (prefix for prefix in prefixes if number == prefix)
    return max(fitting, key=len, default="")
