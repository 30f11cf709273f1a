"""The log: a constant sentence plus fields, for people or for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from centralita.server.settings import LogConfig

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HIDDEN = "[personal data]"


class _Fields(logging.Formatter):
    def __init__(self, *, personal_data: bool) -> None:
        super().__init__()
        self._personal_data = personal_data

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """The record's own fields; those marked as personal only if the site wants them."""
        return {
            name: value if self._personal_data or not name.startswith("pii_") else _HIDDEN
            for name, value in vars(record).items()
            if name not in _STANDARD
        }


class TextFormatter(_Fields):
    """`2026-01-05 09:00:00.123 INFO  call answered  call_id=call_…`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(" ", "milliseconds")
        fields = " ".join(f"{name}={value}" for name, value in self.fields(record).items())
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
