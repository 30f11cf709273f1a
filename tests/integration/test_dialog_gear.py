"""What real gear sends within a call, and in offers that others would refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest

from centralita.telephony.call import CallArrived, DigitReceived, EndReason, LegAnswered, LegEnded
from centralita.telephony.phone.message import SipMessage
from tests.support.telephony import RealOutside, RealStage, WatchedPhone, real_stage


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as stage:
        yield stage


async def _answered(stage: RealStage, offer: Callable[[str], str] = str) -> RealOutside:
    call = await stage.caller.call("100", offer=offer)
    arrived = await stage.log.next(CallArrived)
    caller = RealOutside(arrived.leg_id, arrived.call_id, call)
    await stage.control.answer(caller.leg_id)
    await call.wait_answered()
    await stage.log.next(LegAnswered, caller.leg_id)
    return caller


async def _asks(
    stage: RealStage, caller: RealOutside, method: str, kind: str = "", body: str = ""
) -> SipMessage:
    request = caller.call.request(method)
    request.headers.append(("Contact", stage.caller.contact))
    if kind:
        request.headers.append(("Content-Type", kind))
    request.body = body
    return await stage.caller.send_request(request)


async def _goes_on(stage: RealStage, caller: RealOutside) -> None:
    await caller.presses("9")
    assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == "9"


# --- within a dialog ----------------------------------------------------------------------------


async def test_who_asks_whether_we_are_there_is_told(stage: RealStage) -> None:
    caller = await _answered(stage)
    assert (await _asks(stage, caller, "INFO")).status == 200
    answer = await _asks(stage, caller, "OPTIONS")
    assert answer.status == 200
    assert "INVITE" in answer.get("Allow") and "application/sdp" in answer.get("Accept")
    await _goes_on(stage, caller)


async def test_what_we_do_not_know_is_refused_as_that(stage: RealStage) -> None:
    caller = await _answered(stage)
    unknown = await _asks(stage, caller, "INFO", "text/plain", "x")
    assert unknown.status == 415 and "application/dtmf" in unknown.get("Accept")
    package = caller.call.request("INFO")
    package.headers += [("Info-Package", "conference"), ("Content-Type", "text/plain")]
    package.body = "x"
    assert (await stage.caller.send_request(package)).status == 469
    assert (await _asks(stage, caller, "PUBLISH")).status == 405
    assert (await _asks(stage, caller, "NOTIFY")).status in (400, 405, 481, 489)
    await _goes_on(stage, caller)


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Signal= 5 \r\nDuration= 160 \r\n", "5"),
        ("application/dtmf-relay", "signal=4\nduration=160\n", "4"),
        ("application/dtmf-relay", "Duration=160\r\nSignal=6", "6"),
        ("application/dtmf-relay", "Signal=10\r\nDuration=160\r\n", "*"),
        ("application/dtmf-relay", "Signal=11\r\n", "#"),
        ("application/dtmf-relay", "Signal=*\r\n", "*"),
        ("application/dtmf-relay", "Signal=d\r\n", "D"),
        ("application/dtmf-relay", "Signal=15\r\n", "D"),
        ("application/dtmf-relay; charset=utf-8", "Signal=1\r\n", "1"),
        ("application/dtmf", "5", "5"),
        ("application/dtmf", "#\r\n", "#"),
        ("application/dtmf", "11", "#"),
        ("application/dtmf", "Signal=7\r\n", "7"),
    ],
)
async def test_a_key_by_info_is_understood_in_each_spelling(
    stage: RealStage, kind: str, body: str, key: str
) -> None:
    caller = await _answered(stage)
    assert (await _asks(stage, caller, "INFO", kind, body)).status == 200
    assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == key
    await _goes_on(stage, caller)


@pytest.mark.parametrize("body", ["Signal=\r\n", "Signal=17\r\n", "Duration=100\r\n", "x", "55"])
async def test_what_is_no_key_is_a_bad_request(stage: RealStage, body: str) -> None:
    caller = await _answered(stage)
    assert (await _asks(stage, caller, "INFO", "application/dtmf-relay", body)).status == 400
    await _goes_on(stage, caller)


async def test_a_phone_that_tells_each_key_twice_is_heard_once(stage: RealStage) -> None:
    caller = await _answered(stage)
    for key in "1123":
        await caller.presses(key)
        assert (await stage.log.next(DigitReceived, caller.leg_id)).digit == key
        assert await caller.call.info_digit(key) == 200
    await _goes_on(stage, caller)


async def test_a_reinvite_without_a_codec_of_ours_is_488_and_the_call_goes_on(
    stage: RealStage,
) -> None:
    caller = await _answered(stage)
    sdp = caller.call.sdp.replace("AVP 8 101", "AVP 18").replace("rtpmap:8 PCMA", "rtpmap:18 G729")
    for method in ("INVITE", "UPDATE"):
        refused = await _asks(stage, caller, method, "application/sdp", sdp)
        assert refused.status == 488 and refused.get("Warning"), method
        if method == "INVITE":
            ack = caller.call.request("ACK")
            ack.headers = [h for h in ack.headers if h[0] != "CSeq"]
            ack.headers.append(("CSeq", f"{refused.cseq[0]} ACK"))
            stage.caller.send(ack)
    await _goes_on(stage, caller)


# --- offers -------------------------------------------------------------------------------------

_KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


def _crypto(*lines: str, profile: str = "RTP/SAVP") -> Callable[[str], str]:
    more = "".join(f"a=crypto:{line}\r\n" for line in lines)
    return lambda sdp: sdp.replace("RTP/AVP", profile) + more


async def test_a_key_with_an_identifier_is_passed_over_for_one_without(stage: RealStage) -> None:
    for tag, offer in (
        ("2", (f"1 AES_CM_128_HMAC_SHA1_80 inline:{_KEY}|2^20|1:4",
               f"2 AES_CM_128_HMAC_SHA1_80 inline:{_KEY}")),
        ("3", (f"1 AES_CM_128_HMAC_SHA1_80 inline:{_KEY}|1:1",
               f"2 AES_CM_128_HMAC_SHA1_80 inline:{_KEY} UNENCRYPTED_SRTP",
               f"3 AES_CM_128_HMAC_SHA1_32 inline:{_KEY}|2^20 WSH=100 -ANYTHING")),
        ("2", ("1 AES_CM_128_HMAC_SHA1_80 magic:abc", f"2 AES_CM_128_HMAC_SHA1_80 inline:{_KEY}")),
    ):  # fmt: skip
        caller = await _answered(stage, _crypto(*offer))
        assert f"a=crypto:{tag} " in caller.call.their_sdp, caller.call.their_sdp
        await caller.hangs_up()
        await stage.log.next(LegEnded, caller.leg_id)


async def test_keys_with_identifiers_only_are_488_or_plain_where_that_is_allowed(
    stage: RealStage,
) -> None:
    lines = [f"{tag} AES_CM_128_HMAC_SHA1_80 inline:{_KEY}|2^20|1:4" for tag in (1, 2)]
    call = await stage.caller.call("100", offer=_crypto(*lines))
    await call.wait_ended()
    assert call.status == 488
    await stage.log.next(LegEnded, (await stage.log.next(CallArrived)).leg_id)
    caller = await _answered(stage, _crypto(*lines, profile="RTP/AVP"))
    assert "a=crypto" not in caller.call.their_sdp and " RTP/AVP " in caller.call.their_sdp
    await _goes_on(stage, caller)


async def test_any_number_of_keys_is_harmless(stage: RealStage) -> None:
    lines = [f"{tag} AES_CM_128_HMAC_SHA1_80 inline:{_KEY}|1:4" for tag in range(1, 90)]
    call = await stage.caller.call("100", offer=_crypto(*lines))
    await call.wait_ended()
    assert call.status == 488
    await stage.log.next(LegEnded, (await stage.log.next(CallArrived)).leg_id)
    await _goes_on(stage, await _answered(stage))


async def test_a_session_without_a_name_is_taken(stage: RealStage) -> None:
    caller = await _answered(stage, lambda sdp: sdp.replace("s=-\r\n", "s=\r\n"))
    await _goes_on(stage, caller)


async def test_who_does_not_answer_our_offer_is_hung_up_on(stage: RealStage) -> None:
    call = await stage.caller.call("100", offer=lambda sdp: "")
    arrived = await stage.log.next(CallArrived)
    await stage.control.answer(arrived.leg_id)
    await call.wait_answered()
    await call.wait_ended()
    ended = await stage.log.next(LegEnded, arrived.leg_id)
    assert ended.reason is EndReason.NOT_ACCEPTED
    bye = await stage.caller.request_of("BYE")
    assert "488" in bye.get("Reason")


# --- keys beside G.722 --------------------------------------------------------------------------


async def test_keys_beside_g722_are_right_in_both_directions(stage: RealStage) -> None:
    """The clock of G.722 is 8000 Hz by name, although it samples at 16000 (RFC 3551 4.5.2)."""

    def wide(sdp: str) -> str:
        return sdp.replace("AVP 8 101", "AVP 9 101").replace("8 PCMA/8000", "9 G722/8000")

    caller = await _answered(stage, wide)
    assert "G722/8000" in caller.call.their_sdp
    await caller.presses("4711")
    keys = [(await stage.log.next(DigitReceived, caller.leg_id)).digit for _ in range(4)]
    assert keys == ["4", "7", "1", "1"]
    await stage.control.send_digits(caller.leg_id, "15#")
    async with asyncio.timeout(5):
        assert [await caller.call.audio.keys.get() for _ in range(3)] == ["1", "5", "#"]
    # Each packet of a key is 20 ms longer, by the clock that was agreed upon.
    steps = {b - a for a, b in pairwise(caller.call.audio.key_durations) if b > a}
    assert steps == {160}


# --- a phone that moves -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_what_we_send_follows_a_phone_to_its_new_port(stage: RealStage, method: str) -> None:
    caller = await _answered(stage)
    there = WatchedPhone("+34600111222", ("127.0.0.1", stage.settings.sip_port))
    await there.start()
    try:
        request = caller.call.request(method)
        request.headers += [("Contact", there.contact), ("Content-Type", "application/sdp")]
        request.body = caller.call.sdp
        assert (await stage.caller.send_request(request)).status == 200
        if method == "INVITE":
            stage.caller.send(caller.call.request("ACK"))
        await _goes_on(stage, caller)
        await stage.control.hang_up(caller.leg_id, EndReason.FLOW_ENDED)
        assert (await there.request_of("BYE")).get("Call-ID") == caller.call.sip_call_id
        assert not [each for each in stage.caller.requests if each.method == "BYE"]
    finally:
        await there.close()
