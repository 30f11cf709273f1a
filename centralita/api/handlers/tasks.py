"""What there is to do, and what an agent has done today."""

from __future__ import annotations

from datetime import timedelta

from msgspec import UNSET

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.http import Forbidden, Handler, Incoming, Reply, cursor, page
from centralita.api.live_messages import TaskChanged
from centralita.api.ports import ApiPorts
from centralita.api.rights import check_may_work
from centralita.core.errors import Conflict, InvalidInput, NotFound
from centralita.core.ids import AgentId, CallId, CustomerId, InteractionId, QueueId, TaskId, new_id
from centralita.core.refusals import Refusal
from centralita.timeline.model import Task, TaskKind, TaskState

# A day is no longer than this, whatever the clocks do.
_LONGEST = timedelta(hours=36)


class Tasks:
    """Tasks, and the agent's own day."""

    def __init__(self, ports: ApiPorts) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._hub = ports.hub

    def handlers(self) -> dict[str, Handler]:
        return {
            "tasks": self.list,
            "make_task": self.make,
            "change_task": self.change,
            "my_day": self.day,
        }

    async def list(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.TaskQuery)
        part = await self._store.tasks.list(
            limit=query.limit,
            after=cursor(query.cursor),
            state=query.state,
            queue_id=QueueId(query.queue_id) if query.queue_id is not None else None,
        )
        return Reply(page(part, views.task))

    async def make(self, incoming: Incoming) -> Reply:
        given, who, now = incoming.body(s.NewTask), incoming.who, self._clock.now()
        if (given.queue_id is None) == (given.agent_id is None):
            raise InvalidInput("say who calls back: queue_id or agent_id", place="$")
        if given.due_at < now - timedelta(minutes=1):
            raise InvalidInput("lies in the past", place="$.due_at", code=Refusal.IN_THE_PAST)
        if given.agent_id is not None and given.agent_id != who.agent_id and not who.is_supervisor:
            raise Forbidden(
                "agents give tasks to themselves and to queues; a supervisor to others",
                code=Refusal.NOT_YOURS_TO_GIVE,
            )
        if given.queue_id is not None and (
            await self._store.queues.get(QueueId(given.queue_id)) is None
        ):
            raise InvalidInput(
                "there is no such queue", place="$.queue_id", code=Refusal.UNKNOWN_QUEUE
            )
        if given.agent_id is not None and (
            await self._store.agents.get(AgentId(given.agent_id)) is None
        ):
            raise InvalidInput(
                "there is no such agent", place="$.agent_id", code=Refusal.UNKNOWN_AGENT
            )
        customer_id = CustomerId(given.customer_id) if given.customer_id is not None else None
        if customer_id is not None and await self._store.customers.get(customer_id) is None:
            raise InvalidInput(
                "there is no such customer", place="$.customer_id", code=Refusal.UNKNOWN_CUSTOMER
            )
        entry = None
        if given.interaction_id is not None:
            entry = await self._store.interactions.get(InteractionId(given.interaction_id))
            if entry is None:
                raise InvalidInput(
                    "there is no such interaction",
                    place="$.interaction_id",
                    code=Refusal.UNKNOWN_CONTACT,
                )
        task = await self._store.tasks.add(
            Task(
                id=TaskId(new_id("task")),
                kind=TaskKind.CALLBACK,
                state=TaskState.OPEN,
                created_at=now,
                queue_id=QueueId(given.queue_id) if given.queue_id is not None else None,
                agent_id=AgentId(given.agent_id) if given.agent_id is not None else None,
                customer_id=customer_id or (entry.customer_id if entry is not None else None),
                interaction_id=entry.id if entry is not None else None,
                call_id=CallId(entry.call.call_id) if entry is not None and entry.call else None,
                caller=given.number or (entry.call.caller if entry and entry.call else ""),
                text=given.text,
                due_at=given.due_at,
            )
        )
        return Reply(self._told(task), 201)

    async def change(self, incoming: Incoming) -> Reply:
        patch, who = incoming.body(s.TaskPatch), incoming.who
        task_id = TaskId(incoming.path("id"))
        task = await self._store.tasks.get(task_id)
        if task is None:
            raise NotFound(f"no task {task_id}", code=Refusal.NO_SUCH_TASK)
        check_may_work(who, task, await self._store.queues.all())
        owners = {task.agent_id}
        if patch.agent_id is not UNSET:
            self._check_may_give(incoming, patch.agent_id)
            wanted = AgentId(patch.agent_id) if patch.agent_id is not None else None
            if not await self._store.tasks.give(task_id, wanted, before=task.agent_id):
                raise Conflict("somebody else was faster", code=Refusal.TAKEN)
            owners = {wanted}
        if patch.state is not UNSET:
            await self._store.tasks.set_state(
                task_id, patch.state, self._clock.now(), who.user.name, of=owners
            )
        task = await self._store.tasks.get(task_id)
        if task is None:
            raise NotFound(f"no task {task_id}", code=Refusal.NO_SUCH_TASK)
        return Reply(self._told(task))

    @staticmethod
    def _check_may_give(incoming: Incoming, to: str | None) -> None:
        who = incoming.who
        if not who.is_supervisor and to is not None and to != who.agent_id:
            raise Forbidden(
                "agents take tasks themselves; a supervisor may give them to others",
                code=Refusal.NOT_YOURS_TO_GIVE,
            )

    def _told(self, task: Task) -> s.Task:
        view = views.task(task)
        self._hub.publish(TaskChanged(task=view))
        return view

    async def day(self, incoming: Incoming) -> Reply:
        query, now = incoming.query(s.DayQuery), self._clock.now()
        agent_id = incoming.who.agent_id
        if agent_id is None:
            raise NotFound("this user is no agent", code=Refusal.NO_AGENT)
        since = query.since or now.replace(hour=0, minute=0, second=0, microsecond=0)
        if since < now - _LONGEST:
            raise InvalidInput("a day begins within the last 36 hours", place="query.since")
        day, calls = await self._store.days.of(agent_id, since, now)
        queues = {one.queue_id for one in await self._store.queues.all() if agent_id in one.agents}
        tasks = await self._store.tasks.due(agent_id, queues, now)
        return Reply(views.day(since, day, calls, tasks))
