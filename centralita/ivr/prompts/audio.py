"""Sound files as the media workers play them: mono, 16 bit, at the rate of the media."""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from centralita.ivr.prompts.synthesizer import BadAudio, PromptError, Samples

LONGEST: Final = timedelta(minutes=15)

# Speech at -20 dBFS is what telephone networks are built for; peaks stay clear of clipping.
_SPEECH_LEVEL: Final = 10 ** (-20 / 20)
_HIGHEST_PEAK: Final = 10 ** (-3 / 20)
_INAUDIBLE: Final = 10 ** (-50 / 20)


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """The samples at another rate, without aliasing."""
    if rate == wanted:
        return samples
    return np.asarray(soxr.resample(samples, rate, wanted), np.float32)


def levelled(samples: Samples) -> Samples:
    """At the level of ordinary speech, measured where it is not silent."""
    loud = samples[np.abs(samples) > _INAUDIBLE]
    if not len(loud):
        return samples
    gain = _SPEECH_LEVEL / float(np.sqrt(np.mean(np.square(loud))))
    return samples * min(gain, _HIGHEST_PEAK / float(np.abs(samples).max()))


def trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence before, and with little after: the caller has waited long enough."""
    heard = np.flatnonzero(np.abs(samples) > _INAUDIBLE)
    if not len(heard):
        return samples
    first = max(0, int(heard[0]) - rate // 100)
    last = min(len(samples), int(heard[-1]) + rate // 10)
    return samples[first:last]


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Write the file whole or not at all. Raises PromptError."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Names and numbers of callers are spoken, too.
        unfinished.touch(mode=0o600)
        soundfile.write(unfinished, samples, rate, subtype="PCM_16", format="WAV")
        os.replace(unfinished, path)
    except (OSError, soundfile.LibsndfileError) as exc:
        raise PromptError(f"{path} cannot be written: {exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def read_sound(path: Path) -> tuple[Samples, int]:
    """Any sound file that soundfile reads (WAV, FLAC, Ogg, MP3…), mixed to mono, and its rate.

    Raises BadAudio.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate = int(file.samplerate)
            if not 4000 <= rate <= 192_000:
                raise BadAudio(f"{rate} samples a second is no usable rate", place=str(path))
            if file.frames > LONGEST.total_seconds() * rate:
                minutes = file.frames / rate / 60
                raise BadAudio(f"{minutes:.0f} minutes are too long; at most 15", place=str(path))
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except FileNotFoundError as exc:
        raise BadAudio("there is no such file", place=str(path)) from exc
    except (soundfile.LibsndfileError, OSError) as exc:
        reason = f"not a sound file that can be read; a WAV or FLAC would be ({exc})"
        raise BadAudio(reason, place=str(path)) from exc
    if not len(samples):
        raise BadAudio("the file is empty", place=str(path))
    if not np.isfinite(samples).all():
        raise BadAudio("the file holds samples that are no numbers", place=str(path))
    return np.asarray(samples, np.float32), rate


def is_playable(path: Path, rate: int) -> bool:
    """Whether the media workers can play the file as it is."""
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError):
        return False
    return bool(
        info.format == "WAV"
        and info.subtype == "PCM_16"
        and info.channels == 1
        and info.samplerate == rate
        and info.frames > 0
    )
