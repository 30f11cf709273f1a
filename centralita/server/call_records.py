"""What the journal of calls holds: each event as it happened, and what follows from it.

A record is one event with its consequences, so that a power failure never keeps one without the
other. Nothing of it is secret to the store: applying a record is `server/call_writer.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from centralita.core.errors import InvalidInput
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, InteractionId, QueueId, TaskId
from centralita.core.wire import Wire
from centralita.ivr.events import (
    FlowEnded,
    FlowResumed,
    HeardInCall,
    NodeEntered,
    TransferAnswered,
)
from centralita.ivr.run import PathStep
from centralita.outbound import policy as outbound
from centralita.recordings.recorder import (
    RecordingDiscarded,
    RecordingFailed,
    RecordingMade,
    RecordingStarted,
)
from centralita.routing import events as routing
from centralita.routing.conversations import events as conversations
from centralita.telephony import call as telephony
from centralita.timeline.directory import (
    Anonymous,
    Caller,
    Choice,
    Known,
    Provisional,
    Unidentified,
)
from centralita.timeline.model import CallSummary, Customer, Task

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegan(Event):
    """A call has arrived, or is made by an agent, and got its entry. `customers` are those the
    caller, or the one who is called, may be as far as is remembered: they are looked up meanwhile.
    """

    call_id: CallId
    arrived: telephony.CallArrived
    interaction_id: InteractionId
    number: str
    known: str
    customers: tuple[Customer, ...]
    direction: str = "in"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed(Event):
    """The call is over; what it was."""

    call_id: CallId
    summary: CallSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArose(Event):
    """Somebody of a queue will have something to do. The task's entry and customer, when they are
    not known here, are those of the call when the task is stored."""

    call_id: CallId
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWorked(Event):
    """An agent calls somebody for a task, which is theirs from now on, and is `done` once the two
    talk."""

    call_id: CallId
    task_id: TaskId
    agent_id: AgentId
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCarried(Event):
    """A call that goes on while the journal begins a new file: its records once more."""

    call_id: CallId
    heard_at: datetime
    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMade(Event):
    """Somebody of a queue has something to do, or what was to be done has changed."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingKept(Event):
    """A recording stands in the store and can be heard and transcribed."""

    made: RecordingMade
    task_id: TaskId | None


# What is written down. Everything else that has a call_id is either said by one of these, or is of
# no use after the call; a test holds the two sets together.
JOURNALED: tuple[type[Event], ...] = (
    CallBegan,
    CallCarried,
    CallClosed,
    FlowEnded,
    FlowResumed,
    HeardInCall,
    NodeEntered,
    RecordingDiscarded,
    RecordingFailed,
    RecordingMade,
    RecordingStarted,
    TaskArose,
    TaskWorked,
    outbound.CallCut,
    outbound.CallRefused,
    TransferAnswered,
    conversations.AgentTalked,
    conversations.CallHeld,
    conversations.CallParked,
    conversations.CallTransferred,
    conversations.CallUnparked,
    conversations.ConferenceStarted,
    conversations.ConsultationAnswered,
    conversations.ConsultationEnded,
    conversations.ConsultationStarted,
    conversations.OutgoingFailed,
    conversations.OutgoingStarted,
    conversations.RecordingPaused,
    routing.CallAbandoned,
    routing.CallLeftQueue,
    routing.CallQueued,
    routing.CallRequeued,
    routing.CallTakenOver,
    routing.ConversationEnded,
    routing.ConversationStarted,
    routing.OfferMade,
    routing.OfferSettled,
    routing.TransferRefused,
    routing.WrapUpEnded,
    routing.WrapUpExtended,
    routing.WrapUpStarted,
    telephony.DigitReceived,
    telephony.LegAnswered,
    telephony.LegEnded,
    telephony.LegHeld,
    telephony.LegSilent,
    telephony.LegRinging,
    telephony.LegsBridged,
    telephony.PlaybackEnded,
    telephony.RecordingStopped,
    telephony.TransferRequested,
)
_wire = Wire(JOURNALED)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[datetime, tuple[bytes, ...]])


@dataclass(frozen=True, slots=True)
class Happening:
    """An event with its time, and what follows from it."""

    at: datetime
    events: tuple[Event, ...]


def is_journaled(event: Event) -> bool:
    """Whether events of this kind are written down."""
    return isinstance(event, JOURNALED)


def encode(at: datetime, events: Sequence[Event]) -> bytes:
    """A record."""
    return _encoder.encode((at, [_wire.encode(event) for event in events]))


def decode(data: bytes) -> Happening:
    """What a record holds, without what only another release understands. Raises InvalidInput."""
    try:
        at, parts = _decoder.decode(data)
    except msgspec.MsgspecError as exc:
        raise InvalidInput(f"malformed record: {exc}") from exc
    events = []
    for part in parts:
        try:
            event = _wire.decode(part)
        except InvalidInput as exc:
            log.warning("journal holds what this release does not know", extra={"error": str(exc)})
            continue
        assert isinstance(event, Event)
        events.append(event)
    return Happening(at, tuple(events))


def shortened(event: Event, steps: Sequence[PathStep]) -> Event:
    """The event without what the records before it have said; `steps` is the way by those.

    A flow's way is said whole by each NodeEntered. The journal needs the steps that are new, and
    the one before them, whose result is known by now.
    """
    if not isinstance(event, NodeEntered) or not steps:
        return event
    path, newest = event.path, which(steps[-1])
    place = len(path) - 1
    while place > 0 and which(path[place]) != newest:
        place -= 1
    return replace(event, path=path[place:])


def which(step: PathStep) -> tuple[str, str, datetime]:
    """What tells a step of the way from all others, whatever is known of it by now."""
    return step.flow, step.node, step.at


def masked(event: Event) -> Event:
    """The event while the recording is paused: keys may be those of a card."""
    return replace(event, digit="*") if isinstance(event, telephony.DigitReceived) else event


_KINDS: Mapping[str, type[Known | Provisional]] = {"known": Known, "provisional": Provisional}


def call_began(
    arrived: telephony.CallArrived,
    caller: Caller,
    interaction_id: InteractionId,
    *,
    direction: str = "in",
) -> CallBegan:
    """The event of a caller."""
    match caller:
        case Known(customer) | Provisional(customer):
            customers: tuple[Customer, ...] = (customer,)
        case Choice(customers):
            pass
        case Anonymous() | Unidentified():
            customers = ()
    return CallBegan(
        call_id=arrived.call_id,
        arrived=arrived,
        interaction_id=interaction_id,
        number=caller.number,
        known="new" if _is_new(caller) else type(caller).__name__.lower(),
        customers=customers,
        direction=direction,
    )


def _is_new(caller: Caller) -> bool:
    return isinstance(caller, Provisional) and caller.new


def caller_of(began: CallBegan) -> Caller:
    """The caller of an event."""
    match began.known, began.customers:
        case "choice", customers:
            return Choice(customers, began.number)
        case "new", (customer,):
            return Provisional(customer, began.number, new=True)
        case ("known" | "provisional") as kind, (customer,):
            return _KINDS[kind](customer, began.number)
        case "anonymous", _:
            return Anonymous(began.number)
        case _:
            return Unidentified(began.number)


def voicemail_task_id(made: RecordingMade) -> TaskId:
    """One task for one message, however often the message is found in the spool."""
    return TaskId("task_" + made.recording_id.removeprefix("rec_"))


def queue_of(made: RecordingMade) -> QueueId | None:
    """Whose message it is, if it is one."""
    return QueueId(made.queue) if made.queue else None
