"""Who watches the centre by the live feed, and what each may know of a change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from centralita.api.live_messages import (
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
    OfferGone,
    OfferMade,
    ThirdNotReached,
    WrapUpEnded,
    WrapUpStarted,
)

# A page that is this far behind is better served by a new snapshot.
BACKLOG = 256
_BEHIND = BACKLOG // 4


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes these are. `user` is who has signed in.

    Supervisors see all, but the words of somebody's call only once they ask for them; an agent
    sees the own offers, calls and wrap-ups.
    """

    agent_id: str | None
    sees_all: bool
    user: str = ""


class Watcher:
    """One connection: the messages it still has to get, numbered."""

    def __init__(self, viewer: Viewer, session: str) -> None:
        self.viewer = viewer
        self.session = session
        self.calls: set[str] = set()
        # Call and agent of the conversations that this viewer reads along.
        self.reads: set[tuple[str, str]] = set()
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


def concerns(viewer: Viewer, agent_id: str | None) -> bool:
    """Whether the viewer is shown what this agent has in hand."""
    return viewer.sees_all or (agent_id is not None and agent_id == viewer.agent_id)


def _reads(watcher: Watcher, said: LiveTranscript | LiveSaid) -> bool:
    if said.agent_id == watcher.viewer.agent_id:
        return True
    return (said.call_id, said.agent_id) in watcher.reads


def as_read(watcher: Watcher, said: LiveTranscript) -> LiveTranscript:
    """The transcript as this watcher may read it: others' words are for those who ask."""
    if _reads(watcher, said):
        return said
    return msgspec.structs.replace(said, sayings=[], shown=False)


def for_viewer(watcher: Watcher, delta: Delta) -> Delta | None:
    """What of this change the watcher may know."""
    match delta:
        case CallChanged() if concerns(watcher.viewer, delta.agent_id):
            watcher.calls.add(delta.call_id)
            return delta
        case CallChanged() | CallGone():
            # Somebody else has the call now, or nobody: for this viewer it is over.
            if delta.call_id not in watcher.calls:
                return None
            watcher.calls.discard(delta.call_id)
            return CallGone(call_id=delta.call_id)
        case LiveTranscript() if concerns(watcher.viewer, delta.agent_id):
            return as_read(watcher, delta)
        case LiveSaid():
            return delta if _reads(watcher, delta) else None
        case LiveTranscriptGone() if concerns(watcher.viewer, delta.agent_id):
            watcher.reads.discard((delta.call_id, delta.agent_id))
            return delta
        case (
            OfferMade()
            | OfferGone()
            | Conversation()
            | ConversationGone()
            | ThirdNotReached()
            | LiveTranscript()
            | LiveHearing()
            | LiveTranscriptGone()
            | WrapUpStarted()
            | WrapUpEnded()
        ):
            return delta if concerns(watcher.viewer, delta.agent_id) else None
        case _:
            return delta
