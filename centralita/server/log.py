"""The log: a constant sentence plus fields, for people or for programs."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from centralita.server.settings import LogConfig

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HIDDEN = "[personal data]"
# Fields that hold the words of an error, in which the number may stand that it is about.
_SENTENCES = frozenset(("error", "reason"))
_NO_NUMBER = "[number]"
_NUMBER = re.compile(r"\+[0-9]{6,15}|(?<![\w.:/-])[0-9]{9,15}(?![\w.:])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class _Fields(logging.Formatter):
    def __init__(self, *, personal_data: bool) -> None:
        super().__init__()
        self._personal_data = personal_data

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """The record's own fields; those marked as personal only if the site wants them."""
        return {
            name: value if self._personal_data else _without_persons(name, value)
            for name, value in vars(record).items()
            if name not in _STANDARD
        }


def _without_persons(name: str, value: object) -> object:
    """Hidden when it is marked as personal; of an error's sentence, the numbers in it."""
    if name.startswith("pii_"):
        return _HIDDEN
    if name in _SENTENCES and isinstance(value, str):
        return _NUMBER.sub(_NO_NUMBER, value)
    return value


def _escaped(value: object) -> str:
    """On one line, and not in another colour: what strangers write does not look like ours."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], str(value))


class TextFormatter(_Fields):
    """`2026-01-05 09:00:00.123 INFO  call answered  call_id=call_…`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(" ", "milliseconds")
        fields = " ".join(
            f"{name}={_escaped(value)}" for name, value in self.fields(record).items()
        )
        line = f"{at} {record.levelname:<7} {record.getMessage()}"
        if fields:
            line += f"  {fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(_Fields):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **self.fields(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def set_up_log(config: LogConfig) -> None:
    """Log as configured, on standard error unless a file is named."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if config.file is not None:
        handler = logging.FileHandler(config.file, encoding="utf-8")
    formatter = JsonFormatter if config.format == "json" else TextFormatter
    handler.setFormatter(formatter(personal_data=config.personal_data))
    logging.basicConfig(level=config.level.upper(), handlers=[handler], force=True)
    for noisy in ("aiosqlite", "asyncio", "alembic", "aiohttp.access", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
