"""Real digits: clips of the Free Spoken Digit Dataset, one by one or in sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from centralita.asr.mini.synth import RATE, Samples

HELD_OUT_SPEAKERS = ("george", "lucas")
"""Speakers of the Free Spoken Digit Dataset that training never hears (one Greek, one German).

Training keeps one who grew up with English and one who did not.
"""


def read_digits(folder: Path) -> dict[str, list[tuple[int, Samples]]]:
    """The clips `DIGIT_SPEAKER_N.wav` by speaker."""
    clips: dict[str, list[tuple[int, Samples]]] = {}
    for path in sorted(folder.glob("[0-9]_*_*.wav")):
        digit, speaker, _ = path.stem.split("_")
        samples, rate = soundfile.read(path, dtype="float32")
        if rate != RATE:
            raise SystemExit(f"{path}: {rate} Hz; the dataset has {RATE} Hz")
        clips.setdefault(speaker, []).append((int(digit), samples))
    missing = [speaker for speaker in HELD_OUT_SPEAKERS if speaker not in clips]
    if missing:
        raise SystemExit(f"{folder}: no files named DIGIT_SPEAKER_N.wav of {', '.join(missing)}")
    return clips


def digit_sequence(
    clips: list[tuple[int, Samples]], length: int, rng: np.random.Generator
) -> tuple[list[int], Samples]:
    """One speaker's digits one after another, with pauses from none to half a second."""
    digits, parts = [], []
    for index in rng.integers(len(clips), size=length):
        digit, clip = clips[index]
        pause = rng.choice([0.0, rng.uniform(0, 0.1), rng.uniform(0.1, 0.5)])
        digits.append(digit)
        parts += [clip / (np.abs(clip).max() + 1e-6) * rng.uniform(0.6, 1)]
        parts += [np.zeros(int(RATE * pause))]
    return digits, np.concatenate(parts).astype(np.float32)
