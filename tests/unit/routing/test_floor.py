"""The indexes of the floor against a floor that has none: the same days, decision for decision."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from centralita.core.clock import ManualClock
from centralita.core.errors import Conflict
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.routing import line
from centralita.routing.actions import Action
from centralita.routing.agent import AgentProfile, AgentStatus
from centralita.routing.board import Board
from centralita.routing.floor import Floor
from centralita.routing.offer import OfferState
from centralita.routing.queue import QueueConfig, QueuedCall
from tests.support.plain_floor import PlainFloor

SKILLS = ("billing", "german", "network", "vip")
REFUSALS = (OfferState.DECLINED, OfferState.NO_ANSWER, OfferState.UNREACHABLE)


class Side:
    """One board, and what it did in words that do not depend on random identifiers."""

    def __init__(self, floor: Floor, days: Days) -> None:
        self.board = Board(days.queues, days.profiles, floor)
        self._offers: dict[str, str] = {}

    def words(self, actions: list[Action]) -> list[str]:
        def number(found: re.Match[str]) -> str:
            return self._offers.setdefault(found[0], f"offer {len(self._offers)}")

        return [re.sub(r"offer_[0-9a-f]{24}", number, repr(action)) for action in actions]


class Days:
    """A house that is made up, and so is what happens in it. The same for both sides."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = ManualClock().now()
        self.calls = 0
        self.decisions = 0
        self.queue_ids = [QueueId(f"queue-{n}") for n in range(self.dice.choice([1, 2, 5]))]
        self.queues = [self.queue(queue_id) for queue_id in self.queue_ids]
        self.profiles = [self.profile(n) for n in range(self.dice.choice([3, 10, 30]))]
        self.plain = Side(PlainFloor(), self)
        self.indexed = Side(Floor(), self)
        self.both(lambda board: board.open(self.now))

    def queue(self, queue_id: QueueId) -> QueueConfig:
        return QueueConfig(
            queue_id=queue_id,
            title=queue_id,
            skills=self.skills(0.1),
            strategy=self.dice.choice(["longest_idle", "most_skilled"]),
            ring_time=self.seconds(5, 20),
            wrap_up=self.seconds(0, 10),
            exit_when_empty=self.dice.random() < 0.5,
            exit_key="*",
        )

    def profile(self, number: int) -> AgentProfile:
        return AgentProfile(
            agent_id=AgentId(f"agent-{number}"),
            name=f"agent-{number}",
            extension=str(200 + number % 25),  # some share a phone
            skills=self.skills(0.5),
            queues=frozenset(
                queue_id
                for queue_id in [*self.queue_ids, QueueId("not there")]
                if self.dice.random() < 0.5
            ),
        )

    def skills(self, share: float) -> dict[str, int]:
        return {skill: self.dice.randint(1, 3) for skill in SKILLS if self.dice.random() < share}

    def seconds(self, *choices: float) -> timedelta:
        return timedelta(seconds=self.dice.choice(choices))

    def both(self, decide: Callable[[Board], list[Action]]) -> None:
        """The decision on both boards, which must not differ, nor leave a difference."""
        self.decisions += 1
        outcomes: list[list[str]] = []
        for side in (self.plain, self.indexed):
            try:
                outcomes.append(side.words(decide(side.board)))
            except Conflict as exc:
                outcomes.append([str(exc)])
        assert outcomes[0] == outcomes[1]
        plain, indexed = self.plain.board, self.indexed.board
        assert plain.next_deadline() == indexed.next_deadline()
        assert self.plain.words([*plain.snapshot()]) == self.indexed.words([*indexed.snapshot()])

    def something_happens(self) -> None:
        self.now += self.seconds(0, 0, 0.1, 1, 3)
        happenings: list[tuple[float, Callable[[], None]]] = [
            (30, self.a_caller_comes),
            (15, self.an_agent_begins),
            (4, self.an_agent_chooses),
            (2, self.a_phone_goes),
            (9, self.a_caller_goes),
            (15, self.an_agent_answers),
            (6, self.an_agent_refuses),
            (10, self.a_conversation_ends),
            (4, self.a_wrap_up_ends),
            (5, self.time_passes),
            (0.5, self.the_directory_changes),
        ]
        shares = [share for share, _ in happenings]
        (happening,) = self.dice.choices([what for _, what in happenings], shares)
        happening()
        call_id = CallId(f"call-{self.dice.randint(1, self.calls + 1)}")
        plain, indexed = self.plain.board, self.indexed.board
        assert plain.position(call_id) == indexed.position(call_id)
        extension = str(200 + self.dice.randrange(25))
        assert plain.at_extension(extension) == indexed.at_extension(extension)

    def a_caller_comes(self) -> None:
        self.calls += 1
        call = QueuedCall(
            call_id=CallId(f"call-{self.calls}"),
            leg_id=LegId(f"leg-{self.calls}"),
            queue_id=self.dice.choice(self.queue_ids),
            queued_at=self.now - self.seconds(0, 0, 5),
            give_up_at=self.now + self.seconds(60, 200, 300),
            priority=self.dice.randint(-1, 1),
            skills=self.skills(0.25),
        )
        self.both(lambda board: board.enqueue(call, self.now))

    def an_agent_begins(self) -> None:
        agent_id = self.dice.choice(self.profiles).agent_id
        self.both(lambda board: board.registration(agent_id, True, self.now))
        self.both(lambda b: b.choose_status(agent_id, AgentStatus.AVAILABLE, "", self.now))

    def an_agent_chooses(self) -> None:
        agent_id = self.dice.choice(self.profiles).agent_id
        status = self.dice.choice(list(AgentStatus))
        self.both(lambda board: board.choose_status(agent_id, status, "", self.now))

    def a_phone_goes(self) -> None:
        agent_id = self.dice.choice(self.profiles).agent_id
        self.both(lambda board: board.registration(agent_id, False, self.now))
        if self.dice.random() < 0.5:
            self.both(lambda board: board.phone_lost(agent_id, self.now))

    def a_caller_goes(self) -> None:
        call_id = CallId(f"call-{self.dice.randint(1, self.calls + 1)}")
        way = self.dice.randrange(3)
        if way == 0:
            self.both(lambda board: board.caller_gone(call_id, self.now))
        elif way == 1:
            self.both(lambda board: board.key_pressed(call_id, "*", self.now))
        else:
            self.both(lambda board: board.transferred(call_id, self.now))

    def an_agent_answers(self) -> None:
        offer_at = self.dice.randrange(1 << 20)
        leg_id = LegId(f"leg {self.decisions}")
        self.both(lambda board: board.agent_answered(ringing(board, offer_at), leg_id, self.now))

    def an_agent_refuses(self) -> None:
        offer_at, how = self.dice.randrange(1 << 20), self.dice.choice(REFUSALS)
        self.both(lambda board: board.agent_leg_ended(ringing(board, offer_at), how, self.now))

    def a_conversation_ends(self) -> None:
        at, broken = self.dice.randrange(1 << 20), self.dice.random() < 0.2

        def end(board: Board) -> list[Action]:
            talks = [talk.offer.offer_id for talk in board.conversations.values()]
            offer_id = talks[at % len(talks)] if talks else OfferId("none")
            return board.agent_leg_ended(offer_id, OfferState.NO_ANSWER, self.now, broken=broken)

        self.both(end)

    def a_wrap_up_ends(self) -> None:
        agent_id = self.dice.choice(self.profiles).agent_id
        if self.dice.random() < 0.5:
            self.both(lambda board: board.finish_wrap_up(agent_id, self.now))
        else:
            more = timedelta(seconds=5)
            self.both(lambda board: board.extend_wrap_up(agent_id, more, self.now))

    def time_passes(self) -> None:
        self.now += self.seconds(1, 10, 60)
        self.both(lambda board: board.expire(self.now))

    def the_directory_changes(self) -> None:
        """Other skills, queues and strategies; some leave, and may come back another time."""
        changed = self.dice.randrange(len(self.queues))
        self.queues[changed] = self.queue(self.queue_ids[changed])
        for number in range(len(self.profiles)):
            if self.dice.random() < 0.3:
                self.profiles[number] = self.profile(number)
        present = [profile for profile in self.profiles if self.dice.random() < 0.95]
        self.both(lambda board: board.configure(self.queues, present, self.now))


def ringing(board: Board, at: int) -> OfferId:
    offers = list(board.offers)
    return offers[at % len(offers)] if offers else OfferId("none")


@pytest.mark.parametrize("seed", range(30))
def test_indexes_change_no_decision(seed: int) -> None:
    days = Days(seed)
    for _ in range(300):
        days.something_happens()
    assert days.calls > 50


def test_demands_that_nobody_makes_any_more_are_forgotten() -> None:
    """Skills can be made up call by call; what remains of them is bounded."""
    now = ManualClock().now()
    queue = QueueConfig(queue_id=QueueId("sales"), title="Sales")
    before = line.Line(queue)
    for number in range(5000):
        call = QueuedCall(
            call_id=CallId(f"call-{number}"),
            leg_id=LegId("leg"),
            queue_id=queue.queue_id,
            queued_at=now,
            give_up_at=now,
            skills={f"skill-{number}": 1},
        )
        before.put_call(call)
        before.drop_call(call)
    assert before.demands() <= 1000
