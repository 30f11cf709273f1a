"""Sound files: nothing that was said is lost, and what is stored is whole."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from centralita.core.ids import RecordingId
from centralita.recordings.files import RecordingError, channels_of, read_wav, store_flac
from tests.support.telephony import tone, write_wav

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
REC = RecordingId("rec_1")


def test_two_tracks_become_left_and_right_and_the_shorter_ends_in_silence(tmp_path: Path) -> None:
    left = write_wav(tmp_path / "l.wav", tone(440, 1.0))
    right = write_wav(tmp_path / "r.wav", tone(880, 0.5))
    stored = store_flac([left, right], tmp_path / "store", REC, AT)
    assert stored.path == "2026/01/05/rec_1.flac"
    assert (stored.channels, stored.duration) == (2, timedelta(seconds=1))
    (caller, agent), rate = channels_of(tmp_path / "store" / stored.path)
    assert rate == 8000
    assert np.array_equal(caller, tone(440, 1.0))
    assert np.array_equal(agent[:4000], tone(880, 0.5))
    assert not agent[4000:].any()
    assert left.exists()


def test_the_checksum_is_that_of_the_file_and_only_we_may_read_it(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    stored = store_flac([source], tmp_path, REC, AT)
    path = tmp_path / stored.path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == stored.sha256
    assert path.stat().st_mode & 0o777 == 0o600
    assert soundfile.info(path).subtype == "PCM_16"
    assert list(path.parent.iterdir()) == [path], "nothing half-written is left beside it"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 12])
def test_a_header_that_was_never_finished_costs_no_sound(tmp_path: Path, size: int) -> None:
    """The worker was killed: the sizes in the header are those of the beginning."""
    path = write_wav(tmp_path / "l.wav", tone(440, 0.5))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", size)
    path.write_bytes(bytes(data) + b"\x01")  # and half a sample
    samples, rate = read_wav(path)
    assert rate == 8000
    assert np.array_equal(samples, tone(440, 0.5))


def test_a_file_without_a_single_sample_is_a_recording_of_no_length(tmp_path: Path) -> None:
    empty = write_wav(tmp_path / "e.wav", tone(440, 0))
    assert store_flac([empty], tmp_path, REC, AT).duration == timedelta(0)


def test_different_rates_cannot_be_one_recording(tmp_path: Path) -> None:
    left = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    right = tmp_path / "r.wav"
    soundfile.write(right, tone(440, 0.1), 16000, subtype="PCM_16")
    with pytest.raises(RecordingError, match="different sample rates"):
        store_flac([left, right], tmp_path, REC, AT)


def test_what_is_missing_or_no_sound_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"cannot read none\.wav: No such file"):
        read_wav(tmp_path / "none.wav")
    (tmp_path / "x.wav").write_bytes(b"hello")
    with pytest.raises(RecordingError, match=r"x\.wav is no WAV file"):
        read_wav(tmp_path / "x.wav")
    with pytest.raises(RecordingError, match=r"cannot read x\.wav"):
        channels_of(tmp_path / "x.wav")


def test_a_disk_that_refuses_is_named_and_the_source_stays(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(RecordingError, match="cannot write"):
        store_flac([source], tmp_path / "store", REC, AT)
    assert source.exists()
