"""Templates and tags."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import NotFound
from centralita.core.ids import TemplateId
from centralita.store.database import Database
from centralita.store.sql import containing
from centralita.store.tables import TagRow, TemplateRow
from centralita.timeline.model import Channel
from centralita.timeline.templates import Template, TemplateText


class Templates:
    """The texts that are written often."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Template, ...]:
        """By channel and name."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(TemplateRow).order_by(TemplateRow.channel, TemplateRow.name, TemplateRow.id)
            )
            return tuple(_template(row) for row in rows)

    async def get(self, template_id: TemplateId) -> Template | None:
        """The template, or None."""
        async with self._database.read() as session:
            row = await session.get(TemplateRow, template_id)
            return _template(row) if row is not None else None

    async def put(self, template: Template) -> None:
        """Keep a new one, or in the place of the one with its id."""
        async with self._database.write() as session:
            await session.merge(
                TemplateRow(
                    id=template.id,
                    channel=template.channel.value,
                    name=template.name,
                    texts=msgspec.to_builtins(template.texts),
                )
            )

    async def remove(self, template_id: TemplateId) -> None:
        """Forget it; raises NotFound. What was written with it stays."""
        async with self._database.write() as session:
            row = await session.get(TemplateRow, template_id)
            if row is None:
                raise NotFound(f"no template {template_id}")
            await session.delete(row)


class Tags:
    """The tags in use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_use(self, text: str, limit: int) -> tuple[tuple[str, int], ...]:
        """Tags that contain `text`, and how often each is used, the most used first."""
        times = func.count().label("times")
        async with self._database.read() as session:
            rows = await session.execute(
                select(TagRow.tag, times)
                .where(TagRow.tag.like(containing(tidy_tag(text)), escape="\\"))
                .group_by(TagRow.tag)
                .order_by(times.desc(), TagRow.tag)
                .limit(limit)
            )
            return tuple((tag, count) for tag, count in rows.all())


def tidy_tag(text: str) -> str:
    """A tag as it is kept: without case and superfluous blanks, so that one thing has one tag."""
    return " ".join(text.casefold().split())


async def write_tags(session: AsyncSession, interaction_id: str, tags: Sequence[str]) -> None:
    """Make these the tags of an entry in the index of tags."""
    await session.execute(delete(TagRow).where(TagRow.interaction_id == interaction_id))
    if tags:
        await session.execute(
            insert(TagRow), [{"interaction_id": interaction_id, "tag": tag} for tag in tags]
        )


def _template(row: TemplateRow) -> Template:
    return Template(
        id=TemplateId(row.id),
        channel=Channel(row.channel),
        name=row.name,
        texts=msgspec.convert(row.texts, tuple[TemplateText, ...]),
    )
