"""What agents do with calls: stories on scripted telephony in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, QueueId
from centralita.routing.agent import AgentProfile, AgentState, AgentStatus
from centralita.routing.conversations.events import (
    CallHeld,
    CallTransferred,
    CallUnparked,
    ConsultationEnded,
    ConversationGone,
    ThirdNotReached,
)
from centralita.routing.conversations.exchange import (
    Cancel,
    Complete,
    Confer,
    Happening,
    Hold,
    Resume,
    Swap,
)
from centralita.routing.conversations.targets import (
    Connected,
    Target,
    ToAgent,
    ToFlow,
    ToNumber,
    ToQueue,
    ToVoicemail,
)
from centralita.routing.events import (
    CallAbandoned,
    ConversationEnded,
    ConversationStarted,
    OfferMade,
    OfferSettled,
    WrapUpStarted,
)
from centralita.routing.offer import OfferState
from centralita.routing.queue import QueueConfig
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from tests.support.center import Caller, Center, open_center

VIRTUAL_TIME = True

SALES = QueueConfig(
    queue_id=QueueId("sales"),
    title="Sales",
    announce_recording=False,
    exit_when_empty=False,
    park_time=timedelta(seconds=60),
    caller_id="+34910000000",
)
BILLING = replace(SALES, queue_id=QueueId("billing"), title="Billing")
AGENTS = tuple(
    AgentProfile(agent_id=AgentId(name), name=name, extension=extension, queues=frozenset(queues))
    for name, extension, queues in (
        ("ana", "201", {SALES.queue_id}),
        ("bea", "202", {BILLING.queue_id}),
        ("leo", "203", {SALES.queue_id}),
    )
)
OUTSIDE = ToNumber(number="+34911234567")


@pytest.fixture
async def center() -> AsyncIterator[Center]:
    async with open_center((SALES, BILLING), AGENTS) as center:
        yield center


class Talk:
    """Ana talks with a caller; Bea is free, Leo is not there."""

    def __init__(self, center: Center, caller: Caller, leg: FakeLeg) -> None:
        self.center = center
        self.caller = caller
        self.leg = leg
        self.ana, self.bea, self.leo = (center.agent(name) for name in ("ana", "bea", "leo"))

    def does(self, what: Happening) -> None:
        self.center.dispatcher.desk.do(self.caller.call_id, what)

    async def consults(self, target: Target) -> None:
        await self.center.dispatcher.desk.consult(self.caller.call_id, target)

    async def transfers(self, target: Target) -> None:
        await self.center.dispatcher.desk.transfer(self.caller.call_id, target)

    async def with_bea(self) -> FakeLeg:
        """Ana consults Bea, who answers."""
        await self.consults(ToAgent(agent_id=AgentId("bea")))
        return await self.bea.answers()

    async def with_number(self) -> FakeLeg:
        """Ana consults somebody outside, who answers."""
        await self.consults(OUTSIDE)
        third = await self.outside()
        self.center.control.answers(third)
        await self.hear(caller="music.wav", ana="+34911234567")
        return third

    async def outside(self) -> FakeLeg:
        """The phone outside rings."""

        def found() -> list[FakeLeg]:
            legs = self.center.control.legs.values()
            return [leg for leg in legs if leg.target.endswith("@outside")]

        await self.center.until(lambda: bool(found()))
        return found()[0]

    async def hear(self, *, caller: str, ana: str | None = None) -> None:
        """Until caller and Ana hear this."""

        def so() -> bool:
            return self.caller.hears == caller and (ana is None or self.ana.hears(self.leg) == ana)

        try:
            await self.center.until(so)
        except AssertionError:
            heard = (self.caller.hears, self.ana.hears(self.leg))
            raise AssertionError(f"caller and ana hear {heard}") from None

    @property
    def over(self) -> bool:
        """No conversation, no third party's leg, and nobody reserved for it."""
        desk = self.center.dispatcher.desk
        return not desk.exchanges and not desk.legs


@pytest.fixture
async def talk(center: Center) -> Talk:
    ana, bea = center.agent("ana"), center.agent("bea")
    ana.signs_in()
    bea.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    talk = Talk(center, caller, leg)
    await talk.hear(caller="ana", ana="caller")
    await center.passes(10)
    return talk


# --- hold -----------------------------------------------------------------------------------------


async def test_a_held_caller_hears_music_and_the_agent_silence(talk: Talk) -> None:
    talk.does(Hold())
    talk.does(Hold())
    await talk.hear(caller="music.wav", ana="silence")
    await talk.center.passes(7)
    talk.does(Resume())
    talk.does(Resume())
    await talk.hear(caller="ana", ana="caller")
    held, back = talk.center.of(CallHeld)
    assert (held.held, back.held) == (True, False)
    assert timedelta(seconds=7) <= back.at - held.at < timedelta(seconds=8)


async def test_the_phones_own_hold_counts_as_well(talk: Talk) -> None:
    talk.center.control.holds(talk.leg, True)
    await talk.hear(caller="music.wav")
    talk.center.control.holds(talk.leg, False)
    await talk.hear(caller="ana", ana="caller")
    assert [event.held for event in talk.center.of(CallHeld)] == [True, False]


async def test_a_caller_who_hangs_up_on_hold_is_not_held_any_more(talk: Talk) -> None:
    talk.does(Hold())
    await talk.hear(caller="music.wav")
    talk.caller.hangs_up()
    await talk.ana.becomes(AgentState.WRAP_UP)
    assert [event.held for event in talk.center.of(CallHeld)] == [True, False]
    assert talk.over


async def test_an_agent_who_hangs_up_on_hold_sends_the_caller_back_in_silence(talk: Talk) -> None:
    talk.does(Hold())
    await talk.hear(caller="music.wav")
    talk.center.control.hangs_up(talk.leg)
    assert (await talk.caller.is_back()).reason is None
    await talk.center.until(lambda: talk.caller.hears == "silence")


async def test_hanging_up_by_the_page_is_no_fault_of_the_phone(center: Center) -> None:
    ana = center.agent("ana")
    ana.signs_in()
    caller = await center.dial()
    leg = await ana.answers()
    center.dispatcher.desk.hang_up(caller.call_id)  # within the drop window
    assert (await caller.is_back()).to is None
    await center.until(lambda: center.end_of(leg) is EndReason.CONVERSATION_ENDED)
    assert ana.now.state is AgentState.WRAP_UP
    assert ana.now.status is AgentStatus.AVAILABLE


async def test_keys_go_to_whom_the_agent_talks_to(talk: Talk) -> None:
    desk = talk.center.dispatcher.desk
    await desk.keys(talk.caller.call_id, "12")
    third = await talk.with_number()
    await desk.keys(talk.caller.call_id, "34#")
    assert (talk.caller.leg.sent_digits, third.sent_digits) == ("12", "34#")
    talk.does(Cancel())
    talk.does(Hold())
    with pytest.raises(Conflict, match="nobody is there"):
        await desk.keys(talk.caller.call_id, "5")


# --- blind transfer -------------------------------------------------------------------------------


async def test_blind_to_a_queue_the_caller_waits_there_and_the_agent_writes_up(talk: Talk) -> None:
    await talk.transfers(ToQueue(queue_id=BILLING.queue_id))
    await talk.ana.becomes(AgentState.WRAP_UP)
    offered = await talk.bea.rings()
    await talk.hear(caller="music.wav")
    talk.center.control.answers(offered)
    await talk.center.until(lambda: talk.caller.hears == "bea")
    first, second = talk.center.of(ConversationStarted)
    assert (first.call_id, first.agent_id) == (second.call_id, "ana")
    assert (second.agent_id, second.transferred_from) == ("bea", "ana")
    (ended,) = talk.center.of(ConversationEnded)
    assert (ended.agent_id, ended.ended_by) == ("ana", "transferred")
    assert timedelta(seconds=10) <= ended.talked < timedelta(seconds=11)
    assert talk.center.end_of(talk.leg) is EndReason.CONVERSATION_ENDED
    assert talk.caller.returned == []


async def test_blind_to_an_agent_the_offer_says_who_had_the_caller(talk: Talk) -> None:
    await talk.transfers(ToAgent(agent_id=AgentId("bea")))
    await talk.bea.answers()
    await talk.center.until(lambda: talk.caller.hears == "bea")
    offer = talk.center.of(OfferMade)[-1]
    assert (offer.agent_id, offer.transferred_from, offer.consultation) == ("bea", "ana", False)
    talk.caller.hangs_up()
    await talk.bea.becomes(AgentState.WRAP_UP)
    assert {event.agent_id for event in talk.center.of(WrapUpStarted)} == {"ana", "bea"}


async def test_an_agent_who_does_not_answer_leaves_the_caller_first_in_the_queue(
    talk: Talk,
) -> None:
    other = await talk.center.dial()
    await talk.transfers(ToAgent(agent_id=AgentId("bea")))
    leg = await talk.bea.rings()
    talk.center.control.refuses(leg)
    await talk.center.until(lambda: talk.bea.now.status is AgentStatus.ON_BREAK)
    assert talk.center.board.position(talk.caller.call_id) == 1
    assert talk.center.board.position(other.call_id) == 2
    talk.leo.signs_in()
    await talk.leo.answers()
    await talk.center.until(lambda: talk.caller.hears == "leo")


@pytest.mark.parametrize(
    "target",
    [OUTSIDE, ToVoicemail(queue_id=BILLING.queue_id), ToFlow(flow_id="main", node="menu")],
)
async def test_what_no_agent_serves_is_the_flows_again(talk: Talk, target: Target) -> None:
    await talk.transfers(target)
    returned = await talk.caller.is_back()
    assert (returned.reason, returned.to) == (None, target)
    await talk.ana.becomes(AgentState.WRAP_UP)
    assert talk.over


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        (ToQueue(queue_id=QueueId("nothing")), NotFound),
        (ToVoicemail(queue_id=QueueId("nothing")), NotFound),
        (ToFlow(flow_id="nothing"), NotFound),
        (ToAgent(agent_id=AgentId("nobody")), NotFound),
        (ToAgent(agent_id=AgentId("leo")), Conflict),
        (ToAgent(agent_id=AgentId("ana")), Conflict),
        (ToNumber(number="666"), Conflict),
    ],
)
async def test_a_transfer_that_cannot_be_leaves_all_as_it_was(
    talk: Talk, target: Target, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await talk.transfers(target)
    await talk.hear(caller="ana", ana="caller")
    assert talk.center.of(CallTransferred) == []


# --- consultation ---------------------------------------------------------------------------------


async def test_a_consulted_colleague_gets_the_caller_and_each_writes_up_their_own(
    talk: Talk,
) -> None:
    bea_leg = await talk.with_bea()
    await talk.hear(caller="music.wav", ana="bea")
    offer = talk.center.of(OfferMade)[-1]
    assert (offer.agent_id, offer.transferred_from, offer.consultation) == ("bea", "ana", True)
    await talk.center.passes(20)
    talk.does(Complete())
    await talk.center.until(lambda: talk.caller.hears == "bea")
    await talk.ana.becomes(AgentState.WRAP_UP)
    await talk.center.until(lambda: talk.center.end_of(talk.leg) is not None)
    assert talk.bea.hears(bea_leg) == "caller"
    assert talk.bea.now.state is AgentState.IN_CALL
    await talk.center.passes(5)
    talk.caller.hangs_up()
    await talk.bea.becomes(AgentState.WRAP_UP)
    ana, bea = talk.center.of(ConversationEnded)
    assert (ana.agent_id, bea.agent_id) == ("ana", "bea")
    assert timedelta(seconds=30) <= ana.talked < timedelta(seconds=31)
    assert timedelta(seconds=5) <= bea.talked < timedelta(seconds=6)
    assert talk.over
    assert {a.status for a in (talk.ana.now, talk.bea.now)} == {AgentStatus.AVAILABLE}


async def test_while_it_rings_the_agent_hears_it_and_the_caller_music(talk: Talk) -> None:
    await talk.consults(OUTSIDE)
    third = await talk.outside()
    assert third.caller == SALES.caller_id
    await talk.hear(caller="music.wav", ana="ringing.wav")
    with pytest.raises(Conflict, match="not answered"):
        talk.does(Complete())
    talk.does(Cancel())
    await talk.hear(caller="ana", ana="caller")
    await talk.center.until(lambda: talk.center.end_of(third) is not None)


async def test_swapping_goes_from_one_to_the_other(talk: Talk) -> None:
    third = await talk.with_number()
    talk.does(Swap())
    await talk.hear(caller="ana", ana="caller")
    assert talk.center.heard_by(third) == "music.wav"
    talk.does(Swap())
    await talk.hear(caller="music.wav", ana="+34911234567")


async def test_in_a_conference_everybody_hears_everybody(talk: Talk) -> None:
    third = await talk.with_number()
    talk.does(Confer())
    await talk.hear(caller="+34911234567 ana", ana="+34911234567 caller")
    assert talk.center.heard_by(third) == "ana caller"
    talk.center.control.hangs_up(third)
    await talk.hear(caller="ana", ana="caller")


async def test_who_leaves_a_conference_leaves_two_who_talk(talk: Talk) -> None:
    third = await talk.with_number()
    talk.does(Confer())
    await talk.hear(caller="+34911234567 ana")
    talk.does(Complete())
    await talk.hear(caller="+34911234567")
    returned = await talk.caller.is_back()
    assert returned.to == Connected(leg_id=third.leg_id, number="+34911234567", acquainted=True)
    await talk.ana.becomes(AgentState.WRAP_UP)


async def test_a_colleague_who_talked_with_the_caller_in_conference_writes_up(talk: Talk) -> None:
    leg = await talk.with_bea()
    talk.does(Confer())
    await talk.hear(caller="ana bea")
    await talk.center.passes(5)
    talk.center.control.hangs_up(leg)
    await talk.bea.becomes(AgentState.WRAP_UP)
    await talk.hear(caller="ana", ana="caller")


async def test_a_colleague_who_was_only_asked_is_free_at_once_and_keeps_the_turn(
    talk: Talk,
) -> None:
    idle_since = talk.bea.now.idle_since
    await talk.with_bea()
    talk.does(Cancel())
    await talk.bea.becomes(AgentState.IDLE)
    assert talk.bea.now.idle_since == idle_since
    await talk.hear(caller="ana", ana="caller")
    (ended,) = talk.center.of(ConsultationEnded)
    assert ended.how == "cancelled"


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(EndReason.BUSY, "busy"), (EndReason.NO_SUCH_NUMBER, "no_such_number"),
     (EndReason.LINE_DOWN, "line_down"), (EndReason.REJECTED, "failed")],
)  # fmt: skip
async def test_an_agent_is_told_why_a_number_to_consult_was_not_reached(
    talk: Talk, reason: EndReason, outcome: str
) -> None:
    await talk.consults(OUTSIDE)
    talk.center.control.refuses(await talk.outside(), reason)
    await talk.center.until(lambda: bool(talk.center.of(ThirdNotReached)))
    (told,) = talk.center.of(ThirdNotReached)
    assert (told.agent_id, told.outcome, told.reason) == ("ana", outcome, reason)
    talk.does(Resume())


async def test_who_has_answered_and_leaves_was_reached(talk: Talk) -> None:
    await talk.consults(ToAgent(agent_id=AgentId("bea")))
    leg = await talk.bea.answers()
    await talk.hear(caller="music.wav", ana="bea")
    talk.center.control.hangs_up(leg)
    await talk.hear(caller="music.wav", ana="silence")
    assert talk.center.of(ThirdNotReached) == []


@pytest.mark.parametrize("reason", [EndReason.BUSY, EndReason.DECLINED, EndReason.NO_ANSWER])
async def test_a_colleague_who_does_not_answer_is_not_to_blame(
    talk: Talk, reason: EndReason
) -> None:
    await talk.consults(ToAgent(agent_id=AgentId("bea")))
    talk.center.control.refuses(await talk.bea.rings(), reason)
    await talk.hear(caller="music.wav", ana="silence")
    assert (talk.bea.now.status, talk.bea.now.state) == (AgentStatus.AVAILABLE, AgentState.IDLE)
    talk.does(Resume())
    await talk.hear(caller="ana", ana="caller")


async def test_nobody_rings_for_ever(talk: Talk) -> None:
    await talk.consults(ToAgent(agent_id=AgentId("bea")))
    leg = await talk.bea.rings()
    await talk.center.passes(SALES.ring_time.total_seconds() + 1)
    assert talk.center.end_of(leg) is EndReason.NO_ANSWER
    settled = talk.center.of(OfferSettled)[-1]
    assert (settled.agent_id, settled.state) == ("bea", OfferState.NO_ANSWER)
    assert talk.bea.now.status is AgentStatus.AVAILABLE


async def test_a_queue_can_be_asked_for_anybody(talk: Talk) -> None:
    await talk.consults(ToQueue(queue_id=BILLING.queue_id))
    await talk.bea.answers()
    await talk.hear(caller="music.wav", ana="bea")
    with pytest.raises(Conflict, match="one consultation"):
        await talk.consults(OUTSIDE)


async def test_a_queue_of_which_nobody_is_free_is_refused(talk: Talk) -> None:
    with pytest.raises(Conflict, match="nobody of that queue is free"):
        await talk.consults(ToQueue(queue_id=SALES.queue_id))
    await talk.hear(caller="ana", ana="caller")


# --- races ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
async def test_a_caller_who_hangs_up_in_a_consultation_frees_everybody(
    talk: Talk, answered: bool
) -> None:
    await talk.consults(ToAgent(agent_id=AgentId("bea")))
    leg = await (talk.bea.answers() if answered else talk.bea.rings())
    talk.caller.hangs_up()
    await talk.ana.becomes(AgentState.WRAP_UP)
    await talk.bea.becomes(AgentState.IDLE)
    await talk.center.until(lambda: talk.center.end_of(leg) is not None)
    assert talk.over


async def test_an_agent_who_hangs_up_while_the_third_rings_leaves_the_caller_a_person(
    talk: Talk,
) -> None:
    waiting = await talk.center.dial()
    await talk.consults(ToAgent(agent_id=AgentId("bea")))
    ringing = await talk.bea.rings()
    talk.center.control.hangs_up(talk.leg)
    await talk.ana.becomes(AgentState.WRAP_UP)
    await talk.bea.becomes(AgentState.IDLE)
    await talk.center.until(lambda: talk.center.end_of(ringing) is not None)
    assert talk.center.board.position(talk.caller.call_id) == 1
    assert talk.center.board.position(waiting.call_id) == 2
    await talk.hear(caller="music.wav")
    talk.leo.signs_in()
    await talk.leo.answers()
    await talk.center.until(lambda: talk.caller.hears == "leo")


async def test_an_agent_who_hangs_up_between_two_connects_them(talk: Talk) -> None:
    await talk.with_bea()
    talk.center.control.hangs_up(talk.leg)
    await talk.center.until(lambda: talk.caller.hears == "bea")
    await talk.ana.becomes(AgentState.WRAP_UP)
    assert talk.bea.now.state is AgentState.IN_CALL


async def test_completing_with_one_who_has_just_hung_up_is_refused(talk: Talk) -> None:
    third = await talk.with_number()
    talk.center.control.hangs_up(third)
    await talk.center.until(lambda: not talk.center.dispatcher.desk.legs)
    await talk.hear(caller="music.wav", ana="silence")
    with pytest.raises(Conflict, match="nobody is being consulted"):
        talk.does(Complete())
    talk.does(Resume())
    await talk.hear(caller="ana", ana="caller")


async def test_a_colleague_whose_hang_up_crosses_the_completion_costs_the_caller_nothing(
    talk: Talk,
) -> None:
    leg = await talk.with_bea()
    talk.center.control.hangs_up(leg)  # nobody has heard of it yet
    talk.does(Complete())
    await talk.center.until(lambda: talk.caller.call_id in talk.center.board.calls)
    await talk.hear(caller="music.wav")
    assert talk.caller.returned == []


async def test_the_death_of_the_worker_ends_it_all_and_nobody_stays_busy(talk: Talk) -> None:
    leg = await talk.with_bea()
    for lost in (talk.caller.leg, talk.leg, leg):
        talk.center.control.refuses(lost, EndReason.WORKER_LOST)
    await talk.center.until(lambda: talk.over)
    assert talk.bea.now.state is not AgentState.IN_CALL
    assert talk.ana.now.state is not AgentState.IN_CALL


# --- parking --------------------------------------------------------------------------------------


async def test_a_parked_caller_hears_music_until_somebody_asks_for_it(talk: Talk) -> None:
    slot = talk.center.dispatcher.desk.park(talk.caller.call_id)
    assert slot == "701"
    await talk.ana.becomes(AgentState.WRAP_UP)
    await talk.hear(caller="music.wav")
    talk.center.dispatcher.desk.pick_up(slot, AgentId("bea"))
    await talk.bea.answers()
    await talk.center.until(lambda: talk.caller.hears == "bea")
    with pytest.raises(NotFound, match="nobody is parked"):
        talk.center.dispatcher.desk.pick_up(slot, AgentId("bea"))


async def test_who_is_parked_for_too_long_comes_back_before_all_others(talk: Talk) -> None:
    other = await talk.center.dial()
    talk.ana.chooses(AgentStatus.ON_BREAK, "lunch")
    talk.center.dispatcher.desk.park(talk.caller.call_id)
    await talk.center.passes(SALES.park_time.total_seconds() + 1)
    assert talk.center.board.position(talk.caller.call_id) == 1
    assert talk.center.board.position(other.call_id) == 2
    assert talk.center.of(CallUnparked)[-1].how == "timed_out"


async def test_who_hangs_up_in_a_slot_is_missed(talk: Talk) -> None:
    talk.center.dispatcher.desk.park(talk.caller.call_id)
    talk.caller.hangs_up()
    await talk.center.until(lambda: bool(talk.center.of(CallAbandoned)))
    assert talk.center.board.parking.parked == {}


async def test_a_pick_up_that_is_not_answered_goes_to_the_queue(talk: Talk) -> None:
    slot = talk.center.dispatcher.desk.park(talk.caller.call_id)
    talk.center.dispatcher.desk.pick_up(slot, AgentId("bea"))
    talk.center.control.refuses(await talk.bea.rings())
    await talk.center.until(lambda: talk.center.board.position(talk.caller.call_id) == 1)
    await talk.hear(caller="music.wav")


# --- phones that transfer by themselves -----------------------------------------------------------


async def test_refer_to_an_extension_rings_that_agent_with_the_pop(talk: Talk) -> None:
    talk.center.control.refers(talk.leg, "sip:202@centralita")
    await talk.bea.answers()
    await talk.center.until(lambda: talk.caller.hears == "bea")
    assert talk.center.of(OfferMade)[-1].transferred_from == "ana"
    assert talk.leg.reports == [200]


@pytest.mark.parametrize(
    ("target", "status"), [("sip:203@centralita", 486), ("sip:666@centralita", 603)]
)
async def test_a_refer_that_cannot_be_is_reported_and_the_talk_goes_on(
    talk: Talk, target: str, status: int
) -> None:
    talk.center.control.refers(talk.leg, target)
    await talk.center.until(lambda: talk.leg.reports == [status])
    await talk.hear(caller="ana", ana="caller")


async def by_phone(talk: Talk, number: str) -> FakeLeg:
    """Ana's phone puts the caller on hold and calls somebody on its second line."""
    talk.center.control.holds(talk.leg, True)
    await talk.hear(caller="music.wav")
    second = talk.center.control.arrives(number, extension="201")
    desk = talk.center.dispatcher.desk
    await desk.consult(talk.caller.call_id, ToNumber(number=number), own_leg=second.leg_id)
    return second


@pytest.mark.parametrize("refers_on", ["first", "second"])
async def test_refer_with_replaces_connects_caller_and_colleague(
    talk: Talk, refers_on: str
) -> None:
    second = await by_phone(talk, "202")
    await talk.bea.answers()
    await talk.center.until(lambda: second.answered)
    await talk.center.until(lambda: talk.center.heard_by(second) == "bea")
    legs = {"first": talk.leg, "second": second}
    refers = legs.pop(refers_on)
    talk.center.control.refers(refers, "sip:202@centralita", next(iter(legs.values())))
    await talk.center.until(lambda: talk.caller.hears == "bea")
    await talk.ana.becomes(AgentState.WRAP_UP)
    await talk.center.until(lambda: talk.center.end_of(second) is not None)
    await talk.center.until(lambda: talk.center.end_of(talk.leg) is not None)
    assert refers.reports == [200]
    assert talk.center.of(CallTransferred)[-1].how == "attended"
    assert [event.agent_id for event in talk.center.of(ConversationGone)] == ["ana"]


async def test_a_phone_that_ends_its_second_call_is_back_with_the_caller(talk: Talk) -> None:
    second = await by_phone(talk, "+34911234567")
    third = await talk.outside()
    talk.center.control.answers(third)
    await talk.center.until(lambda: talk.center.heard_by(second) == "+34911234567")
    talk.center.control.hangs_up(second)
    await talk.center.until(lambda: talk.center.end_of(third) is not None)
    talk.center.control.holds(talk.leg, False)
    await talk.hear(caller="ana", ana="caller")


async def test_a_phone_that_takes_the_caller_back_lets_the_third_hear_music(talk: Talk) -> None:
    second = await by_phone(talk, "202")
    leg = await talk.bea.answers()
    await talk.center.until(lambda: talk.bea.hears(leg) == "phone 201")
    talk.center.control.holds(second, True)
    talk.center.control.holds(talk.leg, False)
    await talk.hear(caller="ana", ana="caller")
    await talk.center.until(lambda: talk.bea.hears(leg) == "music.wav")


async def test_refer_that_names_a_call_of_nobody_is_refused(talk: Talk) -> None:
    talk.center.control.refers(talk.leg, "sip:202@centralita", talk.caller.leg)
    await talk.center.until(lambda: talk.leg.reports == [481])
    await talk.hear(caller="ana", ana="caller")


async def test_a_caller_transfers_nobody(talk: Talk) -> None:
    talk.center.control.refers(talk.caller.leg, "sip:202@centralita")
    await talk.center.until(lambda: talk.caller.leg.reports == [603])
    await talk.hear(caller="ana", ana="caller")
