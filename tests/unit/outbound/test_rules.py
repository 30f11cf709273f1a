"""Which calls to the outside may be made: a table of numbers, hours and amounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.core.errors import InvalidInput
from centralita.outbound.numbers import longest, read_number
from centralita.outbound.rules import (
    Allowed,
    Kind,
    Limits,
    Originator,
    Reason,
    Refused,
    Rules,
    Usage,
    decide,
    time_left,
)

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SPAIN = Rules(region="ES", zone=ZoneInfo("Europe/Madrid"))
ANA = Originator(kind=Kind.AGENT, ident="agent_ana")
MENU = Originator(kind=Kind.FLOW, ident="main")


def verdict(
    rules: Rules, dialled: str, who: Originator = ANA, usage: Usage | None = None,
    now: datetime = NOON,
) -> str:  # fmt: skip
    """The number that is dialled, or why not."""
    decided = decide(rules, dialled, who, usage or Usage(), now)
    return decided.number.text if isinstance(decided, Allowed) else decided.reason.value


OPEN = replace(
    SPAIN,
    allow=("+34", "+44", "+442", "1004"),
    deny=("+4420", "+34902", "+442"),
    costly=("+34905",),
)


@pytest.mark.parametrize(
    ("rules", "dialled", "expected"),
    [
        # the own country, however written, and nothing else
        (SPAIN, "911234567", "+34911234567"),
        (SPAIN, "+34600111222", "+34600111222"),
        (SPAIN, "0034600111222", "+34600111222"),
        (SPAIN, "+447911123456", "not_allowed"),
        (SPAIN, "005371234567", "not_allowed"),
        (SPAIN, "+881612345678", "not_allowed"),  # a satellite
        (SPAIN, "+882161234567", "not_allowed"),
        # one country code, several countries: those of the Caribbean are not the USA
        (replace(SPAIN, region="US"), "+12125550100", "+12125550100"),
        (replace(SPAIN, region="US"), "+18765551234", "not_allowed"),
        # premium rates, and what is in no numbering plan
        (SPAIN, "803123456", "costly"),
        (SPAIN, "+34807123456", "costly"),
        (SPAIN, "905123456", "costly"),
        (OPEN, "905123456", "+34905123456"),
        (replace(SPAIN, allow=("+34803",)), "803123456", "costly"),
        # the longest prefix decides, and a deny is above an allow of the same length
        (OPEN, "+447911123456", "+447911123456"),
        (OPEN, "+442079460000", "not_allowed"),
        (OPEN, "+441134960000", "+441134960000"),
        (OPEN, "+442896496000", "not_allowed"),
        (OPEN, "902123456", "not_allowed"),
        # short numbers are matched as a whole
        (SPAIN, "1004", "not_allowed"),
        (OPEN, "1004", "1004"),
        (OPEN, "10045", "not_allowed"),
        (OPEN, "100", "not_allowed"),
        # emergencies, also those that sip.conf names
        (SPAIN, "112", "112"),
        (SPAIN, "016", "not_allowed"),
        (replace(SPAIN, emergency=("016",)), "016", "016"),
        (replace(SPAIN, deny=("112", "+34")), "112", "112"),
        (replace(SPAIN, region="US"), "911", "911"),
        # what is no number
        (SPAIN, "", "not_a_number"),
        (SPAIN, "ana", "not_a_number"),
        (SPAIN, "+34", "not_a_number"),
        (SPAIN, "+3491123456789012345", "not_a_number"),
        (SPAIN, "9112345678901", "not_a_number"),
        (SPAIN, "911234567;ext=5", "not_a_number"),
        (SPAIN, "٩١١٢٣٤٥٦٧", "not_a_number"),
        (SPAIN, "911234567\n", "not_a_number"),
        (SPAIN, "104400534567890", "not_a_number"),  # a carrier's code before the number
    ],
)  # fmt: skip
def test_numbers(rules: Rules, dialled: str, expected: str) -> None:
    assert verdict(rules, dialled) == expected


def test_a_flow_makes_no_emergency_calls_unless_they_are_allowed_by_name() -> None:
    assert verdict(SPAIN, "112", MENU) == "not_allowed"
    assert verdict(replace(SPAIN, allow=("+34", "112")), "112", MENU) == "112"


def test_an_agent_who_is_not_signed_in_calls_the_emergency_only() -> None:
    away = replace(ANA, signed_in=False)
    assert verdict(SPAIN, "911234567", away) == "not_signed_in"
    assert verdict(SPAIN, "112", away) == "112"


@pytest.mark.parametrize(
    ("hours", "utc", "night"),
    [
        ((time(20), time(8)), "18:59", False),
        ((time(20), time(8)), "19:00", True),  # eight in the evening in Madrid
        ((time(20), time(8)), "03:00", True),
        ((time(20), time(8)), "06:59", True),
        ((time(20), time(8)), "07:00", False),
        ((time(13), time(15)), "12:30", True),
        ((time(13), time(15)), "14:30", False),
        ((time(9), time(9)), "08:00", False),
    ],
)
def test_nights(hours: tuple[time, time], utc: str, night: bool) -> None:
    now = datetime.fromisoformat(f"2026-01-05T{utc}:00+00:00")
    rules = replace(SPAIN, night=hours, night_allow=("+3491",))
    assert rules.is_night(now) is night
    assert verdict(rules, "600111222", now=now) == ("night" if night else "+34600111222")
    assert verdict(rules, "911234567", now=now) == "+34911234567"
    assert verdict(rules, "112", now=now) == "112"


HOUR = timedelta(hours=1)
TIGHT = replace(
    SPAIN,
    limits=Limits(
        agent_calls=3, agent_time=HOUR, flow_calls=5, flow_time=2 * HOUR, calls=9, time=4 * HOUR,
        concurrent=2,
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("who", "usage", "expected"),
    [
        (ANA, Usage(own_calls=2, calls=8, own_time=HOUR * 0.99, running=1), "+34600111222"),
        (ANA, Usage(own_calls=3), "calls_of_caller"),
        (MENU, Usage(own_calls=3), "+34600111222"),
        (MENU, Usage(own_calls=5), "calls_of_caller"),
        (ANA, Usage(own_time=HOUR), "time_of_caller"),
        (MENU, Usage(own_time=HOUR), "+34600111222"),
        (MENU, Usage(own_time=2 * HOUR), "time_of_caller"),
        (ANA, Usage(calls=9), "calls"),
        (ANA, Usage(time=4 * HOUR), "time"),
        (ANA, Usage(running=2), "concurrent"),
    ],
)
def test_amounts(who: Originator, usage: Usage, expected: str) -> None:
    assert verdict(TIGHT, "600111222", who, usage) == expected
    assert verdict(TIGHT, "112", ANA, usage) == "112", "an emergency is never one too many"


def test_a_refusal_names_the_setting() -> None:
    refused = decide(TIGHT, "600111222", ANA, Usage(own_calls=3), NOON)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CALLS_OF_CALLER
    assert refused.message == "agent_ana has made 3 calls today; see [outbound] agent_calls"


def test_the_time_that_is_left_is_the_shorter_of_both_limits() -> None:
    assert time_left(TIGHT, ANA, Usage(own_time=HOUR / 2, time=HOUR)) == HOUR / 2
    assert time_left(TIGHT, ANA, Usage(own_time=HOUR / 2, time=3.9 * HOUR)) == HOUR / 10
    assert time_left(TIGHT, ANA, Usage(own_time=2 * HOUR)) == timedelta()


def test_the_longest_prefix_gives_the_price() -> None:
    rules = replace(SPAIN, prices={"+34": Decimal("0.02"), "+346": Decimal("0.1")})
    for dialled, price in (("911234567", "0.02"), ("600111222", "0.1"), ("112", "0")):
        decided = decide(rules, dialled, ANA, Usage(), NOON)
        assert isinstance(decided, Allowed)
        assert decided.price == Decimal(price)


def test_a_day_begins_at_midnight_of_the_house() -> None:
    late = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)  # half past midnight in Madrid
    assert SPAIN.day_of(late) == datetime(2026, 1, 5, 23, 0, tzinfo=UTC)


@given(st.text(alphabet="+0123456789", max_size=22))
def test_what_is_dialled_is_what_was_judged_or_nothing(dialled: str) -> None:
    """Whatever signs somebody sends: an allowed number is in the own country, or an emergency."""
    decided = decide(SPAIN, dialled, ANA, Usage(), NOON)
    if isinstance(decided, Allowed):
        text = decided.number.text
        assert decided.number.emergency or text.startswith("+34")
        assert not decided.number.costly
        again = decide(SPAIN, text, ANA, Usage(), NOON)
        assert isinstance(again, Allowed) and again.number.text == text


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        number = read_number(text, "ES")
    except InvalidInput:
        return
    assert number.text.lstrip("+").isdigit()


@given(st.lists(st.from_regex(r"\+[1-9][0-9]{0,4}", fullmatch=True)), st.integers(10**8, 10**11))
def test_the_longest_prefix_is_one_that_fits_and_none_is_longer(
    prefixes: list[str], digits: int
) -> None:
    number = f"+{digits}"
    found = longest(prefixes, number)
    fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
    assert len(found) == max((len(prefix) for prefix in fitting), default=0)
    assert found == "" or found in fitting
