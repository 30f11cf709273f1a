"""Queueing theory and the dispatcher, in short; `./dev bench erlang` does it at length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.erlang import Case, simulate, waits_by_recursion
from bench.erlang_formulas import erlang_a, erlang_c


def test_the_formulas_give_the_values_of_the_tables() -> None:
    assert erlang_c(1, 0.5, 1) == pytest.approx(1.0)
    assert erlang_c(10, 8, 2) == pytest.approx(0.4092, abs=1e-4)  # P(wait) is 0.4092
    # With patience as long as talk everybody leaves at the same rate: a Poisson number of callers.
    wait, gone = erlang_a(1, 1, 1, 1)
    assert wait == pytest.approx(math.exp(-1)) and gone == pytest.approx(math.exp(-1))
    assert erlang_a(10, 8, 180, 1e9)[0] == pytest.approx(erlang_c(10, 8, 180), rel=1e-4)
    with pytest.raises(ValueError, match="10 Erlang are too many for 10 agents"):
        erlang_c(10, 10, 180)


def test_the_recursion_serves_in_turn_and_lets_the_impatient_go() -> None:
    arrivals, talks = np.array([0.0, 1.0, 2.0]), np.array([10.0, 5.0, 5.0])
    endless, short = np.full(3, math.inf), np.array([math.inf, 3.0, math.inf])
    assert waits_by_recursion(1, arrivals, talks, endless).tolist() == [0, 9, 13]
    assert waits_by_recursion(1, arrivals, talks, short).tolist() == [0, 3, 8]


@pytest.mark.parametrize(("model", "agents", "load"), [("C", 3, 0.7), ("A", 10, 1.1)])
def test_callers_wait_as_long_as_theory_says(model: str, agents: int, load: float) -> None:
    outcome = simulate(Case(model=model, agents=agents, load=load, calls=3000, tolerance=1))
    assert outcome.worst < 0.001, "a caller waited longer or shorter than need be"
    assert abs(outcome.difference) < 2 * outcome.interval
    assert abs(outcome.abandoned - outcome.abandoned_theory) < 0.05
