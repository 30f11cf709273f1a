"""Which messages may be written to the outside."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from centralita.core.refusals import Refusal
from centralita.outbound.messages import MessageLimits, Written, decide_message
from centralita.outbound.rules import (
    Allowed,
    Kind,
    Originator,
    Refused,
    Rules,
    Usage,
    decide,
)

LIMITS = MessageLimits(agent_sms=2, sms=3, agent_emails=4, emails=5)


def refusal(to: str, *, sms: bool = True, own: int = 0, all: int = 0, **rules: object) -> str:
    refused = decide_message(
        Rules(region="ES", **rules),  # type: ignore[arg-type]
        LIMITS,
        sms=sms,
        to=to,
        written=Written(own=own, all=all),
    )
    return "" if refused is None else refused.reason.value


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("+34600111222", ""),
        ("+24107123456", Refusal.MESSAGE_NOT_ALLOWED),  # Gabon
        ("+3725123456", Refusal.MESSAGE_NOT_ALLOWED),  # Estonia
        ("+883510001234", Refusal.MESSAGE_NOT_ALLOWED),  # of no country
        ("+34803123456", Refusal.OUT_COSTLY),
        ("+34905123456", Refusal.OUT_COSTLY),
        ("25252", Refusal.MESSAGE_NOT_ALLOWED),  # premium SMS are short numbers
        ("nobody", Refusal.OUT_NOT_A_NUMBER),
    ],
)
def test_sms_go_where_calls_may_go(to: str, why: str) -> None:
    assert refusal(to) == why


def test_a_longer_allow_is_above_a_deny_and_an_email_has_no_country() -> None:
    assert refusal("+3725123456", allow=("+34", "+372")) == ""
    assert refusal("+3725123456", allow=("+372",), deny=("+3725",)) == "not_allowed.message"
    assert refusal("+34600111222", deny=("+346",)) == "not_allowed.message"
    assert refusal("+34803123456", costly=("+34803",)) == ""
    assert refusal("ana@example.com", sms=False) == ""


@pytest.mark.parametrize(
    ("number", "rules"),
    [
        ("+34600111222", {}),
        ("+34803123456", {}),
        ("+34803123456", {"costly": ("+34803",)}),
        ("+34905123456", {"allow": ("+34905",)}),
        ("+3725123456", {"costly": ("+372",)}),
        ("+3725123456", {"allow": ("+372",), "deny": ("+3725",)}),
        ("+3725123456", {"allow": ("+3725",), "deny": ("+372",)}),
        ("25252", {"allow": ("25252",)}),
        ("25252", {"costly": ("25252",)}),
        ("25252", {"allow": ("25252",), "deny": ("25252",)}),
        ("25252", {}),
    ],
)
def test_an_sms_goes_just_where_a_call_goes(number: str, rules: dict[str, object]) -> None:
    call = decide(
        Rules(region="ES", **rules),  # type: ignore[arg-type]
        number,
        Originator(kind=Kind.AGENT, ident="agent_ana"),
        Usage(),
        datetime(2026, 1, 5, 12, tzinfo=UTC),
    )
    sms = refusal(number, **rules)  # type: ignore[arg-type]
    assert (sms == "") == isinstance(call, Allowed)
    if isinstance(call, Refused):
        told = {"not_allowed.message": "not_allowed", "not_allowed.costly": "costly"}
        assert told[sms] == call.reason.value


def test_each_day_has_an_end_for_one_and_for_all() -> None:
    assert refusal("+34600111222", own=1, all=2) == ""
    assert refusal("+34600111222", own=2, all=2) == "not_allowed.messages_of_writer"
    assert refusal("+34600111222", own=0, all=3) == "not_allowed.messages"
    assert refusal("a@example.com", sms=False, own=3, all=4) == ""
    assert refusal("a@example.com", sms=False, own=4, all=4) == "not_allowed.messages_of_writer"
    assert refusal("a@example.com", sms=False, own=0, all=5) == "not_allowed.messages"
