"""The native library behind two small classes. Only here is vosk imported."""

from __future__ import annotations

from pathlib import Path

import vosk

from centralita.asr.recognizer import RecognizerError
from centralita.asr.vosk.grammar import grammar_json
from centralita.asr.vosk.voice import RATE


class Model:
    """A loaded model; shared by all threads of the worker."""

    def __init__(self, path: Path) -> None:
        vosk.SetLogLevel(-1)
        if not (path / "am" / "final.mdl").exists() and not (path / "final.mdl").exists():
            # A folder that is not a model makes the library print a riddle and give up.
            raise RecognizerError(f"{path} is not a Vosk model: it holds no am/final.mdl")
        try:
            self._model = vosk.Model(str(path))
        except Exception as exc:  # the library raises nothing more specific
            raise RecognizerError(f"{path} could not be loaded as a Vosk model: {exc}") from exc

    def knows(self, word: str) -> bool:
        """Whether the word is in the model's vocabulary."""
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def decoder(self, phrases: tuple[str, ...] | None) -> Decoder:
        """A decoder for one stream. Raises GrammarError for a word list it cannot use."""
        if phrases is None:
            return Decoder(vosk.KaldiRecognizer(self._model, RATE))
        return Decoder(vosk.KaldiRecognizer(self._model, RATE, grammar_json(phrases, self.knows)))


class Decoder:
    """Decodes one stream; used by one thread at a time."""

    def __init__(self, recognizer: vosk.KaldiRecognizer) -> None:
        self._recognizer = recognizer
        self._recognizer.SetWords(True)

    def accept(self, pcm: bytes) -> str:
        """Vosk's JSON: `partial`, or a result if it found the end of an utterance."""
        if self._recognizer.AcceptWaveform(pcm):
            return str(self._recognizer.Result())
        return str(self._recognizer.PartialResult())

    def finish(self) -> str:
        """Vosk's JSON of what remains; the next samples begin a new utterance."""
        return str(self._recognizer.FinalResult())
