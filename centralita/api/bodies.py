"""JSON from outside as a typed body, in a time that its size bounds.

The loop that reads it is the telephone's, too. So what is large is decoded in a thread, and nothing
here looks at a text more than once: the decoder stops at a nesting that no stack would take, and
what it made is measured afterwards, without recursion.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from centralita.core.errors import InvalidInput

B = TypeVar("B", bound=msgspec.Struct)

# A flow of many nodes is about ten deep.
MAX_DEPTH = 64
# The years of times that are taken.
_EARLIEST, _LATEST = 1900, 2999
# What is larger is decoded in a thread, in bytes.
LARGE = 64 * 1024


def decode(raw: bytes, kind: type[B]) -> B:
    """`raw` as `kind`; raises InvalidInput with its place."""
    try:
        if b"\\u0000" in raw:  # PostgreSQL cannot keep it, and nobody means it
            raise InvalidInput("a text contains the character NUL", place="body")
        decoded = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise placed(exc) from exc
    except RecursionError as exc:
        raise InvalidInput(f"nested more than {MAX_DEPTH} deep", place="body") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"not JSON: {exc}", place="body") from exc
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and nested_too_deeply(decoded):
        raise InvalidInput(f"nested more than {MAX_DEPTH} deep", place="body")
    check_times(decoded)
    return decoded


def check_times(value: object, place: str = "$") -> None:
    """Raises InvalidInput, with its place, for a time that nobody means: those at the ends of time
    cannot be written in UTC, nor can anything be added to them."""
    if isinstance(value, datetime):
        if not _EARLIEST <= value.year <= _LATEST:
            raise InvalidInput(f"lies before {_EARLIEST} or after {_LATEST}", place=place)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            check_times(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            if isinstance(one, msgspec.Struct | datetime):
                check_times(one, f"{place}[{number}]")


def nested_too_deeply(value: object) -> bool:
    """Whether it is nested deeper than anybody means it: what walks it would run out of stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, msgspec.Struct):
                below += [getattr(one, name) for name in one.__struct_fields__]
        level = [one for one in below if isinstance(one, (dict, list, msgspec.Struct))]
        if not level:
            return False
    return True


def placed(error: msgspec.ValidationError, root: str = "$") -> InvalidInput:
    """msgspec ends its sentence with the place: "Expected `str`, got `int` - at `$.name`"."""
    reason, _, place = str(error).partition(" - at `")
    return InvalidInput(reason, place=(place.rstrip("`") or "$").replace("$", root, 1))
