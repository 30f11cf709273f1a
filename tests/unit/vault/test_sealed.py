"""Sealed files: read from anywhere, noticed when touched, never lost while they get a new key."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centralita.vault import sealed
from centralita.vault.keyring import Keyring, KeyringError
from centralita.vault.sealed import (
    CHUNK,
    HEADER,
    TAG,
    SealedReader,
    SealError,
    keys_of,
    seal,
    wrap_anew,
)

NAME = "rec_1"
SIZES = st.one_of(
    st.integers(0, 300),
    st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5]),
)


def content(size: int) -> bytes:
    """Bytes of which no part is like another one."""
    return b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]


def sealed_file(folder: Path, size: int, name: str = NAME) -> tuple[Path, Keyring]:
    keyring = Keyring(folder / "keys")
    path = folder / f"{name}.flac.sealed"
    with path.open("wb") as target:
        seal(io.BytesIO(content(size)), target, name, keyring.current())
    return path, keyring


def unsealed(path: Path, keyring: Keyring, name: str = NAME) -> bytes:
    with SealedReader(path, name, keyring) as reader:
        return reader.readall()


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x01
    path.write_bytes(data)


@settings(deadline=None, max_examples=40)
@given(size=SIZES)
def test_what_was_sealed_is_read_again_and_is_not_on_disk(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, keyring = sealed_file(Path(folder), size)
        assert unsealed(path, keyring) == content(size)
        if size > 16:
            assert content(size)[:16] not in path.read_bytes()


@settings(deadline=None, max_examples=60)
@given(size=SIZES, start=st.integers(0, 4 * CHUNK), length=st.integers(0, 2 * CHUNK))
def test_any_part_is_what_it_would_be_in_the_plain_file(size: int, start: int, length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, keyring = sealed_file(Path(folder), size)
        with io.BufferedReader(SealedReader(path, NAME, keyring)) as reader:
            assert reader.seek(0, os.SEEK_END) == size
            reader.seek(start)
            assert reader.read(length) == content(size)[start : start + length]


@settings(deadline=None, max_examples=60)
@given(data=st.data(), size=SIZES.filter(lambda size: size > 0))
def test_a_bit_changed_anywhere_is_noticed(data: st.DataObject, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, keyring = sealed_file(Path(folder), size)
        # The second slot is empty: what stands there decides nothing.
        spare = range(HEADER - (HEADER - 15) // 2, HEADER)
        at = data.draw(
            st.integers(0, path.stat().st_size - 1).filter(lambda place: place not in spare)
        )
        flipped(path, at)
        with pytest.raises(KeyringError) as caught:
            unsealed(path, keyring)
        assert str(path) in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), size=SIZES)
def test_a_file_cut_off_anywhere_is_noticed_when_it_is_opened(
    data: st.DataObject, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, keyring = sealed_file(Path(folder), size)
        os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
        with pytest.raises(SealError, match=r"cut off|damaged"):
            SealedReader(path, NAME, keyring)


def test_chunks_cannot_change_places_be_repeated_or_left_out(tmp_path: Path) -> None:
    path, keyring = sealed_file(tmp_path, 4 * CHUNK)
    data = path.read_bytes()
    head, step = data[:HEADER], CHUNK + TAG
    chunks = [data[at : at + step] for at in range(HEADER, len(data), step)]
    for order in ([1, 0, 2, 3], [0, 0, 2, 3], [0, 2, 3], [0, 1, 2, 3, 3], [0, 1, 2]):
        path.write_bytes(head + b"".join(chunks[at] for at in order))
        with pytest.raises(SealError):
            unsealed(path, keyring)


def test_one_file_cannot_be_put_in_another_ones_place(tmp_path: Path) -> None:
    one, keyring = sealed_file(tmp_path, 100, "rec_1")
    other, _ = sealed_file(tmp_path, 100, "rec_2")
    shutil.copy(other, one)
    with pytest.raises(SealError, match="not the file that was written as rec_1"):
        unsealed(one, keyring)


def test_a_lost_key_is_named_with_the_file_and_the_cure(tmp_path: Path) -> None:
    path, keyring = sealed_file(tmp_path, 100)
    key_id = keyring.current().key_id
    (tmp_path / "keys" / f"{key_id}.key").unlink()
    with pytest.raises(KeyringError) as caught:
        unsealed(path, keyring)
    said = str(caught.value)
    assert str(path) in said
    assert f"needs the key {key_id}, which is not in {tmp_path / 'keys'}" in said
    assert f"bring back the file {key_id}.key from your copy" in said


def test_another_key_under_the_same_name_is_told_as_such(tmp_path: Path) -> None:
    path, keyring = sealed_file(tmp_path, 100)
    elsewhere = Keyring(tmp_path / "elsewhere")
    key, stranger = keyring.current(), elsewhere.current()
    text = (elsewhere.folder / f"{stranger.key_id}.key").read_text()
    (keyring.folder / f"{key.key_id}.key").write_text(text.replace(stranger.key_id, key.key_id))
    with pytest.raises(SealError, match=f"{key.key_id}.key is another key of that name"):
        unsealed(path, keyring)


# --- a new key for an old file ------------------------------------------------------------------


def test_after_a_rotation_the_new_key_alone_opens_the_file(tmp_path: Path) -> None:
    path, keyring = sealed_file(tmp_path, 2 * CHUNK + 9)
    old, new = keyring.current(), keyring.rotate()
    sealed_part = path.read_bytes()[HEADER:]
    assert wrap_anew(path, NAME, keyring, new)
    assert not wrap_anew(path, NAME, keyring, new)
    assert keys_of(path) == (new.key_id,)
    keyring.retire(old.key_id)
    assert unsealed(path, keyring) == content(2 * CHUNK + 9)
    assert path.read_bytes()[HEADER:] == sealed_part, "the sound itself is not touched"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("torn", range(0, 69, 4))
@pytest.mark.parametrize("write", [0, 1])
def test_a_rotation_killed_in_any_write_loses_nothing_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int, torn: int
) -> None:
    """The first write adds the new key, the second takes the old one away."""
    path, keyring = sealed_file(tmp_path, 500)
    new = keyring.rotate()
    put, done = sealed._put, 0

    def torn_put(file: io.FileIO, at: int, slot: bytes) -> None:
        nonlocal done
        if done == write:
            file.seek(sealed._SLOTS[at])
            file.write(slot[:torn])
            raise Killed
        done += 1
        put(file, at, slot)

    monkeypatch.setattr(sealed, "_put", torn_put)
    with pytest.raises(Killed):
        wrap_anew(path, NAME, keyring, new)
    assert unsealed(path, keyring) == content(500)
    monkeypatch.setattr(sealed, "_put", put)
    wrap_anew(path, NAME, keyring, new)
    assert keys_of(path) == (new.key_id,)
    assert unsealed(path, keyring) == content(500)


def test_two_rotations_of_which_the_first_was_killed_leave_one_key(tmp_path: Path) -> None:
    path, keyring = sealed_file(tmp_path, 500)
    first = keyring.rotate()
    before = path.read_bytes()
    wrap_anew(path, NAME, keyring, first)
    after = path.read_bytes()
    # As it was between the two writes: both slots are good.
    slot = (HEADER - 15) // 2
    path.write_bytes(before[: 15 + slot] + after[15 + slot :])
    assert len(keys_of(path)) == 2
    second = keyring.rotate()
    wrap_anew(path, NAME, keyring, second)
    assert keys_of(path) == (second.key_id,)
    assert unsealed(path, keyring) == content(500)
