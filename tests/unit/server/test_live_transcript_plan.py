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
from centralita.server.live_transcript.secret import BEFORE_PAUSE, masked

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
    record.put(saying(first, "buenos", final=False), NOON)
    record.put(saying(second, "hola"), NOON)
    record.put(saying(first, "buenos días"), NOON)
    assert [one.pii_text for one in record.sayings] == ["buenos días", "hola"]
    record.put(saying(second, ""), NOON)
    assert [one.pii_text for one in record.sayings] == ["buenos días"]
    assert not record.cut


def test_of_a_long_call_the_newest_sayings_are_kept_and_it_says_so() -> None:
    record = Record(NOON, most=3)
    for _ in range(5):
        number = record.number()
        record.put(saying(number, f"número {number}"), NOON)
    assert [one.number for one in record.sayings] == [3, 4, 5]
    assert record.cut


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("mi tarjeta es cuatro cinco siete uno", "mi tarjeta es •••"),
        ("cuatro mil quinientos, y después treinta y dos", "••• y después •••"),
        ("es el doce del veintisiete y acaba en cien uno", "es el ••• del ••• y acaba en •••"),
        ("cuatro o más", "••• o más"),
        ("Dieciséis. Veintidós.", "•••"),
        ("uno doble cero", "•••"),
        ("un momento y una cosa", "un momento y una cosa"),
        ("it is four double oh seven and then 4711 please", "it is ••• and then ••• please"),
        ("oh I see", "oh I see"),
        ("necesito ayuda", "necesito ayuda"),
        ("el 4711-1234 de julio", "el ••• de julio"),
        ("", ""),
    ],
)
def test_numbers_are_masked_in_both_languages_and_other_words_are_left(
    said: str, shown: str
) -> None:
    assert masked(said) == shown


def test_a_pause_takes_the_numbers_out_of_what_was_heard_just_before() -> None:
    record = Record(NOON)
    heard = ((0, "tengo dos preguntas"), (5, "cuatro cinco"), (14, "seis"), (15, "sí"))
    for seconds, text in heard:
        record.put(saying(record.number(), text), NOON + timedelta(seconds=seconds))
    pressed = NOON + timedelta(seconds=5) + BEFORE_PAUSE
    assert [one.number for one in record.mask(pressed)] == [2, 3]
    assert [one.pii_text for one in record.sayings] == ["tengo dos preguntas", "•••", "•••", "sí"]
    assert record.mask(pressed) == ()


def test_a_long_saying_counts_by_its_last_word() -> None:
    record = Record(NOON)
    number = record.number()
    record.put(saying(number, "es cuatro", final=False), NOON)
    record.put(saying(number, "es cuatro cinco"), NOON + timedelta(seconds=20))
    record.mask(NOON + timedelta(seconds=25))
    assert [one.pii_text for one in record.sayings] == ["es •••"]
