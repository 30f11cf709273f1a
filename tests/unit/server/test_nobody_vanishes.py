"""Every way out of the house leaves something: talk, a message, what the flow gave, or a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from centralita.core.ids import FlowId
from centralita.routing.events import CallLeftQueue, CallQueued
from centralita.server.call_records import TaskMade
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from centralita.timeline.model import Outcome, TaskKind, TaskState
from tests.support.house import SALES, House, open_center_house

FLOW = """
flow: main
language: es
start: menu
nodes:
  menu:
    type: menu
    prompt: "menu"
    speech: false
    turn: {tries: 1, timeout: 150ms}
    choices:
      - {key: "1", next: queue}
      - {key: "2", next: message}
      - {key: "3", next: hours}
      - {key: "4", next: outside}
      - {key: "5", next: away}
      - {key: "6", next: waiting}
      - {key: "7", next: broken}
    on_failure: bye
  queue: {type: enqueue, queue: sales, otherwise: message, max_wait: message}
  waiting: {type: enqueue, queue: sales, otherwise: again}
  again:
    type: menu
    prompt: "again"
    speech: false
    choices: [{key: "1", next: hours}]
    on_failure: bye
  message: {type: voicemail, queue: sales, next: bye}
  outside: {type: transfer, target: "999", on_failure: bye}
  broken: {type: transfer, target: "666", on_failure: bye}
  away: {type: hangup, prompt: "no", outcome: refused}
  hours: {type: hangup, prompt: "open from nine to five", outcome: self_service}
  bye: {type: hangup, prompt: "bye", outcome: self_service}
"""

Way = Callable[[House], Awaitable[FakeLeg]]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        document = yaml.safe_load(FLOW)
        record = await house.store.flows.add_version(
            FlowId("main"), document, at=house.clock.now(), by="test"
        )
        await house.store.flows.publish(FlowId("main"), record.version, numbers=("100",))
        await house.reads_directory()
        yield house


async def calls(house: House, keys: str = "", *, prompts_last: bool = False) -> FakeLeg:
    """A caller who presses these keys; with `prompts_last`, what is then said is not heard out."""
    house.control.prompts_end_at_once = not prompts_last
    caller = await house.calls_in()
    if keys:
        house.control.presses(caller, keys)
    return caller


def passes(house: House, seconds: float) -> None:
    """Time goes by for the house."""
    mark = house.clock.mark
    house.clock.follow(replace(mark, wall=mark.wall + timedelta(seconds=seconds)))


async def comes_to(house: House, caller: FakeLeg, place: str) -> None:
    await house.until(lambda: house.calls.calls[caller.call_id].place == place)


async def in_the_menu(house: House) -> FakeLeg:
    caller = await calls(house, prompts_last=True)
    passes(house, 20)
    house.control.hangs_up(caller)
    return caller


async def after_saying_nothing_to_the_menu(house: House) -> FakeLeg:
    return await calls(house)


async def while_waiting(house: House) -> FakeLeg:
    await house.ana_is_available()
    caller = await calls(house, "1")
    await house.hears_of(CallQueued)
    house.control.hangs_up(caller)
    return caller


async def in_the_greeting(house: House) -> FakeLeg:
    """Of the voicemail, since nobody serves the queue."""
    caller = await calls(house, "1", prompts_last=True)
    await comes_to(house, caller, "main/message")
    house.control.hangs_up(caller)
    return caller


async def in_the_greeting_of_a_voicemail_chosen(house: House) -> FakeLeg:
    caller = await calls(house, "2", prompts_last=True)
    await comes_to(house, caller, "main/message")
    house.control.hangs_up(caller)
    return caller


async def at_the_beep(house: House) -> FakeLeg:
    caller = await calls(house, "1")
    await house.until(lambda: caller.recording is not None)
    house.control.hangs_up(caller)
    return caller


async def by_the_key_without_a_word(house: House) -> FakeLeg:
    caller = await calls(house, "1")
    await house.until(lambda: caller.recording is not None)
    house.control.presses(caller, "#")
    return caller


async def in_the_good_bye_after_the_key(house: House) -> FakeLeg:
    caller = await calls(house, "1")
    await house.until(lambda: caller.recording is not None)
    house.control.prompts_end_at_once = False
    house.control.presses(caller, "#")
    await comes_to(house, caller, "main/bye")
    house.control.hangs_up(caller)
    return caller


async def in_the_menu_behind_the_queue(house: House) -> FakeLeg:
    caller = await calls(house, "6", prompts_last=True)
    await house.hears_of(CallLeftQueue)
    await comes_to(house, caller, "main/again")
    house.control.hangs_up(caller)
    return caller


async def refused_by_the_flow(house: House) -> FakeLeg:
    return await calls(house, "5")


async def before_the_number_outside_answers(house: House) -> FakeLeg:
    caller = await calls(house, "4")
    await house.control.next_dialled()
    house.control.hangs_up(caller)
    return caller


async def since_the_number_outside_is_busy(house: House) -> FakeLeg:
    caller = await calls(house, "4")
    house.control.refuses(await house.control.next_dialled(), EndReason.BUSY)
    return caller


async def since_the_number_may_not_be_called(house: House) -> FakeLeg:
    return await calls(house, "7")


async def with_its_worker(house: House) -> FakeLeg:
    caller = await calls(house, prompts_last=True)
    house.control.refuses(caller, EndReason.WORKER_LOST)
    return caller


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        (in_the_menu, Outcome.ABANDONED),
        (after_saying_nothing_to_the_menu, Outcome.MISSED),
        (while_waiting, Outcome.ABANDONED),
        (in_the_greeting, Outcome.MISSED),
        (in_the_greeting_of_a_voicemail_chosen, Outcome.MISSED),
        (at_the_beep, Outcome.MISSED),
        (by_the_key_without_a_word, Outcome.MISSED),
        (in_the_good_bye_after_the_key, Outcome.MISSED),
        (in_the_menu_behind_the_queue, Outcome.MISSED),
        (refused_by_the_flow, Outcome.MISSED),
        (before_the_number_outside_answers, Outcome.MISSED),
        (since_the_number_outside_is_busy, Outcome.MISSED),
        (since_the_number_may_not_be_called, Outcome.MISSED),
        (with_its_worker, Outcome.FAILED),
    ],
)
async def test_who_leaves_without_having_reached_anybody_is_called_back(
    house: House, way: Way, outcome: Outcome
) -> None:
    entry = await house.is_over(await way(house))
    assert entry.call is not None
    assert entry.call.outcome is outcome
    (task,) = await house.tasks()
    assert (task.kind, task.queue_id, task.caller) == (
        TaskKind.MISSED_CALL, SALES, "+34600111222",
    )  # fmt: skip
    assert (task.customer_id, task.interaction_id) == (entry.customer_id, entry.id)


async def told_by_the_flow(house: House) -> FakeLeg:
    return await calls(house, "3")


async def told_and_hung_up(house: House) -> FakeLeg:
    """Who has heard enough need not wait for the good-bye."""
    caller = await calls(house, "3", prompts_last=True)
    await comes_to(house, caller, "main/hours")
    house.control.hangs_up(caller)
    return caller


async def told_after_the_queue(house: House) -> FakeLeg:
    """Has chosen it, where nobody was there."""
    caller = await calls(house, "6")
    await comes_to(house, caller, "main/again")
    house.control.presses(caller, "1")
    return caller


async def in_conversation(house: House) -> FakeLeg:
    await house.ana_is_available()
    house.control.prompts_end_at_once = True
    caller, _ = await house.talks_to_ana()
    house.control.hangs_up(caller)
    return caller


async def with_the_number_outside(house: House) -> FakeLeg:
    caller = await calls(house, "4")
    outside = await house.control.next_dialled()
    house.control.answers(outside)
    await house.until(lambda: caller.other == outside.leg_id)
    house.control.hangs_up(caller)
    return caller


async def at_once(house: House) -> FakeLeg:
    """A wrong number."""
    caller = await calls(house, prompts_last=True)
    house.control.hangs_up(caller)
    return caller


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        (told_by_the_flow, Outcome.SELF_SERVICE),
        (told_and_hung_up, Outcome.SELF_SERVICE),
        (told_after_the_queue, Outcome.SELF_SERVICE),
        (in_conversation, Outcome.CONVERSATION),
        (with_the_number_outside, Outcome.TRANSFERRED),
        (at_once, Outcome.ABANDONED),
    ],
)
async def test_who_got_something_or_wanted_nothing_is_not_called_back(
    house: House, way: Way, outcome: Outcome
) -> None:
    entry = await house.is_over(await way(house))
    assert entry.call is not None
    assert entry.call.outcome is outcome
    assert await house.tasks() == ()


async def test_who_calls_again_and_again_is_called_back_once(house: House) -> None:
    for way in (in_the_greeting, refused_by_the_flow, in_the_menu):
        await house.is_over(await way(house))
        house.told.clear()
    (task,) = await house.tasks()
    await house.store.tasks.set_state(task.id, TaskState.DONE, house.clock.now(), "Ana")
    await house.is_over(await refused_by_the_flow(house))
    assert [task.state for task in await house.tasks()] == [TaskState.DONE, TaskState.OPEN]


async def test_who_talks_to_somebody_at_last_need_not_be_called_back(house: House) -> None:
    await house.is_over(await in_the_greeting(house))
    house.told.clear()
    await house.is_over(await in_conversation(house))
    (task,) = await house.tasks()
    assert (task.state, task.done_by) == (TaskState.DONE, "Ana")
    assert [made.task for made in house.of(TaskMade)] == [task]


async def test_who_is_lost_with_the_server_is_called_back(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        await house.calls_in()
        await asyncio.wait_for(house.calls.written(), 5)
        house.is_killed()
    async with open_center_house(tmp_path) as house:
        await asyncio.wait_for(house.calls.written(), 5)
        (task,) = await house.tasks()
        assert (task.kind, task.queue_id, task.caller) == (
            TaskKind.MISSED_CALL, SALES, "+34600111222",
        )  # fmt: skip
