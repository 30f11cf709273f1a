"""Who may hear what. Pure; the handlers bring what it needs."""

from __future__ import annotations

from collections.abc import Collection

from centralita.api.http import Principal
from centralita.core.ids import QueueId
from centralita.store.records import RecordingRecord
from centralita.timeline.model import Interaction


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
