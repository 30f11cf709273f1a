"""How the words sound: phones taken from espeak-ng, folded to what an 8 kHz line can tell apart."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from centralita.asr.mini.words import WORDS

BLANK = 0
"""The class of CTC's blank, which doubles as silence. Phones are numbered from 1."""

ACCENTS = {"es": ("es", "es-419"), "en": ("en-us", "en-gb")}
"""The espeak-ng voices whose pronunciations we keep apart (Spain's θ, England's missing r)."""

_IGNORED = re.compile("[ˈˌː]")

# Sounds that two telephones tell apart less than two speakers do, and pairs written as one.
_FOLDED: dict[str, tuple[str, ...]] = {
    "e": ("ɛ",),
    "β": ("b",),
    "ɣ": ("ɡ",),
    "ʎ": ("ʝ",),
    "ɐ": ("ʌ",),
    "ɒ": ("ɔ",),
    "ᵻ": ("ɪ",),
    "əʊ": ("oʊ",),
    "oɪ": ("ɔɪ",),
    "iə": ("i", "ə"),
    "ʊə": ("ʊ", "ə"),
    "əl": ("ə", "l"),
    "oɹ": ("ɔ", "ɹ"),
    "ɔɹ": ("ɔ", "ɹ"),
    "ɑɹ": ("ɑ", "ɹ"),
    "ʊɹ": ("ʊ", "ɹ"),
}


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Phone inventory and, by accent, the phones of each word."""

    phones: tuple[str, ...]
    spoken: dict[str, dict[str, tuple[str, ...]]]

    def number(self, phone: str) -> int:
        """The class of `phone` in the network's output."""
        return self.phones.index(phone) + 1

    def classes(self, accent: str, words: tuple[str, ...]) -> list[int]:
        """What the network should hear when these words are said in that accent."""
        return [self.number(phone) for word in words for phone in self.spoken[accent][word]]

    def pronunciations(self, language: str, word: str) -> list[tuple[str, ...]]:
        """All distinct ways to say `word` in any accent of the language."""
        return list(dict.fromkeys(self.spoken[accent][word] for accent in ACCENTS[language]))

    def save(self, path: Path) -> None:
        """Write it where a person can read what each word sounds like to us."""
        spoken = {
            accent: {word: " ".join(phones) for word, phones in words.items()}
            for accent, words in self.spoken.items()
        }
        path.write_text(json.dumps(spoken, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def make_lexicon() -> Lexicon:
    """Ask espeak-ng for every word in every accent."""
    spoken = {
        accent: {word: _phones(accent, word) for word in WORDS[language]}
        for language, accents in ACCENTS.items()
        for accent in accents
    }
    inventory = {
        phone for words in spoken.values() for phones in words.values() for phone in phones
    }
    return Lexicon(tuple(sorted(inventory)), spoken)


def _phones(voice: str, word: str) -> tuple[str, ...]:
    answer = subprocess.run(
        ["espeak-ng", "-v", voice, "-q", "--ipa", "--sep=_", word],
        capture_output=True,
        text=True,
        check=True,
    )
    phones = (_IGNORED.sub("", phone) for phone in re.split(r"[_\s]+", answer.stdout))
    return tuple(part for phone in phones if phone for part in _FOLDED.get(phone, (phone,)))
