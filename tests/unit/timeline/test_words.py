"""Words for searching, and snippets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from centralita.timeline.words import index_of, snippet, terms_of


def test_words_are_folded_and_cut_at_everything_that_is_no_letter_or_digit() -> None:
    assert index_of("¿Julia.Ríos@example.org?", "E-48_213 ½") == (
        "julia rios example org e 48 213 1 2"
    )


def test_a_snippet_begins_near_the_first_hit_and_marks_all_within_it() -> None:
    text = "Relleno " * 40 + "la CAJA y otra cajita" + " más" * 100
    pieces = snippet(text, terms_of("caja cají"))
    assert [piece.text for piece in pieces if piece.hit] == ["CAJA", "cajita"]
    assert pieces[0].text == pieces[-1].text == "…"
    assert len("".join(piece.text for piece in pieces)) < 260
    assert snippet(text, terms_of("nada")) == ()


def test_a_letter_with_a_separate_accent_is_one_word() -> None:
    (piece,) = snippet("Río", terms_of("rio"))
    assert (piece.text, piece.hit) == ("Río", True)


@given(st.text(), st.text())
def test_what_the_index_finds_the_snippet_shows(text: str, query: str) -> None:
    terms = terms_of(query)
    words = index_of(text).split()
    all_found = bool(terms) and all(any(w.startswith(t) for w in words) for t in terms)
    pieces = snippet(text, terms)
    if all_found:
        assert any(piece.hit for piece in pieces)
    whole = "".join(piece.text for piece in pieces).removeprefix("…").removesuffix("…")
    assert len(whole) <= 400
