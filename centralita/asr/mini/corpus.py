"""The training material: synthetic sayings in both languages, and real digits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from centralita.asr.mini.augment import noise, through_a_telephone
from centralita.asr.mini.digits import HELD_OUT_SPEAKERS, digit_sequence, read_digits
from centralita.asr.mini.features import mfcc
from centralita.asr.mini.lexicon import Lexicon
from centralita.asr.mini.synth import RATE, Saying, say
from centralita.asr.mini.words import DIGITS


@dataclass(frozen=True, slots=True)
class Example:
    """MFCC rows and the phone classes that they should yield."""

    frames: npt.NDArray[np.float32]
    classes: list[int]


def synthetic(sayings: list[Saying], lexicon: Lexicon, seed: int) -> Iterator[Example]:
    """Each saying, heard through two telephones."""
    jobs = [(saying, lexicon, (seed, number)) for number, saying in enumerate(sayings)]
    with ProcessPoolExecutor(2) as pool:
        for examples in pool.map(_synthetic, jobs, chunksize=50):
            yield from examples


def _synthetic(job: tuple[Saying, Lexicon, tuple[int, int]]) -> list[Example]:
    saying, lexicon, seed = job
    rng = np.random.default_rng(seed)
    speech = say(saying)
    british = saying.voice.startswith("en-gb")
    accent = saying.voice if saying.language == "es" else ("en-gb" if british else "en-us")
    classes = lexicon.classes(accent, saying.words)
    return [Example(mfcc(through_a_telephone(speech, rng)), classes) for _ in range(2)]


def real(folder: Path, count: int, lexicon: Lexicon, seed: int) -> Iterator[Example]:
    """Sequences of one to six digits by the speakers who are not held out."""
    clips = {who: c for who, c in read_digits(folder).items() if who not in HELD_OUT_SPEAKERS}
    rng = np.random.default_rng(seed)
    speakers = sorted(clips)
    for _ in range(count):
        speaker = speakers[rng.integers(len(speakers))]
        digits, speech = digit_sequence(clips[speaker], int(rng.integers(1, 7)), rng)
        words = tuple(DIGITS["en"][digit] for digit in digits)
        # Few people must stand for all: their throats vary more than the synthetic voices do.
        frames = mfcc(through_a_telephone(speech, rng, warp=0.2))
        yield Example(frames, lexicon.classes("en-us", words))


def silence(count: int, seed: int) -> Iterator[Example]:
    """Noise in which nobody speaks, so that noise is not heard as words."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        length = int(RATE * rng.uniform(0.5, 3))
        wave = noise(length, rng) * 10 ** rng.uniform(-3.5, -1)
        yield Example(mfcc(wave.astype(np.float32)), [])
