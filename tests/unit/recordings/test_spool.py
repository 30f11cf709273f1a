"""A server that was killed finds its recordings again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.ids import AgentId
from centralita.recordings.files import channels_of
from centralita.recordings.recorder import Recorder, RecordingMade
from centralita.telephony.call import RecordingStopped
from centralita.telephony.fake import FakeCallControl
from centralita.vault.keyring import Keyring
from tests.support.telephony import tone, write_wav


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_was_being_recorded_when_the_server_was_killed_is_kept(tmp_path: Path) -> None:
    control = FakeCallControl()
    caller, agent = control.arrives("100"), control.arrives("100")
    killed = Recorder(control, Bus(), ManualClock(), tmp_path)
    killed.open()
    recording_id = await killed.start(
        caller.call_id,
        (caller.leg_id, agent.leg_id),
        kind="conversation",
        language="es",
        agent_id=AgentId("agent_ana"),
    )
    assert caller.recording is not None and agent.recording is not None
    write_wav(caller.recording, tone(440, 1.0))
    write_wav(agent.recording, tone(880, 0.5))

    bus = Bus()
    made: asyncio.Queue[RecordingMade] = asyncio.Queue()
    bus.subscribe(RecordingMade, made.put_nowait)
    restarted = Recorder(control, bus, ManualClock(), tmp_path)
    restarted.open()
    assert await restarted.recover() == 1
    event = await asyncio.wait_for(made.get(), 5)

    assert (event.recording_id, event.call_id) == (recording_id, caller.call_id)
    assert (event.agent_id, event.language, event.channels) == ("agent_ana", "es", 2)
    channels, rate = channels_of(tmp_path / event.path, Keyring(tmp_path / "keys"))
    assert [len(channel) / rate for channel in channels] == [1.0, 1.0]
    assert np.abs(channels[1][:4000]).max() > 1000 and np.abs(channels[1][4000:]).max() == 0
    await restarted.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_note_without_sound_is_thrown_away(tmp_path: Path) -> None:
    control = FakeCallControl()
    caller = control.arrives("100")
    killed = Recorder(control, Bus(), ManualClock(), tmp_path)
    killed.open()
    await killed.start(caller.call_id, (caller.leg_id,), kind="voicemail", language="es")

    restarted = Recorder(control, Bus(), ManualClock(), tmp_path)
    assert await restarted.recover() == 0
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_message_thrown_away_while_it_is_being_stored_leaves_nothing(
    tmp_path: Path,
) -> None:
    control, bus = FakeCallControl(), Bus()
    made: list[RecordingMade] = []
    bus.subscribe(RecordingMade, made.append)
    recorder = Recorder(control, bus, ManualClock(), tmp_path)
    recorder.open()
    leg = control.arrives("190")
    recording_id = await recorder.start(leg.call_id, (leg.leg_id,), kind="voicemail", language="es")
    assert leg.recording is not None
    write_wav(leg.recording, tone(440, 1.0))

    stopped = RecordingStopped(
        leg_id=leg.leg_id,
        call_id=leg.call_id,
        path=str(leg.recording),
        duration=timedelta(seconds=1),
    )
    bus.publish(stopped)
    await recorder.discard(recording_id)
    await recorder.close()

    assert made == []
    assert _files(tmp_path) == []


async def test_a_recording_that_a_worker_still_writes_goes_on_after_a_restart(
    tmp_path: Path,
) -> None:
    control = FakeCallControl()
    caller, agent = control.arrives("100"), control.arrives("100")
    killed = Recorder(control, Bus(), ManualClock(), tmp_path)
    killed.open()
    recording_id = await killed.start(
        caller.call_id, (caller.leg_id, agent.leg_id), kind="conversation", language="es"
    )
    assert caller.recording is not None and agent.recording is not None
    write_wav(caller.recording, tone(440, 1.0))
    write_wav(agent.recording, tone(880, 0.5))

    bus = Bus()
    made: asyncio.Queue[RecordingMade] = asyncio.Queue()
    bus.subscribe(RecordingMade, made.put_nowait)
    restarted = Recorder(control, bus, ManualClock(), tmp_path)
    restarted.open()
    assert await restarted.recover(writing={str(caller.recording)}) == 0
    assert restarted.runs(recording_id)
    write_wav(caller.recording, tone(440, 2.0))
    bus.publish(
        RecordingStopped(
            leg_id=caller.leg_id,
            call_id=caller.call_id,
            path=str(caller.recording),
            duration=timedelta(seconds=2),
        )
    )
    event = await asyncio.wait_for(made.get(), 5)
    assert (event.recording_id, event.duration, event.channels) == (
        recording_id,
        timedelta(seconds=2),
        2,
    )
    await restarted.close()


async def test_the_spool_is_kept_until_the_recording_is_written_down(tmp_path: Path) -> None:
    control, bus = FakeCallControl(), Bus()
    made: asyncio.Queue[RecordingMade] = asyncio.Queue()
    bus.subscribe(RecordingMade, made.put_nowait)

    async def disk_refuses() -> bool:
        return False

    recorder = Recorder(control, bus, ManualClock(), tmp_path, written_down=disk_refuses)
    recorder.open()
    leg = control.arrives("190")
    await recorder.start(leg.call_id, (leg.leg_id,), kind="conversation", language="es")
    assert leg.recording is not None
    write_wav(leg.recording, tone(440, 1.0))
    bus.publish(
        RecordingStopped(
            leg_id=leg.leg_id,
            call_id=leg.call_id,
            path=str(leg.recording),
            duration=timedelta(seconds=1),
        )
    )
    first = await asyncio.wait_for(made.get(), 5)
    await recorder.close()

    again = Recorder(control, bus, ManualClock(), tmp_path)
    assert await again.recover() == 1
    assert await asyncio.wait_for(made.get(), 5) == first
    await again.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_note_left_behind_with_half_of_its_tracks_cannot_be(tmp_path: Path) -> None:
    control = FakeCallControl()
    caller, agent = control.arrives("100"), control.arrives("100")
    recorder = Recorder(control, Bus(), ManualClock(), tmp_path)
    recorder.open()
    await recorder.start(
        caller.call_id, (caller.leg_id, agent.leg_id), kind="conversation", language="es"
    )
    assert caller.recording is not None and agent.recording is not None
    write_wav(caller.recording, tone(440, 1.0))
    write_wav(agent.recording, tone(440, 1.0))
    spool = tmp_path / "spool"
    (note,) = spool.glob("*.json")
    note.unlink()  # what a kill in the middle of clearing leaves

    restarted = Recorder(control, Bus(), ManualClock(), tmp_path)
    assert await restarted.recover() == 0
    assert list(spool.iterdir()) == []


async def test_a_recording_of_which_no_sound_reached_the_disk_is_no_recording(
    tmp_path: Path,
) -> None:
    control = FakeCallControl()
    caller = control.arrives("100")
    killed = Recorder(control, Bus(), ManualClock(), tmp_path)
    killed.open()
    await killed.start(caller.call_id, (caller.leg_id,), kind="voicemail", language="es")
    assert caller.recording is not None
    caller.recording.touch()  # the worker began the file, and the power failed

    restarted = Recorder(control, Bus(), ManualClock(), tmp_path)
    assert await restarted.recover() == 0
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_track_that_a_power_failure_took_is_silence_beside_the_other(
    tmp_path: Path,
) -> None:
    control, bus = FakeCallControl(), Bus()
    made: asyncio.Queue[RecordingMade] = asyncio.Queue()
    bus.subscribe(RecordingMade, made.put_nowait)
    caller, agent = control.arrives("100"), control.arrives("100")
    killed = Recorder(control, Bus(), ManualClock(), tmp_path)
    killed.open()
    await killed.start(
        caller.call_id, (caller.leg_id, agent.leg_id), kind="conversation", language="es"
    )
    assert caller.recording is not None and agent.recording is not None
    caller.recording.touch()
    write_wav(agent.recording, tone(440, 1.0))

    restarted = Recorder(control, bus, ManualClock(), tmp_path)
    assert await restarted.recover() == 1
    event = await asyncio.wait_for(made.get(), 5)
    await restarted.close()
    channels, _ = channels_of(tmp_path / event.path, Keyring(tmp_path / "keys"))
    assert np.abs(channels[0]).max() == 0 and np.abs(channels[1]).max() > 1000
