"""What conversations leave: entries, talks, recordings, the journal, and what the pages show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.api import live_messages as live
from centralita.api.schemas import oncall as o
from centralita.api.watcher import Viewer
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, FlowId, QueueId, TaskId
from centralita.ivr.events import FlowEnded, TransferAnswered
from centralita.routing.agent import AgentState
from centralita.routing.conversations.events import OutgoingFailed, RecordingPaused
from centralita.routing.events import ConversationEnded, ConversationStarted, WrapUpEnded
from centralita.store.records import AgentRecord, QueueRecord
from centralita.telephony.call import EndReason
from centralita.telephony.edge.events import PhoneRegistered
from centralita.telephony.fake import FakeLeg
from centralita.timeline.model import (
    Direction,
    IdentityKind,
    Outcome,
    Task,
    TaskKind,
    TaskState,
)
from centralita.timeline.repositories import Annotation
from tests.support.center import NOTICE
from tests.support.house import ANA, SALES, House, open_center_house, shown

BEA = AgentId("agent_bea")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        await house.store.agents.put(AgentRecord(agent_id=BEA, name="Bea", extension="202"))
        await house.reads_directory()
        await house.ana_is_available()
        yield house


async def bea_is_available(house: House) -> None:
    house.bus.publish(PhoneRegistered(extension="202", user_agent="desk"))
    await house.agents.set_status(BEA, "available", "")


async def answered(house: House) -> FakeLeg:
    """The next phone that we dial is picked up."""
    leg = await asyncio.wait_for(house.control.next_dialled(), 5)
    house.control.answers(leg)
    return leg


async def test_a_transferred_call_is_one_entry_with_a_talk_for_each(house: House) -> None:
    await bea_is_available(house)
    caller, _ = await house.talks_to_ana()
    await house.entry_of(caller)
    entry = await house.entry_of(caller)
    await house.store.interactions.annotate(entry.id, Annotation(notes="Wants the blue one"))
    page = house.hub.watch(Viewer(agent_id=BEA, sees_all=False))
    await house.conversations.hold(caller.call_id)
    await house.conversations.transfer(caller.call_id, o.ToAgent(agent_id=BEA))
    (offer,) = await shown(page, live.OfferMade)
    assert (offer.transferred_from, offer.transferred_from_name) == (ANA, "Ana")
    assert (offer.notes, offer.consultation) == ("Wants the blue one", False)
    await answered(house)
    await house.until(lambda: len(house.of(ConversationStarted)) == 2)
    house.control.hangs_up(caller)
    done = await house.is_over(caller)
    assert done.id == entry.id
    assert done.call is not None
    assert [talk.agent_id for talk in done.call.talks] == [ANA, BEA]
    assert done.call.talks[0].held > timedelta(0)
    assert done.call.talks[1].held == timedelta(0)
    assert done.call.outcome is Outcome.CONVERSATION


async def test_the_pages_show_what_the_agent_does(house: House) -> None:
    mine = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    others = house.hub.watch(Viewer(agent_id=BEA, sees_all=False))
    caller, _ = await house.talks_to_ana()
    (talk,) = await shown(mine, live.Conversation)
    assert (talk.state, talk.with_, talk.recording) == ("talking", "caller", "on")
    await house.conversations.hold(caller.call_id)
    assert (await shown(mine, live.Conversation))[0].state == "held"
    await house.conversations.consult(caller.call_id, o.ToNumber(number="+34911222333"))
    (talk,) = await shown(mine, live.Conversation)
    assert (talk.state, talk.with_) == ("consulting", "third")
    assert talk.third is not None
    assert (talk.third.kind, talk.third.state) == ("number", "ringing")
    leg = await answered(house)
    (talk,) = await shown(mine, live.Conversation)
    assert talk.third is not None and talk.third.state == "talking"
    # A page that is reloaded finds it in its snapshot.
    (snapshot,) = await shown(house.hub.watch(Viewer(agent_id=ANA, sees_all=False)), live.Snapshot)
    assert snapshot.conversations[0].third == talk.third
    await house.conversations.confer(caller.call_id)
    assert (await shown(mine, live.Conversation))[0].state == "conference"
    await house.conversations.complete(caller.call_id)
    await shown(mine, live.ConversationGone)
    house.control.hangs_up(leg)
    await house.is_over(caller)
    seen = []
    while not others._messages.empty():
        seen.append(await others.next())
    assert not [each for each in seen if isinstance(each, live.Conversation)]


async def opens(house: House, agent_id: AgentId) -> live.Snapshot:
    """What a page of this agent is shown first when it is opened now."""
    (first,) = await shown(
        house.hub.watch(Viewer(agent_id=agent_id, sees_all=False)), live.Snapshot
    )
    return first


async def test_a_colleagues_page_that_is_reloaded_in_a_consultation_finds_it_again(
    house: House,
) -> None:
    await bea_is_available(house)
    caller, _ = await house.talks_to_ana()
    await house.conversations.consult(caller.call_id, o.ToAgent(agent_id=BEA))
    page = house.hub.watch(Viewer(agent_id=BEA, sees_all=False))
    await answered(house)
    (gone,) = await shown(page, live.OfferGone)
    assert gone.how == "accepted"
    (offer,) = (await opens(house, BEA)).accepted
    assert (offer.consultation, offer.transferred_from_name) == (True, "Ana")
    (mine,) = (await opens(house, ANA)).accepted
    assert (mine.agent_id, mine.consultation) == (ANA, False)
    await house.conversations.cancel(caller.call_id)
    assert (await opens(house, BEA)).accepted == []
    house.control.hangs_up(caller)
    await house.is_over(caller)


async def test_each_part_of_the_call_has_its_recording(house: House) -> None:
    caller, _ = await house.talks_to_ana()
    await house.until(lambda: house.recorder.records(caller.call_id))
    await house.conversations.consult(caller.call_id, o.ToNumber(number="+34911222333"))
    third = await answered(house)
    await house.until(lambda: third.recording is not None)
    assert third.recording is not None and caller.recording is not None
    consultation = third.recording
    first = caller.recording
    await house.conversations.complete(caller.call_id)
    await house.hears_of(TransferAnswered)
    await house.until(lambda: caller.recording not in (None, first))
    assert third.recording not in (None, consultation)
    assert caller.other == third.leg_id
    house.control.hangs_up(caller)
    await house.is_over(caller)
    assert third.leg_id in house.control.ended


async def test_keys_pressed_in_a_pause_are_nobodys_business(house: House) -> None:
    caller, phone = await house.talks_to_ana()
    await house.until(lambda: house.recorder.records(caller.call_id))
    await house.conversations.pause_recording(caller.call_id, True)
    assert caller.paused and phone.paused
    house.control.presses(caller, "4")
    house.control.presses(phone, "5")
    await house.until(lambda: len(house.of(RecordingPaused)) == 1)
    await house.entry_of(caller)
    await house.conversations.pause_recording(caller.call_id, False)
    assert not caller.paused
    house.control.presses(caller, "6")
    house.control.hangs_up(caller)
    await house.is_over(caller)
    digits = [
        line.data["digit"] for line in await house.journal(caller) if line.type == "digit_received"
    ]
    assert digits == ["1", "*", "*", "6"]


async def test_a_pause_ends_with_the_agents_part(house: House) -> None:
    await bea_is_available(house)
    caller, _ = await house.talks_to_ana()
    await house.until(lambda: house.recorder.records(caller.call_id))
    await house.conversations.pause_recording(caller.call_id, True)
    before = caller.recording
    await house.conversations.transfer(caller.call_id, o.ToAgent(agent_id=BEA))
    await answered(house)
    await house.until(lambda: caller.recording not in (None, before))
    assert not caller.paused
    assert house.dispatcher.desk.exchange(caller.call_id).recording.value == "on"


async def test_a_caller_is_sent_to_a_message_and_into_a_flow(house: House) -> None:
    caller, _ = await house.talks_to_ana()
    await house.conversations.transfer(caller.call_id, o.ToVoicemail(queue_id=SALES))
    await house.until(lambda: caller.recording is not None)
    assert caller.other is None
    house.control.hangs_up(caller)
    await house.is_over(caller)


async def test_a_caller_is_sent_back_into_a_flow(house: House) -> None:
    caller, _ = await house.talks_to_ana()
    flow = o.ToFlow(flow_id=FlowId("main"), node="away")
    await house.conversations.transfer(caller.call_id, flow)
    entry = await house.is_over(caller)
    assert entry.call is not None
    assert entry.call.path[-1].node_id == "away"
    with pytest.raises(NotFound):
        await house.conversations.transfer(caller.call_id, flow)


async def test_a_call_that_an_agent_makes_has_its_entry(house: House) -> None:
    started = await house.conversations.call(ANA, o.CallRequest(to="600 111 222", queue_id=SALES))
    ring = await answered(house)
    assert "answer-after=0" in ring.headers["Call-Info"]
    outside = await answered(house)
    assert outside.target == "sip:600111222@outside"
    await house.until(lambda: "notice.wav" in [path.name for path in outside.played])
    await house.until(lambda: outside.other == ring.leg_id)
    assert house.conversations.owner(outside.call_id) == ANA
    house.control.hangs_up(ring)
    entry = await house.is_over(outside)
    assert (entry.id, entry.direction) == (started.interaction_id, Direction.OUT)
    assert entry.call is not None
    assert entry.call.outcome is Outcome.CONVERSATION
    assert entry.customer_id is not None
    assert entry.agent_id == ANA
    assert house.control.ended[outside.leg_id] is not None


async def missed_call(house: House) -> o.CallRequest:
    """Somebody of sales is to call back, and how one does."""
    task = Task(
        id=TaskId("task_1"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
        created_at=house.clock.now(), queue_id=SALES, caller="+34600111222",
    )  # fmt: skip
    await house.store.tasks.add(task)
    return o.CallRequest(to="600111222", queue_id=SALES, task_id=task.id)


async def test_a_task_is_taken_by_the_call_for_it_and_done_once_they_talk(house: House) -> None:
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    await house.conversations.call(ANA, await missed_call(house))
    (taken,) = await shown(page, live.TaskChanged)
    assert (taken.task.agent_id, taken.task.state) == (ANA, TaskState.OPEN)
    await answered(house)
    outside = await answered(house)
    (done,) = await shown(page, live.TaskChanged)
    assert (done.task.state, done.task.done_by) == (TaskState.DONE, "Ana")
    house.control.hangs_up(outside)
    await house.is_over(outside)
    (started,) = [one for one in await house.journal(outside) if one.type == "outgoing_started"]
    assert started.data["task_id"] == "task_1"


async def test_a_task_whose_call_reaches_nobody_stays_the_agents_to_do(house: House) -> None:
    await house.conversations.call(ANA, await missed_call(house))
    await answered(house)
    outside = await asyncio.wait_for(house.control.next_dialled(), 5)
    house.control.refuses(outside, EndReason.BUSY)
    await house.hears_of(OutgoingFailed)
    await house.entry_of(outside)
    task = await house.store.tasks.get(TaskId("task_1"))
    assert task is not None
    assert (task.agent_id, task.state) == (ANA, TaskState.OPEN)


async def test_a_task_that_was_done_by_hand_meanwhile_stays_as_it_is(house: House) -> None:
    wanted = await missed_call(house)
    at = house.clock.now()
    await house.store.tasks.set_state(TaskId("task_1"), TaskState.DONE, at, "Bea")
    await house.conversations.call(ANA, wanted)
    await answered(house)
    outside = await answered(house)
    await house.hears_of(ConversationStarted)
    house.control.hangs_up(outside)
    await house.is_over(outside)
    task = await house.store.tasks.get(TaskId("task_1"))
    assert task is not None
    assert (task.agent_id, task.done_by) == (None, "Bea")


async def writes_up(house: House) -> None:
    """Ana has just talked."""
    caller, _ = await house.talks_to_ana()
    house.control.hangs_up(caller)
    await house.until(lambda: house.board.agents[ANA].state is AgentState.WRAP_UP)
    await house.is_over(caller)


@pytest.mark.parametrize("by_phone", [False, True])
async def test_nothing_stands_between_an_agent_and_help(house: House, by_phone: bool) -> None:
    await writes_up(house)
    queue = house.board.queues[SALES]
    assert queue.record and queue.announce_outgoing
    if by_phone:
        house.control.arrives("112", caller="201", extension="201")
    else:
        await house.outgoing.call(ANA, "112", SALES, None)
        await answered(house)
    outside = await answered(house)
    await house.until(lambda: len(house.of(ConversationStarted)) == 2)
    assert NOTICE not in outside.played
    assert len(house.of(WrapUpEnded)) == 1
    house.control.hangs_up(outside)
    entry = await house.entry_of(outside)
    assert entry.call is not None
    assert (entry.call.caller, entry.customer_id) == ("112", None)
    assert await house.store.customers.by_identity(IdentityKind.PHONE, "112") == ()


async def test_who_serves_no_queue_reaches_help_all_the_same(house: House) -> None:
    await house.store.queues.put(
        QueueRecord(queue_id=SALES, title="Sales", language="es", agents=(), settings={})
    )
    await house.reads_directory()
    assert house.board.agents[ANA].profile.queues == frozenset()
    house.control.arrives("112", caller="201", extension="201")
    await answered(house)
    await house.hears_of(ConversationStarted)


async def test_an_outgoing_call_can_be_transferred_like_others(house: House) -> None:
    await bea_is_available(house)
    await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=SALES))
    await answered(house)
    outside = await answered(house)
    await house.hears_of(ConversationStarted)
    await house.conversations.transfer(outside.call_id, o.ToAgent(agent_id=BEA))
    bea = await answered(house)
    await house.until(lambda: outside.other == bea.leg_id)
    house.control.hangs_up(bea)
    entry = await house.is_over(outside)
    assert entry.call is not None
    assert [talk.agent_id for talk in entry.call.talks] == [ANA, BEA]
    assert len(house.of(FlowEnded)) == 1


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (EndReason.BUSY, "busy"),
        (EndReason.DECLINED, "busy"),
        (EndReason.NO_ANSWER, "no_answer"),
        (EndReason.UNREACHABLE, "unavailable"),
        (EndReason.NO_SUCH_NUMBER, "no_such_number"),
        (EndReason.LINE_DOWN, "line_down"),
        (EndReason.LINE_REFUSED, "line_refused"),
        (EndReason.REJECTED, "failed"),
    ],
)
async def test_a_number_that_is_not_reached_is_an_outcome(
    house: House, reason: EndReason, outcome: str
) -> None:
    page = house.hub.watch(Viewer(agent_id=ANA, sees_all=False))
    started = await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=SALES))
    assert (await shown(page, live.Conversation))[0].state == "dialling"
    ring = await answered(house)
    outside = await asyncio.wait_for(house.control.next_dialled(), 5)
    house.control.refuses(outside, reason)
    await shown(page, live.WrapUpStarted)
    (gone,) = await shown(page, live.ConversationGone)
    assert gone.outcome == outcome
    entry = await house.entry_of(outside)
    assert entry.id == started.interaction_id
    assert entry.call is not None
    assert (entry.call.outcome, entry.call.ended_by) == (Outcome.NOT_REACHED, reason.value)
    await house.until(lambda: ring.leg_id in house.control.ended)


async def test_an_agent_who_hangs_up_too_early_cancels_the_call(house: House) -> None:
    await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=SALES))
    await answered(house)
    outside = await asyncio.wait_for(house.control.next_dialled(), 5)
    await house.conversations.hang_up(outside.call_id)
    failed = await house.hears_of(OutgoingFailed)
    assert failed.outcome == "cancelled"
    await house.until(lambda: outside.leg_id in house.control.ended)
    with pytest.raises(NotFound):
        house.conversations.owner(outside.call_id)


async def test_an_agent_calls_out_for_queues_that_the_agent_serves_only(house: House) -> None:
    support = QueueId("support")
    await house.store.queues.put(QueueRecord(queue_id=support, title="Support", language="es"))
    await house.reads_directory()
    await house.ana_is_available()
    with pytest.raises(Conflict) as refused:
        await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=support))
    assert (refused.value.code, refused.value.why) == ("not_allowed", "not_your_queue")
    assert house.board.agents[ANA].state is AgentState.IDLE
    await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=SALES))


async def test_one_call_at_a_time(house: House) -> None:
    caller, _ = await house.talks_to_ana()
    with pytest.raises(Conflict, match="Ana is in call"):
        await house.conversations.call(ANA, o.CallRequest(to="600111222", queue_id=SALES))
    with pytest.raises(Conflict, match="666"):
        await house.conversations.consult(caller.call_id, o.ToNumber(number="666"))
    house.control.hangs_up(caller)
    await house.hears_of(ConversationEnded)


async def test_a_phone_calls_a_colleague_whom_no_flow_answers_for(house: House) -> None:
    await bea_is_available(house)
    mine = house.control.arrives("202", extension="201", caller="201")
    bea = await answered(house)
    await house.until(lambda: mine.other == bea.leg_id)
    assert {house.board.agents[each].state.value for each in (ANA, BEA)} == {"in_call"}
    house.control.hangs_up(mine)
    await house.until(lambda: bea.leg_id in house.control.ended)
    assert {house.board.agents[each].state.value for each in (ANA, BEA)} == {"idle"}
    assert house.calls.calls == {}


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (EndReason.BUSY, EndReason.BUSY),
        (EndReason.NO_SUCH_NUMBER, EndReason.NO_SUCH_NUMBER),
        (EndReason.LINE_DOWN, EndReason.LINE_DOWN),
        (EndReason.UNREACHABLE, EndReason.NO_ANSWER),  # 480, as the other side has said
    ],
)
async def test_who_dials_at_the_phone_is_told_there_why_nobody_was_reached(
    house: House, reason: EndReason, told: EndReason
) -> None:
    mine = house.control.arrives("600111222", extension="201", caller="201")
    outside = await asyncio.wait_for(house.control.next_dialled(), 5)
    house.control.refuses(outside, reason)
    await house.until(lambda: mine.leg_id in house.control.ended)
    assert house.control.ended[mine.leg_id] is told


async def test_a_colleague_who_is_busy_is_busy(house: House) -> None:
    mine = house.control.arrives("202", extension="201", caller="201")
    await house.until(lambda: mine.leg_id in house.control.ended)
    assert house.control.ended[mine.leg_id] is EndReason.BUSY


async def test_a_number_that_a_flow_was_given_answers_phones_too(house: House) -> None:
    mine = house.control.arrives("100", extension="201", caller="201")
    await house.until(lambda: mine.call_id in house.switch.drivers)
