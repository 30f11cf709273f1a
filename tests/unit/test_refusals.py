"""Whatever agents can be refused has its words in each language of the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from centralita.api.http import Forbidden, NotSignedIn, TooManyAttempts, TooManyRequests
from centralita.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from centralita.core.refusals import VALUES, Refusal
from centralita.outbound.rules import Reason

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "centralita"
LANGUAGES = ("es", "en")
REFUSES = {"Conflict", "Forbidden", "InvalidInput", "NotFound", "NotSignedIn", "Unavailable"}
# Where agents are refused what they do in their daily work.
DAILY = [
    *(PACKAGE / "api" / "handlers").glob("*.py"),
    *(PACKAGE / "routing" / "conversations").glob("*.py"),
    *(PACKAGE / "server" / f"{name}.py" for name in ("outgoing", "outward", "page_phones")),
    PACKAGE / "server" / "conversations.py",
    *(PACKAGE / "store" / f"{name}.py" for name in ("cases", "customers", "interactions")),
    PACKAGE / "store" / "merges.py",
]


def texts(language: str) -> dict[str, str]:
    """The texts for errors of one language, by what they are for."""
    file = ROOT / "web" / "src" / "shared" / "i18n" / f"{language}.ts"
    found = re.findall(r'^  "error\.([\w.]+)": "(.*)",$', file.read_text("utf-8"), re.MULTILINE)
    return dict(found)


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)(?:\||\})", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_refusal_has_words_that_take_what_it_gives(language: str) -> None:
    words = texts(language)
    assert [each.value for each in Refusal if each.value not in words] == []
    for each in Refusal:
        assert places(words[each.value]) == VALUES.get(each, frozenset()), each


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_of_error_has_words_for_what_has_no_refusal_of_its_own(language: str) -> None:
    kinds = (
        Conflict,
        Forbidden,
        InvalidInput,
        NotFound,
        NotSignedIn,
        TooManyAttempts,
        TooManyRequests,
        Unavailable,
    )
    codes = {kind.code for kind in kinds} | {each.value.partition(".")[0] for each in Refusal}
    assert codes | {"internal", "other"} <= texts(language).keys()


def test_each_reason_of_the_policy_is_a_refusal() -> None:
    assert [each for each in Reason if f"not_allowed.{each.value}" not in list(Refusal)] == []


def refusals(source: str) -> Iterator[tuple[int, str, ast.expr | None, set[str] | None]]:
    """Line, error, `code` and the names of the `values` of each error that is made."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in REFUSES:
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            names: set[str] | None = set()
            if "values" in given:
                values = given["values"]
                names = None
                if isinstance(values, ast.Dict):
                    names = {str(key.value) for key in values.keys if isinstance(key, ast.Constant)}
            yield node.lineno, node.func.id, given.get("code"), names


def test_what_is_refused_gives_the_values_that_its_words_take() -> None:
    known, wrong = 0, []
    for path in PACKAGE.rglob("*.py"):
        for line, _, code, names in refusals(path.read_text(encoding="utf-8")):
            if not (isinstance(code, ast.Attribute) and isinstance(code.value, ast.Name)):
                continue
            known += 1
            wanted = set(VALUES.get(Refusal[code.attr], ()))
            if names != wanted:
                wrong.append(f"{path.relative_to(ROOT)}:{line} gives {names}, not {wanted}")
    assert wrong == []
    assert known > 50, "this test looks at what there is"


def test_agents_are_refused_nothing_without_saying_why_exactly() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in DAILY
        for line, error, code, _ in refusals(path.read_text(encoding="utf-8"))
        if error in ("Conflict", "Forbidden") and code is None
    ]
    assert bare == []


def test_a_code_is_named_and_never_spelled_out() -> None:
    spelled = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PACKAGE.rglob("*.py")
        for line, _, code, _ in refusals(path.read_text(encoding="utf-8"))
        if isinstance(code, ast.Constant)
    ]
    assert spelled == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise Conflict("no")', (1, "Conflict", None, set())),
        ('raise NotFound("no", values={"a": 1})', (1, "NotFound", None, {"a"})),
        ('raise NotFound("no", values=all)', (1, "NotFound", None, None)),
    ],
)
def test_an_error_is_found_however_it_is_made(source: str, found: object) -> None:
    assert list(refusals(source)) == [found]
