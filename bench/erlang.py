"""`./dev bench erlang`: does the dispatcher make callers wait as long as queueing theory says?

A simulation of discrete events around the real dispatcher and board, in virtual time: callers
come at random (exponential times between them), conversations last at random, agents pick up at
once. Then the mean wait is known exactly: Erlang C, where callers wait for ever, and Erlang A,
where their patience is exponential. A router that loses time or calls, leaves an agent idle or
prefers somebody shows here, however right each of its decisions looks.

Each run is checked twice. The mean is compared with the formula, within a confidence interval
(95 %, batch means, with the realised times between calls and of talk as control variates). And
each single wait is compared with the textbook's recursion for the same callers.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.erlang_formulas import erlang_a, erlang_c
from centralita.core.bus import Bus
from centralita.core.ids import AgentId, CallId, LegId, PlaybackId, QueueId
from centralita.routing.agent import AgentProfile, AgentStatus
from centralita.routing.board import Board
from centralita.routing.dispatcher import Dispatcher
from centralita.routing.events import CallAbandoned, ConversationStarted
from centralita.routing.queue import QueueConfig, QueuedCall
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import EndReason, LegAnswered, LegEnded, LegEvent
from centralita.telephony.fake import FakeCallControl
from tests.support.center import Announcements, Phones
from tests.support.virtual_time import LoopClock, VirtualLoop

Seconds = npt.NDArray[np.float64]

TALK = 180.0
"""The mean of a conversation, in seconds."""

PATIENCE = 120.0
"""The mean patience of the callers of Erlang A, in seconds."""

_BATCHES = 50
_STUDENT_95 = 2.013  # of 47 degrees of freedom, and not far from those near it
_FOREVER = timedelta(days=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is simulated. `load` is offered work for each agent; `tolerance` a part of the mean."""

    model: str
    agents: int
    load: float
    calls: int
    tolerance: float
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Waits in seconds. `interval` is half the confidence interval, as a part of `theory`.

    `worst` is the largest difference of a single wait from the recursion's.
    """

    case: Case
    theory: float
    measured: float
    interval: float
    abandoned: float
    abandoned_theory: float
    worst: float
    took: float

    @property
    def difference(self) -> float:
        """Of measured from theory, as a part of it."""
        return self.measured / self.theory - 1

    @property
    def agrees(self) -> bool:
        """Whether both are within the tolerance, and every wait is the recursion's."""
        tolerance = self.case.tolerance
        return (
            abs(self.difference) <= tolerance and self.interval <= tolerance and self.worst < 0.001
        )


CASES = (
    Case(model="C", agents=2, load=0.5, calls=500_000, tolerance=0.02),
    Case(model="C", agents=2, load=0.6, calls=500_000, tolerance=0.02),
    Case(model="C", agents=2, load=0.7, calls=500_000, tolerance=0.02),
    Case(model="A", agents=10, load=0.8, calls=300_000, tolerance=0.03),
    Case(model="A", agents=10, load=1.0, calls=150_000, tolerance=0.03),
    Case(model="A", agents=10, load=1.2, calls=100_000, tolerance=0.03),
)


async def main(arguments: Sequence[str]) -> int:
    """Run all cases, print the table; 1 when one does not agree."""
    parser = argparse.ArgumentParser(prog="./dev bench erlang", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer calls than usual")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    cases = [Case(**{**asdict(case), "calls": int(case.calls * options.scale)}) for case in CASES]
    print(
        "Erlang  agents  load    calls  theory s  measured s  differs    95 % CI  abandoned  theory"
    )
    outcomes = []
    with ProcessPoolExecutor(options.processes) as pool:
        for outcome in pool.map(simulate, cases):
            outcomes.append(outcome)
            case = outcome.case
            print(
                f"{case.model:>6}{case.agents:8}{case.load:6.2f}{case.calls:9}"
                f"{outcome.theory:10.3f}{outcome.measured:12.3f}{outcome.difference:+9.2%}"
                f"    ±{outcome.interval:7.2%}{outcome.abandoned:11.3%}"
                f"{outcome.abandoned_theory:8.3%}{'' if outcome.agrees else '  DOES NOT AGREE'}",
                flush=True,
            )
    worst = max(outcome.worst for outcome in outcomes)
    took = sum(outcome.took for outcome in outcomes) / sum(case.calls for case in cases)
    print(f"no wait differs from the recursion by more than {worst * 1e6:.0f} µs")
    print(f"{took * 1e6:.0f} µs a call, from the queue to the end")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=2) + "\n")
    return int(not all(outcome.agrees for outcome in outcomes))


def simulate(case: Case) -> Outcome:
    """One case, in an event loop of its own whose time leaps."""
    dice = np.random.default_rng(case.seed)
    gaps = dice.exponential(TALK / (case.agents * case.load), case.calls)
    talks = dice.exponential(TALK, case.calls)
    if case.model == "A":
        patience = dice.exponential(PATIENCE, case.calls)
        theory, gone = erlang_a(case.agents, case.agents * case.load, TALK, PATIENCE)
    else:
        patience = np.full(case.calls, math.inf)
        theory, gone = erlang_c(case.agents, case.agents * case.load, TALK), 0.0
    began = time.perf_counter()
    loop = VirtualLoop()
    try:
        waits = loop.run_until_complete(_House(case.agents, gaps, talks, patience).run())
    finally:
        loop.close()
    took = time.perf_counter() - began
    arrivals = np.cumsum(gaps)
    recursion = waits_by_recursion(case.agents, arrivals, talks, patience)
    measured, interval = _mean(waits, gaps, talks, TALK / (case.agents * case.load))
    return Outcome(
        case=case,
        theory=theory,
        measured=measured,
        interval=interval / theory,
        abandoned=float(np.mean(waits >= patience - 1e-5)),
        abandoned_theory=gone,
        worst=float(np.abs(waits - recursion).max()),
        took=took,
    )


class _Exchange(FakeCallControl):
    """Telephony that takes no time and remembers nobody: agents pick up as they are dialled."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    def happens(self, event: LegEvent) -> None:
        """Tell it when whatever runs now has run."""
        asyncio.get_running_loop().call_soon(self._bus.publish, event)

    def remember(self, leg_id: LegId, name: str, text: str) -> None:
        pass

    async def play(self, leg_id: LegId, files: Sequence[Path], *, loop: bool = False) -> PlaybackId:
        return PlaybackId("music")

    async def bridge(self, leg_id: LegId, other: LegId) -> None:
        pass

    async def dial(
        self,
        call_id: CallId,
        leg_id: LegId,
        attempts: Sequence[Attempt],
        *,
        beside: LegId | None,
    ) -> None:
        self.happens(LegAnswered(leg_id=leg_id, call_id=call_id, codec="PCMA/8000"))

    async def hang_up(self, leg_id: LegId, reason: EndReason) -> None:
        raise AssertionError("in this house nobody but caller and agent hang up")


class _House:
    """Board and dispatcher as they are in the server, and callers and agents by the dice."""

    def __init__(self, agents: int, gaps: Seconds, talks: Seconds, patience: Seconds) -> None:
        self._gaps, self._talks, self._patience = gaps, talks, patience
        self._waits = np.full(len(gaps), math.nan)
        self._left = len(gaps)
        self._done = asyncio.Event()
        self._giving_up: dict[CallId, asyncio.TimerHandle] = {}
        self._bus = Bus()
        self._clock = LoopClock()
        self._exchange = _Exchange(self._bus)
        queue = QueueConfig(
            queue_id=QueueId("sales"),
            title="Sales",
            wrap_up=timedelta(0),
            drop_window=timedelta(0),
            max_wait=_FOREVER,
            announce_every=_FOREVER,
            exit_when_empty=False,
            record=False,
        )
        self._profiles = [
            AgentProfile(
                agent_id=AgentId(f"agent-{number}"),
                name=f"Agent {number}",
                extension=str(200 + number),
                queues=frozenset({queue.queue_id}),
            )
            for number in range(agents)
        ]
        self._dispatcher = Dispatcher(
            Board([queue], self._profiles),
            self._exchange,
            self._bus,
            self._clock,
            Announcements(),
            Phones(),
        )

    async def run(self) -> Seconds:
        """Until all callers have been; how long each waited."""
        self._bus.subscribe(ConversationStarted, self._talk)
        self._bus.subscribe(CallAbandoned, self._gone)
        self._dispatcher.start()
        for profile in self._profiles:
            self._dispatcher.registration(profile.extension, True)
            self._dispatcher.choose_status(profile.agent_id, AgentStatus.AVAILABLE, "")
        self._next_caller(0, asyncio.get_running_loop().time())
        await self._done.wait()
        await self._dispatcher.close()
        return self._waits

    def _next_caller(self, number: int, now: float) -> None:
        # Reckoned from the one before and not from the loop's time, which comes a bit later.
        if number < len(self._gaps):
            at = now + float(self._gaps[number])
            asyncio.get_running_loop().call_at(at, self._arrives, number, at)

    def _arrives(self, number: int, at: float) -> None:
        call_id, leg_id = CallId(str(number)), LegId(f"caller {number}")
        if math.isfinite(self._patience[number]):
            ends = LegEnded(leg_id=leg_id, call_id=call_id, reason=EndReason.REMOTE_HANGUP)
            self._giving_up[call_id] = asyncio.get_running_loop().call_at(
                at + float(self._patience[number]), self._bus.publish, ends
            )
        now = self._clock.now()
        call = QueuedCall(
            call_id=call_id,
            leg_id=leg_id,
            queue_id=QueueId("sales"),
            queued_at=now,
            give_up_at=now + _FOREVER,
        )
        self._dispatcher.enqueue(call, lambda returned: None)
        self._next_caller(number + 1, at)

    def _talk(self, event: ConversationStarted) -> None:
        """The agent has picked up: they talk for as long as the dice say."""
        giving_up = self._giving_up.pop(event.call_id, None)
        if giving_up is not None:
            giving_up.cancel()
        ends = LegEnded(
            leg_id=event.agent_leg, call_id=event.call_id, reason=EndReason.REMOTE_HANGUP
        )
        loop = asyncio.get_running_loop()
        loop.call_later(float(self._talks[int(event.call_id)]), self._bus.publish, ends)
        self._note(event.call_id, event.waited)

    def _gone(self, event: CallAbandoned) -> None:
        self._giving_up.pop(event.call_id)
        self._note(event.call_id, event.waited)

    def _note(self, call_id: CallId, waited: timedelta) -> None:
        self._waits[int(call_id)] = waited.total_seconds()
        self._left -= 1
        if not self._left:
            self._done.set()


def waits_by_recursion(
    agents: int, arrivals: Seconds, talks: Seconds, patience: Seconds
) -> Seconds:
    """How long each caller waits, first come, first served (Kiefer and Wolfowitz).

    Each is served by the agent who is free first, unless that takes longer than the patience.
    """
    free_at = [0.0] * agents
    waits = np.empty(len(arrivals))
    for number, (arrival, talk, patient) in enumerate(
        zip(arrivals.tolist(), talks.tolist(), patience.tolist(), strict=True)
    ):
        wait = max(0.0, free_at[0] - arrival)
        waits[number] = min(wait, patient)
        if wait <= patient:
            heapq.heapreplace(free_at, arrival + wait + talk)
    return waits


def _mean(waits: Seconds, gaps: Seconds, talks: Seconds, mean_gap: float) -> tuple[float, float]:
    """The mean of `waits`, and half its 95 % confidence interval.

    Successive waits depend on each other, means of long batches hardly do. What chance did to the
    times between calls and of talk in a batch is known, and so is what that does to its waits.
    """

    def batches(values: Seconds) -> Seconds:
        size = len(values) // _BATCHES
        means: Seconds = values[-size * _BATCHES :].reshape(_BATCHES, size).mean(axis=1)
        return means

    controls = np.column_stack([batches(gaps) - mean_gap, batches(talks) - TALK])
    means = batches(waits)
    design = np.column_stack([np.ones(_BATCHES), controls])
    estimate, *_ = np.linalg.lstsq(design, means, rcond=None)
    left_over = means - controls @ estimate[1:]
    spread = float(left_over.std(ddof=3))
    return float(left_over.mean()), _STUDENT_95 * spread / math.sqrt(_BATCHES)
