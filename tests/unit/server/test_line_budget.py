"""What a child prints reaches the log within bounds."""

from __future__ import annotations

from centralita.server.line_budget import LineBudget


def test_a_child_that_says_much_at_once_is_heard_and_then_held_back() -> None:
    budget = LineBudget(at_once=5, per_second=1)
    assert [budget.take(100.0) for _ in range(8)] == [True] * 5 + [False] * 3
    assert budget.withheld(100.0) == 3
    assert budget.withheld(120.0) == 0


def test_how_much_was_left_out_is_told_now_and_then() -> None:
    budget = LineBudget(at_once=1, per_second=0)
    assert [budget.take(100.0) for _ in range(3)] == [True, False, False]
    assert budget.withheld(100.0) == 2
    assert not budget.take(101.0)
    assert budget.withheld(101.0) == 0
    assert budget.withheld(111.0) == 1


def test_who_is_quiet_for_a_while_may_speak_again() -> None:
    budget = LineBudget(at_once=5, per_second=1)
    while budget.take(100.0):
        pass
    assert budget.take(102.5)
    assert budget.take(102.5)
    assert not budget.take(102.5)
