"""The live feed: the state of the centre as of now, and who is watching it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from centralita.api.live_messages import (
    AgentChanged,
    AgentGone,
    CallChanged,
    CallGone,
    Conversation,
    ConversationGone,
    Delta,
    LiveHearing,
    LiveSaid,
    LiveTranscript,
    LiveTranscriptGone,
    MessageChanged,
    OfferGone,
    OfferMade,
    Parked,
    ParkedGone,
    QueueChanged,
    Snapshot,
    TaskChanged,
    ThirdNotReached,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.api.live_said import take_in
from centralita.api.watcher import Viewer, Watcher, as_read, concerns, for_viewer
from centralita.timeline.model import TaskState


class LiveHub:
    """Keeps what is live, and tells every watcher what changes and what it may see."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentChanged] = {}
        self.queues: dict[str, QueueChanged] = {}
        self.calls: dict[str, CallChanged] = {}
        self.offers: dict[str, OfferMade] = {}
        # By agent: nobody has two calls in hand.
        self.accepted: dict[str, OfferMade] = {}
        self.conversations: dict[str, Conversation] = {}
        self.parked: dict[str, Parked] = {}
        self.transcripts: dict[str, LiveTranscript] = {}
        self.wrap_ups: dict[str, WrapUpStarted] = {}
        self.tasks: dict[str, TaskChanged] = {}
        self._watchers: set[Watcher] = set()

    @property
    def watchers(self) -> int:
        """How many connections there are."""
        return len(self._watchers)

    def publish(self, delta: Delta) -> None:
        """Take in a change and pass it on. What is already so is not said again."""
        if not self._apply(delta):
            return
        for watcher in tuple(self._watchers):
            message = for_viewer(watcher, delta)
            if message is not None:
                watcher.put(message)

    def watching(self) -> tuple[Watcher, ...]:
        """The connections as of now."""
        return tuple(self._watchers)

    def forget_tasks(self, ids: Iterable[str]) -> None:
        """Take tasks of somebody who was erased from every page at once, and say nothing of them
        but that they are over."""
        for ident in ids:
            task = self.tasks.get(ident)
            if task is not None:
                blank = msgspec.structs.replace(
                    task.task, state=TaskState.DONE, caller="", text="", customer_id=None
                )
                self.publish(TaskChanged(task=blank))

    def watch(self, viewer: Viewer, session: str = "") -> Watcher:
        """Begin to watch; the snapshot is the first message. `session` is what may be ended."""
        watcher = Watcher(viewer, session)
        watcher.put(self._snapshot(watcher))
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        """The connection is gone."""
        self._watchers.discard(watcher)

    def read_along(self, user: str, call_id: str) -> None:
        """Show what is said in a call to all connections of a user, until the agent has it no more
        or `read_no_more`."""
        self._show_words(user, call_id, shown=True)

    def read_no_more(self, user: str, call_id: str) -> None:
        """Show that user no more of what is said in a call."""
        self._show_words(user, call_id, shown=False)

    def _show_words(self, user: str, call_id: str, *, shown: bool) -> None:
        said = self.transcripts.get(call_id)
        if said is None:
            return
        place = (call_id, said.agent_id)
        for watcher in tuple(self._watchers):
            is_theirs = watcher.viewer.user == user and watcher.viewer.sees_all
            if is_theirs and (place in watcher.reads) is not shown:
                (watcher.reads.add if shown else watcher.reads.discard)(place)
                watcher.put(as_read(watcher, said))

    def end_session(self, session: str) -> None:
        """Close the connections of a session that was signed out."""
        self._close_where(lambda watcher: watcher.session == session, "signed out")

    def end_token(self, token_id: str) -> None:
        """Close the connections of a program whose token was revoked."""
        self._close_where(
            lambda watcher: not watcher.session and watcher.viewer.user == token_id, "signed out"
        )

    def close(self) -> None:
        """Close all connections: the server stops."""
        self._close_where(lambda _: True, "going away")

    def _close_where(self, condition: Callable[[Watcher], bool], why: str) -> None:
        for watcher in tuple(self._watchers):
            if condition(watcher):
                watcher.close(why)

    def _apply(self, delta: Delta) -> bool:
        """Bring the state up to date; says whether anything changed."""
        match delta:
            case AgentChanged():
                offer = self.accepted.get(delta.agent_id)
                if offer is not None and offer.call_id != delta.call_id:
                    del self.accepted[delta.agent_id]
                return _put(self.agents, delta.agent_id, delta)
            case AgentGone():
                self.accepted.pop(delta.agent_id, None)
                return self.agents.pop(delta.agent_id, None) is not None
            case QueueChanged():
                return _put(self.queues, delta.queue_id, delta)
            case CallChanged():
                return _put(self.calls, delta.call_id, delta)
            case CallGone():
                return self.calls.pop(delta.call_id, None) is not None
            case OfferMade():
                return _put(self.offers, delta.offer_id, delta)
            case OfferGone():
                return self._settle(delta)
            case Conversation():
                return _put(self.conversations, f"{delta.call_id} {delta.agent_id}", delta)
            case ConversationGone():
                key = f"{delta.call_id} {delta.agent_id}"
                return self.conversations.pop(key, None) is not None
            case ThirdNotReached():
                return True
            case Parked():
                return _put(self.parked, delta.slot, delta)
            case ParkedGone():
                return self.parked.pop(delta.slot, None) is not None
            case LiveTranscript() | LiveSaid() | LiveHearing() | LiveTranscriptGone():
                return take_in(self.transcripts, delta)
            case WrapUpStarted():
                return _put(self.wrap_ups, delta.agent_id, delta)
            case WrapUpEnded():
                return self.wrap_ups.pop(delta.agent_id, None) is not None
            case TaskChanged():
                if delta.task.state is TaskState.DONE:
                    self.tasks.pop(delta.task.id, None)
                    return True
                return _put(self.tasks, delta.task.id, delta)
            case MessageChanged():
                return True

    def _settle(self, gone: OfferGone) -> bool:
        """The offer is over; one that was accepted is kept for as long as the agent is at it."""
        offer = self.offers.pop(gone.offer_id, None)
        if offer is None:
            return False
        agent = self.agents.get(offer.agent_id)
        if gone.how == "accepted" and agent is not None and agent.call_id == offer.call_id:
            self.accepted[offer.agent_id] = offer
        return True

    def _snapshot(self, watcher: Watcher) -> Snapshot:
        viewer = watcher.viewer
        calls = [call for call in self.calls.values() if concerns(viewer, call.agent_id)]
        watcher.calls.update(call.call_id for call in calls)
        return Snapshot(
            agents=list(self.agents.values()),
            queues=list(self.queues.values()),
            calls=calls,
            offers=[offer for offer in self.offers.values() if concerns(viewer, offer.agent_id)],
            accepted=[
                offer for offer in self.accepted.values() if concerns(viewer, offer.agent_id)
            ],
            conversations=[
                talk for talk in self.conversations.values() if concerns(viewer, talk.agent_id)
            ],
            parked=list(self.parked.values()),
            transcripts=[
                as_read(watcher, said)
                for said in self.transcripts.values()
                if concerns(viewer, said.agent_id)
            ],
            wrap_ups=[wrap for wrap in self.wrap_ups.values() if concerns(viewer, wrap.agent_id)],
            tasks=list(self.tasks.values()),
        )


T = TypeVar("T", bound=msgspec.Struct)


def _put(kept: dict[str, T], key: str, value: T) -> bool:
    if kept.get(key) == value:
        return False
    kept[key] = value
    return True
