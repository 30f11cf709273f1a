"""From events to the agents' and supervisors' screens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Literal

from centralita.api import live_messages as live
from centralita.api import views
from centralita.api.live import LiveHub
from centralita.api.schemas import CustomerContext
from centralita.channels.ledger import Again, Failed, Sent
from centralita.channels.postman import MessageMoved
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, OfferId, QueueId
from centralita.core.tasks import Tasks
from centralita.ivr.events import FlowEnded, FlowResumed, NodeEntered
from centralita.ivr.flow import learned
from centralita.routing import events as routing
from centralita.routing.conversations import events as oncall
from centralita.routing.offer import OfferState
from centralita.server import conversations
from centralita.server.call_log import CallLog
from centralita.server.call_records import TaskMade
from centralita.server.call_state import CallState
from centralita.server.live_transcript import events as spoken
from centralita.server.live_transcript.messages import as_message
from centralita.store.store import Store
from centralita.timeline import model as timeline
from centralita.timeline.directory import Caller, Provisional, customer_of
from centralita.timeline.model import Customer, TaskState
from centralita.timeline.sending import MessageStatus

log = logging.getLogger(__name__)

# A pop without history is better than a late one, in seconds.
_CONTEXT = 0.5

CallPhase = Literal[
    "ivr", "queued", "offered", "bridged", "voicemail", "held", "dialling", "ending"
]
_SETTLED: dict[OfferState, Literal["accepted", "declined", "no_answer", "withdrawn"]] = {
    OfferState.ACCEPTED: "accepted",
    OfferState.DECLINED: "declined",
    OfferState.NO_ANSWER: "no_answer",
    OfferState.UNREACHABLE: "no_answer",
    OfferState.WITHDRAWN: "withdrawn",
}


class LiveFeed:
    """Publishes to the hub. The pop is sent in the same turn of the loop in which the phone rings,
    as soon as the customer's context has been read."""

    def __init__(
        self,
        hub: LiveHub,
        bus: Bus,
        clock: Clock,
        store: Store,
        calls: CallLog,
        queue_title: Callable[[QueueId], str],
    ) -> None:
        self._hub = hub
        self._queue_title = queue_title
        self._clock = clock
        self._store = store
        self._calls = calls
        self._learned: dict[CallId, Mapping[str, str]] = {}
        self._tasks = Tasks("live feed")
        # Offers whose pop is not out yet, and how they ended if they did: a phone that answers by
        # itself is faster than the database, and its agent wants to see the caller all the same.
        self._unshown: dict[OfferId, live.OfferGone | None] = {}
        bus.subscribe(Event, self._take)

    async def open(self) -> None:
        """Show the tasks that are open."""
        part = await self._store.tasks.list(limit=200, state=TaskState.OPEN)
        for task in part.items:
            self._hub.publish(live.TaskChanged(task=views.task(task)))

    async def close(self) -> None:
        """Publish nothing more."""
        await self._tasks.close()

    def _take(self, event: Event) -> None:
        match event:
            case routing.AgentChanged():
                self._agent(event)
            case routing.QueueChanged():
                self._hub.publish(
                    live.QueueChanged(
                        queue_id=event.queue_id,
                        title=event.title,
                        waiting=event.waiting,
                        longest_wait_since=event.longest_wait_since,
                        agents_available=event.agents_available,
                    )
                )
            case routing.OfferMade():
                self._unshown[event.offer_id] = None
                if not event.consultation:  # then the call stays the colleague's
                    self._call(event.call_id, "offered", agent_id=event.agent_id)
                self._tasks.spawn(self._pop(event), name=f"pop {event.offer_id}")
            case routing.OfferSettled():
                gone = live.OfferGone(
                    offer_id=event.offer_id, agent_id=event.agent_id, how=_SETTLED[event.state]
                )
                if event.offer_id in self._unshown:
                    self._unshown[event.offer_id] = gone
                else:
                    self._hub.publish(gone)
            case routing.ConversationStarted():
                self._call(event.call_id, "bridged", agent_id=event.agent_id)
            case routing.CallQueued(call_id=call_id) | routing.CallRequeued(call_id=call_id):
                self._call(call_id, "queued")
            case NodeEntered(call_id=call_id):
                self._learned[call_id] = event.learned
                self._call(call_id, "voicemail" if event.step.kind == "voicemail" else "ivr")
            case FlowResumed(call_id=call_id):
                self._learned[call_id] = event.learned
                if not self._is_talked_in(call_id):  # then the flow only stands by
                    self._call(call_id, "ivr")
            case routing.CallTakenOver():
                self._taken_over(event)
            case routing.ConsultationTakenOver(offer=offer, talking=talking):
                self._offered_before(offer, talking=talking)
            case oncall.CallHeld(call_id=call_id, agent_id=agent_id, held=held):
                self._call(call_id, "held" if held else "bridged", agent_id=agent_id)
            case oncall.ConversationChanged(exchange=exchange):
                self._hub.publish(conversations.shown(exchange))
            case oncall.ConversationGone(call_id=call_id, agent_id=agent_id):
                self._hub.publish(live.ConversationGone(call_id=call_id, agent_id=agent_id))
            case (
                spoken.TranscriptOpened()
                | spoken.HearingChanged()
                | spoken.SayingChanged()
                | spoken.TranscriptClosed()
            ):
                self._hub.publish(as_message(event))
            case oncall.ThirdNotReached(call_id=call_id, agent_id=agent_id, outcome=outcome):
                self._hub.publish(
                    live.ThirdNotReached(call_id=call_id, agent_id=agent_id, outcome=outcome)
                )
            case oncall.OutgoingStarted():
                self._dialling(event)
            case oncall.OutgoingFailed(call_id=call_id, agent_id=agent_id, outcome=outcome):
                self._hub.publish(
                    live.ConversationGone(call_id=call_id, agent_id=agent_id, outcome=outcome)
                )
                self._hub.publish(live.CallGone(call_id=call_id))
            case oncall.CallParked():
                self._parked(event)
            case oncall.CallUnparked(slot=slot, call_id=call_id):
                self._hub.publish(live.ParkedGone(slot=slot, call_id=call_id))
            case routing.WrapUpStarted():
                self._wrap_up(event)
            case routing.WrapUpEnded(agent_id=agent_id, call_id=call_id):
                self._hub.publish(live.WrapUpEnded(agent_id=agent_id, call_id=call_id or ""))
            case FlowEnded(call_id=call_id):
                self._learned.pop(call_id, None)
                self._hub.publish(live.CallGone(call_id=call_id))
            case MessageMoved():
                self._hub.publish(message_changed(event))
            case TaskMade(task=task):
                self._hub.publish(live.TaskChanged(task=views.task(task)))
            case _:
                pass

    def _agent(self, event: routing.AgentChanged) -> None:
        agent = event.agent
        self._hub.publish(
            live.AgentChanged(
                agent_id=agent.profile.agent_id,
                name=agent.profile.name,
                extension=agent.profile.extension,
                status=agent.status.value,
                reason=agent.reason,
                state=agent.state.value,
                since=agent.since,
                registered=agent.registered,
                call_id=agent.call_id,
            )
        )

    def _is_talked_in(self, call_id: CallId) -> bool:
        return any(talk.call_id == call_id for talk in self._hub.conversations.values())

    def _call(self, call_id: CallId, phase: CallPhase, *, agent_id: str | None = None) -> None:
        state = self._calls.calls.get(call_id)
        if state is None:
            return
        customer = customer_of(state.caller)
        self._hub.publish(
            live.CallChanged(
                call_id=call_id,
                state=phase,
                caller=state.caller.number,
                customer_id=customer.id if customer is not None else None,
                customer_name=customer.name if customer is not None else "",
                queue_id=state.queue_id,
                agent_id=agent_id,
                since=self._clock.now(),
                talking_since=state.talking_since if phase in ("bridged", "held") else None,
            )
        )

    def _taken_over(self, event: routing.CallTakenOver) -> None:
        """The pages that connect again must find what they had: a new server knows nothing."""
        offer = event.offer
        if offer is None:
            self._call(event.call_id, "queued")
            return
        phase: CallPhase = "bridged" if event.talking else "offered"
        self._call(event.call_id, phase, agent_id=offer.agent_id)
        self._offered_before(offer, talking=event.talking)

    def _offered_before(self, offer: routing.OfferMade, *, talking: bool) -> None:
        """The pop of an offer that a server before this one has made."""
        self._unshown[offer.offer_id] = (
            live.OfferGone(offer_id=offer.offer_id, agent_id=offer.agent_id, how="accepted")
            if talking
            else None
        )
        self._tasks.spawn(self._pop(offer), name=f"pop {offer.offer_id}")

    async def _pop(self, offer: routing.OfferMade) -> None:
        state = self._calls.calls.get(offer.call_id)
        if state is None:
            self._unshown.pop(offer.offer_id, None)
            return
        context = None
        customer = customer_of(state.caller)
        if customer is not None:
            context = views.context(await self._context_of(state.caller, customer))
        notes = await self._notes(offer) if offer.transferred_from is not None else ""
        gone = self._unshown.pop(offer.offer_id, None)
        if gone is None or gone.how == "accepted":
            self._hub.publish(self._offer(offer, state, context, notes))
        if gone is not None:
            self._hub.publish(gone)

    async def _context_of(self, caller: Caller, customer: Customer) -> timeline.CustomerContext:
        """What is known of the customer; without a database, what the call knows."""
        empty = timeline.CustomerContext(
            customer=customer, cases=(), recent=(), calls=0, messages=0, open_tasks=0
        )
        if isinstance(caller, Provisional) and caller.new:
            return empty
        try:
            async with asyncio.timeout(_CONTEXT):
                return await self._store.context.context_for(customer.id, self._clock.now())
        except Exception as exc:
            log.warning(
                "customer's context could not be read, the pop goes on without",
                extra={"error": str(exc) or type(exc).__name__},
            )
            return empty

    async def _notes(self, offer: routing.OfferMade) -> str:
        """What the agents before have written of the call."""
        try:
            async with asyncio.timeout(_CONTEXT):
                entry = await self._store.interactions.by_call(offer.call_id)
        except Exception as exc:
            log.warning(
                "notes could not be read, the pop goes on without",
                extra={"error": str(exc) or type(exc).__name__},
            )
            return ""
        return entry.notes if entry is not None else ""

    def _offer(
        self,
        offer: routing.OfferMade,
        state: CallState,
        context: CustomerContext | None,
        notes: str,
    ) -> live.OfferMade:
        return live.OfferMade(
            offer_id=offer.offer_id,
            call_id=offer.call_id,
            agent_id=offer.agent_id,
            queue_id=offer.queue_id,
            queue_title=self._queue_title(offer.queue_id),
            ringing_since=offer.at,
            caller=state.caller.number,
            interaction_id=state.interaction_id,
            customer=context,
            choices=views.choices(state.caller),
            learned=dict(learned(self._learned.get(offer.call_id, {}))),
            path=views.path(state.path),
            transferred_from=offer.transferred_from,
            transferred_from_name=self._name_of(offer.transferred_from),
            consultation=offer.consultation,
            notes=notes,
        )

    def _name_of(self, agent_id: AgentId | None) -> str:
        agent = self._hub.agents.get(agent_id) if agent_id is not None else None
        return agent.name if agent is not None else ""

    def _dialling(self, event: oncall.OutgoingStarted) -> None:
        self._call(event.call_id, "dialling", agent_id=event.agent_id)
        self._hub.publish(
            live.Conversation(
                call_id=event.call_id,
                agent_id=event.agent_id,
                state="dialling",
                direction="out",
                with_="caller",
                recording="off",
                since=event.at,
            )
        )

    def _parked(self, event: oncall.CallParked) -> None:
        state = self._calls.calls.get(event.call_id)
        if state is None:
            return
        customer = customer_of(state.caller)
        self._hub.publish(
            live.Parked(
                slot=event.slot,
                call_id=event.call_id,
                caller=state.caller.number,
                customer_id=customer.id if customer is not None else None,
                customer_name=customer.name if customer is not None else "",
                since=event.at,
                by=event.agent_id,
            )
        )

    def _wrap_up(self, event: routing.WrapUpStarted) -> None:
        state = self._calls.calls.get(event.call_id)
        self._hub.publish(
            live.WrapUpStarted(
                agent_id=event.agent_id,
                call_id=event.call_id,
                interaction_id=state.interaction_id if state is not None else "",
                until=event.until,
                dispositions=list(event.dispositions),
            )
        )


def message_changed(event: MessageMoved) -> live.MessageChanged:
    """What the pages hear of a message."""
    match event.verdict:
        case Sent():
            status = MessageStatus.SENT
        case Again():
            status = MessageStatus.QUEUED
        case Failed():
            status = MessageStatus.FAILED
    return live.MessageChanged(
        message_id=event.place.message_id,
        interaction_id=event.place.interaction_id,
        customer_id=event.place.customer_id,
        status=status,
    )
