"""`centralita keys`: what it prints, and that it lets nobody lose a recording."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from centralita.recordings.files import open_sound
from centralita.server.__main__ import main
from centralita.vault.keyring import Keyring
from centralita.vault.sealed import seal


class Safe:
    """A data folder with an encrypted recording, and somebody at the command line."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys
        self.keyring = Keyring(data / "keys")
        self.recording = data / "recordings" / "rec_1.flac.sealed"
        self.recording.parent.mkdir(parents=True)
        with self.recording.open("wb") as target:
            seal(io.BytesIO(b"sound"), target, "rec_1", self.keyring.current())

    def keys(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["keys", *words, "--data", str(self.data)])
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def safe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Safe:
    monkeypatch.chdir(tmp_path)
    return Safe(tmp_path / "data", capsys)


def test_the_list_says_which_key_is_used_and_for_how_much(safe: Safe) -> None:
    key = safe.keyring.current()
    code, out, err = safe.keys("list")
    assert (code, err) == (0, "")
    assert out.startswith(key.key_id)
    assert "in use, opens 1 recordings" in out
    assert key.secret.hex() not in out


def test_a_key_is_rotated_and_the_old_one_put_away(safe: Safe) -> None:
    old = safe.keyring.current()
    refused = safe.keys("retire", old.key_id)
    assert refused[0] == 1
    assert "1 recordings still need the key" in refused[2]
    code, out, _ = safe.keys("rotate")
    assert code == 0
    assert "1 recordings were given this key, 0 had it" in out
    assert safe.keys("retire", old.key_id)[0] == 0
    assert [key.number for key in safe.keyring.all()] == [2]
    with open_sound(safe.recording, safe.keyring) as sound:
        assert sound.read() == b"sound"


def test_an_interrupted_rotation_is_finished_without_another_key(safe: Safe) -> None:
    new = safe.keyring.rotate()
    assert "1 recordings were given this key" in safe.keys("wrap")[1]
    assert safe.keyring.current() == new


def test_a_missing_key_is_named_with_the_cure(safe: Safe) -> None:
    lost = safe.keyring.current()
    (safe.keyring.folder / f"{lost.key_id}.key").unlink()
    code, _, err = safe.keys("list")
    assert code == 1
    assert f"{lost.key_id}  MISSING, and 1 recordings need it" in err
    code, _, err = safe.keys("rotate")
    assert code == 1
    assert f"rec_1.flac.sealed needs the key {lost.key_id}" in err
    assert safe.keys("retire", "nonsense")[0] == 1
