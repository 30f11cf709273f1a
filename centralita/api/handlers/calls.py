"""Calls and their recordings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Forbidden, Handler, Incoming, Principal, Reply, cursor, page
from centralita.api.ports import ApiPorts
from centralita.api.rights import may_hear
from centralita.api.sound import open_for, readable, serve_sound
from centralita.audit.entry import Action, Outcome
from centralita.core.errors import CentralitaError, InvalidInput, NotFound
from centralita.core.ids import AgentId, CallId, CustomerId, QueueId, RecordingId, TaskId
from centralita.core.refusals import Refusal
from centralita.core.wire import Plain
from centralita.recordings.files import is_sealed
from centralita.recordings.peaks import peaks_of
from centralita.store.records import RecordingRecord
from centralita.timeline.identity import caller_identity
from centralita.timeline.model import CallEvent, Interaction
from centralita.timeline.repositories import CallFilter

_NOT_TO_BE_HEARD = (
    "agents hear their own conversations and the messages for their queues; "
    "a supervisor hears the others"
)
SOUNDS = {".flac": "audio/flac", ".wav": "audio/wav"}


class Calls:
    """What was said on the phone."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._store = ports.store
        self._region = ports.settings.region
        self._recordings_dir = ports.settings.recordings_dir
        self._keyring = ports.keyring
        self._decoding = asyncio.Semaphore()

    def handlers(self) -> dict[str, Handler]:
        return {
            "calls": self.list,
            "call": self.get,
            "recording_audio": self.audio,
            "recording_peaks": self.peaks,
        }

    async def list(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.CallQuery)
        if query.since is not None and query.until is not None and query.until <= query.since:
            raise InvalidInput("must be later than since", place="query.until")
        wanted = CallFilter(
            customer_id=CustomerId(query.customer_id) if query.customer_id is not None else None,
            agent_id=AgentId(query.agent_id) if query.agent_id is not None else None,
            queue_id=QueueId(query.queue_id) if query.queue_id is not None else None,
            direction=query.direction,
            outcome=query.outcome,
            live=None if query.state is None else query.state == "live",
            number=None if query.number is None else caller_identity(query.number, self._region),
            since=query.since,
            until=query.until,
        )
        part = await self._store.interactions.calls(
            wanted, limit=query.limit, after=cursor(query.cursor)
        )
        return Reply(page(part, views.call))

    async def get(self, incoming: Incoming) -> Reply:
        call_id = CallId(incoming.path("id"))
        entry, events, recordings, transcripts = await asyncio.gather(
            self._store.interactions.by_call(call_id),
            self._store.call_events.of_call(call_id),
            self._store.recordings.of_call(call_id),
            self._store.recordings.transcripts_of_call(call_id),
        )
        if entry is None:
            raise NotFound(f"no call {call_id}")
        audible = {
            recording.recording_id: await self._may_hear(incoming.who, recording, entry)
            for recording in recordings
        }
        texts = [views.transcript(transcript) for transcript in transcripts]
        call = views.call(entry)
        return Reply(
            s.CallDetail(
                **{name: getattr(call, name) for name in call.__struct_fields__},
                task=await self._task_of(events),
                events=[views.call_event(event) for event in events],
                recordings=[
                    views.recording(recording, audible=audible[recording.recording_id])
                    for recording in recordings
                ],
                transcripts=texts,
                transcript=max(texts, key=lambda text: len(text.text), default=None),
            )
        )

    async def _task_of(self, events: Iterable[CallEvent]) -> s.Task | None:
        """What the call was made for; None for most, and for what is erased."""
        made = next((event for event in events if event.type == "outgoing_started"), None)
        task_id = made.data.get("task_id") if made is not None else None
        if not isinstance(task_id, str) or not task_id:
            return None
        task = await self._store.tasks.get(TaskId(task_id))
        return views.task(task) if task is not None else None

    async def audio(self, incoming: Incoming) -> web.StreamResponse:
        recording = await self._store.recordings.get(RecordingId(incoming.path("id")))
        if recording is None:
            raise NotFound(f"no recording {incoming.path('id')}")
        entry = await self._store.interactions.by_call(recording.call_id)
        about: dict[str, Plain] = {"call_id": recording.call_id, "kind": recording.kind}
        if not await self._may_hear(incoming.who, recording, entry):
            await self._auditor.enter(
                incoming, Action.RECORDING_HEARD, recording.recording_id, Outcome.REFUSED, **about
            )
            raise Forbidden(_NOT_TO_BE_HEARD, code=Refusal.NOT_TO_BE_HEARD)
        file = await self._file(recording)
        sound = await open_for(file, self._keyring)
        try:
            # No sound before the entry that says who hears it.
            asked = incoming.request.headers.get("Range", "")
            about["range"] = asked[:100]
            await self._auditor.enter(
                incoming, Action.RECORDING_HEARD, recording.recording_id, Outcome.DONE, **about
            )
            return await self._send(incoming.request, recording, file, sound)
        finally:
            sound.close()

    async def peaks(self, incoming: Incoming) -> Reply:
        recording = await self._store.recordings.get(RecordingId(incoming.path("id")))
        if recording is None:
            raise NotFound(f"no recording {incoming.path('id')}")
        entry = await self._store.interactions.by_call(recording.call_id)
        if not await self._may_hear(incoming.who, recording, entry):
            raise Forbidden(_NOT_TO_BE_HEARD, code=Refusal.NOT_TO_BE_HEARD)
        file = await self._file(recording)
        recording_id = recording.recording_id
        levels = await self._store.recordings.peaks(recording_id)
        if levels is None:
            # One at a time: to decode an hour takes a second of a core.
            async with self._decoding:
                levels = await self._store.recordings.peaks(recording_id)
                if levels is None:
                    with readable(file):
                        levels = await asyncio.to_thread(peaks_of, file, self._keyring)
                    await self._store.recordings.put_peaks(recording_id, levels)
        return Reply(s.Peaks(recording_id=recording_id, channels=[list(one) for one in levels]))

    async def _file(self, recording: RecordingRecord) -> Path:
        file = await asyncio.to_thread(_inside, self._recordings_dir, recording.path)
        if recording.removed or file is None:
            raise NotFound(
                "the sound of this recording is no longer kept", code=Refusal.RECORDING_GONE
            )
        return file

    async def _may_hear(
        self, who: Principal, recording: RecordingRecord, entry: Interaction | None
    ) -> bool:
        message_for, serves = None, frozenset[QueueId]()
        if recording.kind == "voicemail" and not who.is_supervisor and who.agent_id is not None:
            task = await self._store.tasks.voicemail_of(recording.call_id)
            message_for = task.queue_id if task is not None else None
            serves = frozenset(
                queue.queue_id
                for queue in await self._store.queues.all()
                if who.agent_id in queue.agents
            )
        return may_hear(who, recording, entry, message_for, serves)

    async def _send(
        self, request: web.Request, recording: RecordingRecord, file: Path, sound: BinaryIO
    ) -> web.StreamResponse:
        suffix = next((one for one in file.suffixes if one in SOUNDS), "")
        headers = {
            "Content-Type": SOUNDS.get(suffix, "application/octet-stream"),
            "Cache-Control": "private, no-cache",
            "Content-Disposition": f'inline; filename="{recording.recording_id}{suffix}"',
        }
        if not is_sealed(file):
            return web.FileResponse(file, headers=headers)
        size = await asyncio.to_thread(sound.seek, 0, os.SEEK_END)
        return await serve_sound(request, sound, size, f'"{recording.sha256}"', headers)


def _inside(folder: Path, name: str) -> Path | None:
    """The file `name` in `folder`, if it is there; never one outside of it."""
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise CentralitaError("a recording lies outside the folder of recordings")
    return file if file.is_file() else None
