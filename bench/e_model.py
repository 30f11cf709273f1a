"""The E-model of ITU-T G.107: how good a conversation is, from its delay and its loss. Pure.

What G.107 has defaults for (levels, room noise, sidetone) is left at them, which makes the basic
rating 93.2. Both ends are headsets, so that no echo is counted. `Codec` holds what a codec costs.

Opus: M. Alahmadi, P. Počta, H. Melvin, An Adaptive Bitrate Switching Algorithm for Speech
Applications in Context of WebRTC, ACM Transactions on Multimedia Computing, Communications and
Applications 17(4), 2021, doi 10.1145/3458751. Its figures for narrow band, which is what a
telephone call is, end at 11 kbit/s with an Ie of 2.03 and a Bpl of 15.95 for random loss. A browser
sends more than that: the model is a little too strict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Ro - Is with all defaults (ITU-T G.107, table 3).
_BASIC_RATING = 93.2
# The delay below which nobody minds, in milliseconds (mT), for people who are sensitive to it.
_UNNOTICED_MS = 100.0


@dataclass(frozen=True, slots=True)
class Codec:
    """What a codec costs: impairment without loss (Ie), robustness against random loss (Bpl)."""

    ie: float
    bpl: float


OPUS = Codec(ie=2.03, bpl=15.95)


def rating(delay_ms: float, loss_percent: float, codec: Codec = OPUS) -> float:
    """The transmission rating R, from 0 (hopeless) to 93.2 less what the codec costs.

    `delay_ms` is from mouth to ear; `loss_percent` is what the codec was left without, at random.
    """
    return max(
        _BASIC_RATING - _delay_impairment(delay_ms) - _loss_impairment(loss_percent, codec), 0
    )


def mos(rating: float) -> float:
    """What people would say on average of a conversation with this R, from 1 (bad) to 4.5."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    opinion = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return max(opinion, 1.0)


def _delay_impairment(delay_ms: float) -> float:
    """Idd, by G.107 (7-27) and (7-28)."""
    if delay_ms <= _UNNOTICED_MS:
        return 0.0
    x = math.log2(delay_ms / _UNNOTICED_MS)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)


def _loss_impairment(loss_percent: float, codec: Codec) -> float:
    """Ie,eff, by G.107 (7-29); random loss has a BurstR of 1."""
    return codec.ie + (95 - codec.ie) * loss_percent / (loss_percent + codec.bpl)
