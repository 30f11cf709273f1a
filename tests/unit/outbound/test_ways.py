"""By which trunks a call is tried, and what each is told of who calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from centralita.outbound.numbers import Number
from centralita.outbound.ways import (
    Forwarded,
    Identity,
    NumberFormat,
    WayOut,
    attempts,
    in_e164,
    ways_out,
    written,
)
from centralita.telephony.attempts import Attempt, CallingParty, Srtp, following

MADRID = Number(text="+34911234567", region="ES")
OURS, THEIRS, DIALLED = "+34910000001", "+34600111222", "910000002"
SENT_ON = CallingParty(caller=THEIRS, caller_name="Juan", dialled=DIALLED, forwarded=True)


def _uri(name: str) -> Callable[[str], str]:
    return lambda number: f"sip:{number}@{name}.trunk.invalid"


def trunk(name: str = "acme", **more: object) -> WayOut:
    way = WayOut(name=name, uri=_uri(name), host=f"{name}.example", region="ES", srtp=Srtp.OFF)
    return replace(way, **more)  # type: ignore[arg-type]


def account(*, identity: Identity = Identity.PAI, keeps_from: bool = False) -> WayOut:
    """A trunk on which we register."""
    return trunk(
        from_user="34910000009",
        from_domain="acme.example",
        identity=identity,
        keeps_from=keeps_from,
    )


def said(way: WayOut, party: CallingParty, number: Number = MADRID) -> Attempt:
    (attempt,) = attempts(number, party, [way])
    return attempt


def names(ways: list[WayOut]) -> list[str]:
    return [way.name for way in ways]


# ---- which trunks ----------------------------------------------------------------------------


def test_the_lower_priority_is_tried_first_and_who_is_down_last() -> None:
    trunks = [trunk("b", priority=20), trunk("a", priority=5), trunk("c", priority=20)]
    assert names(ways_out(MADRID, trunks)) == ["a", "b", "c"]
    assert names(ways_out(MADRID, trunks, lambda name: name != "a")) == ["b", "c", "a"]


def test_the_trunk_that_is_for_the_number_comes_first_and_those_for_all_help_out() -> None:
    trunks = [
        trunk("all", priority=1),
        trunk("spain", calls_to=("+34",)),
        trunk("madrid", calls_to=("+3491", "+44")),
        trunk("france", calls_to=("+33",)),
    ]
    assert names(ways_out(MADRID, trunks)) == ["madrid", "spain", "all"]


def test_a_short_number_goes_only_where_it_is_known() -> None:
    trunks = [trunk("provider"), trunk("pbx", calls_to=("3XX", "30X"))]
    assert names(ways_out(Number(text="301"), trunks)) == ["pbx"]
    assert names(ways_out(Number(text="112", emergency=True), trunks)) == ["provider"]
    assert names(ways_out(Number(text="3011"), trunks)) == ["provider"]
    assert names(ways_out(MADRID, trunks)) == ["provider"]


def test_no_trunk_may_be_for_a_number() -> None:
    assert attempts(MADRID, CallingParty(), [trunk(calls_to=("+33",))]) == ()


# ---- who calls -------------------------------------------------------------------------------


def test_a_trunk_by_address_has_the_number_in_from() -> None:
    attempt = said(trunk(), CallingParty(number=OURS))
    assert (attempt.caller, attempt.domain, attempt.headers) == (OURS, "", {})
    assert attempt.uri == "sip:+34911234567@acme.trunk.invalid"
    assert attempt.to == "sip:+34911234567@acme.example"
    assert attempt.way == "acme" and attempt.patience > 0


@pytest.mark.parametrize(
    ("identity", "headers"),
    [
        (Identity.PAI, {"P-Asserted-Identity": f"<sip:{OURS}@acme.example>"}),
        (Identity.PPI, {"P-Preferred-Identity": f"<sip:{OURS}@acme.example>"}),
        (
            Identity.RPID,
            {"Remote-Party-ID": f"<sip:{OURS}@acme.example>;party=calling;privacy=off;screen=yes"},
        ),
        (Identity.NONE, {}),
    ],
)
def test_a_trunk_that_we_register_with_has_the_account_in_from_and_the_number_beside(
    identity: Identity, headers: dict[str, str]
) -> None:
    attempt = said(account(identity=identity), CallingParty(number=OURS))
    assert (attempt.caller, attempt.domain) == ("34910000009", "acme.example")
    assert attempt.headers == headers


def test_without_a_number_of_the_queue_the_trunks_own_is_shown() -> None:
    assert said(trunk(number=OURS), CallingParty()).caller == OURS
    assert said(trunk(number="+34910000003"), CallingParty(number=OURS)).caller == OURS
    nobody = said(account(), CallingParty())
    assert (nobody.caller, nobody.headers) == ("34910000009", {})
    # an agent who consults for a caller, where the house has no number at all
    assert said(trunk(), CallingParty(caller=THEIRS)).caller == THEIRS
    assert said(trunk(number=OURS), CallingParty(caller=THEIRS)).caller == OURS


@pytest.mark.parametrize("hidden_by", ["the queue", "the trunk"])
def test_a_hidden_number_is_told_to_the_provider_alone(hidden_by: str) -> None:
    party = CallingParty(number=OURS, hidden=hidden_by == "the queue")
    for way in (trunk(), account()):
        attempt = said(replace(way, hide_number=hidden_by == "the trunk"), party)
        assert (attempt.caller, attempt.domain) == ("", "anonymous.invalid")
        assert attempt.caller_name == "Anonymous"
        assert attempt.headers["Privacy"] == "id"
        assert OURS in attempt.headers["P-Asserted-Identity"]
    kept = said(account(keeps_from=True), replace(party, hidden=True))
    assert (kept.caller, kept.caller_name) == ("34910000009", "Anonymous")


def test_a_caller_who_is_sent_on_is_shown_with_the_number_that_sends_on() -> None:
    attempt = said(trunk(), SENT_ON)
    assert (attempt.caller, attempt.caller_name) == (THEIRS, "Juan")
    diversion = "<sip:+34910000002@acme.example>;reason=unconditional"
    assert attempt.headers == {"Diversion": diversion}
    attempt = said(account(), SENT_ON)
    assert (attempt.caller, attempt.caller_name) == ("34910000009", "")
    assert attempt.headers["Diversion"] == diversion
    assert THEIRS in attempt.headers["P-Asserted-Identity"]


def test_a_caller_who_is_sent_on_may_be_shown_as_ours() -> None:
    own = trunk(forwarded=Forwarded.OWN)
    attempt = said(own, SENT_ON)
    assert (attempt.caller, attempt.caller_name, attempt.headers) == ("+34910000002", "", {})
    assert said(replace(own, number=OURS), SENT_ON).caller == OURS


def test_a_withheld_number_stays_withheld_when_the_caller_is_sent_on() -> None:
    attempt = said(trunk(number=OURS), replace(SENT_ON, caller="", caller_name=""))
    assert (attempt.caller, attempt.headers["Privacy"]) == ("", "id")


# ---- how numbers are written -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "madrid", "london", "short"),
    [
        (NumberFormat.E164, "+34911234567", "+442079460000", "112"),
        (NumberFormat.WITHOUT_PLUS, "34911234567", "442079460000", "112"),
        (NumberFormat.ZEROS, "0034911234567", "00442079460000", "112"),
        (NumberFormat.NATIONAL, "911234567", "00442079460000", "112"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants_them(
    form: NumberFormat, madrid: str, london: str, short: str
) -> None:
    for number, text in (("+34911234567", madrid), ("+442079460000", london), ("112", short)):
        assert written(number, form, "ES") == text
    assert written("+34911234567", NumberFormat.NATIONAL, "US") == "01134911234567"
    attempt = said(trunk(number_format=form), CallingParty(number="910000001"))
    assert attempt.uri == f"sip:{madrid}@acme.trunk.invalid"
    assert attempt.caller == written("+34910000001", form, "ES")


def test_what_is_no_number_of_a_country_stays_as_it_is() -> None:
    assert [in_e164(text, "ES") for text in ("201", "", "ana", "910000001")] == [
        "201", "", "ana", "+34910000001",
    ]  # fmt: skip


# ---- which media, and what comes after -------------------------------------------------------


@pytest.mark.parametrize(
    ("srtp", "transport", "offers"),
    [
        (Srtp.OFF, "udp", [False]),
        (Srtp.MANDATORY, "udp", [True]),
        (Srtp.OPTIONAL, "udp", [False, True]),
        (Srtp.OPTIONAL, "tls", [True, False]),
    ],
)
def test_srtp_is_offered_as_the_trunk_is_set(
    srtp: Srtp, transport: str, offers: list[bool]
) -> None:
    made = attempts(MADRID, CallingParty(), [trunk(srtp=srtp, transport=transport)])
    assert [attempt.encrypted for attempt in made] == offers


TWO = attempts(
    MADRID,
    CallingParty(),
    [trunk("a", srtp=Srtp.OPTIONAL), trunk("b", srtp=Srtp.OPTIONAL)],
)


@pytest.mark.parametrize("sip_code", [401, 403, 407, 408, 500, 502, 503, 504, 580])
def test_a_closed_way_is_followed_by_the_next_trunk(sip_code: int) -> None:
    assert following(TWO, 0, sip_code, rang=False) == 2
    assert following(TWO, 1, sip_code, rang=False) == 2
    assert following(TWO, 2, sip_code, rang=False) is None


def test_media_that_are_not_wanted_are_followed_by_the_other_kind() -> None:
    assert following(TWO, 0, 488, rang=False) == 1
    assert following(TWO, 1, 488, rang=False) == 2
    assert following(TWO, 2, 488, rang=False) == 3
    assert following(TWO, 3, 488, rang=False) is None
    assert following(TWO, 0, 606, rang=False) == 1
    assert following(TWO, 1, 606, rang=False) is None  # it goes for all


@pytest.mark.parametrize("sip_code", [404, 410, 480, 484, 486, 487, 600, 603, 604])
def test_what_people_and_numbers_say_is_the_answer(sip_code: int) -> None:
    assert following(TWO, 0, sip_code, rang=False) is None


def test_after_ringing_nobody_else_is_tried() -> None:
    assert following(TWO, 0, 503, rang=True) is None
    assert following((), 0, 503, rang=False) is None
