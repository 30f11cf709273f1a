"""The spool: recordings that are being made, and what a start finds of those that were cut off."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from centralita.core.ids import AgentId, CallId, LegId, RecordingId
from centralita.recordings.files import HEADER_SIZE

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Running:
    """A recording that is being made. `tracks` are the names of its files, by leg, left first.

    `queue` is whose voicemail it is, if it is one. `discarded` while it was being stored already.
    """

    recording_id: RecordingId
    call_id: CallId
    kind: str
    language: str
    started_at: datetime
    tracks: dict[LegId, str]
    agent_id: AgentId | None = None
    queue: str = ""
    finished: set[LegId] = field(default_factory=set)
    discarded: bool = False


class Spool:
    """A note lies beside the tracks of each recording, so that a killed server's can be kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder, for our eyes only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, name: str) -> Path:
        """Where a track is written."""
        return self.folder / name

    def note(self, running: Running) -> None:
        """Write down whose recording this is."""
        note = self._note_of(running)
        partial = note.with_suffix(".part")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(running))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(note)

    def forget(self, running: Running) -> None:
        """The recording is stored, or holds nothing.

        The note goes first: killed in between, we leave tracks that nobody asks for, and never a
        note that knows only half of them.
        """
        self._note_of(running).unlink(missing_ok=True)
        for name in running.tracks.values():
            self.path(name).unlink(missing_ok=True)

    def left_over(self, writing: Collection[str] = ()) -> list[Running]:
        """What the last run did not come to store; notes without any sound, and tracks without a
        note, are thrown away. `writing` are tracks that somebody still writes."""
        found = []
        for track in self.folder.glob("*.wav"):
            if not (self.folder / f"{track.stem.rpartition('-')[0]}.json").exists():
                track.unlink(missing_ok=True)
        for note in sorted(self.folder.glob("*.json")):
            try:
                running = msgspec.json.decode(note.read_bytes(), type=Running)
            except (OSError, msgspec.MsgspecError) as exc:
                log.error(
                    "note in the spool cannot be read", extra={"path": str(note), "error": str(exc)}
                )
                continue
            running.tracks = {
                leg_id: name for leg_id, name in running.tracks.items() if self.path(name).is_file()
            }
            paths = [self.path(name) for name in running.tracks.values()]
            if any(str(path) in writing or path.stat().st_size > HEADER_SIZE for path in paths):
                found.append(running)
            else:
                self.forget(running)
        return found

    def _note_of(self, running: Running) -> Path:
        return self.folder / f"{running.recording_id}.json"
