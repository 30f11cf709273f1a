"""Sound files: the stereo mix-down, FLAC, checksums. Blocking; run in a thread."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from centralita.core.errors import CentralitaError
from centralita.core.ids import RecordingId

# Of a WAV file, in bytes: one that has no more holds no sound.
HEADER_SIZE = 44


class RecordingError(CentralitaError):
    """A sound file could not be read or written."""

    code = "recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A finished recording. `path` is relative to the recordings' folder."""

    recording_id: RecordingId
    path: str
    channels: int
    duration: timedelta
    sha256: str


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """The samples and rate of a mono 16-bit WAV file.

    A file whose header was never finished (the worker died) still has its samples: what lies
    behind the header is audio, whatever the sizes in it say.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise RecordingError(f"cannot read {path.name}: {exc.strerror}") from exc
    if len(data) < HEADER_SIZE or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise RecordingError(f"{path.name} is no WAV file")
    (rate,) = struct.unpack_from("<I", data, 24)
    start = data.find(b"data", 12) + 8
    if start < 8:
        start = HEADER_SIZE
    body = data[start : start + (len(data) - start) // 2 * 2]
    return np.frombuffer(body, dtype="<i2"), int(rate)


def store_flac(
    sources: list[Path], folder: Path, recording_id: RecordingId, at: datetime
) -> StoredFile:
    """Interleave mono files (left first) into one FLAC under `folder`/year/month/day.

    The sources start at the same instant; a shorter one is continued with silence. The file
    appears under its name only when it is whole and on disk. The sources are left alone.
    """
    heard = [source for source in sources if _holds_sound(source)] or sources
    rate = read_wav(heard[0])[1]
    silence: NDArray[np.int16] = np.zeros(0, dtype=np.int16)
    # Of two files begun together, a power failure may take one: that side was silent.
    tracks = [read_wav(source) if source in heard else (silence, rate) for source in sources]
    if any(other != rate for _, other in tracks):
        raise RecordingError(f"tracks of {recording_id} have different sample rates")
    length = max(len(samples) for samples, _ in tracks)
    sound = np.zeros((length, len(tracks)), dtype=np.int16)
    for index, (samples, _) in enumerate(tracks):
        sound[: len(samples), index] = samples
    relative = Path(at.strftime("%Y/%m/%d")) / f"{recording_id}.flac"
    target = folder / relative
    partial = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        soundfile.write(partial, sound, rate, format="FLAC", subtype="PCM_16")
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o600)
        partial.rename(target)
        _sync(target.parent)
    except (OSError, soundfile.LibsndfileError) as exc:
        raise RecordingError(f"cannot write {target}: {exc}") from exc
    return StoredFile(
        recording_id=recording_id,
        path=str(relative),
        channels=len(tracks),
        duration=timedelta(seconds=length / rate),
        sha256=digest,
    )


def _holds_sound(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > HEADER_SIZE


def _sync(folder: Path) -> None:
    """Let a name survive a power failure, not only the bytes behind it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def channels_of(path: Path) -> tuple[list[NDArray[np.int16]], int]:
    """Each channel of a stored recording, and the sample rate."""
    try:
        sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as exc:
        raise RecordingError(f"cannot read {path.name}: {exc}") from exc
    return [np.ascontiguousarray(sound[:, index]) for index in range(sound.shape[1])], int(rate)
