"""How the time of a parser grows with its input: in proportion, or faster.

CPU time of this thread, the least of several runs: what a busy machine adds, it adds to some of
them only. What takes next to nothing at the largest size is not judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from centralita.core.errors import CentralitaError

Parser = Callable[[str], object]
# The text of about so many signs.
Maker = Callable[[int], str]

SMALL, LARGE = 8_000, 32_000
RUNS, ATTEMPTS = 3, 3
# Of LARGE to SMALL: proportional is 4, with a logarithm 5, squared is 16.
WORST = 9.0
# Less than this at LARGE, in seconds, is no matter and cannot be measured.
NOTHING = 0.02
# Nobody waits for this, however it grows.
NEVER = 2.0

# What parsers look for: signs that open, close, separate, quote and escape, in every house.
PIECES = (
    "a", "a ", " ", "\t", "\n", "\r\n", "\r", "0", "9", "-", "+34 ", "é", "\u0301\u0327", "ß",
    "ﷺ", "😀",
    '"', '\\', '\\"', '""', "'", "(", ")", "()", "<", ">", "<>", "<a", "<!", "<!--", "</",
    "&", "&#",
    "[", "]", "{", "}", "{a", "{a}", "[[", '["', '{"a":', '{"a":1},', ",", ";", ", ", "; ",
    ":", "/",
    "=", "==", "=?", "=?utf-8?q?", "=?utf-8?b?YQ==?= ", "?=", "=20", "@", "a@", "a@b.", "@a", "@a,",
    "<a@b>", "a <a@b>,", '"a" <', "sip:", "sip:a@", "tel:", ";also=page", "\n ", "\n\t", "\nFrom ",
    "\nFrom a Mon Jan  5 12:00:00 2026\n", "\nA: b", "\nTo: a,", "\n--x\n", "o= ", "c=IN IP4 ",
    "\nc=IN IP4 1.1.1.1", "m=audio ", "m=audio 1 a 1", " 1", "a=rtpmap:1 ",
    "a=candidate:a 1 a 1 a 1",
    "%", "%41", "*a ", "&a ", "- ", "? ", "|", "#", "uno ", "y ", "AND ", "\x00", "\x1b", "\u200b",
)  # fmt: skip
AROUND = (("", ""), ("a", "!"), ('"', ""), ("\n<", ">\n\n"))


def grows(parse: Parser, make: Maker, small: int = SMALL, large: int = LARGE) -> str:
    """How the time grows, when it does so faster than in proportion; "" when it does not. What
    raises has been read, too."""
    said = ""
    for _ in range(ATTEMPTS):
        text = make(large)
        last = _once(parse, text)
        if last < NOTHING:
            return ""
        first = min(_once(parse, make(small)) for _ in range(RUNS))
        if last < NEVER and last > WORST * first:
            last = min(last, *(_once(parse, text) for _ in range(RUNS - 1)))
        if last < NOTHING or (last < NEVER and last <= WORST * max(first, 1e-6)):
            return ""
        said = f"{first * 1000:.0f} ms, at {large // small} times the size {last * 1000:.0f} ms"
        if last >= NEVER:
            break
    return said


def _once(parse: Parser, text: str) -> float:
    begun = time.thread_time()
    try:
        parse(text)
    except (CentralitaError, ValueError, msgspec.MsgspecError, RecursionError):
        pass  # it has been read, too
    return time.thread_time() - begun


def nasty() -> Iterator[tuple[str, Maker]]:
    """Texts that repeat one piece, alone and between others, and pairs that answer each other."""
    for piece in PIECES:
        for before, after in AROUND:

            def make(
                size: int, piece: str = piece, edges: tuple[str, str] = (before, after)
            ) -> str:
                return edges[0] + piece * (size // len(piece)) + edges[1]

            yield f"{before!r} {piece!r}… {after!r}", make
    for opening, closing in (("[", "]"), ("{", "}"), ("(", ")"), ("<", ">"), ("<a>", "</a>")):

        def nested(size: int, opening: str = opening, closing: str = closing) -> str:
            times = size // len(opening + closing)
            return opening * times + closing * times

        yield f"{opening}…{closing}", nested
