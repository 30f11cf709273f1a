"""How long callers wait before agents, by queueing theory."""

from __future__ import annotations


def erlang_c(agents: int, load: float, talk: float) -> float:
    """The mean wait where callers come at random and have endless patience (M/M/c).

    `load` is the offered work in Erlang (calls a second times seconds of talk), below `agents`;
    `talk` the mean time of a conversation. The wait is in the unit of `talk`, and counts those
    who need not wait. A. K. Erlang, 1917.
    """
    if not load < agents:
        raise ValueError(f"{load:g} Erlang are too many for {agents} agents: the queue would grow")
    # Erlang B by its recursion, as the factorials of the formula overflow.
    blocked = 1.0
    for number in range(1, agents + 1):
        blocked = load * blocked / (number + load * blocked)
    waiting = blocked / (1 - load / agents * (1 - blocked))
    return waiting * talk / (agents - load)


def erlang_a(agents: int, load: float, talk: float, patience: float) -> tuple[float, float]:
    """The mean wait of all callers, and the part that hangs up, with random patience (M/M/c+M).

    As `erlang_c`, for any load; `patience` is the mean time after which a waiting caller hangs
    up, in the unit of `talk`. Conny Palm, 1946.
    """
    served, gives_up, comes = 1 / talk, 1 / patience, load / talk
    # The likelihood of each number of callers in the house, relative to that of none.
    likelihood, total, waiting = 1.0, 1.0, 0.0
    number = 0
    while number < agents or likelihood > total * 1e-18:
        number += 1
        leaves = min(number, agents) * served + max(0, number - agents) * gives_up
        likelihood *= comes / leaves
        total += likelihood
        waiting += max(0, number - agents) * likelihood
    mean_waiting = waiting / total
    return mean_waiting / comes, gives_up * mean_waiting / comes
