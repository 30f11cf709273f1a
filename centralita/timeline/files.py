"""Files of other programs, read entry by entry, each with its place."""

from __future__ import annotations

import csv
import email.policy
import hashlib
import mailbox
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.timeline.identity import normal_email


def csv_rows(
    file: Path, columns: frozenset[str]
) -> Iterator[tuple[str, Mapping[str, str] | InvalidInput]]:
    """The rows of a CSV file by column, each with its place."""
    with _readable(file), file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        unknown = [name for name in header if name not in columns]
        if "external_id" not in header or unknown:
            wrong = f'unknown column "{unknown[0]}"' if unknown else "no column external_id"
            raise InvalidInput(
                f"{wrong}; columns are {', '.join(sorted(columns))}", place=f"{file.name}:1"
            )
        reader.fieldnames = header
        while True:
            try:
                row = next(reader, None)
            except csv.Error as exc:
                yield (
                    f"{file.name}:{reader.line_num}",
                    InvalidInput(f"not CSV: {exc}", place=f"{file.name}:{reader.line_num}"),
                )
                continue
            if row is None:
                return
            place = f"{file.name}:{reader.line_num}"
            if None in row or None in row.values():
                yield (
                    place,
                    InvalidInput(f"has not the {len(header)} fields of the header", place=place),
                )
                continue
            yield place, {name: clean(value) for name, value in row.items()}


def mails(file: Path) -> Iterator[tuple[str, EmailMessage | InvalidInput]]:
    """The mails of an mbox file, each with its place."""
    parser = BytesParser(policy=email.policy.default)
    with _readable(file):
        box = mailbox.mbox(file, create=False)
        try:
            for number, key in enumerate(box.iterkeys(), start=1):
                place = f"{file.name}: mail {number}"
                message = parser.parsebytes(box.get_bytes(key))
                if isinstance(message, EmailMessage):
                    yield place, message
        finally:
            box.close()


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, mailbox.Error) as exc:
        raise InvalidInput(f"cannot be read: {exc}", place=str(file)) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput("is not UTF-8", place=str(file)) from exc


def clean(text: str) -> str:
    """`text` without what a database cannot keep."""
    return text.replace("\x00", "")  # PostgreSQL cannot keep it, and nobody means it


def addresses(message: EmailMessage, header: str) -> list[str]:
    """The addresses in a header that can be read, in lower case."""
    found = []
    for address in getattr(message[header], "addresses", ()):
        try:
            found.append(normal_email(address.addr_spec))
        except InvalidInput:
            continue
    return found


def message_id(message: EmailMessage) -> str:
    """Its Message-ID; a hash of the mail if it has none, so that a second import finds it."""
    given = str(message.get("Message-ID", "")).strip()
    if given:
        return f"mail:{given}"[:500]
    return "mail:sha256:" + hashlib.sha256(message.as_bytes()).hexdigest()


def text_of(message: EmailMessage) -> str:
    """What can be read of it: the plain part, or the HTML one without its marks."""
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    try:
        content = part.get_content()
    except (LookupError, UnicodeError):  # an unknown or wrong charset
        payload = part.get_payload(decode=True)
        content = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    text = str(content)
    if part.get_content_subtype() == "html":
        stripper = _Stripper()
        stripper.feed(text)
        text = "".join(stripper.found)
    return text.strip()


class _Stripper(HTMLParser):
    """Collects the text of an HTML document."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag in ("br", "p", "div", "tr"):
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.found.append(data)
