"""What is said while they talk reaches the agent's page: scripted telephony and speech."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from centralita.api import live_messages as live
from centralita.api.schemas import oncall as o
from centralita.api.watcher import Viewer, Watcher
from centralita.asr.fake import FakeRecognition
from centralita.asr.recognizer import Partial, SpeechStarted
from centralita.core.ids import AgentId
from centralita.server.live_transcript import ear
from centralita.server.live_transcript.events import SayingChanged
from centralita.store.records import AgentRecord
from centralita.telephony.edge.events import PhoneRegistered
from centralita.telephony.fake import FakeLeg
from tests.support.house import ANA, SALES, House, open_center_house, shown

BEA = AgentId("agent_bea")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_center_house(tmp_path) as house:
        await house.store.agents.put(AgentRecord(agent_id=BEA, name="Bea", extension="202"))
        queue = await house.store.queues.get(SALES)
        assert queue is not None
        settings = {**queue.settings, "live_transcript": True}
        await house.store.queues.put(replace(queue, settings=settings, agents=(ANA, BEA)))
        await house.reads_directory()
        await house.ana_is_available()
        yield house
        for leg in tuple(house.control.legs.values()):  # or else the recorder waits for their end
            house.control.hangs_up(leg)


def page_of(house: House, agent_id: AgentId = ANA) -> Watcher:
    return house.hub.watch(Viewer(agent_id=agent_id, sees_all=False))


def now_on(house: House, agent_id: AgentId = ANA) -> live.LiveTranscript | None:
    """The transcript on a page that is loaded now."""
    found = [one for one in house.hub.transcripts.values() if one.agent_id == agent_id]
    return found[0] if found else None


async def hears(house: House, *what: str, agent_id: AgentId = ANA) -> None:
    """Until the page says this of the listening."""
    await house.until(
        lambda: (found := now_on(house, agent_id)) is not None and found.hearing in what
    )


def ears(house: House) -> list[FakeRecognition]:
    """The streams that are open, the caller's first."""
    return [stream for stream in house.recognizer.opened if not stream.closed]


async def talking(house: House) -> tuple[FakeLeg, FakeLeg, FakeRecognition, FakeRecognition]:
    caller, phone = await house.talks_to_ana()
    await hears(house, "listening")
    said, answered = ears(house)
    return caller, phone, said, answered


def texts(said: list[live.LiveSaid]) -> list[tuple[str, str, bool]]:
    return [(one.saying.speaker, one.saying.text, one.saying.final) for one in said]


async def test_both_sides_are_shown_as_they_speak(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mine, bea, sofia = page_of(house), page_of(house, BEA), house.supervisor()
    caller, phone, said, answered = await talking(house)
    house.hub.read_along("user_sofia", caller.call_id)
    assert (said.language, said.phrases) == ("es", None)
    assert caller.sink is not None and caller.sink.stream == said.stream
    assert phone.sink is not None and phone.sink.stream == answered.stream
    said.says("quiero hablar")
    answered.says("dígame")
    for page in (mine, sofia):
        heard = await shown(page, live.LiveSaid, 4)
        assert sorted(texts(heard)) == [
            ("agent", "dígame", False), ("agent", "dígame", True),
            ("caller", "quiero", False), ("caller", "quiero hablar", True),
        ]  # fmt: skip
        assert len({one.saying.number for one in heard}) == 2
    transcript = now_on(house)
    assert transcript is not None and not transcript.cut
    assert {one.text for one in transcript.sayings} == {"quiero hablar", "dígame"}
    house.control.hangs_up(caller)
    await shown(mine, live.LiveTranscriptGone)
    await house.is_over(caller)
    assert house.hub.transcripts == {}
    assert house.transcripts._records == {}  # nothing of it is kept
    while not bea._messages.empty():
        message = await bea.next()
        assert not isinstance(message, live.LiveTranscript | live.LiveSaid | live.LiveHearing)
    assert "hablar" not in caplog.text and "dígame" not in caplog.text


async def test_a_queue_that_does_not_want_it_is_not_listened_to(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        await house.ana_is_available()
        await house.talks_to_ana()
        assert house.recognizer.opened == []
        assert house.hub.transcripts == {}


async def test_a_paused_recording_is_not_listened_to_and_takes_back_what_was_half_said(
    house: House,
) -> None:
    caller, phone, said, answered = await talking(house)
    said.says("mi tarjeta es")
    said.hears(SpeechStarted(at=ear._PARTIAL_EVERY))
    said.hears(Partial(text="cuatro"))
    await house.until(lambda: len(house.hub.transcripts[caller.call_id].sayings) == 2)
    await house.conversations.pause_recording(caller.call_id, True)
    transcript = now_on(house)
    assert transcript is not None and transcript.hearing == "paused"
    assert [one.text for one in transcript.sayings] == ["mi tarjeta es"]
    said.says("cuatro nueve")  # what was on its way
    await house.until(lambda: said.closed and answered.closed)
    await house.until(lambda: caller.sink is None and phone.sink is None)
    transcript = now_on(house)
    assert transcript is not None
    assert [one.text for one in transcript.sayings] == ["mi tarjeta es"]
    await house.conversations.pause_recording(caller.call_id, False)
    await hears(house, "listening")
    again = ears(house)[0]
    again.says("gracias")
    await house.until(lambda: "gracias" in str(now_on(house)))
    final = [event.saying for event in house.of(SayingChanged) if event.saying.final]
    assert "cuatro" not in str(final)


async def test_numbers_said_just_before_the_pause_are_masked_on_every_page(house: House) -> None:
    mine = page_of(house)
    caller, _, said, answered = await talking(house)
    answered.says("dígame el número")
    said.says("es cuatro cinco")
    assert "es cuatro cinco" in str(await shown(mine, live.LiveSaid, 4))
    await house.conversations.pause_recording(caller.call_id, True)
    (masked,) = await shown(mine, live.LiveSaid)
    assert (masked.saying.text, masked.saying.final) == ("es •••", True)
    later = page_of(house)
    (snapshot,) = await shown(later, live.Snapshot)
    assert {one.text for one in snapshot.transcripts[0].sayings} == {"dígame el número", "es •••"}
    # Nor does whoever gets the call next read them.
    assert "cuatro" not in str(house.transcripts._records[caller.call_id].sayings)


async def test_on_hold_and_in_a_consultation_nobody_is_listened_to(house: House) -> None:
    caller, phone, *_ = await talking(house)
    await house.conversations.hold(caller.call_id)
    await hears(house, "waiting")
    await house.until(lambda: caller.sink is None and phone.sink is None)
    await house.conversations.consult(caller.call_id, o.ToNumber(number="+34911222333"))
    third = await asyncio.wait_for(house.control.next_dialled(), 5)
    house.control.answers(third)
    await house.until(lambda: third.other == phone.leg_id)
    assert ears(house) == []
    await house.conversations.confer(caller.call_id)
    await hears(house, "listening")
    assert len(ears(house)) == 3
    await house.until(lambda: None not in (caller.sink, phone.sink, third.sink))
    (of_third,) = [one for one in ears(house) if third.sink and one.stream == third.sink.stream]
    of_third.says("soy el técnico")
    await house.until(lambda: "soy el técnico" in str(now_on(house)))
    transcript = now_on(house)
    assert transcript is not None
    assert [one.speaker for one in transcript.sayings] == ["third"]
    await house.conversations.complete(caller.call_id)
    await house.until(lambda: ears(house) == [])
    assert now_on(house) is None


async def test_who_takes_the_call_over_has_what_was_said(house: House) -> None:
    caller, _, said, _ = await talking(house)
    said.says("el pedido no ha llegado")
    await house.until(lambda: "pedido" in str(now_on(house)))
    house.bus.publish(PhoneRegistered(extension="202", user_agent="desk"))
    await house.agents.set_status(BEA, "available", "")
    mine, bea = page_of(house), page_of(house, BEA)
    await house.conversations.transfer(caller.call_id, o.ToAgent(agent_id=BEA))
    await shown(mine, live.LiveTranscriptGone)
    house.control.answers(await asyncio.wait_for(house.control.next_dialled(), 5))
    (opened,) = await shown(bea, live.LiveTranscript)
    assert [one.text for one in opened.sayings] == ["el pedido no ha llegado"]
    await hears(house, "listening", agent_id=BEA)
    ears(house)[1].says("soy Bea")
    (_, final) = await shown(bea, live.LiveSaid, 2)
    assert (final.saying.speaker, final.saying.text) == ("agent", "soy Bea")


async def test_callers_in_flows_come_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "_BUSY_PAUSE", 0.05)
    taken = [await house.recognizer.start("es", None) for _ in range(21)]
    # 32 streams in all, of which ten are kept free: one is left, and a conversation takes two.
    caller, _ = await house.talks_to_ana()
    await hears(house, "busy")
    assert len(ears(house)) == 21
    await taken[0].close()
    await hears(house, "listening")
    assert len(ears(house)) == 22
    house.control.hangs_up(caller)
    await house.is_over(caller)
    await house.until(lambda: len(ears(house)) == 20)


async def test_a_recogniser_that_dies_costs_words_and_not_the_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ear, "_LOST_PAUSE", 0.05)
    page = page_of(house)
    caller, _, said, answered = await talking(house)
    said.hears(SpeechStarted(at=ear._PARTIAL_EVERY))
    said.hears(Partial(text="quería"))
    await house.until(lambda: "quería" in str(now_on(house)))
    said.fails()
    answered.fails()
    while (await shown(page, live.LiveHearing))[0].hearing != "interrupted":
        pass
    await hears(house, "listening")
    transcript = now_on(house)
    assert transcript is not None and transcript.sayings == []
    said, _ = ears(house)
    said.says("decía que sí")
    await house.until(lambda: "decía que sí" in str(now_on(house)))
    assert house.end_of(caller.leg_id) is None


async def test_a_language_without_a_model_says_so(house: House) -> None:
    house.recognizer._languages = ("en",)
    await house.talks_to_ana()
    await hears(house, "no_model")
    assert house.recognizer.opened == []
