"""What is read from an INVITE, well-formed or not."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.telephony.worker import addresses
from centralita.telephony.worker.sip_message import (
    InviteFacts,
    display_name_of,
    headers_of,
    invite_facts,
    uri_of,
    user_of,
)


def invite(*headers: str, uri: str = "sip:100@centralita", behind_edge: bool = True) -> InviteFacts:
    lines = [f"INVITE {uri} SIP/2.0", *headers, "", "v=0"]
    return invite_facts("\r\n".join(lines), behind_edge=behind_edge)


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("<sip:+34600111222@host>;tag=1", "+34600111222"),
        ("sip:201@host;tag=1", "201"),
        ('"Ana" <sips:ana%20p@host:5061;transport=tls>', "ana p"),
        ("<tel:+34600111222>", "+34600111222"),
        ("<tel:911;phone-context=+34>", "+34911"),
        ("<tel:+34-911-000-111>", "+34911000111"),
        ("<tel:(911)000.111;phone-context=+34>", "+34911000111"),
        ("<sip:911000111;phone-context=+34@host>", "+34911000111"),
        ("<sip:+34-911-000-111@host;user=phone>", "+34911000111"),
        ("<sip:0034 911@host;user=phone>", "0034911"),
        ("<sip:ana-maria@host>", "ana-maria"),
        ("<sip:ana@host", "ana"),
        ('"never closed <sip:600@host>', "600"),
        (", <sip:600@host>", "600"),
        ("<sip:caf%C3%A9%0d%0a@host>", "café"),
        ("tel:+34600111222", "+34600111222"),
        ("<sip:+34911;phone-context=example.com@host;user=phone>", "+34911"),
        ("<sip:ana:secret@host>", "ana"),
        ("<sip:host>", ""),
        ('"<sip:112@x>" <sip:600@host>', "600"),
        ('"a \\" <sip:1@x> b" <sip:600@host>', "600"),
        ("<mailto:ana@host>", ""),
        ("", ""),
    ],
)
def test_the_number_is_found_in_every_form_of_address(address: str, user: str) -> None:
    assert user_of(address) == user


def test_a_transfers_target_is_its_uri() -> None:
    assert uri_of('"Bea" <sip:202@host;user=phone>') == "sip:202@host;user=phone"
    assert uri_of("tel:+34911") == "tel:+34911"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ('"Ana Pérez" <sip:1@h>', "Ana Pérez"),
        ("Ana <sip:1@h>", "Ana"),
        ('"say \\"hi\\" \\\\o" <sip:1@h>', 'say "hi" \\o'),
        ('"a <b> c" <sip:1@h>', "a <b> c"),
        ("<sip:1@h>", ""),
        ("sip:1@h", ""),
    ],
)
def test_display_names_lose_their_quotes(address: str, name: str) -> None:
    assert display_name_of(address) == name


def test_compact_names_and_folded_lines_are_headers_like_others() -> None:
    facts = invite("f: <sip:600@h>", "i: abc@h", "s: Big", "X-Note: one", " two", "\tthree")
    assert (facts.caller, facts.sip_call_id) == ("600", "abc@h")
    assert facts.headers == {"subject": "Big", "x-note": "one two three"}


def test_the_first_of_several_values_counts() -> None:
    assert invite("X-A: 1", "x-a: 2").headers["x-a"] == "1"
    assert headers_of("INVITE x SIP/2.0\r\nX-A: 1\r\nx-a: 2\r\n\r\n")["x-a"] == ["1", "2"]
    assert "x-b" not in headers_of("INVITE x SIP/2.0\r\nX-A: 1\r\n\r\nX-B: body")


@pytest.mark.parametrize(
    "headers",
    [
        ("From: <sip:600@h>", "Privacy: id"),
        ("From: <sip:600@h>", "Privacy: header; id"),
        ("From: <sip:600@h>", "Privacy: user"),
        ("From: <sip:600@h>", "Privacy: none", "Privacy: header;critical"),
        (
            "From: <sip:cuenta@h>",
            "X-Centralita-Trunk: acme",
            'Remote-Party-ID: "Ana" <sip:600@h>;party=calling;privacy=full;screen=yes',
        ),
        ("From: <sip:anonymous@anonymous.invalid>",),
        ('From: "Anonymous" <sip:Unknown@h>',),
        ("From: <sip:h>",),
    ],
)
def test_who_withholds_the_number_has_neither_number_nor_name(headers: tuple[str, ...]) -> None:
    facts = invite(*headers)
    assert facts.caller == ""
    assert facts.caller_name in ("", "Anonymous"[:0])


def test_an_asserted_number_counts_only_from_a_trunk() -> None:
    asserted = ("From: <sip:1@h>", 'P-Asserted-Identity: "Ana" <sip:+34600@h>')
    assert invite(*asserted).caller == "1"
    trusted = invite(*asserted, "X-Centralita-Trunk: acme")
    assert (trusted.caller, trusted.caller_name, trusted.trunk) == ("+34600", "Ana", "acme")


@pytest.mark.parametrize(
    "asserted",
    [
        ('P-Asserted-Identity: "J" <sip:javier.ortega@h>, <tel:+34600111333>',),
        (
            'P-Asserted-Identity: "J, the <1>" <sip:j@h>',
            "P-Asserted-Identity: <tel:+34-600-111-333>",
        ),
        ("P-Asserted-Identity: <tel:+34600111333>, <sip:javier.ortega@h>",),
        (
            "Remote-Party-ID: <sip:911@h>;party=called, "
            "<sip:+34600111333@h>;party=calling;privacy=off",
        ),
        ("Remote-Party-ID: <sip:+34600111333@h>",),
    ],
)
def test_of_several_asserted_identities_the_number_is_the_caller(asserted: tuple[str, ...]) -> None:
    facts = invite("From: <sip:cuenta77@h>", "X-Centralita-Trunk: acme", *asserted)
    assert facts.caller == "+34600111333"
    assert invite("From: <sip:cuenta77@h>", *asserted).caller == "cuenta77"


def test_a_name_may_be_withheld_alone() -> None:
    rpid = 'Remote-Party-ID: "Ana" <sip:600@h>;privacy=name'
    facts = invite("From: <sip:1@h>", "X-Centralita-Trunk: acme", rpid)
    assert (facts.caller, facts.caller_name) == ("600", "")


def test_without_an_edge_nobody_vouches() -> None:
    facts = invite(
        "From: <sip:1@h>",
        "P-Asserted-Identity: <sip:+34600@h>",
        "X-Centralita-Trunk: acme",
        "X-Centralita-Extension: 201",
        behind_edge=False,
    )
    assert (facts.caller, facts.trunk, facts.extension) == ("1", "", "")
    assert facts.headers == {}


def test_diversion_and_dialled_number_are_told() -> None:
    facts = invite(
        "From: <sip:1@h>", "Diversion: <sip:911@h>;reason=busy", uri="sip:+34911;x=y@centralita"
    )
    assert (facts.dialled, facts.diversion) == ("+34911", "911")


@pytest.mark.parametrize(
    ("history", "diversion"),
    [
        ("<sip:+34911@h>;index=1, <sip:+34922@h;cause=302>;index=1.1", "+34911"),
        ("<sip:+34922@h>;index=1", ""),
        ('"a, b" <sip:911@h?Reason=SIP%3Bcause%3D302>;index=1,<sip:+34922@h>;index=1.1', "911"),
    ],
)
def test_history_tells_of_a_diversion_as_well(history: str, diversion: str) -> None:
    facts = invite(f"History-Info: {history}", uri="sip:+34922@centralita")
    assert facts.diversion == diversion


def as_swig_hands_it_over(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "header", ["From", "P-Asserted-Identity", "Subject", "X-Note", "Diversion"]
)
def test_what_is_not_utf_8_is_read_as_latin_1(header: str) -> None:
    octets = (
        b"INVITE sip:100@c SIP/2.0\r\nX-Centralita-Trunk: acme\r\n"
        + f"X-Utf: Íñigo\r\n{header}: ".encode()
        + '"José" <sip:600@h>'.encode("latin-1")
        + b"\r\n\r\nv=0\r\ns=\xff\xfe\x00\r\n"
    )
    facts = invite_facts(as_swig_hands_it_over(octets), behind_edge=True)
    said = [facts.caller_name, facts.diversion, *facts.headers.values()]
    assert facts.headers["x-utf"] == "Íñigo"  # one odd line spoils no other
    assert any("José" in text for text in said) or facts.diversion == "600"
    for text in (*said, facts.caller, facts.dialled):
        text.encode()


@given(st.binary(max_size=400), st.sampled_from(["From", "To", "Subject", "X-A", "Call-ID"]))
def test_no_bytes_are_too_strange_to_be_told(octets: bytes, header: str) -> None:
    message = b"INVITE sip:" + octets + b"@c SIP/2.0\r\n" + header.encode() + b": " + octets
    facts = invite_facts(as_swig_hands_it_over(message), behind_edge=True)
    msgspec.msgpack.encode(facts)


@pytest.mark.parametrize("sign", ['"', "<", ">", ",", ";", "\\", ":", "@", " ", "\t", "%", '\\"'])
@pytest.mark.parametrize("header", ["From", "Diversion", "P-Asserted-Identity", "History-Info"])
def test_a_long_header_takes_no_longer_than_its_length(header: str, sign: str) -> None:
    """Also a thousand of them: all that a datagram can hold is read in a few milliseconds."""
    one = f"{header}: <sip:{sign * 60_000}@h>"
    many = [f"{header}: {sign * 200}" for _ in range(300)]
    for headers in ([one], many):
        began = time.thread_time()
        invite("X-Centralita-Trunk: acme", *headers)
        assert time.thread_time() - began < 0.25


HEADER = st.sampled_from(["From", "f", "P-Asserted-Identity", "Privacy", "Diversion", "X-A", ""])


@given(st.text())
def test_no_text_at_all_is_too_strange(text: str) -> None:
    invite_facts(text, behind_edge=True)
    display_name_of(text)


@given(st.lists(st.tuples(HEADER, st.text()), max_size=6), st.text(), st.booleans())
def test_no_header_is_too_strange(
    pairs: list[tuple[str, str]], uri: str, behind_edge: bool
) -> None:
    facts = invite(*(f"{name}: {value}" for name, value in pairs), uri=uri, behind_edge=behind_edge)
    assert "<" not in facts.dialled or "%3c" in uri.lower() or "<" in uri


@given(
    st.from_regex(r"\+?[0-9]{1,15}", fullmatch=True), st.text(alphabet='ab "\\<>@:;', max_size=8)
)
def test_no_display_name_changes_the_number(number: str, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    address = f'"{quoted}" <sip:{number}@host>'
    assert user_of(address) == number
    assert display_name_of(address) == name


# --- addresses ------------------------------------------------------------------------------------

SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\n"


def test_the_address_in_our_sdp_is_the_one_the_other_side_can_reach() -> None:
    assert addresses.media_peer(SDP) == "10.0.0.1"
    assert addresses.choose("127.0.0.1", pinned="", public="") == "127.0.0.1"
    assert addresses.choose("10.1.1.1", pinned="192.0.2.9", public="") == "192.0.2.9"
    assert addresses.choose("8.8.8.8", pinned="", public="203.0.113.7") == "203.0.113.7"
    assert addresses.choose("127.0.0.1", pinned="", public="203.0.113.7") == "127.0.0.1"
    assert addresses.choose("", pinned="", public="203.0.113.7") == ""
    assert addresses.choose("phone.example", pinned="", public="") == ""


def test_an_sdp_is_rewritten_wherever_our_address_stands() -> None:
    changed = addresses.rewrite(SDP + "a=rtcp:4001 IN IP4 10.0.0.1\r\n", "192.0.2.5")
    assert re.findall(r"IP4 (\S+)", changed) == ["192.0.2.5"] * 3
    changed = addresses.rewrite(SDP, "192.0.2.5")
    assert "IN IP6 2001:db8::1" in addresses.rewrite(SDP, "2001:db8::1")
    assert changed.endswith("m=audio 4000 RTP/AVP 8\r\n")


@given(st.text())
def test_no_sdp_is_too_strange(text: str) -> None:
    addresses.media_peer(text)
    addresses.rewrite(text, "127.0.0.1")
    addresses.choose(text, pinned="", public="")
