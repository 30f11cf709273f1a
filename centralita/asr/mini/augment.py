"""What a telephone, a room and another throat do to speech: makes few recordings count as many."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import butter, istft, lfilter, sosfilt, stft

from centralita.asr.mini.synth import RATE, Samples, mu_law

Rng = np.random.Generator


def through_a_telephone(speech: Samples, rng: Rng, *, warp: float = 0.12) -> Samples:
    """One random way in which `speech` may reach us: throat, room, level, noise, band, codec.

    `warp` bounds how far throat and pace may each differ: 0.12 is about 12 % up or down.
    """
    wave = other_throat(speech.astype(np.float64), rng, warp)
    if rng.random() < 0.5:
        wave = other_pace(wave, float(np.exp(rng.uniform(-warp, warp))))
    if rng.random() < 0.3:
        wave = in_a_room(wave, rng)
    if rng.random() < 0.75:
        wave = other_microphone(wave, rng)
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


def other_pace(wave: npt.NDArray[np.float64], factor: float) -> npt.NDArray[np.float64]:
    """Slower (above 1) or faster at the same pitch, by a phase vocoder."""
    hop, size = 64, 256
    if len(wave) < 4 * size:
        return wave
    _, _, spectrum = stft(wave, RATE, nperseg=size, noverlap=size - hop)
    places = np.arange(0, spectrum.shape[1] - 1, 1 / factor)
    before = places.astype(int)
    share = places - before
    louder = np.abs(spectrum)
    size_now = louder[:, before] * (1 - share) + louder[:, before + 1] * share
    turn = np.angle(spectrum[:, before + 1] * np.conj(spectrum[:, before]))
    phase = np.angle(spectrum[:, :1]) + np.cumsum(turn, axis=1)
    _, slower = istft(size_now * np.exp(1j * phase), RATE, nperseg=size, noverlap=size - hop)
    return np.asarray(slower, np.float64)


def other_microphone(wave: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """A frequency response that wanders by up to 9 dB either way."""
    spectrum = np.fft.rfft(wave)
    points = np.sort(rng.uniform(0, 1, 5))
    decibels = np.interp(np.linspace(0, 1, len(spectrum)), points, rng.uniform(-9, 9, 5))
    return np.asarray(np.fft.irfft(spectrum * 10 ** (decibels / 20), len(wave)))


def noise(length: int, rng: Rng) -> npt.NDArray[np.float64]:
    """White or brownish noise of unit power."""
    white = rng.normal(0, 1, length)
    if rng.random() < 0.5:
        return white
    brown = np.asarray(lfilter([1.0], [1.0, -float(rng.uniform(0.8, 0.98))], white))
    return np.asarray(brown / (brown.std() + 1e-9))


def _pause(rng: Rng) -> npt.NDArray[np.float64]:
    return np.zeros(int(RATE * rng.uniform(0.1, 0.6)))
