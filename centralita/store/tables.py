"""The tables. Migrations in `migrations/` bring a database to exactly this."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time; SQLite keeps it without its zone, so we write UTC and say so on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are kept with their zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
JsonObject = dict[str, Any]
Id = String(64)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can speak of it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own form)
        datetime: UtcDateTime(),
        JsonObject: Json,
        list[Any]: Json,
        str: Text(),
    }


class CustomerRow(Base):
    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    search: Mapped[str]  # the name without case and accents
    segment: Mapped[str]
    language: Mapped[str] = mapped_column(String(8))
    notes: Mapped[str]
    provisional: Mapped[bool]
    provisional_for: Mapped[str | None] = mapped_column(Text(), unique=True)
    external_id: Mapped[str | None] = mapped_column(Text(), unique=True)
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "created_at", "id"),)


class IdentityRow(Base):
    __tablename__ = "identities"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str]

    __table_args__ = (
        UniqueConstraint("customer_id", "kind", "value"),
        Index(None, "kind", "value"),
    )


class CaseRow(Base):
    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    subject: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (Index(None, "customer_id", "state"), Index(None, "updated_at", "id"))


class InteractionRow(Base):
    __tablename__ = "interactions"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    direction: Mapped[str] = mapped_column(String(16))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customers.id"))
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"), index=True)
    agent_id: Mapped[str | None] = mapped_column(Id)
    queue_id: Mapped[str | None] = mapped_column(Id)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    subject: Mapped[str]
    body: Mapped[str]
    disposition: Mapped[str]
    notes: Mapped[str]
    external_id: Mapped[str | None] = mapped_column(Text(), unique=True)
    # calls only
    call_id: Mapped[str | None] = mapped_column(Id, unique=True)
    caller: Mapped[str]
    dialled: Mapped[str]
    outcome: Mapped[str | None] = mapped_column(String(16))
    candidates: Mapped[list[Any]]
    tags: Mapped[list[Any]]
    details: Mapped[JsonObject]
    created_by: Mapped[str]
    created_at: Mapped[datetime | None]
    by_hand: Mapped[bool]

    __table_args__ = (
        Index(None, "customer_id", "started_at", "id"),
        Index(None, "channel", "started_at", "id"),
        Index(None, "agent_id", "started_at"),
        Index(None, "caller"),
        Index(None, "ended_at"),
    )


class CallEventRow(Base):
    __tablename__ = "call_events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(Id, index=True)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[JsonObject]

    __table_args__ = (Index(None, "type", "at"),)


class JournalRow(Base):
    __tablename__ = "journals"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    applied: Mapped[int] = mapped_column(BigInteger)


class RecordingRow(Base):
    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    call_id: Mapped[str] = mapped_column(Id, index=True)
    kind: Mapped[str] = mapped_column(String(16))
    path: Mapped[str]
    channels: Mapped[int]
    duration_s: Mapped[float] = mapped_column(Float)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(index=True)
    leg_id: Mapped[str | None] = mapped_column(Id)
    agent_id: Mapped[str | None] = mapped_column(Id)
    removed: Mapped[bool]


class TranscriptRow(Base):
    __tablename__ = "transcripts"

    recording_id: Mapped[str] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    language: Mapped[str] = mapped_column(String(8))
    text: Mapped[str]
    channels: Mapped[list[Any]]


class RecordingPeaksRow(Base):
    __tablename__ = "recording_peaks"

    recording_id: Mapped[str] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    channels: Mapped[list[Any]]


class SearchTextRow(Base):
    """What can be found by its words: one row for an entry, one for each transcript of its call.

    Each database keeps its index over `words` by itself: FTS5 with triggers, GIN."""

    __tablename__ = "search_texts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    interaction_id: Mapped[str] = mapped_column(ForeignKey("interactions.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(Id)  # the recording's id; empty for the entry itself
    words: Mapped[str]

    __table_args__ = (UniqueConstraint("interaction_id", "source"),)


class TaskRow(Base):
    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    queue_id: Mapped[str | None] = mapped_column(Id)
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customers.id"), index=True)
    interaction_id: Mapped[str | None] = mapped_column(ForeignKey("interactions.id"))
    call_id: Mapped[str | None] = mapped_column(Id)
    caller: Mapped[str]
    text: Mapped[str]
    done_at: Mapped[datetime | None]
    done_by: Mapped[str]
    due_at: Mapped[datetime | None]
    agent_id: Mapped[str | None] = mapped_column(Id)

    __table_args__ = (Index(None, "state", "created_at", "id"), Index(None, "agent_id", "state"))


class TagRow(Base):
    __tablename__ = "tags"

    interaction_id: Mapped[str] = mapped_column(
        ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class TemplateRow(Base):
    __tablename__ = "templates"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    texts: Mapped[list[Any]]


class OutboxRow(Base):
    """What was written to a customer, and how far it is; its text is the interaction's.

    `next_at` is there while it is queued. `answer` may repeat the address.
    """

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    interaction_id: Mapped[str] = mapped_column(ForeignKey("interactions.id"), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    channel: Mapped[str] = mapped_column(String(16))
    to: Mapped[str]
    status: Mapped[str] = mapped_column(String(16))
    template_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    tries: Mapped[int]
    tried_since: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    trouble: Mapped[str]
    answer: Mapped[str]
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "status", "created_at", "id"),
        Index(None, "channel", "status", "next_at", "id"),
    )


class MergeRow(Base):
    """`former` and `before` are the two customers before the merge, `after` is the second after it.

    Neither id refers to a row: the one is gone, and the other may be merged away, too."""

    __tablename__ = "merges"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str]
    by_name: Mapped[str]
    former_id: Mapped[str] = mapped_column(Id, index=True)
    into_id: Mapped[str] = mapped_column(Id)
    former: Mapped[JsonObject]
    before: Mapped[JsonObject]
    after: Mapped[JsonObject]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str]
    result: Mapped[JsonObject]

    __table_args__ = (Index(None, "into_id", "at"),)


class MergeMoveRow(Base):
    __tablename__ = "merge_moves"

    merge_id: Mapped[str] = mapped_column(
        ForeignKey("merges.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    object_id: Mapped[str] = mapped_column(Id, primary_key=True)


class UserRow(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(Text(), unique=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str]
    agent_id: Mapped[str | None] = mapped_column(Id)
    active: Mapped[bool]


class SessionRow(Base):
    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime]
    address: Mapped[str]
    program: Mapped[str]
    phone: Mapped[str | None]


class ApiTokenRow(Base):
    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AgentRow(Base):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    extension: Mapped[str] = mapped_column(Text(), unique=True)
    ha1: Mapped[str] = mapped_column(String(64))
    ha1_sha256: Mapped[str] = mapped_column(String(64))
    skills: Mapped[list[Any]]
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    active: Mapped[bool]


class QueueRow(Base):
    __tablename__ = "queues"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    title: Mapped[str]
    language: Mapped[str] = mapped_column(String(8))
    settings: Mapped[JsonObject]


class QueueAgentRow(Base):
    __tablename__ = "queue_agents"

    queue_id: Mapped[str] = mapped_column(
        ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int]


class FlowRow(Base):
    __tablename__ = "flows"

    flow_id: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[JsonObject]
    published: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    comment: Mapped[str]


class FlowNumberRow(Base):
    __tablename__ = "flow_numbers"

    number: Mapped[str] = mapped_column(String(128), primary_key=True)
    flow_id: Mapped[str] = mapped_column(Id, index=True)


class SettingRow(Base):
    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[JsonObject]


class AuditRow(Base):
    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    who: Mapped[str] = mapped_column(Text(), index=True)
    name: Mapped[str]
    address: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    object: Mapped[str] = mapped_column(Text(), index=True)
    outcome: Mapped[str] = mapped_column(String(16))
    details: Mapped[str]
    # Unique, so that two entries can never follow the same one.
    prev: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class OutboundCallRow(Base):
    __tablename__ = "outbound_calls"

    leg_id: Mapped[str] = mapped_column(Id, primary_key=True)
    call_id: Mapped[str] = mapped_column(Id, index=True)
    originator: Mapped[str] = mapped_column(String(128))
    number: Mapped[str]
    emergency: Mapped[bool]
    price_micros: Mapped[int] = mapped_column(BigInteger)  # per minute
    started_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    seconds: Mapped[float] = mapped_column(Float)
    cost_micros: Mapped[int] = mapped_column(BigInteger)
