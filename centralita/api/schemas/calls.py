"""Calls and their recordings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from centralita.api.schemas.basics import Answer, JsonObject, PageQuery, Time
from centralita.api.schemas.interactions import PathStep, QueueWait, Talk
from centralita.api.schemas.work import Task
from centralita.timeline.model import Direction, Outcome


class CallQuery(PageQuery, kw_only=True):
    """Which calls, newest first; `since` included, `until` not."""

    customer_id: str | None = None
    agent_id: str | None = None
    queue_id: str | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    state: Literal["live", "ended"] | None = None
    number: Annotated[str, Meta(max_length=100)] | None = None
    since: Time | None = None
    until: Time | None = None


class CallEvent(Answer, kw_only=True):
    """One line of a call's journal."""

    seq: int
    at: Time
    type: str
    data: JsonObject


class Word(Answer, kw_only=True):
    """A recognised word; times count from the start of the recording."""

    text: str
    start_s: float
    end_s: float
    confidence: float


class TranscriptChannel(Answer, kw_only=True):
    """What was said on one channel of a recording (`caller`, `agent`, `voicemail`)."""

    speaker: str
    text: str
    words: list[Word]


class Transcript(Answer, kw_only=True):
    """The words of a recording."""

    recording_id: str
    language: str
    text: str
    channels: list[TranscriptChannel]


class Recording(Answer, kw_only=True):
    """A sound file. `kind` is `conversation` (left the caller, right the agent) or `voicemail`.
    `available` while the sound is kept; `audible` if it is for whoever asks to hear it."""

    id: str
    call_id: str
    kind: str
    channels: int
    duration_s: float
    sha256: str
    created_at: Time
    agent_id: str | None
    audio: str
    available: bool
    audible: bool


class Peaks(Answer, kw_only=True):
    """What a waveform is drawn from: for each channel the highest level (0 to 255) in each of
    equally long parts of the recording."""

    recording_id: str
    channels: list[list[int]]


class Call(Answer, kw_only=True):
    """A call: its entry in the timeline under the id of the call. `state` is live or ended."""

    id: str
    interaction_id: str
    state: Literal["live", "ended"]
    direction: Direction
    caller: str
    dialled: str
    started_at: Time
    answered_at: Time | None
    ended_at: Time | None
    duration_s: float | None
    customer_id: str | None
    candidates: list[str]
    agent_id: str | None
    queue_id: str | None
    outcome: Outcome | None
    ended_by: str
    ended_at_place: str
    disposition: str
    notes: str
    case_id: str | None
    language: str
    path: list[PathStep]
    waits: list[QueueWait]
    talks: list[Talk]
    learned: JsonObject


class CallDetail(Call, kw_only=True):
    """A call with its journal, its recordings and what was said (the longest transcript). `task` is
    what an agent called for."""

    task: Task | None
    events: list[CallEvent]
    recordings: list[Recording]
    transcripts: list[Transcript]
    transcript: Transcript | None
