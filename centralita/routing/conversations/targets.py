"""Where a call can be sent, and whom an agent can consult."""

from __future__ import annotations

from dataclasses import dataclass

from centralita.core.ids import AgentId, LegId, QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class ToQueue:
    """To whoever of the queue is next."""

    queue_id: QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAgent:
    """To one agent."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ToNumber:
    """To a number outside, an extension, or a SIP URI of the house. With `hidden`, who is consulted
    is to see no number of ours."""

    number: str
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToVoicemail:
    """To a message for the people of a queue."""

    queue_id: QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class ToFlow:
    """Back into a flow, at `node` or at its beginning."""

    flow_id: str
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """Nowhere: the caller is with this leg, and no agent has part in it any more. `acquainted`:
    they heard each other before the agent left."""

    leg_id: LegId
    number: str
    acquainted: bool = False


Target = ToQueue | ToAgent | ToNumber | ToVoicemail | ToFlow
Outward = ToNumber | ToVoicemail | ToFlow | Connected
"""What the flow of the caller goes on with, for it is no agent's any more."""


def describe(target: Target | Connected) -> tuple[str, str]:
    """The kind of a target, and what it names."""
    match target:
        case ToQueue(queue_id=queue_id):
            return "queue", queue_id
        case ToAgent(agent_id=agent_id):
            return "agent", agent_id
        case ToNumber(number=number) | Connected(number=number):
            return "number", number
        case ToVoicemail(queue_id=queue_id):
            return "voicemail", queue_id
        case ToFlow(flow_id=flow_id, node=node):
            return "flow", f"{flow_id}/{node}" if node else flow_id
