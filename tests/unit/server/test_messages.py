"""Messages: a caller who is told that one is recorded is really recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.events import Event
from centralita.recordings.files import RecordingError
from centralita.recordings.recorder import Recorder, RecordingDiscarded, RecordingStarted
from centralita.server.adapters import Messages
from centralita.telephony.fake import FakeCallControl


async def test_a_message_that_cannot_be_recorded_is_an_error(tmp_path: Path) -> None:
    control = FakeCallControl()
    recorder = Recorder(control, Bus(), ManualClock(), tmp_path)
    recorder.open()
    messages = Messages(recorder)
    leg = control.arrives("100")
    control.hangs_up(leg)
    with pytest.raises(RecordingError, match="the message cannot be recorded"):
        await messages.start(leg.call_id, leg.leg_id, language="es", queue="sales")


async def test_a_message_tells_its_queue_and_that_it_is_forgotten(tmp_path: Path) -> None:
    control, bus = FakeCallControl(), Bus()
    told: list[Event] = []
    bus.subscribe(Event, told.append)
    recorder = Recorder(control, bus, ManualClock(), tmp_path)
    recorder.open()
    messages = Messages(recorder)
    leg = control.arrives("100")
    recording_id = await messages.start(leg.call_id, leg.leg_id, language="es", queue="sales")
    started = RecordingStarted(
        call_id=leg.call_id, recording_id=recording_id, kind="voicemail", queue="sales"
    )
    assert told == [started]
    assert leg.recording is not None
    await messages.discard(recording_id)
    assert told == [
        started,
        RecordingDiscarded(call_id=leg.call_id, recording_id=recording_id),
    ]
    assert leg.recording is None
