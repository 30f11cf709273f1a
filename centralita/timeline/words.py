"""How texts are cut into words for searching, and where a search found them. Pure.

The words are made here and not by the databases, so that both find the same.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from centralita.core.text import normalised

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
    if text.isascii():
        return text.lower()
    decomposed = normalised("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _parts(word: str) -> list[str]:
    """A word as the index has it. Folding may split it (½ is 1⁄2): its parts are found, too."""
    if word.isascii():
        return [word.lower()[:_LONGEST]]
    return [part[:_LONGEST] for part in _WORD.findall(folded(word))]


def _words(text: str, start: int = 0, end: int = sys.maxsize) -> Iterator[tuple[str, int, int]]:
    """The words of a text that is composed, with their places in it."""
    for match in _WORD.finditer(text, start, end):
        for part in _parts(match[0]):
            yield part, match.start(), match.end()


def index_of(*texts: str) -> str:
    """What the search index holds of some texts: their words, folded, with a blank between.

    About 40 ms for 200,000 signs: not for the loop.
    """
    return " ".join(
        part
        for text in texts
        for word in _WORD.findall(normalised("NFC", text))
        for part in _parts(word)
    )


def terms_of(query: str) -> tuple[str, ...]:
    """The words that must all be found, each as the beginning of one."""
    return tuple(dict.fromkeys(word for word, _, _ in _words(normalised("NFC", query))))[:_TERMS]


def holds(text: str, terms: Sequence[str]) -> bool:
    """Whether a word of `text` begins with one of `terms`."""
    wanted = tuple(terms)
    return any(word.startswith(wanted) for word, _, _ in _words(normalised("NFC", text)))


def snippet(text: str, terms: Sequence[str]) -> tuple[Piece, ...]:
    """The text around the first word found, all words that were found marked; () when none is."""
    text, wanted = normalised("NFC", text), tuple(terms)
    words = _words(text)
    first = next((at for word, at, _ in words if word.startswith(wanted)), None) if wanted else None
    if first is None:
        return ()
    start = _at_word(text, max(0, first - _BEFORE), first)
    end = min(len(text), first + _AFTER)
    near = _words(text, first, end + _LONGEST)
    hits = [(at, to) for word, at, to in near if word.startswith(wanted)]
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
