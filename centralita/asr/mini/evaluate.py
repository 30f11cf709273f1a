"""How well the small model hears: `python -m centralita.asr.mini.evaluate [--fsdd FOLDER]`.

Speech goes the way a call's does: µ-law, voice activity detection, the worker process. The
synthetic speakers and the people of the digit set are ones that training never heard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from centralita.asr.mini.digits import HELD_OUT_SPEAKERS, digit_sequence, read_digits
from centralita.asr.mini.synth import HELD_OUT_VARIANTS, RATE, Samples, Saying, mu_law, say_all
from centralita.asr.mini.words import DIGITS, WORDS
from centralita.asr.recognizer import Utterance
from centralita.asr.vosk import PoolSettings, VoskPool
from centralita.asr.vosk.models import PACKAGED

_SPANISH_MENU = """
ventas soporte facturación buzón inglés operador agente repetir cancelar volver sí no ayuda menú
principal pedido cuenta adiós
"""

_ENGLISH_MENU = """
sales support billing voicemail spanish operator agent repeat cancel back yes no help menu main
order account goodbye
"""

MENUS = {"es": tuple(_SPANISH_MENU.split()), "en": tuple(_ENGLISH_MENU.split())}

# Two rates that training did not use, and one that it did.
_SPEEDS = (105, 165, 226)


@dataclass(frozen=True, slots=True)
class Case:
    """What is said, and the word list that the recogniser is given (None: all it knows)."""

    words: tuple[str, ...]
    speech: Samples
    language: str
    phrases: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Score:
    """Word errors of one test set; `exact` counts the sayings heard without any."""

    name: str
    sayings: int
    words: int
    substituted: int
    missed: int
    invented: int
    exact: int

    @property
    def error_rate(self) -> float:
        """Errors per word said."""
        return (self.substituted + self.missed + self.invented) / max(1, self.words)


def errors(said: Sequence[str], heard: Sequence[str]) -> tuple[int, int, int]:
    """The fewest substitutions, deletions and insertions that turn `said` into `heard`."""
    row = [(0, 0, insertions) for insertions in range(len(heard) + 1)]
    for count, word in enumerate(said, 1):
        above, row = row, [(0, count, 0)]
        for column, other in enumerate(heard, 1):
            s, d, i = above[column - 1]
            substitution = (s + (word != other), d, i)
            s, d, i = above[column]
            deletion = (s, d + 1, i)
            s, d, i = row[column - 1]
            row.append(min(substitution, deletion, (s, d, i + 1), key=sum))
    return row[-1]


def synthetic_cases(language: str, kind: str, count: int, seed: int) -> list[Case]:
    """Sayings by unheard voices: `menu` (one of 18), `digits` (4 to 8), `words` (1 to 3, free)."""
    rng = random.Random(f"{language} {kind} {seed}")
    noise = np.random.default_rng(seed)
    sayings = []
    for _ in range(count):
        pool, most = {
            "menu": (MENUS[language], (1, 1)),
            "digits": (DIGITS[language], (4, 8)),
            "words": (WORDS[language], (1, 3)),
        }[kind]
        words = tuple(rng.choice(pool) for _ in range(rng.randint(*most)))
        voice = rng.choice(("es", "es-419") if language == "es" else ("en-us", "en-gb"))
        variant, speed = rng.choice(HELD_OUT_VARIANTS), rng.choice(_SPEEDS)
        sayings.append(
            Saying(language, voice, variant, words, " ".join(words), speed, rng.randint(25, 75))
        )
    phrases = {"menu": MENUS[language], "digits": DIGITS[language], "words": None}[kind]
    return [
        Case(saying.words, on_the_line(speech, noise), language, phrases)
        for saying, speech in zip(sayings, say_all(sayings), strict=True)
    ]


def real_cases(folder: Path, shortest: int, longest: int, count: int, seed: int) -> list[Case]:
    """Digit sequences by the people held out, in turn."""
    clips = read_digits(folder)
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        speaker = HELD_OUT_SPEAKERS[number % len(HELD_OUT_SPEAKERS)]
        digits, speech = digit_sequence(
            clips[speaker], int(rng.integers(shortest, longest + 1)), rng
        )
        words = tuple(DIGITS["en"][digit] for digit in digits)
        cases.append(Case(words, on_the_line(speech, rng), "en", DIGITS["en"]))
    return cases


def on_the_line(speech: Samples, rng: np.random.Generator) -> Samples:
    """At an ordinary level, between silences, with a faint hiss, through µ-law."""
    wave = speech.astype(np.float64) * 0.4 / (np.abs(speech).max() + 1e-6)
    silence = np.zeros(RATE)
    wave = np.concatenate([silence[: RATE // 2], wave, silence])
    return mu_law(wave + rng.normal(0, 0.0008, len(wave))).astype(np.float32)


async def score(pool: VoskPool, name: str, cases: list[Case]) -> Score:
    """Let the recogniser hear all cases, eight at a time."""
    free = asyncio.Semaphore(8)

    async def hear(case: Case) -> tuple[str, ...]:
        async with free:
            recognition = await pool.start(case.language, case.phrases)
            await recognition.feed((case.speech * 32767).astype("<i2").tobytes())
            await recognition.close()
            texts = [e.text async for e in recognition.events() if isinstance(e, Utterance)]
            return tuple(" ".join(texts).split())

    heard = await asyncio.gather(*(hear(case) for case in cases))
    counts = [errors(case.words, words) for case, words in zip(cases, heard, strict=True)]
    return Score(
        name=name,
        sayings=len(cases),
        words=sum(len(case.words) for case in cases),
        substituted=sum(s for s, _, _ in counts),
        missed=sum(d for _, d, _ in counts),
        invented=sum(i for _, _, i in counts),
        exact=sum(count == (0, 0, 0) for count in counts),
    )


def all_cases(fsdd: Path | None, count: int, seed: int) -> Iterator[tuple[str, list[Case]]]:
    """The test sets by name."""
    for language in ("es", "en"):
        for kind in ("menu", "digits", "words"):
            yield f"{language} {kind}, synthetic", synthetic_cases(language, kind, count, seed)
    if fsdd is not None:
        people = " and ".join(HELD_OUT_SPEAKERS)
        yield f"en 4-8 digits, {people}", real_cases(fsdd, 4, 8, count, seed)
        yield f"en single digits, {people}", real_cases(fsdd, 1, 1, 2 * count, seed)


async def evaluate(models: Path, fsdd: Path | None, count: int, seed: int) -> list[Score]:
    """Start a recogniser with `models` and score every test set."""
    with tempfile.TemporaryDirectory() as directory:
        paths = {language: models / language for language in ("es", "en")}
        pool = VoskPool(paths, Path(directory), PoolSettings())
        processes = [await asyncio.create_subprocess_exec(*spec.argv) for spec in pool.specs()]
        await pool.start_pool()
        try:
            scores = []
            for name, cases in all_cases(fsdd, count, seed):
                scores.append(await score(pool, name, cases))
                _print(scores[-1])
            return scores
        finally:
            await pool.close()
            for process in processes:
                process.terminate()
                await process.wait()


def _print(result: Score) -> None:
    print(
        f"{result.name:40} {result.error_rate:6.1%} word errors"
        f" ({result.substituted} wrong, {result.missed} missed, {result.invented} invented"
        f" of {result.words}), {result.exact}/{result.sayings} exact",
        flush=True,
    )


def main() -> None:
    """Print a line for each test set."""
    parser = argparse.ArgumentParser(prog="python -m centralita.asr.mini.evaluate")
    parser.add_argument("--fsdd", type=Path, help="folder of the Free Spoken Digit Dataset")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--models", type=Path, default=PACKAGED)
    parser.add_argument("--count", type=int, default=150, help="sayings in each test set")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    scores = asyncio.run(evaluate(options.models, options.fsdd, options.count, options.seed))
    if options.json is not None:
        rows = [{**asdict(result), "word_error_rate": result.error_rate} for result in scores]
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
