"""How the centre is set up: agents, queues, flows, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, FlowId, QueueId
from centralita.core.wire import Plain, to_plain
from centralita.store.database import Database
from centralita.store.records import AgentRecord, FlowRecord, QueueRecord
from centralita.store.tables import (
    AgentRow,
    FlowNumberRow,
    FlowRow,
    QueueAgentRow,
    QueueRow,
    SettingRow,
)


class Agents:
    """The agents and their phones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[AgentRecord, ...]:
        """All agents by extension."""
        async with self._database.read() as session:
            rows = await session.scalars(select(AgentRow).order_by(AgentRow.extension))
            return tuple(agent_of(row) for row in rows)

    async def get(self, agent_id: AgentId) -> AgentRecord | None:
        """The agent, or None."""
        async with self._database.read() as session:
            row = await session.get(AgentRow, agent_id)
            return agent_of(row) if row is not None else None

    async def put(self, agent: AgentRecord) -> None:
        """Keep an agent, new or changed; raises Conflict when another one has the extension."""
        async with self._database.write() as session:
            await session.merge(
                AgentRow(
                    id=agent.agent_id,
                    name=agent.name,
                    extension=agent.extension,
                    ha1=agent.ha1,
                    ha1_sha256=agent.ha1_sha256,
                    skills=list(agent.skills),
                    status=agent.status,
                    reason=agent.reason,
                    active=agent.active,
                )
            )

    async def set_status(self, agent_id: AgentId, status: str, reason: str) -> None:
        """Keep what the agent has chosen, for after a restart."""
        async with self._database.write() as session:
            await session.execute(
                update(AgentRow).where(AgentRow.id == agent_id).values(status=status, reason=reason)
            )


class Queues:
    """The queues and who serves them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[QueueRecord, ...]:
        """All queues by title."""
        async with self._database.read() as session:
            rows = await session.scalars(select(QueueRow).order_by(QueueRow.title, QueueRow.id))
            members = await session.execute(
                select(QueueAgentRow.queue_id, QueueAgentRow.agent_id).order_by(
                    QueueAgentRow.position
                )
            )
            agents: dict[str, list[AgentId]] = {}
            for queue_id, agent_id in members:
                agents.setdefault(queue_id, []).append(AgentId(agent_id))
            return tuple(
                QueueRecord(
                    queue_id=QueueId(row.id),
                    title=row.title,
                    language=row.language,
                    agents=tuple(agents.get(row.id, ())),
                    settings=row.settings,
                )
                for row in rows
            )

    async def get(self, queue_id: QueueId) -> QueueRecord | None:
        """The queue, or None."""
        return next((queue for queue in await self.all() if queue.queue_id == queue_id), None)

    async def put(self, queue: QueueRecord) -> None:
        """Keep a queue, new or changed; raises Conflict when an agent of it does not exist."""
        async with self._database.write() as session:
            await session.merge(
                QueueRow(
                    id=queue.queue_id,
                    title=queue.title,
                    language=queue.language,
                    settings=to_plain(queue.settings),
                )
            )
            await session.execute(
                delete(QueueAgentRow).where(QueueAgentRow.queue_id == queue.queue_id)
            )
            session.add_all(
                QueueAgentRow(queue_id=queue.queue_id, agent_id=agent_id, position=position)
                for position, agent_id in enumerate(queue.agents)
            )


class Flows:
    """Flows, all their versions, and the numbers they answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_version(
        self,
        flow_id: FlowId,
        document: Mapping[str, Plain],
        *,
        at: datetime,
        by: str = "",
        comment: str = "",
    ) -> FlowRecord:
        """Keep the next version, not published."""
        async with self._database.write() as session:
            last = await session.scalar(
                select(func.max(FlowRow.version)).where(FlowRow.flow_id == flow_id)
            )
            row = FlowRow(
                flow_id=flow_id,
                version=(last or 0) + 1,
                document=to_plain(document),
                published=False,
                created_at=at,
                created_by=by,
                comment=comment,
            )
            session.add(row)
            await session.flush()
            return next(iter(await _flows(session, (row,))))

    async def publish(
        self, flow_id: FlowId, version: int, numbers: Sequence[str] | None = None
    ) -> FlowRecord:
        """Let this version, and no other, answer; with `numbers`, change what it answers.

        Raises NotFound, or Conflict when a number belongs to another flow.
        """
        async with self._database.write() as session:
            row = await session.get(FlowRow, (flow_id, version))
            if row is None:
                raise NotFound(f"no version {version} of the flow {flow_id}")
            await session.execute(
                update(FlowRow)
                .where(FlowRow.flow_id == flow_id, FlowRow.version != version)
                .values(published=False)
            )
            row.published = True
            if numbers is not None:
                await self._set_numbers(session, flow_id, numbers)
            await session.flush()
            return next(iter(await _flows(session, (row,))))

    @staticmethod
    async def _set_numbers(session: AsyncSession, flow_id: FlowId, numbers: Sequence[str]) -> None:
        await session.execute(delete(FlowNumberRow).where(FlowNumberRow.flow_id == flow_id))
        for number in dict.fromkeys(numbers):
            other = await session.get(FlowNumberRow, number)
            if other is not None:
                raise Conflict(f'the number "{number}" belongs to the flow {other.flow_id}')
            session.add(FlowNumberRow(number=number, flow_id=flow_id))

    async def all(self) -> tuple[FlowRecord, ...]:
        """Of each flow the newest version, and the published one if that is another."""
        newest = (
            select(FlowRow.flow_id, func.max(FlowRow.version).label("version"))
            .group_by(FlowRow.flow_id)
            .subquery()
        )
        async with self._database.read() as session:
            rows = await session.scalars(
                select(FlowRow)
                .join(newest, newest.c.flow_id == FlowRow.flow_id)
                .where((FlowRow.version == newest.c.version) | FlowRow.published)
                .order_by(FlowRow.flow_id, FlowRow.version.desc())
            )
            return tuple(await _flows(session, rows))

    async def versions(self, flow_id: FlowId) -> tuple[FlowRecord, ...]:
        """All versions, newest first."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(FlowRow).where(FlowRow.flow_id == flow_id).order_by(FlowRow.version.desc())
            )
            return tuple(await _flows(session, rows))

    async def get(self, flow_id: FlowId, version: int | None = None) -> FlowRecord | None:
        """A version, or the newest one; None if there is none."""
        statement = select(FlowRow).where(FlowRow.flow_id == flow_id)
        if version is not None:
            statement = statement.where(FlowRow.version == version)
        async with self._database.read() as session:
            rows = await session.scalars(statement.order_by(FlowRow.version.desc()).limit(1))
            return next(iter(await _flows(session, rows)), None)

    async def published(self, flow_id: FlowId) -> FlowRecord | None:
        """The published version, or None."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(FlowRow).where(FlowRow.flow_id == flow_id, FlowRow.published)
            )
            return next(iter(await _flows(session, rows)), None)

    async def for_number(self, number: str) -> FlowRecord | None:
        """The published flow that answers the dialled number, or None."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(FlowRow)
                .join(FlowNumberRow, FlowNumberRow.flow_id == FlowRow.flow_id)
                .where(FlowNumberRow.number == number, FlowRow.published)
            )
            return next(iter(await _flows(session, rows)), None)


class Settings:
    """Small things that must survive a restart, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Plain:
        """The value, or None."""
        async with self._database.read() as session:
            row = await session.get(SettingRow, key)
            if row is None:
                return None
            value: Plain = row.value["value"]
            return value

    async def put(self, key: str, value: Plain) -> None:
        """Keep a value."""
        async with self._database.write() as session:
            await session.merge(SettingRow(key=key, value={"value": value}))


def agent_of(row: AgentRow) -> AgentRecord:
    """A row as an agent."""
    return AgentRecord(
        agent_id=AgentId(row.id),
        name=row.name,
        extension=row.extension,
        ha1=row.ha1,
        ha1_sha256=row.ha1_sha256,
        skills=tuple(row.skills),
        status=row.status,
        reason=row.reason,
        active=row.active,
    )


async def _flows(session: AsyncSession, rows: Iterable[FlowRow]) -> list[FlowRecord]:
    found = list(rows)
    numbers: dict[str, list[str]] = {}
    for row in await session.scalars(
        select(FlowNumberRow)
        .where(FlowNumberRow.flow_id.in_({row.flow_id for row in found}))
        .order_by(FlowNumberRow.number)
    ):
        numbers.setdefault(row.flow_id, []).append(row.number)
    return [
        FlowRecord(
            flow_id=FlowId(row.flow_id),
            version=row.version,
            document=row.document,
            published=row.published,
            created_at=row.created_at,
            created_by=row.created_by,
            comment=row.comment,
            numbers=tuple(numbers.get(row.flow_id, ())),
        )
        for row in found
    ]
