"""Word lists made safe for the native library, which answers a bad one by ending the process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

from centralita.asr.recognizer import GrammarError
from centralita.core.text import normalised

UNKNOWN = "[unk]"
MOST_PHRASES = 2000

_NOT_IN_WORDS = re.compile(r"[^\w'\-]+")


def normalise(phrase: str) -> str:
    """Lower case, composed accents, no punctuation, single spaces: as the models write words."""
    plain = normalised("NFC", phrase).lower().replace("’", "'")
    words = (word.strip("-'_") for word in _NOT_IN_WORDS.sub(" ", plain).split())
    return " ".join(word for word in words if word)


def unknown_words(phrases: Iterable[str], known: Callable[[str], bool]) -> tuple[str, ...]:
    """The words in `phrases` that are not `known`, each once, in order."""
    words = (word for phrase in phrases for word in normalise(phrase).split())
    return tuple(dict.fromkeys(word for word in words if not known(word)))


def grammar_json(phrases: Iterable[str], known: Callable[[str], bool]) -> str:
    """The grammar as Vosk takes it, with a way to hear "none of these".

    Raises GrammarError for an empty list, a phrase without words, and unknown words.
    """
    given = tuple(phrases)
    if not given:
        raise GrammarError("the word list is empty; give phrases, or none at all for free speech")
    if len(given) > MOST_PHRASES:
        raise GrammarError(f"{len(given)} phrases are too many; the limit is {MOST_PHRASES}")
    for phrase in given:
        if not normalise(phrase):
            raise GrammarError(f'"{phrase}" contains no word')
    missing = unknown_words(given, known)
    if missing:
        names = ", ".join(f'"{word}"' for word in missing[:20])
        raise GrammarError(f"the speech model does not know {names}")
    unique = dict.fromkeys(normalise(phrase) for phrase in given)
    # Escaped characters are not decoded by the library: "s\u00ed" would be no word to it.
    return json.dumps([*unique, UNKNOWN], ensure_ascii=False)
