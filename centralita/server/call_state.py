"""What is known of a call that is going on, and how an event changes it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from centralita.core.events import Event
from centralita.core.ids import (
    AgentId,
    InteractionId,
    NodeId,
    QueueId,
    RecordingId,
    TaskId,
    new_id,
)
from centralita.ivr import flow, run
from centralita.ivr.events import FlowEnded, FlowResumed, NodeEntered, TransferAnswered
from centralita.recordings.recorder import (
    RecordingDiscarded,
    RecordingFailed,
    RecordingMade,
    RecordingStarted,
)
from centralita.routing.conversations.events import (
    AgentTalked,
    CallHeld,
    CallParked,
    CallUnparked,
    OutgoingFailed,
    OutgoingStarted,
    RecordingPaused,
)
from centralita.routing.events import (
    CallAbandoned,
    CallLeftQueue,
    CallQueued,
    CallRequeued,
    CallTakenOver,
    ConversationEnded,
    ConversationStarted,
    OfferMade,
)
from centralita.server.call_records import (
    CallBegan,
    CallClosed,
    TaskArose,
    TaskWorked,
    caller_of,
    decode,
    encode,
    queue_of,
    voicemail_task_id,
    which,
)
from centralita.telephony.call import CallArrived, EndReason, LegAnswered, LegEnded
from centralita.timeline.directory import Caller
from centralita.timeline.model import (
    CallSummary,
    Outcome,
    PathStep,
    QueueWait,
    Talk,
    Task,
    TaskKind,
    TaskState,
)

INTERRUPTED = "interrupted"
# The nodes by which a caller asks for somebody.
_SEEKING = frozenset({"enqueue", "voicemail", "transfer"})
# How a call ends that its caller ends.
_OWN_WILL = (EndReason.REMOTE_HANGUP, EndReason.CANCELLED)
# Who hangs up sooner than this, without having asked for anybody, has dialled wrong: nobody need
# call back.
_THOUGHT_BETTER = timedelta(seconds=5)
# Among so many of the last steps a result may still be missing.
_RECENT = 32
# What a call cannot be brought back without.
_CHANGING = (
    CallBegan,
    LegAnswered,
    LegEnded,
    NodeEntered,
    CallQueued,
    FlowResumed,
    CallTakenOver,
    CallRequeued,
    CallLeftQueue,
    CallAbandoned,
    ConversationStarted,
    ConversationEnded,
    AgentTalked,
    CallHeld,
    CallParked,
    CallUnparked,
    OutgoingStarted,
    RecordingPaused,
    RecordingStarted,
    RecordingDiscarded,
    RecordingFailed,
    RecordingMade,
    TransferAnswered,
)


@dataclass(frozen=True, slots=True)
class Walked:
    """The newest step of a call through the flows, and the record before which it was taken."""

    place: int
    at: datetime
    entered: NodeEntered


@dataclass(slots=True)
class CallState:
    """What is known of a call that is going on.

    `looked_up`: the database has said who `caller` is; before that it is from memory, or unknown.
    `direction` is "in" for a caller. `served`: the last that the caller was brought to was a
    person, or a message was left; `owed`: somebody will call back.
    `held` is how long the present agent has let the caller wait with music. `masked`: what is
    pressed now is nobody's business. `task_id` is the task for which an agent calls, until the two
    talk. `records` are those that brought it here, as the journal has them, without the way through
    the flows: of that there is one, `walked`, however long it is.
    """

    arrived: CallArrived
    caller: Caller
    interaction_id: InteractionId
    began_at: datetime
    heard_at: datetime
    looked_up: bool = field(default=False, compare=False)  # of this run of the server
    direction: str = "in"
    served: bool = False
    owed: bool = False
    answered_at: datetime | None = None
    steps: list[run.PathStep] = field(default_factory=list)
    waits: list[QueueWait] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    waiting: tuple[QueueId, datetime] | None = None
    queue_id: QueueId | None = None
    agent_id: AgentId | None = None
    language: str = ""
    reason: EndReason | None = None
    ended_at: datetime | None = None
    messages: set[RecordingId] = field(default_factory=set)
    voicemail: bool = False
    place: str = ""
    talking_since: datetime | None = None
    held_since: datetime | None = None
    held: timedelta = timedelta(0)
    masked: bool = False
    task_id: TaskId | None = None
    records: list[bytes] = field(default_factory=list)
    # Said in other words by the journal than by the flow: `history` is what must be the same.
    walked: Walked | None = field(default=None, compare=False)

    @property
    def history(self) -> tuple[bytes, ...]:
        """The records that bring the call here, when they are replayed."""
        if self.walked is None:
            return tuple(self.records)
        walked = self.walked
        whole = encode(walked.at, [replace(walked.entered, path=tuple(self.steps))])
        return (*self.records[: walked.place], whole, *self.records[walked.place :])

    @property
    def path(self) -> tuple[PathStep, ...]:
        """The way through the flows so far."""
        return _path(self.steps)


def remember(state: CallState, event: Event, at: datetime, data: bytes) -> None:
    """Keep what the call cannot be brought back without: `data` is the event's record."""
    if isinstance(event, NodeEntered):
        state.walked = Walked(len(state.records), at, event)
    elif isinstance(event, _CHANGING):
        state.records.append(data)


def begin(began: CallBegan, at: datetime) -> CallState:
    """A call that has just arrived."""
    return CallState(
        arrived=began.arrived,
        caller=caller_of(began),
        interaction_id=began.interaction_id,
        began_at=at,
        heard_at=at,
        direction=began.direction,
    )


def step(state: CallState, event: Event, at: datetime) -> tuple[Event, ...]:
    """Change the call by an event; returns what follows from it for the timeline."""
    state.heard_at = at
    match event:
        case LegAnswered(leg_id=leg_id) if leg_id == state.arrived.leg_id:
            state.answered_at = at
        case LegEnded(leg_id=leg_id, reason=reason) if leg_id == state.arrived.leg_id:
            state.reason, state.ended_at = reason, at
        case NodeEntered(step=entered, path=path, learned=known):
            state.place = f"{entered.flow}/{entered.node}"
            if entered.kind in _SEEKING:
                state.served = False
            state.language = known.get("language", state.language)
            _walk(state, path)
        case FlowResumed(path=path, learned=known):
            # The last moments of a server that was killed may not have come to the disk.
            state.language = known.get("language", state.language)
            _walk(state, path)
        case CallTakenOver(queue_id=queue_id, offer=offer, talking=talking):
            _take_over(state, queue_id, offer if talking else None, at)
        case CallQueued(queue_id=queue_id, at=since):
            state.waiting, state.queue_id = (queue_id, since), queue_id
            state.place, state.served = f"queue {queue_id}", False
        case CallRequeued(queue_id=queue_id):
            state.waiting, state.served = (queue_id, at), False
            state.place = f"queue {queue_id}"
        case CallLeftQueue(reason=why):
            _close_wait(state, at, why.value)
        case CallAbandoned(queue_id=queue_id):
            _close_wait(state, at, "abandoned")
            state.owed = True
            return (_missed(state, queue_id, at),)
        case ConversationStarted(agent_id=agent_id, at=since):
            _close_wait(state, at, "answered")
            state.talking_since = since
            state.agent_id, state.place, state.served = agent_id, "conversation", True
            state.held, state.held_since = timedelta(0), None
            task_id, state.task_id = state.task_id, None
            if task_id is not None:
                return (_worked(state, task_id, agent_id, done=True),)
        case ConversationEnded(agent_id=agent_id, agent_leg=leg_id, at=ended_at, talked=talked):
            _take_back(state, ended_at)
            state.masked, state.talking_since = False, None
            state.talks.append(
                Talk(
                    agent_id=agent_id,
                    leg_id=leg_id,
                    since=ended_at - talked,
                    talked=talked,
                    held=min(state.held, talked),
                )
            )
        case AgentTalked(agent_id=agent_id, leg_id=leg_id, since=since, talked=talked):
            state.talks.append(Talk(agent_id=agent_id, leg_id=leg_id, since=since, talked=talked))
        case TransferAnswered():
            state.served = True
        case CallHeld(held=held, at=changed_at):
            _take_back(state, changed_at)
            state.held_since = changed_at if held else None
        case CallParked(slot=slot):
            state.place = f"parking {slot}"
        case CallUnparked():
            pass  # what becomes of the caller is said by itself
        case OutgoingStarted(agent_id=agent_id, queue_id=queue_id, task_id=wanted):
            state.agent_id, state.queue_id, state.place = agent_id, queue_id, "dialling"
            if wanted:
                state.task_id = TaskId(wanted)
                return (_worked(state, state.task_id, agent_id, done=False),)
        case OutgoingFailed(reason=reason):
            summary = _summary(state, at, Outcome.NOT_REACHED, reason.value)
            return (CallClosed(call_id=state.arrived.call_id, summary=summary),)
        case RecordingPaused(paused=paused):
            state.masked = paused
        case RecordingStarted(recording_id=recording_id, queue=queue) if queue:
            # A message also counts when its caller hangs up at the end of it.
            state.messages.add(recording_id)
        case (
            RecordingDiscarded(recording_id=recording_id)
            | RecordingFailed(recording_id=recording_id)
        ):
            state.messages.discard(recording_id)
        case RecordingMade():
            state.messages.discard(event.recording_id)
            task = task_of(event, at)
            if task is not None:
                state.voicemail = state.served = True
                return (task,)
        case FlowEnded():
            closed = _closed(state, event, at)
            if _is_owed(state, event, closed.summary.outcome):
                state.owed = True
                return _missed(state, QueueId(event.queue), at), closed
            return (closed,)
        case _:
            pass
    return ()


def _worked(state: CallState, task_id: TaskId, agent_id: AgentId, *, done: bool) -> TaskWorked:
    return TaskWorked(call_id=state.arrived.call_id, task_id=task_id, agent_id=agent_id, done=done)


def task_of(made: RecordingMade, at: datetime) -> TaskArose | None:
    """What a message is for the people of its queue; None for other recordings."""
    queue_id = queue_of(made)
    if queue_id is None:
        return None
    task = Task(
        id=voicemail_task_id(made),
        kind=TaskKind.VOICEMAIL,
        state=TaskState.OPEN,
        created_at=at,
        queue_id=queue_id,
        call_id=made.call_id,
    )
    return TaskArose(call_id=made.call_id, task=task)


def interrupted(state: CallState, default_queue: str) -> tuple[Event, ...]:
    """The end of a call that nobody holds any more: it ended when it was last heard of. A caller
    who had reached nobody by then is called back by the queue, or else by `default_queue`."""
    _close_wait(state, state.heard_at, INTERRUPTED)
    closed = CallClosed(
        call_id=state.arrived.call_id,
        summary=_summary(state, state.heard_at, Outcome.FAILED, INTERRUPTED),
    )
    queue_id = state.queue_id or QueueId(default_queue)
    has_left_word = state.voicemail or state.messages
    if state.direction != "in" or state.served or state.owed or has_left_word or not queue_id:
        return (closed,)
    return closed, _missed(state, queue_id, state.heard_at)


def replay(records: Iterable[bytes]) -> CallState | None:
    """The call as these records of it leave it; None when they do not hold its beginning."""
    state: CallState | None = None
    for data in records:
        happening = decode(data)
        for event in happening.events:
            if isinstance(event, CallBegan):
                state = begin(event, happening.at)
            elif state is not None:
                step(state, event, happening.at)
        if state is not None and happening.events:
            remember(state, happening.events[0], happening.at, data)
    return state


def _walk(state: CallState, path: Iterable[run.PathStep]) -> None:
    """Take in the newest steps of the way; a step that is known may have its result by now."""
    path = tuple(path)
    first = max(len(state.steps) - max(_RECENT, len(path)), 0)
    known = {which(step): place for place, step in enumerate(state.steps[first:], start=first)}
    for taken in path:
        place = known.get(which(taken))
        if place is None:
            state.steps.append(taken)
        else:
            state.steps[place] = taken


def _take_over(
    state: CallState, queue_id: QueueId, answered: OfferMade | None, at: datetime
) -> None:
    if answered is not None:
        _close_wait(state, at, "answered")
        state.agent_id, state.queue_id, state.place = answered.agent_id, queue_id, "conversation"
    elif state.waiting is None:
        state.waiting, state.queue_id = (queue_id, at), queue_id
        state.place = f"queue {queue_id}"


def _take_back(state: CallState, at: datetime) -> None:
    """The caller hears music no more."""
    if state.held_since is not None:
        state.held += at - state.held_since
        state.held_since = None


def _close_wait(state: CallState, at: datetime, how: str) -> None:
    if state.waiting is not None:
        queue_id, since = state.waiting
        state.waits.append(QueueWait(queue_id=queue_id, since=since, waited=at - since, how=how))
        state.waiting = None


def _is_owed(state: CallState, ended: FlowEnded, outcome: Outcome) -> bool:
    """Whether somebody has to call back who ends so."""
    if state.direction != "in" or state.owed or state.served or not ended.queue:
        return False
    match outcome:
        case Outcome.CONVERSATION | Outcome.VOICEMAIL:
            return ended.in_vain  # was sent on after it, to nobody
        case Outcome.SELF_SERVICE | Outcome.TRANSFERRED:
            return False
        case Outcome.ABANDONED if state.reason in _OWN_WILL:
            since = state.answered_at or state.began_at
            return (state.ended_at or state.heard_at) - since >= _THOUGHT_BETTER
        case _:
            return True


def _missed(state: CallState, queue_id: QueueId, at: datetime) -> TaskArose:
    call_id = state.arrived.call_id
    task = Task(
        id=TaskId(new_id("task")),
        kind=TaskKind.MISSED_CALL,
        state=TaskState.OPEN,
        created_at=at,
        queue_id=queue_id,
        call_id=call_id,
        caller=state.caller.number,
    )
    return TaskArose(call_id=call_id, task=task)


def _closed(state: CallState, ended: FlowEnded, at: datetime) -> CallClosed:
    # A flow that another server had begun knows the end of a long way only.
    _walk(state, ended.path)
    state.language = ended.variables.get("language", "")
    summary = _summary(
        state,
        state.ended_at or at,
        _outcome(state, ended),
        (state.reason or EndReason.FLOW_ENDED).value,
        flow.learned(ended.variables),
    )
    return CallClosed(call_id=state.arrived.call_id, summary=summary)


def _summary(
    state: CallState,
    ended_at: datetime,
    outcome: Outcome,
    ended_by: str,
    learned: dict[str, str] | None = None,
) -> CallSummary:
    return CallSummary(
        call_id=state.arrived.call_id,
        ended_at=ended_at,
        outcome=outcome,
        ended_by=ended_by,
        ended_at_place=state.place,
        answered_at=state.answered_at,
        language=state.language,
        agent_id=state.agent_id,
        queue_id=state.queue_id,
        path=state.path,
        waits=tuple(state.waits),
        talks=tuple(state.talks),
        learned=learned or {},
    )


def _path(steps: Iterable[run.PathStep]) -> tuple[PathStep, ...]:
    """A flow's steps in the timeline's words."""
    return tuple(
        PathStep(
            node_id=NodeId(step.node),
            at=step.at,
            kind=step.kind,
            result=step.note,
            said=step.said,
            heard=step.heard,
        )
        for step in steps
    )


def _outcome(state: CallState, ended: FlowEnded) -> Outcome:
    """What the call was for the caller."""
    kinds = {step.kind for step in state.steps}
    results = {step.note for step in state.steps if step.kind == "voicemail"}
    if any(talk.talked > timedelta(0) for talk in state.talks):
        return Outcome.CONVERSATION
    if state.voicemail or state.messages or "saved" in results:
        return Outcome.VOICEMAIL
    if ended.outcome == "transferred":
        return Outcome.TRANSFERRED
    if ended.outcome == "self_service":
        return Outcome.SELF_SERVICE
    if "fault" in kinds or state.reason in (EndReason.WORKER_LOST, EndReason.FAULT):
        return Outcome.FAILED
    gave_up_waiting = state.owed or not ended.in_vain
    if ended.outcome == "hung_up" and gave_up_waiting:
        return Outcome.ABANDONED
    return Outcome.MISSED
