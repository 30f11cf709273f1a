"""What callers hear: spoken prompts, uploaded sounds, music and the beep, as WAV files."""

from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.espeak import EspeakVoice
from centralita.ivr.prompts.synthesizer import (
    BadAudio,
    PromptError,
    Speech,
    Synthesizer,
    VoiceEngine,
)

__all__ = [
    "BadAudio",
    "EspeakVoice",
    "PromptCache",
    "PromptError",
    "Speech",
    "Synthesizer",
    "VoiceEngine",
]
