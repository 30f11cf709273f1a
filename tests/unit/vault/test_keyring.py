"""The keyring: made once, for our eyes only, and clear about what is wrong with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from centralita.vault.keyring import Keyring, KeyringError


def test_the_first_key_is_made_when_it_is_needed_and_only_we_can_read_it(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    key = ring.current()
    assert ring.current() == key
    assert ring.folder.stat().st_mode & 0o777 == 0o700
    (file,) = ring.folder.glob("*.key")
    assert file.stat().st_mode & 0o777 == 0o600
    assert repr(key.secret) not in repr(key)


def test_ten_who_start_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        made = set(pool.map(lambda _: Keyring(tmp_path / "keys").current().key_id, range(10)))
    assert len(made) == 1


def test_the_newest_key_is_in_use_and_older_ones_are_still_found(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    first, second = ring.current(), ring.rotate()
    assert ring.current() == second
    assert ring.get(first.key_id, needed_for="x") == first


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    key = Keyring(tmp_path / "keys").current()
    assert len({key.secret, key.derived("a"), key.derived("b")}) == 3
    assert key.derived("a") == key.derived("a")


def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    ring.current()
    (file,) = ring.folder.glob("*.key")
    file.chmod(0o640)
    with pytest.raises(KeyringError, match=f"chmod 600 {file}"):
        ring.current()


@pytest.mark.parametrize("damage", ["", "{}", "rubbish"])
def test_a_damaged_key_is_named_and_no_new_one_is_made(tmp_path: Path, damage: str) -> None:
    ring = Keyring(tmp_path / "keys")
    ring.current()
    (file,) = ring.folder.glob("*.key")
    file.write_text(damage)
    with pytest.raises(KeyringError, match=rf"{file}.*bring it back from your copy"):
        ring.current()
    assert list(ring.folder.glob("*.key")) == [file]


def test_the_key_in_use_cannot_be_retired_and_a_retired_one_is_kept(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    old = ring.current()
    with pytest.raises(KeyringError, match="make another one first: centralita keys rotate"):
        ring.retire(old.key_id)
    ring.rotate()
    place = ring.retire(old.key_id)
    assert place.is_file()
    with pytest.raises(KeyringError, match=f"from {place.parent}"):
        ring.get(old.key_id, needed_for="a file")


@pytest.mark.parametrize("key_id", ["", "../../etc/passwd", "0" * 15, "Z" * 16])
def test_what_is_no_id_of_a_key_is_refused(tmp_path: Path, key_id: str) -> None:
    with pytest.raises(KeyringError, match="not the id of a key"):
        Keyring(tmp_path).get(key_id, needed_for="x")
