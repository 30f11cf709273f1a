"""Domain values as the bodies of answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from centralita.api import schemas as s
from centralita.api.live_messages import AgentChanged, QueueChanged
from centralita.audit.entry import Entry
from centralita.channels.protocol import Trouble
from centralita.core.errors import CentralitaError
from centralita.core.ids import CallId
from centralita.core.wire import Plain, to_plain
from centralita.store.records import (
    Account,
    AgentRecord,
    ApiTokenRecord,
    FlowRecord,
    QueueRecord,
    RecordingRecord,
    SessionRecord,
    TranscriptRecord,
    UserRecord,
)
from centralita.store.searching import Hit
from centralita.timeline import model as m
from centralita.timeline.day import CallOfDay, Day
from centralita.timeline.directory import Caller, Choice
from centralita.timeline.merges import Merge
from centralita.timeline.sending import Sending
from centralita.timeline.templates import OutgoingMessage, Template


def user(record: UserRecord) -> s.User:
    """A user, without what is secret."""
    return s.User(
        id=record.user_id,
        username=record.username,
        name=record.name,
        role=record.role.value,
        agent_id=record.agent_id,
    )


def account(value: Account, phone_password: str | None = None) -> s.Account:
    """An account; `phone_password` only when it has just been made."""
    return s.Account(
        id=value.user.user_id,
        username=value.user.username,
        name=value.user.name,
        role=value.user.role.value,
        active=value.user.active,
        agent_id=value.user.agent_id,
        extension=value.agent.extension if value.agent is not None else None,
        queues=list(value.queues),
        phone_password=phone_password,
    )


def signed_in(record: SessionRecord, *, current: bool) -> s.SignedIn:
    """A session, for the one whose it is."""
    return s.SignedIn(
        id=record.session_id,
        created_at=record.created_at,
        used_at=record.used_at,
        expires_at=record.expires_at,
        address=record.address,
        program=record.program,
        phone=bool(record.phone),
        current=current,
    )


def api_token(record: ApiTokenRecord, token: str | None = None) -> s.ApiToken:
    """A token; `token` only when it has just been made."""
    return s.ApiToken(
        id=record.token_id,
        name=record.name,
        role=record.role.value,
        created_at=record.created_at,
        expires_at=record.expires_at,
        last_used_at=record.last_used_at,
        token=token,
    )


def customer(value: m.Customer) -> s.Customer:
    """A customer with the identities."""
    return s.Customer(
        id=value.id,
        name=value.name,
        segment=value.segment,
        language=value.language,
        notes=value.notes,
        provisional=value.provisional,
        created_at=value.created_at,
        identities=[
            s.Identity(id=identity.id, kind=identity.kind, value=identity.value)
            for identity in value.identities
        ],
    )


def merge(value: Merge) -> s.Merge:
    """A merge, with both customers as they were before it."""
    return s.Merge(
        id=value.id,
        at=value.at,
        by=value.by,
        by_name=value.by_name,
        former=customer(value.former),
        into=customer(value.into),
        into_id=value.into_id,
        moved=dict(value.moved),
        undone_at=value.undone_at,
        undone_by=value.undone_by,
        stayed=dict(value.stayed),
        unlinked=list(value.unlinked),
    )


def path(steps: Iterable[m.PathStep]) -> list[s.PathStep]:
    """The way through the flow."""
    return [
        s.PathStep(
            node_id=step.node_id,
            at=step.at,
            kind=step.kind,
            result=step.result,
            said=step.said,
            heard=step.heard,
        )
        for step in steps
    ]


def _waits(call: m.CallDetails) -> list[s.QueueWait]:
    return [
        s.QueueWait(
            queue_id=wait.queue_id,
            since=wait.since,
            waited_s=wait.waited.total_seconds(),
            how=wait.how,
        )
        for wait in call.waits
    ]


def _talks(call: m.CallDetails) -> list[s.Talk]:
    return [
        s.Talk(
            agent_id=talk.agent_id,
            since=talk.since,
            talked_s=talk.talked.total_seconds(),
            held_s=talk.held.total_seconds(),
        )
        for talk in call.talks
    ]


def _learned(call: m.CallDetails) -> dict[str, Plain]:
    plain = to_plain(call.learned)
    return plain if isinstance(plain, dict) else {}


def interaction(value: m.Interaction) -> s.Interaction:
    """An entry of a timeline."""
    details = value.call
    return s.Interaction(
        id=value.id,
        channel=value.channel,
        direction=value.direction,
        started_at=value.started_at,
        ended_at=value.ended_at,
        customer_id=value.customer_id,
        subject=value.subject,
        body=value.body,
        external_id=value.external_id,
        case_id=value.case_id,
        agent_id=value.agent_id,
        queue_id=value.queue_id,
        disposition=value.disposition,
        notes=value.notes,
        recording_ids=list(value.recording_ids),
        candidates=list(value.candidates),
        tags=list(value.tags),
        sending=sending(value.sending) if value.sending is not None else None,
        created_by=value.created_by,
        created_at=value.created_at,
        by_hand=value.by_hand,
        call=None
        if details is None
        else s.CallDetails(
            call_id=details.call_id,
            caller=details.caller,
            dialled=details.dialled,
            answered_at=details.answered_at,
            outcome=details.outcome,
            ended_by=details.ended_by,
            ended_at_place=details.ended_at_place,
            language=details.language,
            path=path(details.path),
            waits=_waits(details),
            talks=_talks(details),
            learned=_learned(details),
        ),
    )


def search_hit(value: Hit) -> s.SearchHit:
    """An entry with what was found in it."""
    return s.SearchHit(
        interaction=interaction(value.entry),
        customer_name=value.customer_name,
        found=[
            s.Found(
                place=found.place,
                pieces=[s.Piece(text=piece.text, hit=piece.hit) for piece in found.pieces],
                recording_id=found.recording_id,
                at_s=None if found.at is None else found.at.total_seconds(),
            )
            for found in value.found
        ],
    )


def call(value: m.Interaction) -> s.Call:
    """A call under its own id."""
    details = value.call
    if details is None:
        raise CentralitaError(f"interaction {value.id} is not a call")
    ended = value.ended_at
    return s.Call(
        id=details.call_id,
        interaction_id=value.id,
        state="live" if ended is None else "ended",
        direction=value.direction,
        caller=details.caller,
        dialled=details.dialled,
        started_at=value.started_at,
        answered_at=details.answered_at,
        ended_at=ended,
        duration_s=None if ended is None else (ended - value.started_at).total_seconds(),
        customer_id=value.customer_id,
        candidates=list(value.candidates),
        agent_id=value.agent_id,
        queue_id=value.queue_id,
        outcome=details.outcome,
        ended_by=details.ended_by,
        ended_at_place=details.ended_at_place,
        disposition=value.disposition,
        notes=value.notes,
        case_id=value.case_id,
        language=details.language,
        path=path(details.path),
        waits=_waits(details),
        talks=_talks(details),
        learned=_learned(details),
    )


def call_event(value: m.CallEvent) -> s.CallEvent:
    """A line of a journal."""
    plain = to_plain(value.data)
    return s.CallEvent(
        seq=value.seq,
        at=value.at,
        type=value.type,
        data=plain if isinstance(plain, dict) else {},
    )


def audit_entry(value: Entry) -> s.AuditEntry:
    """An entry of the audit log."""
    return s.AuditEntry(
        seq=value.seq,
        at=value.at,
        who=value.who,
        name=value.name,
        address=value.address,
        action=value.action,
        object=value.object,
        outcome=value.outcome,
        details=json.loads(value.details),
        prev=value.prev,
        hash=value.hash,
    )


def recording(value: RecordingRecord, *, audible: bool) -> s.Recording:
    """A recording and where its sound is."""
    return s.Recording(
        id=value.recording_id,
        call_id=value.call_id,
        kind=value.kind,
        channels=value.channels,
        duration_s=value.duration.total_seconds(),
        sha256=value.sha256,
        created_at=value.created_at,
        agent_id=value.agent_id,
        audio=f"/api/v1/recordings/{value.recording_id}/audio",
        available=not value.removed,
        audible=audible,
    )


def transcript(value: TranscriptRecord) -> s.Transcript:
    """What was said, by channel."""
    return s.Transcript(
        recording_id=value.recording_id,
        language=value.language,
        text=value.text,
        channels=[
            s.TranscriptChannel(
                speaker=channel.speaker,
                text=channel.text,
                words=[
                    s.Word(
                        text=word.text,
                        start_s=word.start.total_seconds(),
                        end_s=word.end.total_seconds(),
                        confidence=word.confidence,
                    )
                    for word in channel.words
                ],
            )
            for channel in value.channels
        ],
    )


def case(value: m.Case) -> s.Case:
    """A case."""
    return s.Case(
        id=value.id,
        customer_id=value.customer_id,
        subject=value.subject,
        state=value.state,
        opened_at=value.opened_at,
        updated_at=value.updated_at,
    )


def task(value: m.Task) -> s.Task:
    """A task."""
    return s.Task(
        id=value.id,
        kind=value.kind,
        state=value.state,
        created_at=value.created_at,
        queue_id=value.queue_id,
        customer_id=value.customer_id,
        interaction_id=value.interaction_id,
        call_id=value.call_id,
        caller=value.caller,
        text=value.text,
        done_at=value.done_at,
        done_by=value.done_by,
        due_at=value.due_at,
        agent_id=value.agent_id,
    )


def template(value: Template) -> s.Template:
    """A template in all its languages."""
    return s.Template(
        id=value.id,
        channel="sms" if value.channel is m.Channel.SMS else "email",
        name=value.name,
        texts=[
            s.TemplateText(language=text.language, subject=text.subject, body=text.body)
            for text in value.texts
        ],
    )


def message(value: OutgoingMessage) -> s.Message:
    """A message that an agent wrote."""
    return s.Message(
        id=value.id,
        interaction_id=value.interaction_id,
        customer_id=value.customer_id,
        channel=value.channel,
        to=value.to,
        status=value.status,
        created_at=value.created_at,
        created_by=value.created_by,
        template_id=value.template_id,
        tries=value.tries,
        trouble=_trouble(value.trouble),
        answer=value.answer,
        next_at=value.next_at,
        sent_at=value.sent_at,
    )


def sending(value: Sending) -> s.Sending:
    """How far a message is."""
    return s.Sending(
        message_id=value.message_id,
        status=value.status,
        tries=value.tries,
        trouble=_trouble(value.trouble),
        next_at=value.next_at,
        sent_at=value.sent_at,
    )


def _trouble(kept: str) -> Trouble | None:
    return Trouble(kept) if kept else None


def day(
    since: datetime, value: Day, calls: Mapping[CallId, CallOfDay], due: Sequence[m.Task]
) -> s.MyDay:
    """The figures of a day with the lists behind them."""
    unknown = CallOfDay(interaction_id="", caller="", customer_id=None)

    def of(call_id: CallId) -> tuple[str | None, str | None, str]:
        call = calls.get(call_id, unknown)
        return call.interaction_id or None, call.customer_id, call.caller

    conversations, missed = [], []
    for one in value.conversations:
        interaction_id, customer_id, caller = of(one.call_id)
        conversations.append(
            s.DayCall(
                call_id=one.call_id, interaction_id=interaction_id, customer_id=customer_id,
                caller=caller, ended_at=one.ended_at, talked_s=one.talked.total_seconds(),
                wrapped_up_s=one.wrapped_up.total_seconds(),
            )
        )  # fmt: skip
    for offer in value.missed:
        interaction_id, customer_id, caller = of(offer.call_id)
        missed.append(
            s.DayMissed(
                call_id=offer.call_id, interaction_id=interaction_id, customer_id=customer_id,
                caller=caller, at=offer.at, how=offer.how,
            )
        )  # fmt: skip
    return s.MyDay(
        since=since,
        calls=len(conversations),
        talked_s=value.talked.total_seconds(),
        wrapped_up_s=value.wrapped_up.total_seconds(),
        missed=len(missed),
        tasks_due=len(due),
        conversations=conversations,
        missed_offers=missed,
        tasks=[task(one) for one in due],
    )


def context(value: m.CustomerContext) -> s.CustomerContext:
    """What the screen-pop shows."""
    return s.CustomerContext(
        customer=customer(value.customer),
        cases=[case(entry) for entry in value.cases],
        recent=[interaction(entry) for entry in value.recent],
        calls=value.calls,
        messages=value.messages,
        open_tasks=value.open_tasks,
        said=dict(value.said.items()),
        contacts_last_week=value.contacts_last_week,
        last_disposition=value.last_disposition,
        last_disposition_at=value.last_disposition_at,
    )


def choices(caller: Caller) -> list[s.Customer]:
    """The customers who share the caller's number; for `OfferMade.choices`."""
    return [customer(one) for one in caller.customers] if isinstance(caller, Choice) else []


def agent(record: AgentRecord, live: AgentChanged | None, queues: Iterable[QueueRecord]) -> s.Agent:
    """An agent: what is set up, and how they are just now."""
    return s.Agent(
        id=record.agent_id,
        name=record.name,
        extension=record.extension,
        status=live.status if live is not None else "logged_out",
        reason=live.reason if live is not None else "",
        state=live.state if live is not None else "idle",
        since=live.since if live is not None else None,
        registered=live.registered if live is not None else False,
        call_id=live.call_id if live is not None else None,
        skills=list(record.skills),
        queues=[queue.queue_id for queue in queues if record.agent_id in queue.agents],
    )


def queue(record: QueueRecord, live: QueueChanged | None) -> s.Queue:
    """A queue: what is set up, and how it is just now."""
    dispositions = record.settings.get("dispositions")
    return s.Queue(
        id=record.queue_id,
        title=record.title,
        language=record.language,
        agents=list(record.agents),
        waiting=live.waiting if live is not None else 0,
        longest_wait_since=live.longest_wait_since if live is not None else None,
        agents_available=live.agents_available if live is not None else 0,
        dispositions=[str(one) for one in dispositions] if isinstance(dispositions, list) else [],
    )


def flow(value: FlowRecord) -> s.Flow:
    """A version without its document."""
    return s.Flow(
        id=value.flow_id,
        version=value.version,
        published=value.published,
        numbers=list(value.numbers),
        created_at=value.created_at,
        created_by=value.created_by,
        comment=value.comment,
    )


def flow_detail(value: FlowRecord) -> s.FlowDetail:
    """A version with its document."""
    plain = to_plain(value.document)
    return s.FlowDetail(
        id=value.flow_id,
        version=value.version,
        published=value.published,
        numbers=list(value.numbers),
        created_at=value.created_at,
        created_by=value.created_by,
        comment=value.comment,
        document=plain if isinstance(plain, dict) else {},
    )
