"""How loud a recording is, from its beginning to its end: what a waveform is drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from centralita.recordings.files import RecordingError, open_sound
from centralita.vault.keyring import Keyring

# As many as a wide screen can show.
BINS = 600
# Read at once, in frames: a minute of sound, so that an hour never stands in memory.
_BLOCK = 480_000


def peaks_of(path: Path, keyring: Keyring) -> tuple[tuple[int, ...], ...]:
    """For each channel the highest level in each of at most `BINS` equal parts, 0 to 255.

    Blocking: run in a thread. Raises RecordingError when the file cannot be read.
    """
    with open_sound(path, keyring) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                bins = min(BINS, sound.frames)
                highest = np.zeros((bins, sound.channels), dtype=np.int32)
                done = 0
                for block in sound.blocks(_BLOCK, dtype="int16", always_2d=True):
                    place = (np.arange(done, done + len(block)) * bins) // sound.frames
                    np.maximum.at(highest, place, np.abs(block.astype(np.int32)))
                    done += len(block)
        except soundfile.LibsndfileError as exc:
            raise RecordingError(f"cannot read {path.name}: {exc}") from exc
    levels = np.minimum(highest // 128, 255)
    return tuple(tuple(int(level) for level in channel) for channel in levels.T)
