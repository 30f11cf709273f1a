"""The log: personal data only where the site wants it."""

from __future__ import annotations

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from centralita.server.log import JsonFormatter, TextFormatter

NUMBER = "+34600111222"


def record() -> logging.LogRecord:
    made = logging.makeLogRecord(
        {
            "name": "centralita.switch",
            "msg": "call arrived",
            "levelno": logging.INFO,
            "levelname": "INFO",
            "call_id": "call_1",
            "pii_caller": NUMBER,
        }
    )
    try:
        raise ValueError("the cause")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_personal_data_is_hidden_unless_it_is_wanted(
    kind: type[TextFormatter] | type[JsonFormatter],
) -> None:
    hidden = kind(personal_data=False).format(record())
    assert NUMBER not in hidden
    assert "pii_caller" in hidden and "[personal data]" in hidden
    assert "call_1" in hidden
    assert NUMBER in kind(personal_data=True).format(record())


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_a_number_in_an_errors_words_is_hidden_too(
    kind: type[TextFormatter] | type[JsonFormatter],
) -> None:
    told = "calls to +33612345678 are not allowed, 600111222 neither; port 5060 of 192.168.100.200"
    made = logging.makeLogRecord({"msg": "refused", "levelname": "INFO", "error": told})
    hidden = kind(personal_data=False).format(made)
    assert "calls to [number] are not allowed, [number] neither; port 5060 of 192.168.1" in hidden
    assert "+33612345678" in kind(personal_data=True).format(made)


def test_what_strangers_write_stays_on_its_line_and_in_its_colour() -> None:
    given = "ana\n2026-01-05 09:00:00 INFO  all is well\x1b[31m\u2028\u202e"
    made = logging.makeLogRecord({"msg": "refused", "levelname": "INFO", "pii_user": given})
    line = TextFormatter(personal_data=True).format(made)
    assert len(line.splitlines()) == 1
    assert "pii_user=ana\\n2026-01-05 09:00:00 INFO  all is well\\x1b[31m" in line


def test_a_line_for_people_begins_with_time_level_and_sentence() -> None:
    line = TextFormatter(personal_data=False).format(record())
    first, *rest = line.splitlines()
    assert "INFO    call arrived  call_id=call_1 pii_caller=[personal data]" in first
    assert rest[-1] == "ValueError: the cause"


def test_a_line_for_programs_is_one_json_object() -> None:
    entry = json.loads(JsonFormatter(personal_data=False).format(record()))
    assert entry["message"] == "call arrived"
    assert entry["level"] == "info"
    assert entry["call_id"] == "call_1"
    assert "ValueError: the cause" in entry["traceback"]
    assert entry["at"].endswith("+00:00")


TELLING = {"caller", "caller_name", "dialled", "email", "name", "number", "phone", "text", "words"}


def fields_logged(source: str) -> Iterator[ast.Constant]:
    """The names of the fields in every `extra={...}`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "extra":
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            yield from (key for key in keys if isinstance(key, ast.Constant))


def test_every_field_that_says_it_is_personal_is_marked() -> None:
    package = Path(__file__).parents[3] / "centralita"
    offenders = [
        f"{path.relative_to(package)}:{field.lineno} {field.value}"
        for path in package.rglob("*.py")
        for field in fields_logged(path.read_text(encoding="utf-8"))
        if field.value in TELLING
    ]
    assert offenders == []
    assert [f.value for f in fields_logged('log.info("x", extra={"caller": 1})')] == ["caller"]
