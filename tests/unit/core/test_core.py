"""The vocabulary everybody shares: bus, tasks, clock, plain forms, durations."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock, SteadyClock
from centralita.core.errors import InvalidInput
from centralita.core.events import Event
from centralita.core.ids import CallId, new_id
from centralita.core.tasks import Tasks
from centralita.core.wire import parse_duration, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Event):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shouted(Said):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidInCall(Said):
    call_id: CallId


# --- bus ------------------------------------------------------------------------------------------


def test_everybody_hears_the_kinds_they_asked_for() -> None:
    bus, said, shouted = Bus(), list[Event](), list[Event]()
    bus.subscribe(Said, said.append)
    stop = bus.subscribe(Shouted, shouted.append)
    quiet, loud = Said(text="hi"), Shouted(text="HI")
    bus.publish(quiet)
    bus.publish(loud)
    stop()
    stop()
    bus.publish(loud)
    assert said == [quiet, loud, loud]
    assert shouted == [loud]


def test_who_asked_for_one_call_hears_no_other() -> None:
    bus, heard, all_heard = Bus(), list[str](), list[str]()

    def first(event: SaidInCall) -> None:
        heard.append(f"first {event.text}")
        stop_first()  # the other one of the same call hears this event all the same

    stop_first = bus.subscribe(SaidInCall, first, call_id=CallId("one"))
    stop_second = bus.subscribe(Event, lambda event: heard.append("second"), call_id=CallId("one"))
    bus.subscribe(SaidInCall, lambda event: all_heard.append(event.call_id))
    for call_id in ("one", "two", "one"):
        bus.publish(SaidInCall(call_id=CallId(call_id), text="hi"))
    bus.publish(Said(text="outside of calls"))
    stop_second()
    stop_second()
    bus.publish(SaidInCall(call_id=CallId("one"), text="too late"))
    assert heard == ["first hi", "second", "second"]
    assert all_heard == ["one", "two", "one", "one"]


def test_what_a_handler_publishes_comes_after_what_all_are_hearing() -> None:
    bus, heard = Bus(), list[str]()

    def echo(event: Said) -> None:
        heard.append(f"first {event.text}")
        if event.text == "one":
            bus.publish(Said(text="two"))

    bus.subscribe(Said, echo)
    bus.subscribe(Said, lambda event: heard.append(f"second {event.text}"))
    bus.publish(Said(text="one"))
    assert heard == ["first one", "second one", "first two", "second two"]


def test_a_handler_that_fails_keeps_nobody_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, heard = Bus(), list[Event]()

    def fails(event: Said) -> None:
        raise OSError("broken")

    bus.subscribe(Said, fails)
    bus.subscribe(Said, heard.append)
    bus.publish(Said(text="one"))
    bus.publish(Said(text="two"))
    assert len(heard) == 2
    assert "event handler failed" in caplog.text


def test_who_stops_while_being_told_is_told_no_more() -> None:
    bus, heard = Bus(), list[str]()

    def once(event: Said) -> None:
        heard.append(event.text)
        stop()

    stop = bus.subscribe(Said, once)
    bus.publish(Said(text="one"))
    bus.publish(Said(text="two"))
    assert heard == ["one"]


# --- tasks ----------------------------------------------------------------------------------------


async def test_a_task_that_fails_is_logged_by_name_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = Tasks("house")
    told: asyncio.Queue[BaseException] = asyncio.Queue()

    async def fails() -> None:
        raise ValueError("lost")

    with caplog.at_level(logging.ERROR):
        tasks.spawn(fails(), name="work", on_error=told.put_nowait)
        error = await asyncio.wait_for(told.get(), 1)
    assert str(error) == "lost"
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["task"]) == ("task failed", "house: work")
    assert len(tasks) == 0


async def test_closing_cancels_all_and_waits(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks("house")
    cleaned: list[str] = []
    running = asyncio.Event()

    async def works() -> None:
        try:
            running.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("done")

    tasks.spawn(works(), name="work")
    await running.wait()
    await tasks.close()
    assert cleaned == ["done"]
    assert len(tasks) == 0
    assert "task failed" not in caplog.text


async def test_a_task_that_forgets_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("centralita.core.tasks.CANCELLED_AGAIN", 0.01)
    tasks, ended = Tasks("house"), False

    async def forgetful() -> None:
        nonlocal ended
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()
        finally:
            ended = True

    tasks.spawn(forgetful(), name="forgetful")
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.close(), 5)
    assert ended


async def test_a_task_may_close_its_own_house() -> None:
    tasks = Tasks("house")
    closed = asyncio.Event()

    async def closes() -> None:
        await tasks.close()
        closed.set()

    tasks.spawn(closes(), name="close")
    await asyncio.wait_for(closed.wait(), 1)


async def test_settling_waits_for_work_but_not_for_ever() -> None:
    tasks = Tasks("house")
    never = asyncio.Event()

    async def works() -> None:
        await never.wait()

    tasks.spawn(works(), name="stuck")
    await tasks.settle(within=0.01)
    assert len(tasks) == 1
    never.set()
    await tasks.settle(within=1)
    assert len(tasks) == 0
    await tasks.settle(within=1)


# --- clock ----------------------------------------------------------------------------------------


def test_the_clock_is_aware_and_never_goes_back() -> None:
    clock = SteadyClock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0].tzinfo is UTC
    assert abs(times[0] - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock()
    before = clock.now()
    assert clock.now() == before
    clock.advance(timedelta(minutes=1))
    assert clock.now() - before == timedelta(minutes=1)


# --- plain forms ----------------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Box:
    colour: Colour
    age: timedelta
    made: datetime
    inside: tuple[object, ...]


def test_everything_an_event_holds_has_a_plain_form() -> None:
    box = Box(
        Colour.RED, timedelta(seconds=1.5), datetime(2026, 1, 5, tzinfo=UTC), ({"a": 1}, None)
    )
    assert to_plain(box) == {
        "colour": "red",
        "age": 1.5,
        "made": "2026-01-05T00:00:00+00:00",
        "inside": [{"a": 1}, None],
    }
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_plain(object())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("7d", 604800), (" 1s ", 1)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["30", "30 secs", "-1s", "", "s", "1s2m", "١s1"])
def test_what_is_no_duration_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(InvalidInput, match=r'is not a duration; write .* "30s"'):
        parse_duration(text)


@given(st.text(max_size=8))
def test_no_text_makes_the_reading_of_durations_fail_otherwise(text: str) -> None:
    try:
        assert parse_duration(text) >= timedelta(0)
    except InvalidInput:
        pass


def test_ids_say_what_they_name_and_never_repeat() -> None:
    ids = {new_id("call") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(name.startswith("call_") and len(name) == 29 for name in ids)
