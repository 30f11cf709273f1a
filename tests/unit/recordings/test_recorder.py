"""The recorder: from the start of a conversation to the stored file; a failure costs no call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.events import Event
from centralita.core.tasks import Tasks
from centralita.recordings.recorder import Recorder, RecordingFailed, RecordingMade
from centralita.telephony.fake import FakeCallControl, FakeLeg
from tests.support.telephony import tone, write_wav


class Studio:
    """A recorder on scripted telephony, whose worker writes a tone for each leg."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = FakeCallControl()
        self.bus = Bus()
        self.recorder = Recorder(self.control, self.bus, ManualClock(), folder)
        self.recorder.open()
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        self.bus.subscribe(RecordingMade, self.told.put_nowait)
        self.bus.subscribe(RecordingFailed, self.told.put_nowait)
        self.tasks = Tasks("studio")
        self.tasks.spawn(self._pump(), name="pump")

    async def _pump(self) -> None:
        async for event in self.control.events():
            self.bus.publish(event)

    def writes(self, leg: FakeLeg, seconds: float) -> None:
        assert leg.recording is not None
        write_wav(leg.recording, tone(440, seconds))

    async def hears(self) -> Event:
        return await asyncio.wait_for(self.told.get(), 5)

    @property
    def spool(self) -> list[Path]:
        return list((self.folder / "spool").iterdir())


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    await studio.recorder.close()
    await studio.tasks.close()


async def test_a_conversation_is_stored_when_both_legs_have_stopped(studio: Studio) -> None:
    caller = studio.control.arrives("100")
    agent = studio.control.arrives("201")
    recording_id = await studio.recorder.start(
        caller.call_id, (caller.leg_id, agent.leg_id), kind="conversation", language="es"
    )
    assert studio.recorder.runs(recording_id)
    studio.writes(caller, 1.0)
    studio.writes(agent, 0.9)
    studio.control.hangs_up(agent)
    await studio.control.stop_recording(caller.leg_id)
    made = await studio.hears()
    assert isinstance(made, RecordingMade)
    assert (made.channels, made.duration.total_seconds(), made.kind) == (2, 1.0, "conversation")
    assert made.leg_id == caller.leg_id
    assert (studio.folder / made.path).is_file()
    assert studio.recorder.active == 0
    await studio.recorder.close()
    assert studio.spool == []


async def test_stop_ends_every_track_of_the_call_and_of_no_other(studio: Studio) -> None:
    one, other = studio.control.arrives("100"), studio.control.arrives("100")
    for leg in (one, other):
        await studio.recorder.start(leg.call_id, (leg.leg_id,), kind="voicemail", language="es")
        studio.writes(leg, 0.2)
    await studio.recorder.stop(one.call_id)
    made = await studio.hears()
    assert isinstance(made, RecordingMade)
    assert made.call_id == one.call_id
    assert studio.recorder.active == 1
    await studio.recorder.stop(other.call_id)
    await studio.hears()


async def test_a_leg_that_is_gone_makes_a_failure_not_an_error(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    leg = studio.control.arrives("100")
    studio.control.hangs_up(leg)
    recording_id = await studio.recorder.start(
        leg.call_id, (leg.leg_id,), kind="voicemail", language="es"
    )
    failed = await studio.hears()
    assert isinstance(failed, RecordingFailed)
    assert not studio.recorder.runs(recording_id)
    # Nothing has happened that somebody would have to mend.
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_what_cannot_be_stored_stays_in_the_spool(studio: Studio) -> None:
    leg = studio.control.arrives("100")
    await studio.recorder.start(leg.call_id, (leg.leg_id,), kind="voicemail", language="es")
    studio.writes(leg, 0.2)
    (studio.folder / "2026").write_text("a file where the folder should be")
    await studio.recorder.stop(leg.call_id)
    failed = await studio.hears()
    assert isinstance(failed, RecordingFailed)
    assert "cannot write" in failed.reason
    # with the note that lets the next start try again
    assert sorted(path.suffix for path in studio.spool) == [".json", ".wav"]


async def test_a_message_without_words_leaves_nothing(studio: Studio) -> None:
    leg = studio.control.arrives("100")
    recording_id = await studio.recorder.start(
        leg.call_id, (leg.leg_id,), kind="voicemail", language="es"
    )
    studio.writes(leg, 0.2)
    await studio.recorder.discard(recording_id)
    await studio.recorder.discard(recording_id)
    assert studio.spool == []
    assert leg.recording is None


async def test_closing_waits_for_what_is_being_stored(studio: Studio) -> None:
    leg = studio.control.arrives("100")
    await studio.recorder.start(leg.call_id, (leg.leg_id,), kind="voicemail", language="es")
    studio.writes(leg, 2.0)
    stopped = asyncio.Event()
    studio.bus.subscribe(Event, lambda _: stopped.set())
    await studio.recorder.stop(leg.call_id)
    await asyncio.wait_for(stopped.wait(), 5)
    await studio.recorder.close()
    assert isinstance(await studio.hears(), RecordingMade)
