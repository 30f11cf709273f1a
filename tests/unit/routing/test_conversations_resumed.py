"""Conversations whose brain dies: another dispatcher goes on by the notes on the legs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from centralita.core.ids import AgentId
from centralita.routing.agent import AgentState
from centralita.routing.conversations.events import CallParked
from centralita.routing.conversations.exchange import Complete, Confer, Happening, Hold, Resume
from centralita.routing.conversations.targets import Target, ToAgent, ToNumber
from centralita.routing.events import ConsultationTakenOver
from centralita.routing.notes import NOTE, read_note
from centralita.telephony.call import EndReason, KeptLeg
from tests.support.center import Center, open_center
from tests.unit.routing.test_conversations import AGENTS, BILLING, SALES, Talk

VIRTUAL_TIME = True

BEA = ToAgent(agent_id=AgentId("bea"))
OUTSIDE = ToNumber(number="+34911234567")


@asynccontextmanager
async def told(center: Center) -> AsyncIterator[Talk]:
    """Ana talks with a caller; Bea is free."""
    for name in ("ana", "bea"):
        center.agent(name).signs_in()
    caller = await center.dial()
    leg = await center.agent("ana").answers()
    talk = Talk(center, caller, leg)
    await talk.hear(caller="ana", ana="caller")
    await center.passes(10)
    yield talk


@asynccontextmanager
async def next_brain(talk: Talk) -> AsyncIterator[Talk]:
    """The dispatcher dies; another one finds the legs and the notes."""
    control = talk.center.control
    await talk.center.close()
    kept: dict[str, KeptLeg] = {leg.leg_id: leg for leg in control.new_brain()}
    center = Center((SALES, BILLING), AGENTS)
    center.control = control
    center.rewire()
    center.start()
    for name in ("ana", "bea"):
        center.agent(name).signs_in()
    legs = {leg.leg_id: leg for leg in kept.values()}
    note = read_note(kept[talk.caller.leg.leg_id].notes[NOTE])
    assert center.dispatcher.take_over(note, legs)
    assert center.dispatcher.rejoin(talk.caller.call_id, talk.caller.returned.append)
    talk.caller.moved_to(center)
    for leg in kept.values():
        if leg.ended is not None:
            center.bus.publish(leg.ended)
    center.dispatcher.go_on(legs)
    try:
        yield Talk(center, talk.caller, talk.leg)
    finally:
        await center.close()


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with open_center((SALES, BILLING), AGENTS) as center, told(center) as talk:
        yield talk


async def test_a_held_caller_is_still_held(talk: Talk) -> None:
    talk.does(Hold())
    await talk.hear(caller="music.wav")
    async with next_brain(talk) as after:
        await after.hear(caller="music.wav", ana="silence")
        after.does(Resume())
        await after.hear(caller="ana", ana="caller")


@pytest.mark.parametrize("what", [None, Confer()])
async def test_a_consultation_or_conference_goes_on_and_can_be_completed(
    talk: Talk, what: Happening | None
) -> None:
    await talk.consults(BEA)
    await talk.bea.answers()
    await talk.hear(caller="music.wav", ana="bea")
    if what is not None:
        talk.does(what)
        await talk.hear(caller="ana bea")
    async with next_brain(talk) as after:
        await after.hear(caller="music.wav" if what is None else "ana bea")
        assert after.bea.now.state is AgentState.IN_CALL
        (told,) = after.center.of(ConsultationTakenOver)
        assert (told.offer.agent_id, told.offer.transferred_from) == ("bea", "ana")
        assert told.talking and told.offer.consultation
        after.does(Complete())
        await after.center.until(lambda: after.caller.hears == "bea")
        await after.ana.becomes(AgentState.WRAP_UP)
        after.caller.hangs_up()
        await after.bea.becomes(AgentState.WRAP_UP)
        assert after.over


@pytest.mark.parametrize("target", [BEA, OUTSIDE])
async def test_a_third_party_who_has_gone_meanwhile_is_gone(talk: Talk, target: Target) -> None:
    await talk.consults(target)
    third = await (talk.bea.rings() if target is BEA else talk.outside())
    await talk.hear(caller="music.wav", ana="ringing.wav")
    await talk.center.close()
    talk.center.control.refuses(third, EndReason.BUSY)
    async with next_brain(talk) as after:
        await after.hear(caller="music.wav", ana="silence")
        assert after.bea.now.state is AgentState.IDLE
        after.does(Resume())
        await after.hear(caller="ana", ana="caller")


async def test_who_was_parked_is_parked(talk: Talk) -> None:
    slot = talk.center.dispatcher.desk.park(talk.caller.call_id)
    await talk.hear(caller="music.wav")
    async with next_brain(talk) as after:
        assert after.center.of(CallParked)[-1].slot == slot
        await after.hear(caller="music.wav")
        after.center.dispatcher.desk.pick_up(slot, AgentId("bea"))
        await after.bea.answers()
        await after.center.until(lambda: after.caller.hears == "bea")
