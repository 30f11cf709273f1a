"""Sounds that are found again to the sample, and when they were said and heard. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centralita.telephony.phone.g711 import Samples
from tests.support.phones import RATE, chirp, sound

SECONDS = 0.2
PERIOD = 1.0
CHIRP = chirp(SECONDS)
# One chirp in each period: as long as a delay is shorter there is no doubt which one it is.
ROUND = sound(CHIRP, PERIOD - SECONDS)
# How like a chirp it must be (1: the same shape); loss and codecs change it, noise is below 0.3.
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    """Some samples at 8 kHz, and the time of the first of them, in seconds."""

    at: float
    samples: Samples


def times_of_chirps(blocks: Sequence[Block]) -> list[float]:
    """When chirps begin in what these blocks make together, in seconds of their clock."""
    if not blocks:
        return []
    whole = np.concatenate([block.samples for block in blocks]).astype(np.float64)
    starts = np.cumsum([0, *(len(block.samples) for block in blocks)])
    found = []
    for place in _places(whole):
        number = int(np.searchsorted(starts, place, side="right")) - 1
        found.append(blocks[number].at + (place - int(starts[number])) / RATE)
    return found


def delays(said: Sequence[float], heard: Sequence[float]) -> list[float]:
    """From each chirp that was said to the same one as it was heard, in seconds; lost ones are left
    out."""
    return [
        min(later) - mouth
        for mouth in said
        if (later := [ear for ear in heard if 0 <= ear - mouth < PERIOD])
    ]


def _places(whole: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    wanted = CHIRP.astype(np.float64)
    if len(whole) < len(wanted):
        return []
    size = 1 << (len(whole) + len(wanted)).bit_length()
    across = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(wanted, size)), size)
    across = across[: len(whole) - len(wanted) + 1]
    powers = np.concatenate([[0.0], np.cumsum(whole**2)])
    energy = (powers[len(wanted) :] - powers[: -len(wanted)]) * float((wanted**2).sum())
    alike = across / np.sqrt(np.maximum(energy, 1.0))
    # Silence is like everything.
    alike[energy < float((wanted**2).sum()) ** 2 / 1e5] = 0.0
    places = []
    while len(alike) and float(np.max(alike)) >= _ALIKE:
        best = int(np.argmax(alike))
        places.append(best)
        alike[max(best - RATE // 2, 0) : best + RATE // 2] = 0.0
    return sorted(places)
