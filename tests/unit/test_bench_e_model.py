"""The bench's MOS is G.107's, and its chirps are found again where they are."""

from __future__ import annotations

import numpy as np
import pytest

from bench.chirps import CHIRP, Block, delays, times_of_chirps
from bench.e_model import OPUS, Codec, mos, rating
from tests.support.phones import RATE, sound

_PERFECT = Codec(ie=0, bpl=4.3)


@pytest.mark.parametrize(
    ("transmission", "opinion"),
    [(0, 1.0), (50, 2.58), (60, 3.1), (70, 3.6), (80, 4.02), (90, 4.34), (93.2, 4.41), (100, 4.5)],
)
def test_a_rating_is_worth_the_opinion_that_g_107_gives_it(
    transmission: float, opinion: float
) -> None:
    assert mos(transmission) == pytest.approx(opinion, abs=0.01)


@pytest.mark.parametrize(
    ("delay_ms", "costs"), [(0, 0), (100, 0), (150, 0.2), (250, 8.9), (400, 24.1)]
)
def test_a_delay_costs_what_g_107_says(delay_ms: float, costs: float) -> None:
    assert rating(delay_ms, 0, _PERFECT) == pytest.approx(93.2 - costs, abs=0.2)


def test_loss_costs_more_the_less_a_codec_stands_it() -> None:
    # Ie,eff of 95 Ppl / (Ppl + Bpl): half of all at a loss that equals Bpl.
    assert rating(0, 4.3, _PERFECT) == pytest.approx(93.2 - 47.5)
    assert rating(0, 3, OPUS) > rating(0, 3, _PERFECT)
    assert rating(0, 0, OPUS) == pytest.approx(93.2 - OPUS.ie)


def test_a_hopeless_call_is_not_worse_than_bad() -> None:
    assert rating(5000, 90, _PERFECT) == 0
    assert mos(rating(5000, 90, _PERFECT)) == 1


def test_chirps_are_found_where_they_begin_by_the_clock_of_their_blocks() -> None:
    noise = np.random.default_rng(1).normal(0, 300, 3 * RATE).astype(np.int16)
    heard = sound(0.25, CHIRP, 1.0, CHIRP, 1.0)[: 3 * RATE]
    whole = (np.pad(heard, (0, 3 * RATE - len(heard))) // 2 + noise).astype(np.int16)
    blocks = [
        Block(100 + place / RATE, whole[place : place + 160]) for place in range(0, len(whole), 160)
    ]
    assert times_of_chirps(blocks) == pytest.approx([100.25, 101.45], abs=0.001)
    assert times_of_chirps([]) == []
    silence = [Block(0.0, np.zeros(RATE, dtype=np.int16))]
    assert times_of_chirps(silence) == []


def test_a_chirp_that_was_never_heard_has_no_delay() -> None:
    assert delays([1.0, 2.0, 3.0], [1.1, 3.2]) == pytest.approx([0.1, 0.2])
