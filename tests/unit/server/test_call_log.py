"""What a call leaves behind: one entry, its journal, and the tasks for the people of the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.asr.fake import utterance
from centralita.routing.events import CallQueued
from centralita.server.call_records import RecordingKept, TaskMade
from centralita.server.call_writer import Line
from centralita.server.transcriber import TranscriptMade
from centralita.store.database import StoreError
from centralita.telephony.call import EndReason
from centralita.timeline.model import Outcome, TaskKind
from tests.support.house import ANA, SALES, House, open_center_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        yield house


async def test_a_conversation_is_one_entry_with_path_wait_talk_and_place(house: House) -> None:
    await house.ana_is_available()
    caller, phone = await house.talks_to_ana()
    house.control.hangs_up(caller)
    entry = await house.is_over(caller)
    details = entry.call
    assert details is not None
    assert (entry.agent_id, entry.queue_id) == (ANA, SALES)
    assert (details.caller, details.dialled) == ("+34600111222", "100")
    assert details.outcome is Outcome.CONVERSATION
    assert [step.node_id for step in details.path][:2] == ["menu", "queue"]
    assert details.path[0].result == "key 1"
    assert [(wait.queue_id, wait.how) for wait in details.waits] == [(SALES, "answered")]
    assert [talk.agent_id for talk in details.talks] == [ANA]
    assert details.talks[0].leg_id == phone.leg_id
    assert details.talks[0].talked > timedelta(0)
    assert details.ended_at_place == "conversation"
    assert details.answered_at is not None
    assert entry.ended_at is not None
    assert entry.started_at <= details.answered_at <= entry.ended_at
    assert house.calls.calls == {}


@pytest.mark.parametrize(
    ("key", "outcome", "place"),
    [
        ("3", Outcome.SELF_SERVICE, "main/bye"),
        ("5", Outcome.MISSED, "main/away"),
    ],
)
async def test_a_flow_that_ends_the_call_says_how(
    house: House, key: str, outcome: Outcome, place: str
) -> None:
    caller = await house.calls_in()
    house.control.presses(caller, key)
    details = (await house.is_over(caller)).call
    assert details is not None
    assert (details.outcome, details.ended_at_place) == (outcome, place)
    assert details.ended_by == "flow_ended"


async def test_hanging_up_in_the_menu_is_abandoned_at_that_node(house: House) -> None:
    caller = await house.calls_in()
    house.control.hangs_up(caller)
    details = (await house.is_over(caller)).call
    assert details is not None
    assert details.outcome is Outcome.ABANDONED
    assert (details.ended_by, details.ended_at_place) == ("remote_hangup", "main/menu")


async def test_a_caller_lost_with_its_worker_is_a_failure_of_ours(house: House) -> None:
    caller = await house.calls_in()
    house.control.refuses(caller, EndReason.WORKER_LOST)
    details = (await house.is_over(caller)).call
    assert details is not None
    assert (details.outcome, details.ended_by) == (Outcome.FAILED, "worker_lost")


async def test_a_transfer_outside_that_is_answered_is_transferred(house: House) -> None:
    caller = await house.calls_in()
    house.control.presses(caller, "4")
    outside = await house.control.next_dialled()
    house.control.answers(outside)
    await house.until(lambda: caller.other == outside.leg_id)
    house.control.hangs_up(outside)
    details = (await house.is_over(caller)).call
    assert details is not None
    assert details.outcome is Outcome.TRANSFERRED


async def test_giving_up_in_the_queue_is_a_missed_call_for_the_people_of_the_queue(
    house: House,
) -> None:
    await house.ana_is_available()
    caller = await house.calls_in()
    house.control.presses(caller, "1")
    await house.hears_of(CallQueued)
    house.control.hangs_up(caller)
    entry = await house.is_over(caller)
    assert entry.call is not None
    assert entry.call.outcome is Outcome.ABANDONED
    assert entry.call.ended_at_place == "queue sales"
    assert [wait.how for wait in entry.call.waits] == ["abandoned"]
    (task,) = await house.tasks()
    assert (task.kind, task.queue_id, task.caller) == (
        TaskKind.MISSED_CALL,
        SALES,
        "+34600111222",
    )
    assert (task.customer_id, task.interaction_id) == (entry.customer_id, entry.id)


async def test_a_message_becomes_a_task_with_its_words_even_when_the_caller_just_hangs_up(
    house: House,
) -> None:
    caller = await house.leaves_a_message()
    house.recognizer.script(utterance("llámeme mañana"))
    house.control.hangs_up(caller)
    entry = await house.is_over(caller)
    assert entry.call is not None
    assert entry.call.outcome is Outcome.VOICEMAIL
    await house.hears_of(TranscriptMade)
    (task,) = await house.tasks()
    assert (task.kind, task.text, task.queue_id) == (TaskKind.VOICEMAIL, "llámeme mañana", SALES)
    assert (task.call_id, task.interaction_id) == (caller.call_id, entry.id)
    kept = await house.hears_of(RecordingKept)
    assert kept.task_id == task.id
    assert (house.config.recordings_dir / kept.made.path).is_file()
    assert [made.task.text for made in house.of(TaskMade)] == ["", "llámeme mañana"]


async def test_the_journal_keeps_the_order_and_leaves_out_what_is_said_elsewhere(
    house: House,
) -> None:
    await house.ana_is_available()
    caller, phone = await house.talks_to_ana()
    house.control.hangs_up(phone)
    await house.is_over(caller)
    lines = await house.journal(caller)
    kinds = [line.type for line in lines]
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    story = (
        "call_arrived", "node_entered", "leg_answered", "digit_received", "call_queued",
        "offer_made", "offer_settled", "conversation_started", "conversation_ended", "flow_ended",
    )  # fmt: skip
    places = [kinds.index(kind) for kind in story if kind != "leg_answered"]
    assert places == sorted(places)
    assert set(story) <= set(kinds)
    assert not {"agent_changed", "queue_changed", "task_made"} & set(kinds)
    for line in lines:
        left_out = {"call_id", "path", "learned", "variables", "headers"}
        assert not left_out & set(line.data), line.type


async def test_a_line_that_cannot_be_written_costs_only_itself(house: House) -> None:
    caller = await house.calls_in()
    append_many = house.store.call_events.append_many
    failed = []

    async def refuses_digits(lines: Sequence[Line]) -> None:
        if any(type == "digit_received" for _, _, type, _ in lines):
            failed.append(len(lines))
            raise StoreError("the database refused: DataError")
        await append_many(lines)

    house.store.call_events.append_many = refuses_digits  # type: ignore[method-assign,assignment]
    house.control.presses(caller, "3")
    details = (await house.is_over(caller)).call
    assert failed[-1] == 1
    assert details is not None
    assert details.outcome is Outcome.SELF_SERVICE
