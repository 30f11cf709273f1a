"""Sounds that are computed, so that none need be shipped or licensed."""

from __future__ import annotations

from typing import Final

import numpy as np

from centralita.ivr.prompts.synthesizer import Samples

# C major 7, A minor 7, F major 7, G 6: calm, and the last leads back to the first.
_CHORDS: Final = (
    (130.81, 261.63, 329.63, 392.00, 493.88),
    (110.00, 261.63, 329.63, 392.00, 440.00),
    (174.61, 261.63, 329.63, 349.23, 440.00),
    (98.00, 246.94, 293.66, 392.00, 329.63),
)
_CHORD_LASTS: Final = 3.0
_MUSIC_PEAK: Final = 10 ** (-17 / 20)
_BEEP_PEAK: Final = 10 ** (-9 / 20)


def music_on_hold(rate: int) -> Samples:
    """Twelve quiet seconds of soft chords that loop without a seam."""
    length = int(rate * _CHORD_LASTS)
    total = length * len(_CHORDS)
    music = np.zeros(total)
    ring = int(length * 1.5)  # each chord fades while the next one sounds
    time = np.arange(ring) / rate
    swell = np.minimum(1, time / 0.4) * np.exp(-time / 1.6)
    swell *= np.minimum(1, (ring - np.arange(ring)) / (0.3 * rate))
    for number, chord in enumerate(_CHORDS):
        sound = np.zeros(ring)
        for voice, pitch in enumerate(chord):
            # Struck one after another, like a slow arpeggio; a faint octave gives it warmth.
            delay = int(voice * 0.09 * rate)
            tone = np.sin(2 * np.pi * pitch * time) + 0.2 * np.sin(4 * np.pi * pitch * time)
            sound[delay:] += (tone * swell)[: ring - delay]
        places = (number * length + np.arange(ring)) % total  # the last chord rings into the first
        music[places] += sound
    return np.asarray(music / np.abs(music).max() * _MUSIC_PEAK, np.float32)


def ringing(rate: int) -> Samples:
    """The ringing tone of most of Europe: 425 Hz, a second and a half of each four and a half."""
    time = np.arange(int(rate * 1.5)) / rate
    edges = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    tone = np.sin(2 * np.pi * 425 * time) * edges * _MUSIC_PEAK
    return np.asarray(np.concatenate([tone, np.zeros(rate * 3)]), np.float32)


def beep(rate: int) -> Samples:
    """The tone after which a voicemail begins: 1 kHz for 0.4 s, with soft edges."""
    time = np.arange(int(rate * 0.4)) / rate
    edges = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return np.asarray(np.sin(2 * np.pi * 1000 * time) * edges * _BEEP_PEAK, np.float32)
