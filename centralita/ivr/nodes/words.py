"""Spoken words and what they stand for."""

from __future__ import annotations

import re

_NOT_WORD = re.compile(r"[^\w\s']+")
_SPACES = re.compile(r"\s+")

YES = {"es": ("sí", "correcto", "vale"), "en": ("yes", "correct", "okay")}
NO = {"es": ("no",), "en": ("no",)}
DIGITS = {
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}
_DIGIT_OF = {word: str(index) for words in DIGITS.values() for index, word in enumerate(words)}
_DIGIT_OF["oh"] = "0"


def normalise(text: str) -> str:
    """Lower case, no punctuation, single spaces: as recognisers write."""
    return _SPACES.sub(" ", _NOT_WORD.sub(" ", text.lower())).strip()


def spoken_digits(text: str) -> str:
    """The digits in what was said: `"uno dos [unk] tres"` is `"123"`."""
    return "".join(_DIGIT_OF.get(word, "") for word in normalise(text).split())
