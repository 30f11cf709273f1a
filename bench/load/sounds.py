"""What callers and agents say, as A-law: a hum, or words with pauses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.espeak import EspeakVoice
from centralita.recordings.files import read_wav
from centralita.telephony.phone.g711 import Samples, encode

_RATE = 8000
_WORDS = ("ventas", "facturas", "pedidos")
# Callers talk a third of the time: a sentence of words, and twice as long a silence.
_PERIOD = 9
_TALK = 3


async def make(folder: Path, *, speech: bool) -> tuple[Path, Path]:
    """The files of callers and of agents, to be repeated without end."""
    caller, agent = folder / "caller.alaw", folder / "agent.alaw"
    samples = await _speech(folder) if speech else _hum(300)
    await asyncio.to_thread(caller.write_bytes, encode(samples))
    await asyncio.to_thread(agent.write_bytes, encode(_hum(500)))
    return caller, agent


async def _speech(folder: Path) -> Samples:
    voices = PromptCache(EspeakVoice({"es": "es+f2"}), folder / "voices", folder / "none")
    parts = []
    for word in _WORDS:
        said = np.array(read_wav(await voices.render(word, "es"))[0], dtype=np.int16)
        talk = np.tile(said, 1 + _TALK * _RATE // len(said))[: _TALK * _RATE]
        parts += [talk, np.zeros((_PERIOD - _TALK) * _RATE, dtype=np.int16)]
    return np.concatenate(parts)


def _hum(hertz: int) -> Samples:
    time = np.arange(2 * _RATE) / _RATE
    return (np.sin(2 * np.pi * hertz * time) * 3000).astype(np.int16)
