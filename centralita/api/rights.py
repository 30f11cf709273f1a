"""Who may hear and change what. Pure; the handlers bring what it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from centralita.api.http import Forbidden, Principal
from centralita.core.errors import Conflict
from centralita.core.ids import AgentId, QueueId
from centralita.core.refusals import Refusal
from centralita.store.records import QueueRecord, RecordingRecord
from centralita.timeline.model import Interaction, Task


def may_hear(
    who: Principal,
    recording: RecordingRecord,
    entry: Interaction | None,
    message_for: QueueId | None,
    serves: Collection[QueueId],
) -> bool:
    """Agents hear the conversations they had, and messages for the queues they serve.

    `entry` is the recording's call; `message_for` the queue that a voicemail was left for, and
    `serves` the queues of the agent. Supervisors hear everything; a program with the role of an
    agent is no agent, and hears nothing.
    """
    if who.is_supervisor:
        return True
    if who.agent_id is None:
        return False
    if recording.kind == "voicemail":
        return message_for is not None and message_for in serves
    if recording.agent_id is not None:
        return recording.agent_id == who.agent_id
    talks = entry.call.talks if entry is not None and entry.call is not None else ()
    return who.agent_id in {talk.agent_id for talk in talks}


def serves(queues: Iterable[QueueRecord], agent_id: AgentId | None, queue_id: str | None) -> bool:
    """Whether the agent serves that queue."""
    return any(queue.queue_id == queue_id and agent_id in queue.agents for queue in queues)


def serves_with(
    queues: Iterable[QueueRecord], agent_id: AgentId | None, other: AgentId | None
) -> bool:
    """Whether two agents share a queue."""
    return any(agent_id in queue.agents and other in queue.agents for queue in queues)


def check_may_work(who: Principal, task: Task, queues: Iterable[QueueRecord]) -> None:
    """Agents work on their own tasks, and on those that nobody has taken of the queues they serve;
    supervisors on all. Raises Conflict for a colleague's and Forbidden for another queue's."""
    if who.is_supervisor:
        return
    if task.agent_id is not None:
        if task.agent_id != who.agent_id:
            raise Conflict("another agent has this task", code=Refusal.TAKEN)
        return
    if who.agent_id is None or (
        task.queue_id is not None and not serves(queues, who.agent_id, task.queue_id)
    ):
        raise Forbidden(
            "this task is for the agents of another queue; a supervisor may give it to you",
            code=Refusal.NOT_YOUR_QUEUES_TASK,
        )
