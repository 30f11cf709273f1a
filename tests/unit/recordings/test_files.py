"""Sound files: nothing that was said is lost, and what is stored is whole."""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from centralita.core.ids import RecordingId
from centralita.recordings.files import (
    RecordingError,
    channels_of,
    open_sound,
    read_wav,
    store_flac,
)
from centralita.recordings.rewrap import keys_in_use, rewrap
from centralita.vault.keyring import Keyring
from centralita.vault.sealed import seal
from tests.support.telephony import tone, write_wav

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
REC = RecordingId("rec_1")


def test_two_tracks_become_left_and_right_and_the_shorter_ends_in_silence(tmp_path: Path) -> None:
    left = write_wav(tmp_path / "l.wav", tone(440, 1.0))
    right = write_wav(tmp_path / "r.wav", tone(880, 0.5))
    stored = store_flac([left, right], tmp_path / "store", REC, AT)
    assert stored.path == "2026/01/05/rec_1.flac"
    assert (stored.channels, stored.duration) == (2, timedelta(seconds=1))
    (caller, agent), rate = channels_of(
        tmp_path / "store" / stored.path, Keyring(tmp_path / "keys")
    )
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
        channels_of(tmp_path / "x.wav", Keyring(tmp_path / "keys"))


def test_a_disk_that_refuses_is_named_and_the_source_stays(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(RecordingError, match="cannot write"):
        store_flac([source], tmp_path / "store", REC, AT)
    assert source.exists()


# --- encrypted ------------------------------------------------------------------------------------


def test_an_encrypted_recording_sounds_the_same_and_cannot_be_heard_without_its_key(
    tmp_path: Path,
) -> None:
    keyring = Keyring(tmp_path / "keys")
    source = write_wav(tmp_path / "l.wav", tone(440, 9.0))
    stored = store_flac([source, source], tmp_path / "store", REC, AT, keyring=keyring)
    path = tmp_path / "store" / stored.path
    assert stored.path == "2026/01/05/rec_1.flac.sealed"
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"fLaC" not in path.read_bytes()
    with open_sound(path, keyring) as sound:
        assert hashlib.sha256(sound.read()).hexdigest() == stored.sha256
    (left, _), rate = channels_of(path, keyring)
    assert (rate, np.array_equal(left, tone(440, 9.0))) == (8000, True)
    shutil.rmtree(keyring.folder)
    with pytest.raises(RecordingError, match=r"rec_1\.flac\.sealed needs the key [0-9a-f]{16}"):
        channels_of(path, keyring)


def test_a_plain_recording_of_an_older_version_is_still_heard(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "l.wav", tone(440, 0.5))
    plain = store_flac([source], tmp_path / "store", REC, AT)
    (left,), _ = channels_of(tmp_path / "store" / plain.path, Keyring(tmp_path / "keys"))
    assert np.array_equal(left, tone(440, 0.5))


def test_a_plain_file_in_the_place_of_an_encrypted_one_is_refused(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    source = write_wav(tmp_path / "l.wav", tone(440, 0.5))
    sealed = tmp_path / store_flac([source], tmp_path, REC, AT, keyring=keyring).path
    plain = tmp_path / store_flac([source], tmp_path, REC, AT).path
    plain.replace(sealed)
    with pytest.raises(RecordingError, match="not a sealed file"):
        open_sound(sealed, keyring)


def test_without_a_usable_key_nothing_is_stored_and_the_source_stays(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    keyring.current()
    (key,) = keyring.folder.glob("*.key")
    key.chmod(0o644)
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    with pytest.raises(RecordingError, match="chmod 600"):
        store_flac([source], tmp_path / "store", REC, AT, keyring=keyring)
    assert source.exists()
    assert not list((tmp_path / "store").rglob("*.sealed"))


def test_reading_what_was_changed_in_the_middle_fails_there(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    noise = np.random.default_rng(1).integers(-9000, 9000, 8000 * 30).astype(np.int16)
    source = write_wav(tmp_path / "l.wav", noise)
    path = tmp_path / store_flac([source], tmp_path, REC, AT, keyring=keyring).path
    data = bytearray(path.read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)
    with open_sound(path, keyring) as sound:
        assert len(sound.read(1000)) == 1000
        with pytest.raises(RecordingError, match="changed in part 1"):
            sound.read()


# --- another key ----------------------------------------------------------------------------------


def test_a_rotation_reaches_every_recording_and_the_old_key_is_needed_no_more(
    tmp_path: Path,
) -> None:
    keyring, store = Keyring(tmp_path / "keys"), tmp_path / "store"
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    paths = [
        store / store_flac([source], store, RecordingId(f"rec_{n}"), AT, keyring=keyring).path
        for n in range(5)
    ]
    old, new = keyring.current(), keyring.rotate()
    rewrap(store, keyring, new)
    later = store / store_flac([source], store, RecordingId("rec_9"), AT, keyring=keyring).path
    assert keys_in_use(store) == (Counter({new.key_id: 6}), ())
    keyring.retire(old.key_id)
    for path in (*paths, later):
        channels_of(path, keyring)


def test_a_recording_whose_key_is_lost_does_not_stop_the_rotation_of_the_others(
    tmp_path: Path,
) -> None:
    keyring, store = Keyring(tmp_path / "keys"), tmp_path / "store"
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    lost = store / store_flac([source], store, RecordingId("rec_0"), AT, keyring=keyring).path
    gone = keyring.current()
    keyring.rotate()
    (keyring.folder / f"{gone.key_id}.key").unlink()
    store_flac([source], store, RecordingId("rec_1"), AT, keyring=keyring)
    before = lost.read_bytes()
    done = rewrap(store, keyring, keyring.rotate())
    assert (done.changed, len(done.problems)) == (1, 1)
    assert gone.key_id in done.problems[0]
    assert lost.read_bytes() == before


def test_a_killed_rotation_is_finished_by_the_next(tmp_path: Path) -> None:
    """The process is killed for real while it goes through the files."""
    keyring, store = Keyring(tmp_path / "keys"), tmp_path / "store"
    source = write_wav(tmp_path / "l.wav", tone(440, 0.1))
    first = store / store_flac([source], store, RecordingId("rec_0"), AT, keyring=keyring).path
    for n in range(1, 300):
        (first.parent / f"rec_{n}.flac.sealed").write_bytes(sealed_as(f"rec_{n}", keyring))
    old, new = keyring.current(), keyring.rotate()
    program = (
        "import sys; from pathlib import Path; from centralita.recordings.rewrap import rewrap; "
        "from centralita.vault.keyring import Keyring; ring = Keyring(Path(sys.argv[2])); "
        "rewrap(Path(sys.argv[1]), ring, ring.current())"
    )
    with subprocess.Popen([sys.executable, "-c", program, store, keyring.folder]) as process:
        while not keys_in_use(store)[0][new.key_id] and process.poll() is None:
            pass
        process.kill()
    counts, problems = keys_in_use(store)
    assert problems == ()
    assert counts[old.key_id] > 0, "killed too late to tell"
    for path in store.rglob("*.sealed"):
        with open_sound(path, keyring) as sound:
            sound.read()
    rewrap(store, keyring, new)
    assert keys_in_use(store)[0] == Counter({new.key_id: 300})


def sealed_as(name: str, keyring: Keyring) -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(b"sound"), target, name, keyring.current())
    return target.getvalue()
