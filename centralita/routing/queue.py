"""A queue and those who wait in it, or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """How a queue works.

    `ring_time` is how long an offer rings. `drop_window`: an agent's leg that ends this soon
    after the answer was a fault of the phone, not the end of a conversation. `exit_key` lets a
    waiting caller leave (to the flow's `key` exit). A parked caller comes back after `park_time`.
    `caller_id` is the number that is shown to whom agents call for this queue, or with
    `hide_number` told to the provider alone; with `announce_outgoing` they are told first that the
    call is recorded. With
    `live_transcript` the agent sees what is said while they talk.
    """

    queue_id: QueueId
    title: str
    language: str = "es"
    skills: Mapping[str, int] = field(default_factory=dict)
    strategy: str = "longest_idle"
    ring_time: timedelta = timedelta(seconds=20)
    wrap_up: timedelta = timedelta(seconds=30)
    max_wait: timedelta = timedelta(minutes=10)
    announce_every: timedelta = timedelta(seconds=30)
    drop_window: timedelta = timedelta(seconds=3)
    exit_when_empty: bool = True
    exit_key: str = ""
    record: bool = True
    announce_recording: bool = True
    dispositions: tuple[str, ...] = ()
    park_time: timedelta = timedelta(minutes=2)
    caller_id: str = ""
    hide_number: bool = False
    announce_outgoing: bool = True
    live_transcript: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCall:
    """A call that waits. `queued_at` never changes while it waits: it is the caller's place.

    `transferred_by` is the agent who had it before. `leg_id` is that of the customer, whom we have
    called when the `direction` is "out".
    """

    call_id: CallId
    leg_id: LegId
    queue_id: QueueId
    queued_at: datetime
    give_up_at: datetime
    priority: int = 0
    skills: Mapping[str, int] = field(default_factory=dict)
    language: str = "es"
    caller: str = ""
    caller_name: str = ""
    offer_id: OfferId | None = None
    attempts: int = 0
    transferred_by: AgentId | None = None
    direction: str = "in"

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The order of service: priority first, then the longer wait."""
        return (-self.priority, self.queued_at, self.call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A caller who hears music in a slot. At `until` the call goes back to its queue."""

    slot: str
    call: QueuedCall
    by: AgentId
    since: datetime
    until: datetime
