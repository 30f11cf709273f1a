"""Cases and tasks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, bindparam, case, func, or_, select, update

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId, CaseId, CustomerId, InteractionId, QueueId, TaskId
from centralita.core.refusals import Refusal
from centralita.store.database import Database
from centralita.store.records import Cursor, Part
from centralita.store.redirects import current
from centralita.store.sql import insert_new, part, part_of
from centralita.store.tables import CaseRow, TaskRow
from centralita.timeline.model import Case, CaseState, Task, TaskKind, TaskState

# Asked for each pop, and made once: to make a statement takes longer than to execute it.
_OF_CUSTOMER = (
    select(CaseRow)
    .where(CaseRow.customer_id == bindparam("customer"))
    .order_by(
        case({state.value: rank for rank, state in enumerate(CaseState)}, value=CaseRow.state),
        CaseRow.updated_at.desc(),
    )
    .limit(bindparam("most"))
)


class Cases:
    """Implements timeline.repositories.CaseRepository, and the list the API shows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, case_id: CaseId) -> Case | None:
        async with self._database.read() as session:
            row = await session.get(CaseRow, case_id)
            return _case(row) if row is not None else None

    async def of_customer(self, customer_id: CustomerId, limit: int) -> tuple[Case, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(_OF_CUSTOMER, {"customer": customer_id, "most": limit})
            return tuple(_case(row) for row in rows)

    async def list(
        self,
        *,
        limit: int,
        after: Cursor | None = None,
        customer_id: CustomerId | None = None,
        state: CaseState | None = None,
    ) -> Part[Case]:
        """Cases, the one that moved last first."""
        statement = select(CaseRow)
        if customer_id is not None:
            statement = statement.where(CaseRow.customer_id == customer_id)
        if state is not None:
            statement = statement.where(CaseRow.state == state.value)
        async with self._database.read() as session:
            found = await part(
                session, statement, CaseRow.updated_at, CaseRow.id, limit=limit, after=after
            )
            return part_of(found, _case)

    async def add(self, case: Case) -> Case:
        async with self._database.write() as session:
            customer_id = CustomerId(await current(session, case.customer_id) or "")
            case = replace(case, customer_id=customer_id)
            session.add(
                CaseRow(
                    id=case.id,
                    customer_id=customer_id,
                    subject=case.subject,
                    state=case.state.value,
                    opened_at=case.opened_at,
                    updated_at=case.updated_at,
                )
            )
        return case

    async def move(self, case_id: CaseId, at: datetime) -> None:
        """Something has happened in the case."""
        async with self._database.write() as session:
            await session.execute(
                update(CaseRow)
                .where(CaseRow.id == case_id, CaseRow.updated_at < at)
                .values(updated_at=at)
            )

    async def save(self, case: Case) -> Case:
        async with self._database.write() as session:
            row = await session.get(CaseRow, case.id)
            if row is None:
                raise NotFound(f"no case {case.id}", code=Refusal.NO_SUCH_CASE)
            row.subject, row.state, row.updated_at = case.subject, case.state.value, case.updated_at
            return _case(row)


class Tasks:
    """Implements timeline.repositories.TaskRepository, and the list the API shows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, task_id: TaskId) -> Task | None:
        async with self._database.read() as session:
            row = await session.get(TaskRow, task_id)
            return _task(row) if row is not None else None

    async def list(
        self,
        *,
        limit: int,
        after: Cursor | None = None,
        state: TaskState | None = None,
        queue_id: QueueId | None = None,
    ) -> Part[Task]:
        """Tasks, oldest first."""
        statement = select(TaskRow)
        if state is not None:
            statement = statement.where(TaskRow.state == state.value)
        if queue_id is not None:
            statement = statement.where(TaskRow.queue_id == queue_id)
        async with self._database.read() as session:
            found = await part(
                session, statement, TaskRow.created_at, TaskRow.id,
                limit=limit, after=after, newest_first=False,
            )  # fmt: skip
            return part_of(found, _task)

    async def add(self, task: Task) -> Task:
        values = {
            "id": task.id,
            "kind": task.kind.value,
            "state": task.state.value,
            "created_at": task.created_at,
            "queue_id": task.queue_id,
            "customer_id": task.customer_id,
            "interaction_id": task.interaction_id,
            "call_id": task.call_id,
            "caller": task.caller,
            "text": task.text,
            "done_at": task.done_at,
            "done_by": task.done_by,
            "due_at": task.due_at,
            "agent_id": task.agent_id,
        }
        async with self._database.write() as session:
            values["customer_id"] = customer_id = await current(session, task.customer_id)
            if customer_id != task.customer_id:
                task = replace(task, customer_id=CustomerId(customer_id or ""))
            if await insert_new(session, TaskRow, values):
                return task
            there = await session.get(TaskRow, task.id)
            return _task(there) if there is not None else task

    async def set_text(self, task_id: TaskId, text: str) -> Task:
        """Write what a voicemail says, once its transcript is there; raises NotFound."""
        async with self._database.write() as session:
            row = await session.get(TaskRow, task_id)
            if row is None:
                raise NotFound(f"no task {task_id}", code=Refusal.NO_SUCH_TASK)
            row.text = text
            return _task(row)

    async def set_state(
        self,
        task_id: TaskId,
        state: TaskState,
        at: datetime,
        by: str,
        *,
        of: Collection[AgentId | None] | None = None,
    ) -> Task:
        """Raises NotFound, and Conflict when it belongs to nobody `of` these (None is nobody)."""
        async with self._database.write() as session:
            row = await session.get(TaskRow, task_id, with_for_update=True)
            if row is None:
                raise NotFound(f"no task {task_id}", code=Refusal.NO_SUCH_TASK)
            if of is not None and row.agent_id not in of:
                raise Conflict("somebody else was faster", code=Refusal.TAKEN)
            if row.state != state.value:
                done = state is TaskState.DONE
                row.state = state.value
                row.done_at, row.done_by = (at, by) if done else (None, "")
            return _task(row)

    async def give(
        self, task_id: TaskId, agent_id: AgentId | None, *, before: AgentId | None
    ) -> bool:
        """Make it an agent's own, or nobody's; False when it is no longer `before`'s."""
        async with self._database.write() as session:
            given = await session.scalar(
                update(TaskRow)
                .where(TaskRow.id == task_id, TaskRow.agent_id.is_not_distinct_from(before))
                .values(agent_id=agent_id)
                .returning(TaskRow.id)
            )
            return given is not None

    async def due(
        self, agent_id: AgentId, queues: Collection[QueueId], now: datetime, limit: int = 200
    ) -> tuple[Task, ...]:
        """What is for the agent to do now: the own tasks and those of the queues that nobody has
        taken, without a time or with one that has come; the oldest first."""
        row = TaskRow
        async with self._database.read() as session:
            rows = await session.scalars(
                select(row)
                .where(
                    row.state == TaskState.OPEN.value,
                    or_(row.due_at.is_(None), row.due_at <= now),
                    or_(
                        row.agent_id == agent_id,
                        and_(row.agent_id.is_(None), row.queue_id.in_(queues)),
                    ),
                )
                .order_by(func.coalesce(row.due_at, row.created_at), row.id)
                .limit(limit)
            )
            return tuple(_task(one) for one in rows)

    async def missed_of(self, caller: str) -> tuple[Task, ...]:
        """The calls of that number that are still to be returned."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(TaskRow).where(
                    TaskRow.state == TaskState.OPEN.value,
                    TaskRow.kind == TaskKind.MISSED_CALL.value,
                    TaskRow.caller == caller,
                )
            )
            return tuple(_task(one) for one in rows)

    async def voicemail_of(self, call_id: CallId) -> Task | None:
        """The task that the call's message became, the newest if there are several."""
        async with self._database.read() as session:
            row = await session.scalar(
                select(TaskRow)
                .where(TaskRow.call_id == call_id, TaskRow.kind == TaskKind.VOICEMAIL.value)
                .order_by(TaskRow.created_at.desc())
                .limit(1)
            )
            return _task(row) if row is not None else None


def _case(row: CaseRow) -> Case:
    return Case(
        id=CaseId(row.id),
        customer_id=CustomerId(row.customer_id),
        subject=row.subject,
        state=CaseState(row.state),
        opened_at=row.opened_at,
        updated_at=row.updated_at,
    )


def _task(row: TaskRow) -> Task:
    return Task(
        id=TaskId(row.id),
        kind=TaskKind(row.kind),
        state=TaskState(row.state),
        created_at=row.created_at,
        queue_id=QueueId(row.queue_id) if row.queue_id is not None else None,
        customer_id=CustomerId(row.customer_id) if row.customer_id is not None else None,
        interaction_id=(
            InteractionId(row.interaction_id) if row.interaction_id is not None else None
        ),
        call_id=CallId(row.call_id) if row.call_id is not None else None,
        caller=row.caller,
        text=row.text,
        done_at=row.done_at,
        done_by=row.done_by,
        due_at=row.due_at,
        agent_id=AgentId(row.agent_id) if row.agent_id is not None else None,
    )
