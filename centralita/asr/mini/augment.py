"""What a telephone, a room and another throat do to speech: makes few recordings count as many."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import butter, lfilter, sosfilt

from centralita.asr.mini.synth import RATE, Samples, mu_law

Rng = np.random.Generator


def through_a_telephone(speech: Samples, rng: Rng, *, warp: float = 0.12) -> Samples:
    """One random way in which `speech` may reach us: throat, room, level, noise, band, codec.

    `warp` bounds how far the throat may differ: 0.12 is about 12 % up or down.
    """
    wave = other_throat(speech.astype(np.float64), rng, warp)
    if rng.random() < 0.3:
        wave = in_a_room(wave, rng)
    if rng.random() < 0.3:
        wave = tilted(wave, rng)
    wave = np.concatenate([_pause(rng), wave, _pause(rng)])
    wave *= 10 ** rng.uniform(-1.4, -0.02) / (np.abs(wave).max() + 1e-6)
    wave = wave + noise(len(wave), rng) * (np.sqrt(np.mean(wave**2)) * 10 ** -rng.uniform(0.5, 2.5))
    if rng.random() < 0.5:
        low, high = rng.uniform(120, 350), rng.uniform(2900, 3700)
        wave = sosfilt(butter(2, [low, high], "band", fs=RATE, output="sos"), wave)
    return mu_law(wave).astype(np.float32)


def other_throat(wave: npt.NDArray[np.float64], rng: Rng, warp: float) -> npt.NDArray[np.float64]:
    """Play faster or slower: pitch, formants and speed shift together."""
    factor = float(np.exp(rng.uniform(-warp, warp)))
    return np.asarray(soxr.resample(wave, RATE, RATE * factor))


def in_a_room(wave: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """A few decaying echoes, as of a hands-free phone."""
    length = int(RATE * rng.uniform(0.03, 0.12))
    tail = rng.normal(0, 1, length) * np.exp(-np.arange(length) * 6 / length)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(np.convolve(wave, tail))


def tilted(wave: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """A microphone that favours low or high tones."""
    return np.asarray(lfilter([1.0, float(rng.uniform(-0.6, 0.6))], [1.0], wave))


def noise(length: int, rng: Rng) -> npt.NDArray[np.float64]:
    """White or brownish noise of unit power."""
    white = rng.normal(0, 1, length)
    if rng.random() < 0.5:
        return white
    brown = np.asarray(lfilter([1.0], [1.0, -float(rng.uniform(0.8, 0.98))], white))
    return np.asarray(brown / (brown.std() + 1e-9))


def _pause(rng: Rng) -> npt.NDArray[np.float64]:
    return np.zeros(int(RATE * rng.uniform(0.1, 0.6)))
