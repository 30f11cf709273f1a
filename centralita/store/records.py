"""What is kept that is not part of the timeline: agents, queues, flows, recordings, sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from centralita.core.ids import (
    AgentId,
    CallId,
    FlowId,
    LegId,
    QueueId,
    RecordingId,
    UserId,
)
from centralita.core.wire import Plain

T = TypeVar("T")


class Role(StrEnum):
    """What somebody may do; each role may do what the ones before it may."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        ranks = tuple(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """Somebody who signs in. `username` is lower case; `password_hash` is argon2's."""

    user_id: UserId
    username: str
    name: str
    role: Role
    password_hash: str
    agent_id: AgentId | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A signed-in session; the token itself is not kept, only its SHA-256.

    `used_at` is when something was last heard of it. `program` is what it said it is. `phone` is
    the extension whose phone its page is, empty when it is none, and None when that is not known.
    """

    token_hash: str
    user_id: UserId
    created_at: datetime
    expires_at: datetime
    used_at: datetime
    address: str = ""
    program: str = ""
    phone: str | None = ""

    @property
    def session_id(self) -> str:
        """What it is called where its token must not be known: nothing can be done with it."""
        return f"ses_{self.token_hash[:24]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenRecord:
    """A token for a program; only its SHA-256 is kept."""

    token_id: str
    name: str
    role: Role
    token_hash: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """An agent and the phone. `ha1` is MD5(`extension:realm:password`) in hex, which digest needs;
    `ha1_sha256` is there for users whose phone can do SHA-256. `status` survives a restart."""

    agent_id: AgentId
    name: str
    extension: str
    ha1: str = ""
    ha1_sha256: str = ""
    skills: tuple[str, ...] = ()
    status: str = "logged_out"
    reason: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """A queue and the agents who serve it. `settings` is routing's to read (wrap-up, skills...)."""

    queue_id: QueueId
    title: str
    language: str = ""
    agents: tuple[AgentId, ...] = ()
    settings: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who can sign in, with the phone and the queues of the agent whom they are."""

    user: UserRecord
    agent: AgentRecord | None = None
    queues: tuple[QueueId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What is to be different about an account; None stays as it is.

    A new `extension` needs the `ha1` of a new password, since the number is part of what is hashed.
    """

    active: bool | None = None
    role: Role | None = None
    password_hash: str | None = None
    extension: str | None = None
    ha1: str | None = None
    queues: tuple[QueueId, ...] | None = None

    @property
    def ends_sessions(self) -> bool:
        """Whether what is signed in now was signed in as somebody else."""
        return (
            self.active is False
            or self.role is not None
            or self.password_hash is not None
            or self.extension is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRecord:
    """One version of a flow. `numbers` are the dialled numbers of the flow, whatever version."""

    flow_id: FlowId
    version: int
    document: Mapping[str, Plain]
    published: bool
    created_at: datetime
    created_by: str = ""
    comment: str = ""
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRecord:
    """A sound file. `path` is relative to the recordings' folder; `kind` is `conversation` (left
    the caller, right the agent) or `voicemail`. `removed` says that retention deleted the file."""

    recording_id: RecordingId
    call_id: CallId
    kind: str
    path: str
    channels: int
    duration: timedelta
    sha256: str
    created_at: datetime
    leg_id: LegId | None = None
    agent_id: AgentId | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptWord:
    """A recognised word; times count from the start of the recording."""

    text: str
    start: timedelta
    end: timedelta
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptChannel:
    """What one side said. `speaker` is `caller` or `agent`."""

    speaker: str
    text: str
    words: tuple[TranscriptWord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRecord:
    """The words of a recording."""

    recording_id: RecordingId
    language: str
    text: str
    channels: tuple[TranscriptChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a part of a list ended: the sort value and the id of its last item."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a list, and where the next one begins; None after the last."""

    items: tuple[T, ...]
    next: Cursor | None
