"""How identities are written, whatever a caller's switch or a person makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.core.errors import InvalidInput
from centralita.timeline.identity import (
    caller_identity,
    is_withheld,
    normal_email,
    normal_identity,
    normal_phone,
)
from centralita.timeline.model import IdentityKind


@pytest.mark.parametrize(
    ("written", "region", "meant"),
    [
        ("600 11 12 22", "ES", "+34600111222"),
        ("0034600111222", "ES", "+34600111222"),
        ("tel:+34-600-111-222;ext=5", "ES", "+34600111222"),
        ("sip:600111222@host;user=phone", "ES", "+34600111222"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("+1 (212) 555-0100", "ES", "+12125550100"),
        ("442079460018", "ES", "+442079460018"),
        ("34600111333", "ES", "+34600111333"),
        ("34600111333", "FR", "+34600111333"),
        ("600111333", "ES", "+34600111333"),
    ],
)
def test_a_phone_is_written_in_e164(written: str, region: str, meant: str) -> None:
    assert normal_phone(written, region) == meant


@pytest.mark.parametrize("caller", ["447700900123", "+447700900123", "sip:447700900123@host"])
def test_a_trunk_may_leave_out_the_plus(caller: str) -> None:
    assert caller_identity(caller, "ES") == "+447700900123"


@pytest.mark.parametrize("written", ["", "12", "abc", "+", "600111222333444555", "٣"])
def test_what_is_no_phone_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        normal_phone(written, "ES")


@pytest.mark.parametrize("written", ["a", "a@b", "@b.c", "a@@b.c", "a b@c.de", "<a@b.cd>", "a@.cd"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        normal_email(written)


def test_an_identity_is_a_phone_or_an_address() -> None:
    assert normal_identity(" Ana@Example.ORG", "ES") == (IdentityKind.EMAIL, "ana@example.org")
    assert normal_identity("sip:600111222@x", "ES") == (IdentityKind.PHONE, "+34600111222")


@given(st.from_regex(r"\+34[67][0-9]{8}", fullmatch=True))
def test_writing_a_phone_normally_twice_changes_nothing(number: str) -> None:
    assert normal_phone(number, "ES") == number
    assert normal_phone(number[3:], "ES") == number
    assert caller_identity(number, "DE") == number


@pytest.mark.parametrize(
    "caller",
    ["", "0", "000000000", "-", "no-number", "+anonymous", "Anonymous", "oculto", "Número oculto",
     "sip:anonymous@anonymous.invalid", "+0", "*"],
)  # fmt: skip
def test_what_stands_in_place_of_a_number_is_nobodys(caller: str) -> None:
    assert is_withheld(caller)


@pytest.mark.parametrize("caller", ["100", "201", "+34600111222", "ana", "112", "0034600111222"])
def test_a_number_or_a_name_is_somebodys(caller: str) -> None:
    assert not is_withheld(caller)


@given(st.text(max_size=300))
def test_any_caller_can_be_kept_or_is_withheld(caller: str) -> None:
    assert is_withheld(caller) or len(caller_identity(caller, "ES")) <= 200
