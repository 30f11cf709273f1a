"""Sound files: the stereo mix-down, FLAC, checksums. Blocking; run in a thread."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from centralita.core.errors import CentralitaError
from centralita.core.files import sync_folder
from centralita.core.ids import RecordingId
from centralita.vault.keyring import Keyring, KeyringError
from centralita.vault.sealed import SealedReader, seal

# Of the name of a file that is encrypted; plain ones are of older versions, or wanted so.
SEALED = ".sealed"
# Of a WAV file, in bytes: one that has no more holds no sound.
HEADER_SIZE = 44


class RecordingError(CentralitaError):
    """A sound file could not be read or written."""

    code = "recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A finished recording. `path` is relative to the recordings' folder; `sha256` is that of the
    sound (FLAC), whatever it is encrypted with."""

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
    sources: list[Path],
    folder: Path,
    recording_id: RecordingId,
    at: datetime,
    *,
    keyring: Keyring | None = None,
) -> StoredFile:
    """Interleave mono files (left first) into one FLAC under `folder`/year/month/day.

    The sources start at the same instant; a shorter one is continued with silence. With a
    `keyring` the file is encrypted, and never on disk as it sounds. It appears under its name only
    when it is whole and on disk. The sources are left alone.
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
    suffix = ".flac" if keyring is None else f".flac{SEALED}"
    relative = Path(at.strftime("%Y/%m/%d")) / f"{recording_id}{suffix}"
    target = folder / relative
    try:
        flac = io.BytesIO()
        soundfile.write(flac, sound, rate, format="FLAC", subtype="PCM_16")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _put(flac, target, recording_id, keyring)
    except (OSError, soundfile.LibsndfileError, KeyringError) as exc:
        raise RecordingError(f"cannot write {target}: {exc}") from exc
    return StoredFile(
        recording_id=recording_id,
        path=str(relative),
        channels=len(tracks),
        duration=timedelta(seconds=length / rate),
        sha256=hashlib.sha256(flac.getbuffer()).hexdigest(),
    )


def _put(flac: io.BytesIO, target: Path, name: str, keyring: Keyring | None) -> None:
    """Write the file beside its name, and give it the name when it is on disk."""
    partial = target.with_name(f"{name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if keyring is None:
            file.write(flac.getbuffer())
        else:
            flac.seek(0)
            seal(flac, file, name, keyring.current())
        file.flush()
        os.fsync(file.fileno())
    partial.rename(target)
    sync_folder(target.parent)


def _holds_sound(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > HEADER_SIZE


def sound_name(path: Path) -> str:
    """What a stored recording is called, whatever its file's suffixes: its id."""
    return path.name.partition(".")[0]


def is_sealed(path: Path) -> bool:
    """Whether the recording at `path` is encrypted. Its path says so, not its content, lest
    somebody put a plain file in its place."""
    return path.suffix == SEALED


def open_sound(path: Path, keyring: Keyring) -> BinaryIO:
    """The sound file of a stored recording, readable from any place, encrypted or not.

    Raises RecordingError that names the file, and the key with the cure when that is the trouble;
    so do reads of what comes out wrong.
    """
    try:
        if not is_sealed(path):
            return path.open("rb")
        return io.BufferedReader(_Sealed(path, sound_name(path), keyring))
    except OSError as exc:
        raise RecordingError(f"cannot read {path.name}: {exc.strerror}") from exc
    except KeyringError as exc:
        raise RecordingError(str(exc), code=exc.code) from exc


class _Sealed(SealedReader):
    """With errors in the words of this room."""

    def readinto(self, buffer: object, /) -> int:
        try:
            return super().readinto(buffer)
        except KeyringError as exc:
            raise RecordingError(str(exc), code=exc.code) from exc


def channels_of(path: Path, keyring: Keyring) -> tuple[list[NDArray[np.int16]], int]:
    """Each channel of a stored recording, and the sample rate."""
    with open_sound(path, keyring) as file:
        content = file.read()
    try:
        sound, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as exc:
        raise RecordingError(f"cannot read {path.name}: {exc}") from exc
    return [np.ascontiguousarray(sound[:, index]) for index in range(sound.shape[1])], int(rate)
