"""Word lists are made safe before the native library sees them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.asr.recognizer import GrammarError
from centralita.asr.vosk.grammar import grammar_json, normalise, unknown_words

KNOWN: Callable[[str], bool] = frozenset({"sí", "no", "menú", "principal", "don't"}).__contains__


def test_the_grammar_is_plain_utf8_and_always_allows_something_else() -> None:
    text = grammar_json(("¡Sí!", "No", "Menú principal.", "si\u0301"), KNOWN)
    assert "sí" in text
    assert json.loads(text) == ["sí", "no", "menú principal", "[unk]"]


@pytest.mark.parametrize("phrases", [(), ("",), ("sí", "…"), ("[unk]",), ("\x00",)])
def test_what_would_end_the_native_library_is_refused(phrases: tuple[str, ...]) -> None:
    with pytest.raises(GrammarError):
        grammar_json(phrases, KNOWN)


def test_unknown_words_are_named_once_each() -> None:
    assert unknown_words(("sí jolines", "no, jolines", "menú atroz"), KNOWN) == (
        "jolines",
        "atroz",
    )
    with pytest.raises(GrammarError, match='"jolines", "atroz"'):
        grammar_json(("sí jolines", "menú atroz"), KNOWN)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "  " not in once and once == once.strip()


@given(st.lists(st.text(), max_size=5))
def test_any_list_is_either_refused_or_a_list_of_known_words(phrases: list[str]) -> None:
    try:
        words = json.loads(grammar_json(phrases, KNOWN))
    except GrammarError:
        return
    assert words[-1] == "[unk]" and len(words) > 1
    assert all(KNOWN(word) for phrase in words[:-1] for word in phrase.split())
