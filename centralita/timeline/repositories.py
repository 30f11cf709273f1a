"""What the timeline needs to be kept. `store/` implements these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from centralita.core.ids import AgentId, CallId, CaseId, CustomerId, InteractionId, QueueId, TaskId
from centralita.core.wire import Plain
from centralita.timeline.model import (
    CallEvent,
    CallSummary,
    Case,
    Customer,
    Direction,
    IdentityKind,
    Interaction,
    Outcome,
    Task,
    TaskState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls to list; None means any. `since` is included, `until` is not."""

    customer_id: CustomerId | None = None
    agent_id: AgentId | None = None
    queue_id: QueueId | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    live: bool | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """What an agent adds to an entry; None leaves a field as it was. `case_id` counts only with
    `set_case`, because None takes the entry out of its case."""

    notes: str | None = None
    disposition: str | None = None
    tags: tuple[str, ...] | None = None
    case_id: CaseId | None = None
    set_case: bool = False


class CustomerRepository(Protocol):
    """Customers and their identities."""

    async def get(self, customer_id: CustomerId) -> Customer | None:
        """The customer, or None."""
        ...

    async def get_many(self, ids: Sequence[CustomerId]) -> tuple[Customer, ...]:
        """Those that exist, in the order asked for."""
        ...

    async def by_identity(self, kind: IdentityKind, value: str) -> tuple[Customer, ...]:
        """Everybody who has this identity, oldest first. `value` is normalised already."""
        ...

    async def by_external_id(self, external_id: str) -> Customer | None:
        """The customer who came from another system under that id."""
        ...

    async def add(self, customer: Customer) -> Customer:
        """Keep a new customer with the identities; raises Conflict if the id is taken."""
        ...

    async def provisional(self, kind: IdentityKind, value: str, at: datetime) -> Customer:
        """The provisional customer for an identity that nobody has; made if need be, only once."""
        ...

    async def keep_provisional(self, customer: Customer) -> Customer:
        """Store a customer of `new_provisional`; returns the one who stands for that identity,
        which is another one when somebody else was faster."""
        ...

    async def save(self, customer: Customer) -> Customer:
        """Keep name, segment, language, notes, provisional; add identities that are new."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much there is of a customer. `contacts` are how often they have called or written since
    a time, without a call that goes on. `disposition` is the newest, of an entry that began `at`;
    empty when there is none."""

    calls: int
    messages: int
    contacts: int
    cases: int
    open_tasks: int
    disposition: str
    disposition_at: datetime | None


class InteractionRepository(Protocol):
    """Entries of the timelines."""

    async def get(self, interaction_id: InteractionId) -> Interaction | None:
        """The entry, or None."""
        ...

    async def by_call(self, call_id: CallId) -> Interaction | None:
        """The entry of that call, or None."""
        ...

    async def add(self, interaction: Interaction) -> tuple[Interaction, bool]:
        """Keep an entry; False and what is there if its external_id or call id is known."""
        ...

    async def end_call(self, summary: CallSummary) -> None:
        """Write what a call was, once: later ones change nothing. Raises NotFound.

        What agents write (customer, case, notes, disposition) is not touched.
        """
        ...

    async def touch(
        self, call_id: CallId, *, queue_id: QueueId | None, agent_id: AgentId | None
    ) -> None:
        """Write who has the call now; None leaves it as it was. Nothing after the call's end."""
        ...

    async def annotate(self, interaction_id: InteractionId, annotation: Annotation) -> Interaction:
        """Write what an agent adds; raises NotFound."""
        ...

    async def assign(self, interaction_id: InteractionId, customer_id: CustomerId) -> Interaction:
        """Say which customer it was with; there is no choice any more. Raises NotFound."""
        ...

    async def recent(self, customer_id: CustomerId, limit: int) -> tuple[Interaction, ...]:
        """The newest entries, newest first."""
        ...

    async def said_in(self, entries: Sequence[Interaction]) -> Mapping[InteractionId, str]:
        """The beginning of what was said in those that are calls with a transcript."""
        ...

    async def tally(self, customer_id: CustomerId, since: datetime) -> Tally:
        """All that a customer has had to do with us, counted."""
        ...

    async def unfinished_calls(self) -> tuple[Interaction, ...]:
        """Calls without an end."""
        ...


class CaseRepository(Protocol):
    """Cases."""

    async def get(self, case_id: CaseId) -> Case | None:
        """The case, or None."""
        ...

    async def of_customer(self, customer_id: CustomerId, limit: int) -> tuple[Case, ...]:
        """Open ones first, then pending, then solved; in each the one that moved last first."""
        ...

    async def add(self, case: Case) -> Case:
        """Keep a new case."""
        ...

    async def save(self, case: Case) -> Case:
        """Keep subject and state of a case that exists."""
        ...


class TaskRepository(Protocol):
    """Tasks."""

    async def get(self, task_id: TaskId) -> Task | None:
        """The task, or None."""
        ...

    async def add(self, task: Task) -> Task:
        """Keep a new task; what is there if its id is known."""
        ...

    async def set_state(
        self,
        task_id: TaskId,
        state: TaskState,
        at: datetime,
        by: str,
        *,
        of: Collection[AgentId | None] | None = None,
    ) -> Task:
        """Mark as done or open; raises NotFound, and Conflict when it is not one `of` theirs."""
        ...


class CallEventRepository(Protocol):
    """The journals of calls."""

    async def append(
        self, call_id: CallId, at: datetime, type: str, data: Mapping[str, Plain]
    ) -> None:
        """Add a line."""
        ...

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        """All lines, in order."""
        ...
