"""The live feed: the state of the centre as of now, and who is watching it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
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
    LiveMessage,
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
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.api.live_said import take_in
from centralita.timeline.model import TaskState

# A page that is this far behind is better served by a new snapshot.
BACKLOG = 256
_BEHIND = BACKLOG // 4


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes these are. Supervisors see all; an agent the own offers, calls and wrap-ups."""

    agent_id: str | None
    sees_all: bool


class Watcher:
    """One connection: the messages it still has to get, numbered."""

    def __init__(self, viewer: Viewer, session: str) -> None:
        self.viewer = viewer
        self.session = session
        self.calls: set[str] = set()
        self._messages: asyncio.Queue[LiveMessage] = asyncio.Queue(BACKLOG)
        self._seq = 0
        self._closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def put(self, message: LiveMessage) -> None:
        """Queue a message; a reader that is too slow is closed instead of buffered for.

        One that is only behind is spared what will be said again, finally.
        """
        if self._closed.done():
            return
        provisional = isinstance(message, LiveSaid) and not message.saying.final
        if provisional and self._messages.qsize() > _BEHIND:
            return
        try:
            self._messages.put_nowait(msgspec.structs.replace(message, seq=self._seq))
        except asyncio.QueueFull:
            self.close("too slow")
        self._seq += 1

    async def next(self) -> LiveMessage:
        """The next message to send."""
        return await self._messages.get()

    def close(self, why: str) -> None:
        """End this connection."""
        if not self._closed.done():
            self._closed.set_result(why)

    @property
    def is_closed(self) -> bool:
        """Whether the connection is to end or has ended."""
        return self._closed.done()

    async def closed(self) -> str:
        """Waits until the connection must end; says why."""
        return await asyncio.shield(self._closed)


class LiveHub:
    """Keeps what is live, and tells every watcher what changes and what it may see."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentChanged] = {}
        self.queues: dict[str, QueueChanged] = {}
        self.calls: dict[str, CallChanged] = {}
        self.offers: dict[str, OfferMade] = {}
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
            message = _for_viewer(watcher, delta)
            if message is not None:
                watcher.put(message)

    def watch(self, viewer: Viewer, session: str = "") -> Watcher:
        """Begin to watch; the snapshot is the first message. `session` is what may be ended."""
        watcher = Watcher(viewer, session)
        watcher.put(self._snapshot(watcher))
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        """The connection is gone."""
        self._watchers.discard(watcher)

    def end_session(self, session: str) -> None:
        """Close the connections of a session that was signed out."""
        self._close_where(lambda watcher: watcher.session == session, "signed out")

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
                return _put(self.agents, delta.agent_id, delta)
            case AgentGone():
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
                return self.offers.pop(delta.offer_id, None) is not None
            case Conversation():
                return _put(self.conversations, f"{delta.call_id} {delta.agent_id}", delta)
            case ConversationGone():
                key = f"{delta.call_id} {delta.agent_id}"
                return self.conversations.pop(key, None) is not None
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

    def _snapshot(self, watcher: Watcher) -> Snapshot:
        viewer = watcher.viewer
        calls = [call for call in self.calls.values() if _concerns(viewer, call.agent_id)]
        watcher.calls.update(call.call_id for call in calls)
        return Snapshot(
            agents=list(self.agents.values()),
            queues=list(self.queues.values()),
            calls=calls,
            offers=[offer for offer in self.offers.values() if _concerns(viewer, offer.agent_id)],
            conversations=[
                talk for talk in self.conversations.values() if _concerns(viewer, talk.agent_id)
            ],
            parked=list(self.parked.values()),
            transcripts=[
                said for said in self.transcripts.values() if _concerns(viewer, said.agent_id)
            ],
            wrap_ups=[wrap for wrap in self.wrap_ups.values() if _concerns(viewer, wrap.agent_id)],
            tasks=list(self.tasks.values()),
        )


T = TypeVar("T", bound=msgspec.Struct)


def _put(kept: dict[str, T], key: str, value: T) -> bool:
    if kept.get(key) == value:
        return False
    kept[key] = value
    return True


def _concerns(viewer: Viewer, agent_id: str | None) -> bool:
    return viewer.sees_all or (agent_id is not None and agent_id == viewer.agent_id)


def _for_viewer(watcher: Watcher, delta: Delta) -> Delta | None:
    """What of this change the watcher may know."""
    match delta:
        case CallChanged() if _concerns(watcher.viewer, delta.agent_id):
            watcher.calls.add(delta.call_id)
            return delta
        case CallChanged() | CallGone():
            # Somebody else has the call now, or nobody: for this viewer it is over.
            if delta.call_id not in watcher.calls:
                return None
            watcher.calls.discard(delta.call_id)
            return CallGone(call_id=delta.call_id)
        case (
            OfferMade()
            | OfferGone()
            | Conversation()
            | ConversationGone()
            | LiveTranscript()
            | LiveSaid()
            | LiveHearing()
            | LiveTranscriptGone()
            | WrapUpStarted()
            | WrapUpEnded()
        ):
            return delta if _concerns(watcher.viewer, delta.agent_id) else None
        case _:
            return delta
