"""Speech by espeak-ng: many voices, rates and pitches of random word sequences."""

from __future__ import annotations

import io
import random
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from centralita.asr.mini.words import DIGITS, WORDS

Samples = npt.NDArray[np.float32]
"""Mono at 8 kHz, full scale is 1."""

RATE = 8000

VOICES = {
    "es": ("es", "es", "es-419", "es-419"),
    "en": ("en-us", "en-us", "en-gb", "en-us-nyc", "en-gb-x-rp", "en-029"),
}

# Timbres that training may hear; "" is the voice as it is.
_TRAINING = """
m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 adam Alex Alicia Andy Annie aunty belinda benjamin boris caleb
david Denis Diogo ed edward Gene gustave Henrique Hugo iven iven3 Jacky john kaukovalta Lee marcelo
Mario max michel miguel Mr Nguyen paul pedro quincy rob robert Storm sandro shelby travis klatt
klatt3 klatt6 grandpa
"""
TRAINING_VARIANTS = ("", "", "", "", *(f"+{name}" for name in _TRAINING.split()))

# Timbres kept for the evaluation only.
_HELD_OUT = """
m8 f5 Andrea antonio linda Marco Michael pablo steph victor Zac klatt2 grandma anika norbert
"""
HELD_OUT_VARIANTS = tuple(f"+{name}" for name in _HELD_OUT.split())


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said, and how: espeak-ng's words a minute, its pitch from 0 to 99."""

    language: str
    voice: str
    variant: str
    words: tuple[str, ...]
    text: str
    speed: int
    pitch: int
    gap: int = 0


def training_sayings(count: int, seed: int) -> list[Saying]:
    """Random sayings in both languages, a third of them digits, for training."""
    rng = random.Random(seed)
    sayings = []
    for number in range(count):
        language = "en" if number % 2 else "es"
        pool = DIGITS[language] if rng.random() < 0.25 else WORDS[language]
        words = tuple(rng.choice(pool) for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 5, 6))))
        sayings.append(
            Saying(
                language,
                rng.choice(VOICES[language]),
                rng.choice(TRAINING_VARIANTS),
                words,
                rng.choice((" ", " ", ", ")).join(words),
                speed=rng.randint(110, 220),
                pitch=rng.randint(15, 85),
                gap=rng.choice((0, 0, 1, 3)),
            )
        )
    return sayings


def say(saying: Saying) -> Samples:
    """The saying as telephone-band samples."""
    result = subprocess.run(
        [
            "espeak-ng",
            *("-v", saying.voice + saying.variant, "-s", str(saying.speed)),
            *("-p", str(saying.pitch), "-g", str(saying.gap), "--stdin", "--stdout"),
        ],
        input=saying.text.encode(),
        capture_output=True,
        check=True,
    )
    # espeak-ng cannot seek in a pipe, so its header promises a length that never comes.
    samples = np.frombuffer(result.stdout[44:], "<i2").astype(np.float32) / 32768
    with soundfile.SoundFile(io.BytesIO(result.stdout)) as header:
        rate = header.samplerate
    return np.asarray(soxr.resample(samples, rate, RATE), np.float32)


def say_all(sayings: Iterable[Saying], threads: int = 2) -> Iterator[Samples]:
    """`say` for each of them, in order."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(say, sayings)


def mu_law(wave: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """There and back through G.711's µ-law with its 8 bits."""
    mu = 255.0
    wave = np.clip(wave, -1, 1)
    packed = np.sign(wave) * np.log1p(mu * np.abs(wave)) / np.log1p(mu)
    coarse = np.round((packed + 1) / 2 * 255) / 255 * 2 - 1
    return np.asarray(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(mu)) / mu)
