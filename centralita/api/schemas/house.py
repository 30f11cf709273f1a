"""What keeps the house: bans, the audit log, health."""

from __future__ import annotations

from typing import Literal

import msgspec

from centralita.api.schemas.basics import Answer, JsonObject, NonEmpty, PageQuery, Time


class Ban(Answer, kw_only=True):
    """An address that the edge ignores: for too many requests, or too many guesses at passwords."""

    address: str
    reason: Literal["requests", "guesses"]
    since: Time
    until: Time


class Trunk(Answer, kw_only=True):
    """A line to the telephone network. `condition` is `down` when it does not answer or does not
    take our registration; `unknown` as long as nobody has found out, or where there is nobody to
    ask. `answers` is whether it answers OPTIONS or REGISTER, null while that is unknown. `code` is
    its answer to the latest REGISTER, `expires_at` until when it keeps the registration. When it is
    down, `trouble` says why and `message` what to do about it. `calls_in` have come by it and
    `calls_out` were tried by it since the edge was started."""

    name: str
    condition: Literal["unknown", "up", "down"]
    since: Time
    answers: bool | None
    registration: Literal["none", "trying", "registered", "refused"]
    code: int
    expires_at: Time | None
    trouble: Literal["no_answer", "password", "refused", "name", "connection", "certificate"] | None
    message: str
    calls_in: int
    calls_out: int


class AuditQuery(PageQuery, kw_only=True):
    """Which entries of the audit log, newest first; `since` included, `until` not."""

    who: NonEmpty | None = None
    action: NonEmpty | None = None
    object: NonEmpty | None = None
    outcome: Literal["done", "refused"] | None = None
    since: Time | None = None
    until: Time | None = None


class AuditEntry(Answer, kw_only=True):
    """Who did what to what. `prev` is the hash of the entry before, `hash` covers it and all of
    this entry; `details` is the text that is hashed, read as JSON."""

    seq: int
    at: Time
    who: str
    name: str
    address: str
    action: str
    object: str
    outcome: str
    details: JsonObject
    prev: str
    hash: str


class Part(Answer, kw_only=True):
    """One part of the house. `detail` holds what that part can tell."""

    ok: bool
    message: str = ""
    detail: JsonObject = msgspec.field(default_factory=dict)


class WorkerPart(Part, kw_only=True):
    """The media workers together. `max_calls` is the limit of their pjsua2 build."""

    max_calls: int = 0
    calls: int = 0
    version: str = ""


class Health(Answer, kw_only=True):
    """`ok` when everything works, `degraded` when calls can be taken but something is missing,
    `down` (status 503) when they can't. Parts: worker, asr, edge, database, recordings,
    outbound (calls to the outside, and what they cost today), messages (emails and SMS), sandbox
    (whether child processes are kept from what is not theirs; never an alarm), trunks. Who is
    neither signed in nor in `[http] metrics_from` reads of each part only whether it is `ok`."""

    status: Literal["ok", "degraded", "down"]
    version: str
    worker: WorkerPart
    asr: Part
    edge: Part
    database: Part
    recordings: Part
    outbound: Part
    messages: Part
    sandbox: Part
    trunks: Part

    def for_strangers(self) -> Health:
        """Without reasons, figures and versions."""

        def bare(part: Part) -> Part:
            return Part(ok=part.ok)

        return Health(
            status=self.status,
            version="",
            worker=WorkerPart(ok=self.worker.ok),
            asr=bare(self.asr),
            edge=bare(self.edge),
            database=bare(self.database),
            recordings=bare(self.recordings),
            outbound=bare(self.outbound),
            messages=bare(self.messages),
            sandbox=bare(self.sandbox),
            trunks=bare(self.trunks),
        )
