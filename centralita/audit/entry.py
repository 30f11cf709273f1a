"""An entry of the audit log, and how it is bound to the one before it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from centralita.core.wire import Plain, to_plain

# What the first entry follows.
GENESIS = "0" * 64


class Action(StrEnum):
    """What was done. Stable: filters and other people's programs know these."""

    SIGN_IN = "session.sign_in"
    SIGN_OUT = "session.sign_out"
    TOKEN_MADE = "token.make"
    TOKEN_REVOKED = "token.revoke"
    SESSION_ENDED = "session.end"
    USER_PUT = "user.put"
    USER_DISABLED = "user.disable"
    USER_ENABLED = "user.enable"
    USER_ROLE = "user.role"
    USER_MOVED = "user.move"
    USER_PASSWORD = "user.password"
    PHONE_PASSWORD = "user.phone_password"
    AGENT_PUT = "agent.put"
    AGENT_STATUS = "agent.status"
    QUEUE_PUT = "queue.put"
    FLOW_SAVED = "flow.save"
    FLOW_PUBLISHED = "flow.publish"
    RECORDING_HEARD = "recording.hear"
    TRANSCRIPT_READ = "transcript.read"
    RECORDING_EXPIRED = "recording.expire"
    TEXTS_EXPIRED = "texts.expire"
    INTERACTION_MADE = "interaction.make"
    INTERACTION_ASSIGNED = "interaction.assign"
    CUSTOMER_CHANGED = "customer.change"
    CUSTOMERS_MERGED = "customer.merge"
    MERGE_UNDONE = "customer.unmerge"
    TEMPLATE_PUT = "template.put"
    TEMPLATE_REMOVED = "template.remove"
    ERASED = "customer.erase"
    IMPORTED = "data.import"
    BAN_LIFTED = "ban.lift"
    CALL_OUT = "call.out"
    MESSAGE_WRITTEN = "message.write"
    KEY_ROTATED = "key.rotate"
    KEY_RETIRED = "key.retire"
    SERVER_STARTED = "server.start"
    SERVER_RELOADED = "server.reload"
    ANCHOR_LOST = "audit.anchor_lost"


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it: `user_ana`, `tok_…`, `flow:main`, `cli:root`, `server`; and from which address.

    `name` is what people call them; nothing is looked up by it.
    """

    who: str
    name: str = ""
    address: str = ""


SERVER = Actor(who="server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be entered."""

    at: datetime
    actor: Actor
    action: Action
    object: str = ""
    outcome: Outcome = Outcome.DONE
    details: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a chain ends: the last entry's number and hash."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry as it is kept. `details` is JSON text, since its very bytes are hashed; `prev` is
    the hash of the entry before."""

    seq: int
    at: datetime
    who: str
    name: str
    address: str
    action: str
    object: str
    outcome: str
    details: str
    prev: str
    hash: str

    @property
    def tip(self) -> Tip:
        """The chain's end, if this is the last."""
        return Tip(self.seq, self.hash)


def canonical(entry: Entry) -> bytes:
    """The bytes that `hash` is of: everything in the entry but the hash itself."""
    fields = (
        entry.seq,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.who,
        entry.name,
        entry.address,
        entry.action,
        entry.object,
        entry.outcome,
        entry.details,
        entry.prev,
    )
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def hash_of(entry: Entry) -> str:
    """What `hash` must be."""
    return hashlib.sha256(canonical(entry)).hexdigest()


def chained(tip: Tip, draft: Draft) -> Entry:
    """The draft as the entry after `tip`."""
    values = {
        "seq": tip.seq + 1,
        "at": draft.at,
        "who": _clean(draft.actor.who),
        "name": _clean(draft.actor.name),
        "address": _clean(draft.actor.address),
        "action": draft.action.value,
        "object": _clean(draft.object),
        "outcome": draft.outcome.value,
        "details": _clean(
            json.dumps(
                to_plain(draft.details), ensure_ascii=False, separators=(",", ":"), sort_keys=True
            )
        ),
        "prev": tip.hash,
    }
    unsigned = Entry(**values, hash="")  # type: ignore[arg-type]  # as they stand above
    return Entry(**values, hash=hash_of(unsigned))  # type: ignore[arg-type]


def _clean(text: str) -> str:
    """Without what a database cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
