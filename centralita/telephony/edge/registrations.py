"""The file in which Kamailio keeps its registrations, so that phones outlive a restart of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from centralita.core.errors import Unavailable

_SCHEMAS = Path("/usr/share/kamailio/db_sqlite")
_TABLES = ("standard-create.sql", "usrloc-create.sql")


def make_registrations(file: Path) -> None:
    """Make the database unless it is there, in the form that the installed Kamailio wants.

    One of another form is made anew: phones register again by themselves. Raises Unavailable
    when Kamailio's module for SQLite is not installed.
    """
    try:
        schema = "".join((_SCHEMAS / name).read_text(encoding="utf-8") for name in _TABLES)
    except OSError as exc:
        raise Unavailable(
            "Kamailio has no SQLite: install the package kamailio-sqlite-modules"
        ) from exc
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(schema)
        wanted = _form(model)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if file.exists() and _form_of(file) == wanted:
        return
    for old in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        old.unlink(missing_ok=True)
    file.touch(mode=0o600)
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(schema)
        database.commit()


def _form_of(file: Path) -> list[tuple[str, str]]:
    try:
        with closing(sqlite3.connect(file)) as database:
            return _form(database)
    except sqlite3.DatabaseError:
        return []


def _form(database: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return sorted((str(name), str(sql)) for name, sql in rows)
