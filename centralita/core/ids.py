"""Identifiers. Each is a string with a prefix, so that a log line explains itself."""

from __future__ import annotations

import secrets
from typing import NewType

CallId = NewType("CallId", str)
LegId = NewType("LegId", str)
QueueId = NewType("QueueId", str)
AgentId = NewType("AgentId", str)
OfferId = NewType("OfferId", str)
CustomerId = NewType("CustomerId", str)
IdentityId = NewType("IdentityId", str)
InteractionId = NewType("InteractionId", str)
CaseId = NewType("CaseId", str)
RecordingId = NewType("RecordingId", str)
TaskId = NewType("TaskId", str)
MergeId = NewType("MergeId", str)
TemplateId = NewType("TemplateId", str)
MessageId = NewType("MessageId", str)
UserId = NewType("UserId", str)
FlowId = NewType("FlowId", str)
NodeId = NewType("NodeId", str)
PlaybackId = NewType("PlaybackId", str)
ListenId = NewType("ListenId", str)
WorkerId = NewType("WorkerId", str)


def new_id(prefix: str) -> str:
    """A new identifier such as `call_8f0c…`: 96 random bits, not guessable, not ordered."""
    return f"{prefix}_{secrets.token_hex(12)}"
