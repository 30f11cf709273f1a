"""Mails of other programs: mbox files, or one mail alone. Each is read or is a problem.

What the parsers of the standard library make of a header that is not as it should be is an error,
so headers are read as they stand, and only what is needed of each. A mail that cannot be read even
so is told with its place, and the next one is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.timeline.html_text import text_of_html
from centralita.timeline.identity import normal_email

# Larger ones are not read, in bytes.
LARGEST = 100 * 1024 * 1024
# Of a header that is read, in bytes: the time to read one grows faster than its length.
_LONGEST_HEADER = 10_000
_LONGEST_PARAMETERS = 2_000
_DATED = re.compile(rb"From .*\d{1,2}:\d\d(?::\d\d)? .*\d{4}")
_SENDER_ALONE = re.compile(rb"From \S+\s*$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
# Zones that Python takes for UTC. What stands for several (IST, in Ireland and in India) is none.
_ZONES = {
    "CET": "+0100", "CEST": "+0200", "MET": "+0100", "MEST": "+0200", "MEZ": "+0100",
    "MESZ": "+0200", "WET": "+0000", "WEST": "+0100", "BST": "+0100", "EET": "+0200",
    "EEST": "+0300", "MSK": "+0300", "JST": "+0900", "KST": "+0900", "HKT": "+0800",
    "SGT": "+0800", "AEST": "+1000", "AEDT": "+1100", "NZST": "+1200", "NZDT": "+1300",
    "BRT": "-0300", "ART": "-0300",
}  # fmt: skip
# And those that it knows.
_KNOWN_ZONES = frozenset(
    {"UTC", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "AST", "ADT"}
)
_ZONE = re.compile(r"\b([A-Z]{3,4})\s*(?:\([^()]*\)\s*)?$")
# What Python's parsers raise for mails that are not as they should be.
_BROKEN = (
    MessageError, ValueError, LookupError, AttributeError, TypeError, OverflowError,
    RecursionError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. `sender` and `to` (with Cc) are addresses in lower case; `at` is None where no header
    has a time that could be read."""

    id: str
    sender: str
    to: tuple[str, ...]
    at: datetime | None
    subject: str
    body: str


class _Bounded(Message):
    """Its headers are read no further than _LONGEST_PARAMETERS: what the library does with many
    parameters takes n² steps."""

    def get(self, name: str, failobj: object = None) -> object:  # type: ignore[override]
        """A header, cut where it is absurdly long."""
        value: object = super().get(name, failobj)
        return value[:_LONGEST_PARAMETERS] if isinstance(value, str) else value


def mails(file: Path) -> Iterator[tuple[str, Mail | InvalidInput]]:
    """The mails of a file, each with its place; raises InvalidInput for a file that has none."""
    try:
        for number, raw in enumerate(_raw_mails(file), start=1):
            place = f"{file.name}: mail {number}"
            yield place, read_mail(raw, place)
    except OSError as exc:
        raise InvalidInput(f"cannot be read: {exc}", place=str(file)) from exc


def read_mail(raw: bytes, place: str = "") -> Mail | InvalidInput:
    """One mail, with its From_ line or without."""
    if len(raw) > LARGEST:
        return InvalidInput(f"is larger than {LARGEST // 1024 // 1024} MB", place=place)
    first, rest = b"", raw
    if raw.startswith(b"From "):
        first, _, rest = raw.partition(b"\n")
    try:
        message = BytesParser(_class=_Bounded).parsebytes(_QUOTED.sub(rb"\1", rest))
        senders = _addresses(message, "From") or _addresses(message, "Sender")
        return Mail(
            id=_id(message, rest),
            sender=senders[0] if senders else "",
            to=tuple(dict.fromkeys(_addresses(message, "To") + _addresses(message, "Cc"))),
            at=_time(message, first),
            subject=clean(_decoded(_header(message, "Subject"))),
            body=clean(_text(message)),
        )
    except _BROKEN as exc:
        return InvalidInput(f"cannot be read as a mail: {type(exc).__name__}: {exc}", place=place)


def clean(text: str) -> str:
    """`text` without what a database cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _raw_mails(file: Path) -> Iterator[bytes]:
    """A mail begins with a From_ line at the beginning or after an empty line: one that has a date,
    or nothing but a sender and a header below. Any other line that begins so is text."""
    with file.open("rb") as lines:
        mail: list[bytes] = []
        size, after_empty, waiting = 0, True, b""
        is_mbox = False
        for number, line in enumerate(lines):
            if number == 0:
                is_mbox = line.startswith(b"From ")
                if not is_mbox and not _HEADER.match(line):
                    raise InvalidInput("is neither an mbox file nor a mail", place=f"{file.name}:1")
            if waiting:
                begins = _HEADER.match(line) is not None
                if begins and mail:
                    yield b"".join(mail)
                    mail, size = [], 0
                mail.append(waiting)
                waiting = b""
            if is_mbox and after_empty and line.startswith(b"From "):
                if _DATED.match(line):
                    if mail:
                        yield b"".join(mail)
                    mail, size = [], 0
                elif _SENDER_ALONE.match(line):
                    waiting, after_empty = line, False
                    continue
            size += len(line)
            if size <= LARGEST + len(line):  # one that is too large is told, and not kept
                mail.append(line)
            after_empty = not line.strip(b"\r\n")
        if waiting:
            mail.append(waiting)
        if mail:
            yield b"".join(mail)


# --- headers ------------------------------------------------------------------------------------


def _header(message: Message, name: str) -> str:
    """A header as it stands, unfolded; bytes beyond ASCII as UTF-8, or else as Windows-1252."""
    wanted = name.lower()
    for key, value in message.raw_items():
        if key.lower() == wanted:
            raw = str(value).encode("utf-8", "surrogateescape")[:_LONGEST_HEADER]
            return " ".join(_guessed(raw).split())
    return ""


def _guessed(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _decoded(header: str) -> str:
    """With its encoded words (RFC 2047) decoded; as it stands where they are not right."""
    try:
        parts = decode_header(header)
    except _BROKEN:
        return header
    return "".join(
        part if isinstance(part, str) else _as_text(part, charset) for part, charset in parts
    )


def _as_text(raw: bytes, charset: str | None) -> str:
    """Bytes in the charset that is told; where that is unknown or wrong, as they seem to be."""
    try:
        if charset and charset.lower() not in ("us-ascii", "ascii", "unknown-8bit", "idna"):
            return raw.decode(charset)
    except (LookupError, ValueError):
        pass
    return _guessed(raw)


def _addresses(message: Message, name: str) -> list[str]:
    found = []
    for _, address in getaddresses([_header(message, name)]):
        try:
            found.append(normal_email(_decoded(address)))
        except InvalidInput:
            continue
    return found


def _id(message: Message, raw: bytes) -> str:
    """Its Message-ID; a hash of the mail if it has none, so that a second import finds it."""
    given = clean(_header(message, "Message-ID"))
    return f"mail:{given}"[:500] if given else "mail:sha256:" + hashlib.sha256(raw).hexdigest()


def _time(message: Message, first: bytes) -> datetime | None:
    """By Date, or else by what the last server wrote: Received, or the From_ line."""
    received = _header(message, "Received").rpartition(";")[2]
    from_line = _guessed(first[:_LONGEST_HEADER])
    # `From x@y Mon Jan  5 12:00:00 2026`
    weekday = re.search(r" (?=(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b)", from_line)
    written = from_line[weekday.end() :] if weekday else ""
    for text in (_header(message, "Date"), received, written):
        try:
            if text.strip():
                at = parsedate_to_datetime(_with_offset(text.strip()))
                return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        except _BROKEN:
            continue
    return None


def _with_offset(text: str) -> str:
    """The zone in figures. Raises ValueError for one that nobody knows: an hour may be wrong."""
    zone = _ZONE.search(text)
    if zone is None or zone[1] in _KNOWN_ZONES:
        return text
    offset = _ZONES.get(zone[1])
    if offset is None:
        raise ValueError(f"the time zone {zone[1]} is not known")
    return text[: zone.start()] + offset


# --- the body -----------------------------------------------------------------------------------


def _text(message: Message) -> str:
    """What can be read of it: the first plain part that is not empty, or else the HTML."""
    waiting, html = [message], ""
    while waiting:
        part = waiting.pop()
        if part.is_multipart():
            if part.get_content_maintype() == "multipart":  # not a mail that is attached
                waiting += reversed([one for one in part.get_payload() if isinstance(one, Message)])
            continue
        kind = part.get_content_type()
        unbounded = part.get_content_maintype() == "multipart"  # without a boundary: it is a text
        if part.get_content_disposition() == "attachment" or not (
            unbounded or kind in ("text/plain", "text/html")
        ):
            continue
        payload = part.get_payload(decode=True)
        raw = payload if isinstance(payload, bytes) else str(part.get_payload()).encode()
        text = _as_text(raw, None if unbounded else part.get_content_charset())
        if kind == "text/html":
            html = html or text_of_html(text)
        elif text.strip():
            return text.replace("\r\n", "\n").strip()
    return html
