"""What is rung for one leg, and what our SDP tells a page."""

from __future__ import annotations

from centralita.telephony.worker.page_sdp import wide_first, with_public_candidate
from centralita.telephony.worker.targets import Target, targets_of

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n"
    "m=audio 4000 UDP/TLS/RTP/SAVP 8 0 96 9 121\r\n"
    "c=IN IP4 192.0.2.2\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:121 telephone-event/48000\r\n"
    "a=candidate:Hc0000202 1 UDP 2130706431 192.0.2.2 4000 typ host\r\n"
)


def test_a_phone_is_rung_alone() -> None:
    assert targets_of("sip:201@centralita") == (Target(uri="sip:201@centralita"),)
    trunk = "sip:+34911@acme.trunk.invalid"
    assert targets_of(trunk) == (Target(uri=trunk),)


def test_a_page_is_known_by_its_name() -> None:
    page = Target(uri="sip:201~page@centralita", page="201")
    assert targets_of("sip:201~page@centralita") == (page,)


def test_phones_and_page_of_one_extension_are_two_targets() -> None:
    assert targets_of("sip:201@centralita;also=page") == (
        Target(uri="sip:201@centralita"),
        Target(uri="sip:201~page@centralita", page="201"),
    )


def test_a_page_is_offered_opus_before_what_trunks_prefer() -> None:
    changed = wide_first(_SDP)
    assert "m=audio 4000 UDP/TLS/RTP/SAVP 96 9 0 8 121\r\n" in changed
    assert len(changed) == len(_SDP)
    assert wide_first("v=0\r\n") == "v=0\r\n"


def test_a_page_on_the_internet_is_told_the_address_that_the_router_has() -> None:
    lines = with_public_candidate(_SDP, "203.0.113.5").split("\r\n")
    assert lines[-3:] == [
        "a=candidate:Hc0000202 1 UDP 2130706431 192.0.2.2 4000 typ host",
        "a=candidate:Hc0000202p 1 UDP 1694498815 203.0.113.5 4000 typ srflx raddr 192.0.2.2 "
        "rport 4000",
        "",
    ]
