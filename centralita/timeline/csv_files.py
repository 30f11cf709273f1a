"""CSV files of other programs, Excel's among them, read row by row, each with its place."""

from __future__ import annotations

import codecs
import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.core.text import normalised
from centralita.timeline.mail_files import clean

Columns = Mapping[str, tuple[str, ...]]
"""Each column with the other names under which it is known."""

LARGEST = 200 * 1024 * 1024
# A row over more lines than these has a quote that is never closed.
_MOST_LINES = 10_000
# After so many of those the rest is not looked at.
_MOST_OPEN = 20
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def csv_rows(
    file: Path, columns: Columns
) -> Iterator[tuple[str, Mapping[str, str] | InvalidInput]]:
    """The rows of a CSV file by column, each with its place.

    Encoding and delimiter are found before the first row: UTF-8, UTF-16 or Windows-1252; comma,
    semicolon, tab or bar, or what a first line `sep=;` says. Raises InvalidInput for a file that
    cannot be read and for a header that is not right.
    """
    lines = _LINES.findall(_text_of(file))
    at, delimiter = 0, ""
    if lines and lines[0].strip().lower().startswith("sep=") and len(lines[0].strip()) <= 5:
        at, delimiter = 1, lines[0].strip("\r\n")[4:5] or "\t"
    place = f"{file.name}:{at + 1}"
    header, at = _header(lines, at, delimiter, columns, place)
    delimiter, names = header
    return _rows(file.name, lines, at, delimiter, names)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except OSError as exc:
        raise InvalidInput(f"cannot be read: {exc}", place=str(file)) from exc
    if len(raw) > LARGEST:
        raise InvalidInput(f"is larger than {LARGEST // 1024 // 1024} MB", place=str(file))
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), "")
    if not encoding and raw[:2000].count(0) * 3 > len(raw[:2000]):
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            return clean(raw.decode(name))
        except UnicodeDecodeError as exc:
            wrong = exc
    line = raw.count(b"\n", 0, wrong.start) + 1
    known = encoding.upper() if encoding else "UTF-8, UTF-16 or Windows-1252"
    raise InvalidInput(f"is not {known}", place=f"{file.name}:{line}")


def _header(
    lines: list[str], at: int, delimiter: str, columns: Columns, place: str
) -> tuple[tuple[str, list[str]], int]:
    """The delimiter and our names for the columns, and the line after them."""
    known = {_folded(other): name for name, others in columns.items() for other in (name, *others)}
    found: list[tuple[int, str, list[str], int]] = []
    for sign in (delimiter,) if delimiter else _DELIMITERS:
        try:
            cells, after = _row(lines, at, sign)
        except csv.Error as exc:
            raise InvalidInput(f"not CSV: {exc}", place=place) from exc
        found.append((sum(_folded(cell) in known for cell in cells), sign, cells, after))
    _, sign, cells, after = max(found, key=lambda one: one[0])
    while cells and not cells[-1].strip():
        cells.pop()
    names = [known.get(_folded(cell), "") for cell in cells]
    listed = ", ".join(sorted(columns))
    if "" in names:
        unknown = cells[names.index("")].strip()[:60]
        raise InvalidInput(f'unknown column "{unknown}"; columns are {listed}', place=place)
    for number, name in enumerate(names):
        first = names.index(name)
        if first != number:
            both = f'"{cells[first].strip()}" and "{cells[number].strip()}"'
            raise InvalidInput(f"the column {name} stands there twice: {both}", place=place)
    if "external_id" not in names:
        raise InvalidInput(f"no column external_id; columns are {listed}", place=place)
    return (sign, names), after


def _folded(name: str) -> str:
    plain = normalised("NFKD", name.strip().casefold())
    return re.sub(r"[^a-z0-9]", "", plain)


def _row(lines: list[str], at: int, delimiter: str) -> tuple[list[str], int]:
    """The cells of the row that begins on a line, and the line after it."""
    if at >= len(lines):
        return [], at
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        (lines[one] for one in range(at, min(at + _MOST_LINES, len(lines)))),
        delimiter=delimiter,
        strict=True,
    )
    row = next(reader)
    return row, at + reader.line_num


def _rows(
    name: str, lines: list[str], at: int, delimiter: str, names: list[str]
) -> Iterator[tuple[str, Mapping[str, str] | InvalidInput]]:
    open_quotes = 0
    while at < len(lines):
        place = f"{name}:{at + 1}"
        try:
            row, after = _row(lines, at, delimiter)
        except csv.Error as exc:
            reason = str(exc)
            if "unexpected end" in reason:
                open_quotes += 1
                reason = "a quote is opened here and never closed"
            yield place, InvalidInput(f"not CSV: {reason}", place=place)
            if open_quotes >= _MOST_OPEN:
                yield place, InvalidInput("too many open quotes; the rest is not read", place=place)
                return
            at += 1  # only this line is lost: what seemed to belong to it is read for itself
            continue
        at = after
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < len(names) or any(cell.strip() for cell in row[len(names) :]):
            reason = f"has {len(row)} fields, the header has {len(names)}"
            yield place, InvalidInput(reason, place=place)
            continue
        yield place, dict(zip(names, row, strict=False))


def several(text: str) -> Iterable[str]:
    """The parts of a cell in which several things stand."""
    return (part for one in re.split(r"[;,|\n]|(?<=\d)\s*/|/\s", text) if (part := one.strip()))
