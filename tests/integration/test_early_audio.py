"""A phone that sends audio before it answers, as many do, is heard on every call."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from centralita.core.tasks import Tasks
from centralita.telephony.call import LegAnswered, LegEnded, LegsBridged
from tests.support.telephony import RealOutside, RealStage, real_stage, tone

_CALLS = 20


@pytest.fixture
async def stage() -> AsyncIterator[RealStage]:
    async with real_stage() as stage:
        yield stage


@asynccontextmanager
async def flooding(agent: RealOutside) -> AsyncIterator[None]:
    """Datagrams to the port that our INVITE names, as fast as the loop turns.

    They are keep-alives of one byte, which phones send to hold their way through a NAT: whatever
    moment the worker begins to read, something lies in its socket.
    """
    match = re.search(r"^m=audio (\d+)", agent.call.invite.body, re.MULTILINE)
    assert match is not None
    worker = ("127.0.0.1", int(match[1]))
    tasks = Tasks("flood")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)

        async def flood() -> None:
            while True:
                sender.sendto(b"\0", worker)
                await asyncio.sleep(0.0005)

        tasks.spawn(flood(), name="flood")
        try:
            yield
        finally:
            await tasks.close()


async def test_a_phone_that_sends_before_it_answers_is_always_heard(stage: RealStage) -> None:
    mute = []
    for number in range(_CALLS):
        caller = await stage.calls("100")
        await stage.control.answer(caller.leg_id)
        await stage.log.next(LegAnswered, caller.leg_id)
        agent = await stage.dials(caller)
        agent.call.audio.hum(tone(600, 0.4))
        async with flooding(agent):
            await agent.answers()
            await stage.log.next(LegAnswered, agent.leg_id)
        await stage.control.bridge(caller.leg_id, agent.leg_id)
        await stage.log.next(LegsBridged, agent.leg_id)
        try:
            await caller.call.audio.sound(within=2)
        except TimeoutError:
            mute.append(number)
        await agent.hangs_up()
        await caller.hangs_up()
        await stage.log.next(LegEnded, caller.leg_id)
    assert mute == []
