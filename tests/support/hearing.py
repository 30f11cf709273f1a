"""Who hears whom: each person in a test hums a pitch of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.telephony.phone.rtp import RATE, HeardFrame
from tests.support.telephony import tone

CALLER, ANA, LUIS, OUTSIDE = 600, 1000, 1400, 1800


async def answers(phone: Phone, hertz: int) -> PhoneCall:
    """Pick up, and hum."""
    call = await asyncio.wait_for(phone.incoming.get(), 10)
    call.audio.hum(tone(hertz, 1))
    call.accept()
    await call.wait_answered()
    return call


def hears(*hertz: int) -> Callable[[HeardFrame], bool]:
    """Whether just these of the tones are heard."""

    def so(frame: HeardFrame) -> bool:
        spectrum = np.abs(np.fft.rfft(frame.samples.astype(np.float64))) ** 2
        whole = float(spectrum[1:].sum())
        if not hertz:
            return frame.rms < 100

        def part(pitch: int) -> float:
            nearest = round(pitch * len(frame.samples) / RATE)
            return float(spectrum[nearest - 1 : nearest + 2].sum()) / whole if whole else 0.0

        wanted = all(part(pitch) > 0.6 / len(hertz) for pitch in hertz)
        others = {CALLER, ANA, LUIS, OUTSIDE}.difference(hertz)
        return frame.rms > 100 and wanted and all(part(pitch) < 0.1 for pitch in others)

    return so


def music(frame: HeardFrame) -> bool:
    """Something that is none of the people."""
    return frame.rms > 50 and not any(
        frame.has_tone(pitch) for pitch in (CALLER, ANA, LUIS, OUTSIDE)
    )


async def steadily(call: PhoneCall, wanted: Callable[[HeardFrame], bool], frames: int = 10) -> None:
    """Until so many frames in a row are as wanted."""
    row = 0

    def enough(frame: HeardFrame) -> bool:
        nonlocal row
        row = row + 1 if wanted(frame) else 0
        return row >= frames

    await call.audio.until(enough)
