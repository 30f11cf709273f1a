"""How texts are cut into words for searching, and where a search found them. Pure.

The words are made here and not by the databases, so that both find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Letters and digits of any script; everything else separates.
_WORD = re.compile(r"[^\W_]+")
# Longer ones are no words: what PostgreSQL keeps of one has a limit, too.
_LONGEST = 64
# More terms than these are not looked at.
_TERMS = 12
# Of a text around what was found, in signs.
_BEFORE, _AFTER = 60, 160


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a snippet; `hit` when it is what was looked for."""

    text: str
    hit: bool = False


def folded(text: str) -> str:
    """`text` as searches compare it: without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _WORD.finditer(unicodedata.normalize("NFC", text)):
        # Folding may split a word (½ becomes 1⁄2): its parts are found, too.
        for part in _WORD.findall(folded(match[0])):
            yield part[:_LONGEST], match.start(), match.end()


def index_of(*texts: str) -> str:
    """What the search index holds of some texts: their words, folded, with a blank between."""
    return " ".join(word for text in texts for word, _, _ in _words(text))


def terms_of(query: str) -> tuple[str, ...]:
    """The words that must all be found, each as the beginning of one."""
    return tuple(dict.fromkeys(word for word, _, _ in _words(query)))[:_TERMS]


def holds(text: str, terms: Sequence[str]) -> bool:
    """Whether a word of `text` begins with one of `terms`."""
    return any(word.startswith(tuple(terms)) for word, _, _ in _words(text))


def snippet(text: str, terms: Sequence[str]) -> tuple[Piece, ...]:
    """The text around the first word found, all words that were found marked; () when none is."""
    text = unicodedata.normalize("NFC", text)
    wanted = tuple(terms)
    hits = [(start, end) for word, start, end in _words(text) if word.startswith(wanted)]
    if not hits or not wanted:
        return ()
    first = hits[0][0]
    start = _at_word(text, max(0, first - _BEFORE), first)
    end = min(len(text), first + _AFTER)
    pieces = [Piece("…")] if start > 0 else []
    at = start
    for begins, ends in hits:
        if begins < at or begins >= end:
            continue
        if begins > at:
            pieces.append(Piece(text[at:begins]))
        pieces.append(Piece(text[begins:ends], hit=True))
        at = ends
    if at < end:
        pieces.append(Piece(text[at:end]))
    if max(at, end) < len(text):
        pieces.append(Piece("…"))
    return tuple(pieces)


def _at_word(text: str, start: int, latest: int) -> int:
    """`start`, moved on to the beginning of a word."""
    if start == 0:
        return 0
    blank = text.find(" ", start, latest)
    return start if blank < 0 else blank + 1
