"""The exchange: what each step makes of it, as a table and under hypothesis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.core.errors import Conflict
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.routing.conversations.exchange import (
    AgentGone,
    AgentLeft,
    Cancel,
    Complete,
    Confer,
    Consequence,
    Consult,
    Exchange,
    FellSilent,
    HandOver,
    Happening,
    Hold,
    LetGo,
    Phase,
    PhoneHolds,
    Resume,
    Swap,
    Third,
    ThirdAnswered,
    ThirdGone,
    ThirdRings,
    ToPerson,
    sound,
    step,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CALLER, ANA, BEA, OWN = (LegId(name) for name in ("caller", "ana", "bea", "own"))
TALKING = Exchange(
    call_id=CallId("c"),
    queue_id=QueueId("sales"),
    caller_leg=CALLER,
    agent_id=AgentId("ana"),
    agent_leg=ANA,
    since=NOW,
)
RINGING = Third(
    leg_id=BEA,
    label="Bea",
    number="202",
    since=NOW,
    agent_id=AgentId("bea"),
    offer_id=OfferId("o"),
)
BY_PHONE = replace(RINGING, own_leg=OWN)


def after(*events: Happening) -> tuple[Exchange, tuple[Consequence, ...]]:
    x: Exchange = TALKING
    consequences: tuple[Consequence, ...] = ()
    for event in events:
        x, consequences = step(x, event, NOW)
    return x, consequences


def heard(x: Exchange) -> str:
    """Who hears whom, in words."""
    now = sound(x)
    parts = ["+".join(sorted(group)) for group in now.groups]
    parts += [f"{leg}:music" for leg in now.music] + [f"{leg}:ringing" for leg in now.ringing]
    parts += [f"{listener}<{source}" for listener, source in now.early]
    return " ".join(sorted(parts))


CONSULTED = (Consult(RINGING), ThirdAnswered())


# RFC 5359, 2.1 to 2.10, as the one in the middle sees it: the steps, what is heard after them, and
# what comes of the last one.
FLOWS: list[tuple[str, tuple[Happening, ...], str, type[Consequence] | None]] = [
    ("2.1 call hold", (Hold(),), "caller:music", None),
    ("2.1 taken back", (Hold(), Resume()), "ana+caller", None),
    ("2.1 by the phone", (PhoneHolds(ANA, True),), "caller:music", None),
    ("an agent's phone dies", (FellSilent(ANA, True),), "caller:music", None),
    (
        "and comes back",
        (FellSilent(ANA, True), FellSilent(ANA, False)),
        "ana+caller",
        None,
    ),
    (
        "held, and then dies",
        (PhoneHolds(ANA, True), FellSilent(ANA, True), FellSilent(ANA, False)),
        "caller:music",
        None,
    ),
    ("a caller's line dies", (FellSilent(CALLER, True),), "ana+caller", None),
    ("nobody's line", (FellSilent(BEA, True),), "ana+caller", None),
    ("2.1 phone and page", (PhoneHolds(ANA, True), Hold(), Resume()), "caller:music", None),
    ("2.2 consultation hold", (Consult(RINGING),), "ana:ringing caller:music", None),
    (
        "2.2 the third's network is heard",
        (Consult(RINGING), ThirdRings(True)),
        "ana<bea caller:music",
        None,
    ),
    (
        "2.2 and our ring again",
        (Consult(RINGING), ThirdRings(True), ThirdRings(False)),
        "ana:ringing caller:music",
        None,
    ),
    (
        "2.2 answered after it",
        (Consult(RINGING), ThirdRings(True), ThirdAnswered()),
        "ana+bea caller:music",
        None,
    ),
    ("2.2 answered", CONSULTED, "ana+bea caller:music", None),
    ("2.2 given up", (*CONSULTED, Cancel()), "ana+caller", LetGo),
    ("2.2 third refuses", (Consult(RINGING), ThirdGone()), "caller:music", LetGo),
    ("2.2 third hangs up", (*CONSULTED, ThirdGone()), "caller:music", LetGo),
    ("2.2 swapped", (*CONSULTED, Swap()), "ana+caller bea:music", None),
    ("2.2 swapped, third hangs up", (*CONSULTED, Swap(), ThirdGone()), "ana+caller", LetGo),
    ("2.5 attended transfer", (*CONSULTED, Complete()), "ana+bea caller:music", HandOver),
    ("2.5 by hanging up", (*CONSULTED, AgentGone()), "ana+bea caller:music", HandOver),
    ("2.5 hung up too early", (Consult(RINGING), AgentGone()), "caller:music", ToPerson),
    ("2.9 three-way", (*CONSULTED, Confer()), "ana+bea+caller", None),
    ("2.9 third leaves", (*CONSULTED, Confer(), ThirdGone()), "ana+caller", LetGo),
    ("2.9 agent leaves", (*CONSULTED, Confer(), AgentGone()), "ana+bea+caller", HandOver),
    ("2.9 agent holds all", (*CONSULTED, Confer(), PhoneHolds(ANA, True)), "bea+caller", None),
    ("the end", (AgentGone(),), "ana+caller", AgentLeft),
    ("two calls of a phone", (PhoneHolds(ANA, True), Consult(BY_PHONE)), "caller:music", None),
    (
        "two calls, answered",
        (PhoneHolds(ANA, True), Consult(BY_PHONE), ThirdAnswered()),
        "bea+own caller:music",
        None,
    ),
    (
        "two calls, swapped",
        (
            PhoneHolds(ANA, True), Consult(BY_PHONE), ThirdAnswered(), PhoneHolds(OWN, True),
            PhoneHolds(ANA, False),
        ),
        "ana+caller bea:music",
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("_name", "events", "sounds", "outcome"), FLOWS)
def test_the_flows_of_rfc_5359(
    _name: str,
    events: tuple[Happening, ...],
    sounds: str,
    outcome: type[Consequence] | None,
) -> None:
    x, consequences = after(*events)
    if outcome is ToPerson:
        assert [type(each) for each in consequences] == [LetGo, ToPerson]
        assert x.third is None
        return
    assert [type(each) for each in consequences] == ([outcome] if outcome is not None else [])
    assert heard(x) == sounds


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ((Complete(),), "no_consultation"),
        ((Cancel(),), "no_consultation"),
        ((Swap(),), "no_consultation"),
        ((Consult(RINGING), Complete()), "third_rings"),
        ((Consult(RINGING), Swap()), "third_rings"),
        ((Consult(RINGING), Consult(RINGING)), "already_consulting"),
        ((*CONSULTED, Hold()), "not_talking.not_alone"),
        ((*CONSULTED, Resume()), "not_talking.not_held"),
        ((*CONSULTED, Confer(), Swap()), "no_consultation.conference"),
        ((*CONSULTED, ThirdGone(), Complete()), "no_consultation"),
    ],
)
def test_what_cannot_be_says_why(events: tuple[Happening, ...], code: str) -> None:
    with pytest.raises(Conflict) as refused:
        after(*events)
    assert ".".join(part for part in (refused.value.code, refused.value.why) if part) == code


ANYTHING = st.sampled_from(
    [
        Hold(),
        Resume(),
        Consult(RINGING),
        Consult(BY_PHONE),
        Swap(),
        Complete(),
        Confer(),
        Cancel(),
        ThirdAnswered(),
        ThirdGone(),
        AgentGone(),
        PhoneHolds(ANA, True),
        PhoneHolds(ANA, False),
        FellSilent(ANA, True),
        FellSilent(CALLER, True),
        FellSilent(ANA, False),
        PhoneHolds(OWN, True),
    ]
)


@given(st.lists(ANYTHING, max_size=30))
def test_whatever_happens_nobody_is_forgotten(events: list[Happening]) -> None:
    x = TALKING
    for event in events:
        before = x
        try:
            x, consequences = step(x, event, NOW)
        except Conflict:
            continue
        now = sound(x)
        # Each third party that was there is there, or was let go or handed over, once.
        told = [each for each in consequences if isinstance(each, LetGo | HandOver)]
        if before.third is not None and x.third is None:
            assert [type(each) for each in told] == [LetGo]
        assert len(told) <= 1
        # The caller always hears somebody or music, and nobody hears two things.
        groups = list(now.groups)
        everybody = [leg for group in groups for leg in group] + [*now.music, *now.ringing]
        assert len(everybody) == len(set(everybody))
        assert CALLER in everybody
        assert all(len(group) > 1 for group in groups)
        # A third party that answered hears somebody or music, too.
        if x.third is not None and x.third.answered:
            assert BEA in everybody
        if any(isinstance(each, HandOver | AgentLeft | ToPerson) for each in consequences):
            return
        # Nobody but the agent and who is in a conference with the caller hears the caller.
        with_caller = next((group for group in groups if CALLER in group), frozenset())
        assert with_caller <= {CALLER, ANA, BEA}
        assert BEA not in with_caller or x.phase is Phase.CONFERENCE
