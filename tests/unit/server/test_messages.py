"""Messages that become tasks: only those that are really recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.recordings.files import RecordingError
from centralita.recordings.recorder import Recorder
from centralita.server.adapters import Messages
from centralita.telephony.fake import FakeCallControl


async def test_a_message_that_is_not_recorded_is_not_expected(tmp_path: Path) -> None:
    control = FakeCallControl()
    recorder = Recorder(control, Bus(), ManualClock(), tmp_path)
    recorder.open()
    messages = Messages(recorder)
    leg = control.arrives("100")
    control.hangs_up(leg)
    with pytest.raises(RecordingError, match="the message cannot be recorded"):
        await messages.start(leg.call_id, leg.leg_id, language="es", queue="sales")
    assert messages.expected == {}


async def test_a_message_knows_its_queue_until_it_is_forgotten(tmp_path: Path) -> None:
    control = FakeCallControl()
    recorder = Recorder(control, Bus(), ManualClock(), tmp_path)
    recorder.open()
    messages = Messages(recorder)
    leg = control.arrives("100")
    recording_id = await messages.start(leg.call_id, leg.leg_id, language="es", queue="sales")
    assert messages.expected[recording_id].queue_id == "sales"
    assert leg.recording is not None
    await messages.discard(recording_id)
    assert messages.expected == {}
    assert leg.recording is None
