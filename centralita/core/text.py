"""Texts from outside, so that what is done with them takes time in proportion to their length."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

# Marks stand among what is no letter, no blank and not ASCII.
_MARKS = re.compile(r"[^\w\s\x00-\x7f]{31,}")


def normalised(form: Literal["NFC", "NFD", "NFKD"], text: str) -> str:
    """`text` in a normal form of Unicode.

    Of the marks on one letter, thirty are kept (UAX 15, Stream-Safe Text): to put n of them in
    order takes n² steps, and no writing has so many.
    """
    return text if text.isascii() else unicodedata.normalize(form, _MARKS.sub(_thirty, text))


def _thirty(marks: re.Match[str]) -> str:
    found = marks[0]
    return found[:30] if any(map(unicodedata.combining, found)) else found
