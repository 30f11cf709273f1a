"""A leg that is dialled by several ways, on the wire: silence, late answers, media."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from centralita.core.ids import CallId, LegId, new_id
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import EndReason, LegAnswered, LegEnded, LegRinging
from tests.support.sip import SDP, Message, Party, udp_party
from tests.support.telephony import RealStage, real_stage

_PATIENCE = 0.7
_SUITE = re.compile(r"a=crypto:(\d+ AES_CM_128_HMAC_SHA1_80) ")
_KEY = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as real:
        yield real


@pytest.fixture
async def providers() -> AsyncIterator[tuple[Party, Party]]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(udp_party("127.0.0.3"))
        second = await stack.enter_async_context(udp_party("127.0.0.4"))
        yield first, second


def to(party: Party, way: str, **more: object) -> Attempt:
    host, port = party.local
    uri = f"sip:+34911234567@{host}:{port}"
    return Attempt(uri=uri, way=way, patience=_PATIENCE, **more)  # type: ignore[arg-type]


async def dial(stage: RealStage, *attempts: Attempt) -> LegId:
    leg_id = LegId(new_id("leg"))
    await stage.control.dial(CallId(new_id("call")), leg_id, attempts, beside=None)
    return leg_id


def says(stage: RealStage, party: Party, invite: Message, status: int, reason: str = "x") -> None:
    worker = stage.settings.sip_address, stage.settings.sip_port
    body = SDP if 180 < status < 300 else ""
    party.send(party.answer(invite, status, reason, body=body), worker)


async def test_a_way_that_says_nothing_is_given_up_and_the_next_is_taken(
    stage: RealStage, providers: tuple[Party, Party]
) -> None:
    silent, other = providers
    leg_id = await dial(stage, to(silent, "silent"), to(other, "other"))
    await silent.receive_request("INVITE")
    began = time.monotonic()
    invite = await other.receive_request("INVITE")
    assert time.monotonic() - began < 3
    says(stage, other, invite, 200)
    await stage.log.next(LegAnswered, leg_id)
    assert [type(event).__name__ for event in stage.log.of(leg_id)] == ["LegAnswered"]


async def test_a_way_that_is_there_may_take_its_time(
    stage: RealStage, providers: tuple[Party, Party]
) -> None:
    slow, other = providers
    leg_id = await dial(stage, to(slow, "slow"), to(other, "other"), to(other, "other"))
    invite = await slow.receive_request("INVITE")
    says(stage, slow, invite, 100)
    # Nothing is awaited but that time passes: the other must not hear of the call.
    with pytest.raises(TimeoutError):
        await other.receive_request("INVITE", timeout=3 * _PATIENCE)
    says(stage, slow, invite, 180)
    await stage.log.next(LegRinging, leg_id)
    says(stage, slow, invite, 200)
    await stage.log.next(LegAnswered, leg_id)


@pytest.mark.parametrize("what", ["180", "200"])
async def test_what_comes_from_a_way_after_it_was_given_up_is_ended_properly(
    stage: RealStage, providers: tuple[Party, Party], what: str
) -> None:
    late, other = providers
    leg_id = await dial(stage, to(late, "late"), to(other, "other"))
    invite = await late.receive_request("INVITE")
    says(stage, other, await other.receive_request("INVITE"), 200)
    await stage.log.next(LegAnswered, leg_id)
    says(stage, late, invite, int(what))
    if what == "180":
        cancel = await late.receive_request("CANCEL")
        says(stage, late, cancel, 200)
        says(stage, late, invite, 487)
        await late.receive_request("ACK")
    else:
        await late.receive_request("ACK")
        says(stage, late, await late.receive_request("BYE"), 200)
    await stage.control.hang_up(leg_id, EndReason.CONVERSATION_ENDED)
    says(stage, other, await other.receive_request("BYE"), 200)
    await stage.log.next(LegEnded, leg_id)
    names = [type(event).__name__ for event in stage.log.of(leg_id)]
    assert names == ["LegAnswered", "LegEnded"]


async def test_when_nobody_says_anything_the_line_is_down_within_seconds(
    stage: RealStage, providers: tuple[Party, Party]
) -> None:
    began = time.monotonic()
    leg_id = await dial(stage, to(providers[0], "a"), to(providers[1], "b"))
    ended = await stage.log.next(LegEnded, leg_id)
    assert ended.reason is EndReason.LINE_DOWN
    assert time.monotonic() - began < 4


async def test_who_is_called_off_before_anybody_has_said_anything_is_over_at_once(
    stage: RealStage, providers: tuple[Party, Party]
) -> None:
    silent, other = providers
    leg_id = await dial(stage, to(silent, "silent"), to(other, "other"))
    invite = await silent.receive_request("INVITE")
    began = time.monotonic()
    await stage.control.hang_up(leg_id, EndReason.CONVERSATION_ENDED)
    ended = await stage.log.next(LegEnded, leg_id)
    assert ended.reason is EndReason.CONVERSATION_ENDED
    assert time.monotonic() - began < 1
    says(stage, silent, invite, 100)
    await silent.receive_request("CANCEL")
    assert other.inbox.empty()


@pytest.mark.parametrize("first", [False, True], ids=["plain first", "SRTP first"])
async def test_audio_that_is_refused_is_offered_the_other_way(
    stage: RealStage, providers: tuple[Party, Party], first: bool
) -> None:
    party, other = providers
    leg_id = await dial(
        stage,
        to(party, "acme", encrypted=first),
        to(party, "acme", encrypted=not first),
        to(other, "other"),
    )
    for encrypted in (first, not first):
        invite = await party.receive_request("INVITE")
        assert ("RTP/SAVP" in invite.body) is encrypted
        assert ("a=crypto" in invite.body) is encrypted
        if encrypted is first:
            says(stage, party, invite, 488)
            await party.receive_request("ACK")
    worker = stage.settings.sip_address, stage.settings.sip_port
    body = SDP
    if not first:
        suite = _SUITE.search(invite.body)
        assert suite is not None
        body = SDP.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:{suite[1]} {_KEY}\r\n"
    party.send(party.answer(invite, 200, "OK", body=body), worker)
    answered = await stage.log.next(LegAnswered, leg_id)
    assert answered.encrypted is not first
    assert other.inbox.empty()
