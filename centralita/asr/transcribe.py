"""The words of recorded audio, as fast as the recogniser goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from centralita.asr.recognizer import (
    Recognition,
    RecognitionFailed,
    Recognizer,
    RecognizerError,
    Utterance,
    Word,
)

_PIECE = 8000  # a second: a live stream of the same worker gets its turn in between


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What one channel of a recording says. `confidence` is the mean of the words, 0 to 1."""

    language: str
    text: str
    words: tuple[Word, ...]
    confidence: float


async def transcribe(
    recognizer: Recognizer, language: str, samples: npt.NDArray[np.int16]
) -> Transcript:
    """Recognise mono samples at 8 kHz as free speech; word times count from the first sample.

    Raises RecognizerBusy or RecognizerError; nothing of a broken-off transcription is returned.
    """
    recognition = await recognizer.start(language, None)
    try:
        for start in range(0, len(samples), _PIECE):
            await recognition.feed(samples[start : start + _PIECE].astype("<i2").tobytes())
    finally:
        await recognition.close()
    utterances = await _utterances(recognition)
    words = tuple(word for utterance in utterances for word in utterance.words)
    return Transcript(
        language=language,
        text=" ".join(utterance.text for utterance in utterances if utterance.text),
        words=words,
        confidence=sum(word.confidence for word in words) / len(words) if words else 0.0,
    )


async def _utterances(recognition: Recognition) -> list[Utterance]:
    utterances = []
    async for event in recognition.events():
        match event:
            case Utterance():
                utterances.append(event)
            case RecognitionFailed(reason=reason):
                raise RecognizerError(f"the transcription broke off: {reason}")
    return utterances
