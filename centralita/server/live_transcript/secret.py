"""What of a saying must not be read any more once the recording is paused: its numbers. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

from centralita.core.text import normalised

BEFORE_PAUSE = timedelta(seconds=10)
"""Who pauses the recording does so when the first digits have been said already: sayings whose last
word came this long before lose their numbers, too."""

MASK = "•••"

_SPANISH = """
cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis
diecisiete dieciocho diecinueve veinte veintiun veintiuno veintiuna veintidos veintitres
veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve treinta cuarenta cincuenta
sesenta setenta ochenta noventa cien ciento doscientos trescientos cuatrocientos quinientos
seiscientos setecientos ochocientos novecientos doscientas trescientas cuatrocientas quinientas
seiscientas setecientas ochocientas novecientas mil millon millones
"""
_ENGLISH = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
thousand million
"""
_NUMBERS = frozenset((_SPANISH + _ENGLISH).split())
# Part of a number beside one, or between two, and ordinary words elsewhere.
_BESIDE = frozenset(["un", "una", "oh", "doble", "triple", "double", "treble"])
_BETWEEN = frozenset(["y", "o", "and"])
_WORD = re.compile(r"\S+")


def masked(text: str) -> str:
    """The text with `MASK` for each run of digits and of number words, in Spanish or English.

    The words of both languages are taken, whichever is spoken: people read cards out in their own.
    """
    words = _WORD.findall(text)
    hidden = [_is_number(word) for word in words]
    for place, word in enumerate(words):
        before, after = hidden[place - 1 : place], hidden[place + 1 : place + 2]
        if _plain(word) in _BESIDE:
            hidden[place] = any(before + after)
        elif _plain(word) in _BETWEEN:
            hidden[place] = any(before) and any(after)
    shown: list[str] = []
    for word, hide in zip(words, hidden, strict=True):
        if not hide:
            shown.append(word)
        elif not shown or shown[-1] != MASK:
            shown.append(MASK)
    return " ".join(shown) if any(hidden) else text


def _is_number(word: str) -> bool:
    # A recogniser writes "4711", "16-teen" or "dieciséis", each of them as one word.
    return any(letter.isdigit() for letter in word) or _plain(word) in _NUMBERS


def _plain(word: str) -> str:
    """In small letters, without accents and what is no letter."""
    parts = normalised("NFD", word.casefold())
    return "".join(letter for letter in parts if letter.isalpha())
