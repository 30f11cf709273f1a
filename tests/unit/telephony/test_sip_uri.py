"""SIP as we write it: any text may be a caller's name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.telephony.worker.sip_message import display_name_of, user_of
from centralita.telephony.worker.sip_uri import header_value, name_addr, sip_uri
from centralita.telephony.worker.wire_text import wire_message, wire_text

# RFC 3261 25.1, the user of a SIP URI
_USER = re.compile(r"sip:([A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-F]{2})+@centralita")


@pytest.mark.parametrize(
    ("user", "uri"),
    [
        ("+34600111222", "sip:+34600111222@centralita"),
        ("Juan Perez", "sip:Juan%20Perez@centralita"),
        ("café", "sip:caf%C3%A9@centralita"),
        ("a@b", "sip:a%40b@centralita"),
        ("a<b", "sip:a%3Cb@centralita"),
        ("201~page", "sip:201~page@centralita"),
        ("", "sip:anonymous@centralita"),
    ],
)
def test_a_user_is_written_as_sip_wants_it(user: str, uri: str) -> None:
    assert sip_uri(user, "centralita") == uri


@given(st.text(max_size=300))
def test_any_caller_makes_an_address_that_can_be_read_back(text: str) -> None:
    uri = sip_uri(text, "centralita")
    assert _USER.fullmatch(uri)
    whole = name_addr(text, uri)
    assert "\n" not in whole and "\r" not in whole
    whole.encode()
    assert (
        display_name_of(whole) == wire_text(text)[:100].replace("\\", "").replace('"', "").strip()
    )
    if text and wire_text(text) and not text.startswith("+") and "%" not in text:
        assert user_of(whole) in (wire_text(text)[:200], user_of(f"<{uri}>"))


@given(st.text())
def test_a_header_stays_one_header(text: str) -> None:
    value = header_value(text)
    assert not set(value) & set("\r\n\0")
    value.encode()


def test_text_from_the_wire_is_utf_8_or_else_latin_1() -> None:
    assert wire_text("José") == "José"
    assert wire_text("Jos\udce9") == "José"
    assert wire_text("a\x00\x1b[2J\x85b\u202ec") == "a[2Jbc"
    assert wire_text("\ud800") == "?"
    assert wire_message("A: \udce9\r\nB: ñ\r\n") == "A: é\r\nB: ñ\r\n"
