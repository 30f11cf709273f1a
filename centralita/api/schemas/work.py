"""Cases, tasks, and the day of an agent."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from centralita.api.schemas.basics import Answer, Body, NonEmpty, PageQuery, Short, Time
from centralita.timeline.model import CaseState, TaskKind, TaskState


class CaseQuery(PageQuery, kw_only=True):
    """Which cases, the one that moved last first."""

    customer_id: str | None = None
    state: CaseState | None = None


class Case(Answer, kw_only=True):
    """What several interactions are about."""

    id: str
    customer_id: str
    subject: str
    state: CaseState
    opened_at: Time
    updated_at: Time


class NewCase(Body, kw_only=True):
    """A case to be opened."""

    customer_id: NonEmpty
    subject: NonEmpty


class CasePatch(Body, kw_only=True):
    """What to change."""

    subject: NonEmpty | UnsetType = UNSET
    state: CaseState | UnsetType = UNSET


class TaskQuery(PageQuery, kw_only=True):
    """Which tasks, oldest first."""

    state: TaskState | None = None
    queue_id: str | None = None


class Task(Answer, kw_only=True):
    """Something that the people of a queue have to do."""

    id: str
    kind: TaskKind
    state: TaskState
    created_at: Time
    queue_id: str | None
    customer_id: str | None
    interaction_id: str | None
    call_id: str | None
    caller: str
    text: str
    done_at: Time | None
    done_by: str
    due_at: Time | None
    agent_id: str | None


class NewTask(Body, kw_only=True):
    """A callback at a time: for a queue, or for an agent (agents: for themselves)."""

    due_at: Time
    queue_id: str | None = None
    agent_id: str | None = None
    customer_id: str | None = None
    interaction_id: str | None = None
    number: Short = ""
    text: Annotated[str, Meta(max_length=2000)] = ""


class TaskPatch(Body, kw_only=True):
    """Done, or open again. `agent_id` takes it (agents: for themselves); null gives it back."""

    state: TaskState | UnsetType = UNSET
    agent_id: str | UnsetType | None = UNSET


class DayQuery(Body, kw_only=True):
    """Since when: the midnight of whoever asks; by default that of UTC."""

    since: Time | None = None


class DayCall(Answer, kw_only=True):
    """A conversation of the day, with the wrap-up after it; `talked_s` includes hold."""

    call_id: str
    interaction_id: str | None
    customer_id: str | None
    caller: str
    ended_at: Time
    talked_s: float
    wrapped_up_s: float


class DayMissed(Answer, kw_only=True):
    """A call that rang at the agent's phone and was not answered."""

    call_id: str
    interaction_id: str | None
    customer_id: str | None
    caller: str
    at: Time
    how: Literal["no_answer", "declined", "unreachable"]


class MyDay(Answer, kw_only=True):
    """The agent's own figures, each with the list behind it."""

    since: Time
    calls: int
    talked_s: float
    wrapped_up_s: float
    missed: int
    tasks_due: int
    conversations: list[DayCall]
    missed_offers: list[DayMissed]
    tasks: list[Task]
