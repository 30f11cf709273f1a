"""The board alone, in virtual time: whatever happens in whatever order, nobody is lost or stuck."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from centralita.core.clock import ManualClock
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.routing.actions import (
    Action,
    ConnectCall,
    EndAgentLeg,
    ResumeWaiting,
    ReturnCaller,
    RingAgent,
)
from centralita.routing.agent import AgentProfile, AgentState, AgentStatus
from centralita.routing.board import Board
from centralita.routing.events import (
    AgentChanged,
    CallAbandoned,
    CallLeftQueue,
    CallQueued,
    CallRequeued,
    CallTakenOver,
    ConversationEnded,
    ConversationStarted,
    LeaveReason,
    OfferMade,
    OfferSettled,
    QueueChanged,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.routing.offer import Offer, OfferState
from centralita.routing.queue import QueueConfig, QueuedCall

SALES = QueueId("sales")
SUPPORT = QueueId("support")
QUEUES = (
    QueueConfig(queue_id=SALES, title="Sales", exit_key="*", wrap_up=timedelta(0)),
    QueueConfig(
        queue_id=SUPPORT,
        title="Support",
        skills={"technical": 1},
        strategy="most_skilled",
        exit_when_empty=False,
        max_wait=timedelta(minutes=2),
    ),
)
ANA, BEA, CARLOS = AgentId("ana"), AgentId("bea"), AgentId("carlos")
PROFILES = (
    AgentProfile(agent_id=ANA, name="Ana", extension="201", queues=frozenset({SALES})),
    AgentProfile(
        agent_id=BEA,
        name="Bea",
        extension="202",
        skills={"technical": 2, "german": 1},
        queues=frozenset({SALES, SUPPORT}),
    ),
    AgentProfile(
        agent_id=CARLOS,
        name="Carlos",
        extension="203",
        skills={"technical": 3},
        queues=frozenset({SUPPORT}),
    ),
)
AGENTS = st.sampled_from([ANA, BEA, CARLOS])
REFUSALS = st.sampled_from([OfferState.DECLINED, OfferState.NO_ANSWER, OfferState.UNREACHABLE])


class House(RuleBasedStateMachine):
    """A day at the switchboard, with a second set of books beside the board's own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = ManualClock().now()
        self.board = Board(QUEUES, PROFILES)
        self.number = 0
        self.waiting: set[CallId] = set()
        self.talking: dict[CallId, AgentId] = {}
        self.left: Counter[CallId] = Counter()
        self.ever: set[CallId] = set()
        self.ringing: dict[OfferId, tuple[CallId, AgentId]] = {}
        self.offers: list[OfferId] = []
        self.figures: dict[QueueId, QueueChanged] = {}
        self.agents: dict[AgentId, AgentChanged] = {}
        self.wrapping_up: set[AgentId] = set()

    @initialize()
    def opens(self) -> None:
        self.take(self.board.open(self.now))
        for queue_id in self.board.queues:
            assert queue_id in self.figures

    # --- what happens ---------------------------------------------------------------------------

    @rule(
        queue=st.sampled_from([SALES, SUPPORT]),
        priority=st.integers(-1, 1),
        german=st.booleans(),
    )
    def a_caller_queues(self, queue: QueueId, priority: int, german: bool) -> None:
        self.number += 1
        call_id = CallId(f"call_{self.number}")
        self.ever.add(call_id)
        self.waiting.add(call_id)
        call = QueuedCall(
            call_id=call_id,
            leg_id=LegId(f"leg_{self.number}"),
            queue_id=queue,
            queued_at=self.now,
            give_up_at=self.now + self.board.queues[queue].max_wait,
            priority=priority,
            skills={"german": 1} if german else {},
        )
        self.take(self.board.enqueue(call, self.now))

    @precondition(lambda self: self.ever)
    @rule(data=st.data())
    def a_caller_hangs_up(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.ever)))
        was_here = call_id in self.waiting or call_id in self.talking
        self.talking.pop(call_id, None)
        actions = self.board.caller_gone(call_id, self.now)
        assert bool(actions) == was_here
        self.take(actions)
        assert call_id not in self.waiting

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), digit=st.sampled_from("*1"))
    def a_caller_presses_a_key(self, data: st.DataObject, digit: str) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.ever)))
        self.take(self.board.key_pressed(call_id, digit, self.now))

    @rule(agent=AGENTS, status=st.sampled_from(AgentStatus))
    def an_agent_chooses(self, agent: AgentId, status: AgentStatus) -> None:
        self.agents.pop(agent)  # the one change of status that the board need not explain
        self.take(self.board.choose_status(agent, status, "", self.now))

    @rule(agent=AGENTS, registered=st.booleans())
    def a_phone_comes_or_goes(self, agent: AgentId, registered: bool) -> None:
        self.take(self.board.registration(agent, registered, self.now))

    @rule(agent=AGENTS)
    def a_phone_stays_away(self, agent: AgentId) -> None:
        self.take(self.board.phone_lost(agent, self.now))

    @rule()
    def everybody_signs_in(self) -> None:
        for agent in (ANA, BEA, CARLOS):
            self.a_phone_comes_or_goes(agent, True)
            self.an_agent_chooses(agent, AgentStatus.AVAILABLE)

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def a_phone_is_picked_up(self, data: st.DataObject) -> None:
        """Any phone that ever rang: an answer can cross our CANCEL."""
        offer_id = data.draw(st.sampled_from(self.offers))
        rang = offer_id in self.ringing
        actions = self.board.agent_answered(offer_id, LegId(f"leg_{offer_id}"), self.now)
        if not rang:
            assert actions == [EndAgentLeg(offer_id=offer_id)]
        self.take(actions)

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), how=REFUSALS, broken=st.booleans())
    def an_agents_leg_ends(self, data: st.DataObject, how: OfferState, broken: bool) -> None:
        offer_id = data.draw(st.sampled_from(self.offers))
        self.take(self.board.agent_leg_ended(offer_id, how, self.now, broken=broken))

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def a_phone_could_not_be_rung(self, data: st.DataObject) -> None:
        """A fault of our own; the dispatcher tries again after a moment."""
        offer_id = data.draw(st.sampled_from(self.offers))
        before = {agent_id: agent.status for agent_id, agent in self.board.agents.items()}
        self.take([*self.board.not_rung(offer_id, self.now), *self.board.match_all(self.now)])
        after = {agent_id: agent.status for agent_id, agent in self.board.agents.items()}
        assert after == before

    @precondition(lambda self: self.talking)
    @rule(data=st.data())
    def an_agent_transfers(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.talking)))
        self.talking.pop(call_id)
        self.left[call_id] += 1
        self.take(self.board.transferred(call_id, self.now))

    @rule(agent=AGENTS, more=st.booleans())
    def an_agent_writes_up(self, agent: AgentId, more: bool) -> None:
        try:
            if more:
                self.take(self.board.extend_wrap_up(agent, timedelta(seconds=30), self.now))
            else:
                self.take(self.board.finish_wrap_up(agent, self.now))
        except Conflict:
            assert agent not in self.wrapping_up
        else:
            assert more or agent not in self.wrapping_up

    @rule(seconds=st.sampled_from([1, 2, 5, 20, 31, 120, 600]))
    def time_passes(self, seconds: int) -> None:
        """In one leap, so that much may fall due in the same instant."""
        self.now += timedelta(seconds=seconds)
        self.let_time_act()

    @rule(serves=st.dictionaries(AGENTS, st.sets(st.sampled_from([SALES, SUPPORT])), max_size=3))
    def the_directory_changes(self, serves: dict[AgentId, set[QueueId]]) -> None:
        """Some agents serve other queues, and who is not named at all has left the company."""
        profiles = [
            replace(profile, queues=frozenset(serves[profile.agent_id]))
            for profile in PROFILES
            if profile.agent_id in serves
        ]
        gone = {profile.agent_id for profile in PROFILES} - serves.keys()
        for agent_id in gone:
            self.agents.pop(agent_id)
        self.take(self.board.configure(QUEUES, profiles, self.now))
        assert all(not self.board.agents[agent_id].free for agent_id in gone)

    # --- the second books -----------------------------------------------------------------------

    def let_time_act(self) -> None:
        self.take(self.board.expire(self.now))
        deadline = self.board.next_deadline()
        assert deadline is None or deadline > self.now, "something due was left undone"

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            self.note(action)

    def note(self, action: Action) -> None:
        match action:
            case RingAgent(offer=offer, call=call):
                assert offer.call_id == call.call_id
                agents = [agent for _, agent in self.ringing.values()]
                calls = [call_id for call_id, _ in self.ringing.values()]
                assert offer.agent_id not in agents, "an agent is offered two calls"
                assert offer.call_id not in calls, "a call is offered to two agents"
                assert offer.agent_id not in self.talking.values()
                assert call.call_id in self.waiting
                self.ringing[offer.offer_id] = (offer.call_id, offer.agent_id)
                self.offers.append(offer.offer_id)
            case OfferMade(offer_id=offer_id):
                assert offer_id in self.ringing
            case OfferSettled(offer_id=offer_id):
                del self.ringing[offer_id]
            case ConversationStarted(call_id=call_id, agent_id=agent_id):
                self.waiting.remove(call_id)
                assert agent_id not in self.talking.values(), "one agent in two conversations"
                self.talking[call_id] = agent_id
            case ConversationEnded(call_id=call_id, ended_by=ended_by):
                if ended_by == "caller":
                    self.left[call_id] += 1
                elif ended_by != "transferred":
                    del self.talking[call_id]
            case CallRequeued(call_id=call_id):
                self.waiting.add(call_id)
            case CallAbandoned(call_id=call_id):
                self.waiting.remove(call_id)
                self.left[call_id] += 1
            case CallLeftQueue(call_id=call_id):
                self.waiting.remove(call_id)
            case ReturnCaller(call_id=call_id):
                assert call_id not in self.waiting
                self.left[call_id] += 1
            case WrapUpStarted(agent_id=agent_id):
                self.wrapping_up.add(agent_id)
            case WrapUpEnded(agent_id=agent_id):
                self.wrapping_up.remove(agent_id)
            case QueueChanged(queue_id=queue_id):
                self.figures[queue_id] = action
            case AgentChanged(agent=agent):
                before = self.agents.get(agent.profile.agent_id)
                if before is not None and before.agent.status is not agent.status:
                    # The house itself only ever sends the available on a break.
                    assert before.agent.status is AgentStatus.AVAILABLE
                    assert agent.status is AgentStatus.ON_BREAK
                    assert agent.reason
                self.agents[agent.profile.agent_id] = action
            case ConnectCall(conversation=conversation):
                assert conversation.call.call_id in self.waiting
            case CallQueued() | ResumeWaiting() | EndAgentLeg():
                pass
            case _:
                raise AssertionError(f"{action} is new; say what it means")

    # --- what always holds ----------------------------------------------------------------------

    @invariant()
    def every_call_is_in_one_place(self) -> None:
        assert set(self.board.calls) == self.waiting
        assert set(self.board.conversations) == set(self.talking)
        gone = self.ever - self.waiting - set(self.talking)
        assert {call_id: self.left[call_id] for call_id in gone} == dict.fromkeys(gone, 1)
        assert all(not self.left[call_id] for call_id in self.waiting | set(self.talking))

    @invariant()
    def offers_and_agents_agree(self) -> None:
        assert set(self.board.offers) == set(self.ringing)
        offered = {agent_id for _, agent_id in self.ringing.values()}
        for agent_id, agent in self.board.agents.items():
            assert (agent.state is AgentState.OFFERED) == (agent_id in offered)
            assert (agent.state is AgentState.IN_CALL) == (agent_id in self.talking.values())
            assert (agent.state is AgentState.WRAP_UP) == (agent_id in self.wrapping_up)
            assert (agent.state is AgentState.WRAP_UP) == (agent.wrap_up_until is not None)
            assert self.agents[agent_id].agent == agent, "a change was not told"
        for call_id, call in self.board.calls.items():
            rings = [offer for offer, (called, _) in self.ringing.items() if called == call_id]
            assert rings == ([] if call.offer_id is None else [call.offer_id])

    @invariant()
    def nobody_waits_while_a_fitting_agent_is_free(self) -> None:
        for call in self.board.calls.values():
            if call.offer_id is None:
                wanted = [*self.board.queues[call.queue_id].skills.items(), *call.skills.items()]
                for agent in self.board.agents.values():
                    skills = agent.profile.skills
                    assert not (
                        agent.free
                        and call.queue_id in agent.profile.queues
                        and all(skills.get(name, 0) >= level for name, level in wanted)
                    ), f"{agent.profile.name} is free and {call.call_id} waits"

    @invariant()
    def nobody_waits_in_a_queue_without_staff(self) -> None:
        for call in self.board.calls.values():
            if self.board.queues[call.queue_id].exit_when_empty and call.offer_id is None:
                assert any(
                    agent.status is AgentStatus.AVAILABLE and (agent.registered or agent.expected)
                    for agent in self.board.agents.values()
                    if call.queue_id in agent.profile.queues
                )

    @invariant()
    def the_figures_told_are_true(self) -> None:
        for queue_id, told in self.figures.items():
            calls = [call for call in self.board.calls.values() if call.queue_id == queue_id]
            assert told.waiting == len(calls)
            assert told.longest_wait_since == min((c.queued_at for c in calls), default=None)
            free = [
                agent
                for agent in self.board.agents.values()
                if agent.free and queue_id in agent.profile.queues
            ]
            assert told.agents_available == len(free)

    @invariant()
    def places_count_from_one(self) -> None:
        for queue_id in self.board.queues:
            calls = [call for call in self.board.calls.values() if call.queue_id == queue_id]
            calls.sort(key=lambda call: call.rank)
            places = [self.board.position(call.call_id) for call in calls]
            assert places == list(range(1, len(calls) + 1))

    def teardown(self) -> None:
        """When everybody hangs up and time goes on, nothing remains."""
        for call_id in sorted(self.talking):
            self.talking.pop(call_id)
            self.take(self.board.caller_gone(call_id, self.now))
        for _ in range(200):
            deadline = self.board.next_deadline()
            if deadline is None:
                break
            self.now = max(self.now, deadline)
            self.let_time_act()
        assert self.board.next_deadline() is None, "somebody is stuck"
        assert not self.board.calls
        assert not self.board.offers
        assert all(agent.state is AgentState.IDLE for agent in self.board.agents.values())


TestHouse = House.TestCase
TestHouse.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# --- single decisions -----------------------------------------------------------------------------


class Desk:
    """A board with a time of its own."""

    def __init__(self, *queues: QueueConfig) -> None:
        self.now = ManualClock().now()
        self.board = Board(queues or QUEUES, PROFILES)
        self.board.open(self.now)

    def signs_in(self, agent: AgentId) -> list[Action]:
        self.board.registration(agent, True, self.now)
        return self.board.choose_status(agent, AgentStatus.AVAILABLE, "", self.now)

    def waits(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def queues(
        self, name: str, queue: QueueId = SALES, *, priority: int = 0, german: bool = False
    ) -> list[Action]:
        call = QueuedCall(
            call_id=CallId(name),
            leg_id=LegId(f"leg-{name}"),
            queue_id=queue,
            queued_at=self.now,
            give_up_at=self.now + timedelta(minutes=10),
            priority=priority,
            skills={"german": 1} if german else {},
        )
        return self.board.enqueue(call, self.now)

    def offer(self) -> Offer:
        (offer,) = self.board.offers.values()
        return offer


def rung(actions: list[Action]) -> list[tuple[CallId, AgentId]]:
    """Who was rung for which call."""
    return [
        (action.offer.call_id, action.offer.agent_id)
        for action in actions
        if isinstance(action, RingAgent)
    ]


def left(actions: list[Action]) -> list[LeaveReason | None]:
    return [action.reason for action in actions if isinstance(action, ReturnCaller)]


def test_the_one_who_has_been_idle_longest_is_rung() -> None:
    desk = Desk()
    desk.signs_in(BEA)
    desk.waits(1)
    desk.signs_in(ANA)
    assert rung(desk.queues("c1")) == [(CallId("c1"), BEA)]
    assert rung(desk.queues("c2")) == [(CallId("c2"), ANA)]


def test_most_skilled_takes_the_expert_before_the_idle_one() -> None:
    queue = QueueConfig(queue_id=SUPPORT, title="Support", strategy="most_skilled")
    desk = Desk(queue)
    desk.signs_in(BEA)
    desk.waits(60)
    desk.signs_in(CARLOS)
    call = QueuedCall(
        call_id=CallId("c1"),
        leg_id=LegId("l1"),
        queue_id=SUPPORT,
        queued_at=desk.now,
        give_up_at=desk.now + timedelta(minutes=1),
        skills={"technical": 1},
    )
    assert rung(desk.board.enqueue(call, desk.now)) == [(CallId("c1"), CARLOS)]


def test_priority_goes_first_and_then_the_longer_wait() -> None:
    desk = Desk(QueueConfig(queue_id=SALES, title="Sales", exit_when_empty=False))
    for name, priority in (("first", 0), ("second", 0), ("urgent", 5)):
        desk.queues(name, priority=priority)
        desk.waits(1)
    assert [desk.board.position(CallId(c)) for c in ("first", "second", "urgent")] == [2, 3, 1]
    assert rung(desk.signs_in(ANA)) == [(CallId("urgent"), ANA)]


def test_a_skill_that_is_asked_for_is_waited_for() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    assert rung(desk.queues("c1", german=True)) == []
    assert rung(desk.signs_in(BEA)) == [(CallId("c1"), BEA)]


def test_a_queue_without_anybody_sends_the_caller_on_at_once() -> None:
    desk = Desk()
    assert left(desk.queues("c1")) == [LeaveReason.EMPTY]
    assert desk.board.calls == {}


def test_the_last_agent_who_leaves_sends_the_waiting_on() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    desk.queues("rung")
    desk.queues("waiting")
    actions = desk.board.choose_status(ANA, AgentStatus.ON_BREAK, "lunch", desk.now)
    assert left(actions) == [LeaveReason.EMPTY]
    # The phone that rings goes on ringing: Ana may still take that one.
    assert desk.offer().call_id == CallId("rung")
    actions = desk.board.agent_leg_ended(desk.offer().offer_id, OfferState.NO_ANSWER, desk.now)
    assert left(actions) == [LeaveReason.EMPTY]
    assert desk.board.agents[ANA].reason == "lunch"


def test_who_logs_out_while_the_phone_rings_stays_logged_out() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    desk.queues("c1")
    desk.board.choose_status(ANA, AgentStatus.LOGGED_OUT, "", desk.now)
    desk.waits(20)
    desk.board.expire(desk.now)
    assert desk.board.agents[ANA].status is AgentStatus.LOGGED_OUT


def test_two_offers_may_expire_in_the_same_instant() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    desk.signs_in(BEA)
    desk.queues("c1")
    desk.queues("c2")
    desk.board.choose_status(BEA, AgentStatus.ON_BREAK, "", desk.now)
    desk.waits(20)
    assert left(desk.board.expire(desk.now)) == [LeaveReason.EMPTY, LeaveReason.EMPTY]
    assert desk.board.offers == {}


def test_a_withdrawn_offer_does_not_cost_the_agent_the_turn() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    idle_since = desk.board.agents[ANA].idle_since
    desk.waits(10)
    desk.queues("c1")
    desk.waits(5)
    desk.board.caller_gone(CallId("c1"), desk.now)
    assert desk.board.agents[ANA].state is AgentState.IDLE
    assert desk.board.agents[ANA].idle_since == idle_since


def test_who_is_no_longer_in_the_directory_is_offered_nothing() -> None:
    desk = Desk(QueueConfig(queue_id=SALES, title="Sales", exit_when_empty=False))
    desk.signs_in(ANA)
    told = desk.board.configure([], [p for p in PROFILES if p.agent_id != ANA], desk.now)
    assert rung(desk.queues("c1")) == []
    changed = [event for event in told if isinstance(event, QueueChanged)]
    assert changed[-1].agents_available == 0


def test_a_queue_that_loses_its_agents_lets_the_waiting_go() -> None:
    desk = Desk()
    desk.signs_in(ANA)
    desk.queues("rung")
    desk.queues("waiting")
    profiles = [replace(profile, queues=frozenset()) for profile in PROFILES]
    assert left(desk.board.configure(QUEUES, profiles, desk.now)) == [LeaveReason.EMPTY]


def test_there_is_no_wrap_up_to_finish_or_to_extend() -> None:
    desk = Desk()
    with pytest.raises(Conflict, match="no wrap-up to finish"):
        desk.board.finish_wrap_up(ANA, desk.now)
    with pytest.raises(Conflict, match="no wrap-up to extend"):
        desk.board.extend_wrap_up(ANA, timedelta(seconds=1), desk.now)


def test_unknown_names_are_refused() -> None:
    desk = Desk()
    with pytest.raises(NotFound, match="no queue nothing"):
        desk.queues("c1", QueueId("nothing"))
    with pytest.raises(NotFound, match="no agent nobody"):
        desk.board.choose_status(AgentId("nobody"), AgentStatus.AVAILABLE, "", desk.now)
    desk.signs_in(ANA)
    desk.queues("c1")
    with pytest.raises(Conflict, match="in a queue already"):
        desk.queues("c1")


def test_more_time_to_write_up_is_given() -> None:
    desk = Desk(QueueConfig(queue_id=SALES, title="Sales", wrap_up=timedelta(seconds=30)))
    desk.signs_in(ANA)
    desk.queues("c1")
    desk.board.agent_answered(desk.offer().offer_id, LegId("l"), desk.now)
    desk.board.caller_gone(CallId("c1"), desk.now)
    desk.board.extend_wrap_up(ANA, timedelta(seconds=60), desk.now)
    until: datetime | None = desk.board.agents[ANA].wrap_up_until
    assert until == desk.now + timedelta(seconds=90)
    desk.waits(31)
    assert desk.board.expire(desk.now) == []
    desk.waits(60)
    desk.board.expire(desk.now)
    assert desk.board.agents[ANA].state is AgentState.IDLE


def test_a_board_that_takes_over_knows_from_whom_a_caller_was_transferred() -> None:
    now = ManualClock().now()
    board = Board(QUEUES, PROFILES)
    board.open(now)
    call = QueuedCall(
        call_id=CallId("call_1"), leg_id=LegId("leg_1"), queue_id=SALES, queued_at=now,
        give_up_at=now + timedelta(minutes=5), transferred_by=ANA, offer_id=OfferId("offer_1"),
    )  # fmt: skip
    offer = Offer(
        offer_id=OfferId("offer_1"), call_id=call.call_id, agent_id=BEA, queue_id=SALES,
        made_at=now, expires_at=now + timedelta(seconds=20), leg_id=LegId("leg_2"),
    )  # fmt: skip
    told = [event for event in board.take_over(call, offer, None) if type(event) is CallTakenOver]
    assert [event.offer for event in told] == [OfferMade.of(offer, call)]
    assert told[0].offer is not None and told[0].offer.transferred_from == ANA
