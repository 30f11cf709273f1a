"""Who is listened to in a conversation, and what is kept of it: decisions without I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from centralita.core.ids import AgentId, CallId, LegId, QueueId
from centralita.routing.conversations.exchange import Exchange, Phase, Recorded, Third
from centralita.server.live_transcript.events import Hearing, Saying, Speaker
from centralita.server.live_transcript.plan import Plan, hearing, plan_for
from centralita.server.live_transcript.record import Record

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CALLER, AGENT, THIRD, SECOND = (LegId(name) for name in ("caller", "agent", "third", "second"))
BOTH = {CALLER: Speaker.CALLER, AGENT: Speaker.AGENT}
TALK = Exchange(
    call_id=CallId("call_1"), queue_id=QueueId("sales"), caller_leg=CALLER,
    agent_id=AgentId("ana"), agent_leg=AGENT, since=NOON, recording=Recorded.ON,
)  # fmt: skip
ASKED = Third(leg_id=THIRD, label="Bea", number="202", since=NOON, answered=True)


def test_caller_and_agent_are_heard_while_they_talk() -> None:
    assert plan_for(TALK) == Plan(ears=BOTH)


@pytest.mark.parametrize(
    "waits",
    [
        replace(TALK, phase=Phase.HELD),
        replace(TALK, phone_holds=True),
        replace(TALK, phase=Phase.CONSULTING, third=ASKED, with_third=True),
        replace(
            TALK, phase=Phase.CONSULTING, third=replace(ASKED, answered=False), with_third=True
        ),
    ],
    ids=["hold", "hold by the phone", "consultation", "ringing"],
)
def test_nobody_is_heard_while_the_caller_hears_music(waits: Exchange) -> None:
    assert plan_for(waits) == Plan(silent=Hearing.WAITING)


def test_who_swaps_back_to_the_caller_is_heard_and_the_third_is_not() -> None:
    back = replace(TALK, phase=Phase.CONSULTING, third=ASKED, with_third=False)
    assert plan_for(back) == Plan(ears=BOTH)


def test_a_phone_that_consults_by_itself_is_heard_with_the_caller_only() -> None:
    third = replace(ASKED, own_leg=SECOND)
    assert plan_for(replace(TALK, third=third, with_third=True)) == Plan(ears=BOTH)


def test_in_a_conference_the_third_is_somebody_else() -> None:
    three = replace(TALK, phase=Phase.CONFERENCE, third=ASKED)
    assert plan_for(three).ears == {**BOTH, THIRD: Speaker.THIRD}
    left = plan_for(replace(three, phone_holds=True))
    assert left.ears == {CALLER: Speaker.CALLER, THIRD: Speaker.THIRD}


@pytest.mark.parametrize(
    ("recording", "says"),
    [(Recorded.PAUSED, Hearing.PAUSED), (Recorded.OFF, Hearing.NOT_RECORDED)],
)
@pytest.mark.parametrize("phase", [Phase.TALKING, Phase.HELD])
def test_what_is_not_recorded_is_not_heard(
    recording: Recorded, says: Hearing, phase: Phase
) -> None:
    plan = plan_for(replace(TALK, recording=recording, phase=phase))
    assert plan == Plan(silent=says)
    assert plan.secret


def test_the_page_is_told_of_the_worst_ear() -> None:
    both = Plan(ears=BOTH)
    assert hearing(both, {Hearing.LISTENING}) is Hearing.LISTENING
    assert hearing(both, {Hearing.LISTENING, Hearing.STARTING}) is Hearing.STARTING
    assert hearing(both, {Hearing.STARTING, Hearing.INTERRUPTED}) is Hearing.INTERRUPTED
    assert hearing(both, {Hearing.BUSY, Hearing.LISTENING}) is Hearing.BUSY
    assert hearing(Plan(silent=Hearing.PAUSED), {Hearing.BUSY}) is Hearing.PAUSED


def saying(number: int, text: str, *, final: bool = True) -> Saying:
    return Saying(
        number=number, speaker=Speaker.CALLER, at=timedelta(seconds=number), pii_text=text,
        final=final,
    )  # fmt: skip


def test_a_saying_is_kept_in_its_place_with_its_last_text() -> None:
    record = Record(NOON)
    first, second = record.number(), record.number()
    record.put(saying(first, "buenos", final=False))
    record.put(saying(second, "hola"))
    record.put(saying(first, "buenos días"))
    assert [one.pii_text for one in record.sayings] == ["buenos días", "hola"]
    record.put(saying(second, ""))
    assert [one.pii_text for one in record.sayings] == ["buenos días"]
    assert not record.cut


def test_of_a_long_call_the_newest_sayings_are_kept_and_it_says_so() -> None:
    record = Record(NOON, most=3)
    for _ in range(5):
        number = record.number()
        record.put(saying(number, f"número {number}"))
    assert [one.number for one in record.sayings] == [3, 4, 5]
    assert record.cut
