"""Statements that several repositories need."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Executable, FromClause, Select, Table, and_, bindparam, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from centralita.store.records import Cursor, Part
from centralita.store.tables import Base

T = TypeVar("T")
R = TypeVar("R", bound=Base)

Column = InstrumentedAttribute[datetime]
Ident = InstrumentedAttribute[str]


def containing(text: str) -> str:
    """A LIKE pattern (escape character `\\`) for what contains `text`."""
    for sign in ("\\", "%", "_"):
        text = text.replace(sign, "\\" + sign)
    return f"%{text}%"


async def insert_new(
    session: AsyncSession, table: type[Base], values: Mapping[str, object]
) -> bool:
    """Insert a row unless it clashes with one that is there; says whether it was inserted."""
    dialect = session.get_bind().dialect.name
    statement = _insert_new(dialect, table.__table__, tuple(sorted(values)))
    return (await session.execute(statement, dict(values))).first() is not None


@functools.cache
def _insert_new(dialect: str, table: FromClause, columns: tuple[str, ...]) -> Executable:
    """Made once: to make a statement takes longer than to execute it."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    assert isinstance(table, Table)
    return (
        insert(table)
        .values({column: bindparam(column) for column in columns})
        .on_conflict_do_nothing()
        .returning(*table.primary_key)
    )


async def part(
    session: AsyncSession,
    statement: Select[R],
    at: Column,
    ident: Ident,
    *,
    limit: int,
    after: Cursor | None,
    newest_first: bool = True,
) -> tuple[Sequence[R], Cursor | None]:
    """The rows of `statement` after the cursor, in the order of (at, ident)."""
    if after is not None:
        beyond = (
            and_(at <= after.at, or_(at < after.at, ident < after.id))
            if newest_first
            else and_(at >= after.at, or_(at > after.at, ident > after.id))
        )
        statement = statement.where(beyond)
    order = (at.desc(), ident.desc()) if newest_first else (at.asc(), ident.asc())
    rows = list((await session.scalars(statement.order_by(*order).limit(limit + 1))).all())
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, Cursor(getattr(rows[-1], at.key), getattr(rows[-1], ident.key))


def part_of(found: tuple[Sequence[R], Cursor | None], make: Callable[[R], T]) -> Part[T]:
    """Rows as a part of a list of what `make` makes of them."""
    rows, following = found
    return Part(tuple(make(row) for row in rows), following)
