"""Which model serves a language, and what is refused as one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from centralita.asr.mini.evaluate import errors
from centralita.asr.mini.words import DIGITS, WORDS
from centralita.asr.vosk.models import (
    PACKAGED,
    ModelError,
    get_model,
    list_models,
    resolve_models,
    unpack_model,
)


def make_model(path: Path, words: int | None = None) -> Path:
    (path / "am").mkdir(parents=True)
    (path / "am" / "final.mdl").write_text("weights")
    if words is not None:
        (path / "graph").mkdir()
        listed = ["<eps> 0", "[unk] 1", *(f"word{n} {n}" for n in range(2, words + 2))]
        (path / "graph" / "words.txt").write_text("\n".join(listed) + "\n")
    return path


def test_the_small_models_serve_until_there_are_better_ones(tmp_path: Path) -> None:
    models = resolve_models(tmp_path)
    assert set(models) == {"es", "en"}
    for language, model in models.items():
        assert model.path == PACKAGED / language
        assert not model.large_vocabulary
        assert model.words == len(WORDS[language])
        assert f"knows only {model.words} words" in model.describe()


def test_a_model_in_the_data_folder_replaces_the_small_one(tmp_path: Path) -> None:
    own = make_model(tmp_path / "models" / "es")
    models = {model.language: model for model in list_models(tmp_path)}
    assert models["es"].path == own
    assert models["es"].large_vocabulary
    assert models["en"].path == PACKAGED / "en"


def test_a_configured_model_comes_before_all_and_may_add_a_language(tmp_path: Path) -> None:
    make_model(tmp_path / "models" / "es")
    chosen = make_model(tmp_path / "chosen", words=20)
    models = resolve_models(tmp_path, {"es": chosen, "pt": chosen})
    assert models["es"].path == models["pt"].path == chosen
    assert models["pt"].words == 20


def test_a_configured_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing is not a Vosk model"):
        resolve_models(tmp_path, {"es": tmp_path / "nothing"})


def test_the_archive_of_a_model_is_unpacked(tmp_path: Path) -> None:
    model = make_model(tmp_path / "vosk-model-small-xx")
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.write(model / "am" / "final.mdl", "vosk-model-small-xx/am/final.mdl")
    found = unpack_model(archive, tmp_path / "unpacked")
    assert found == tmp_path / "unpacked" / "vosk-model-small-xx"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "model/../../evil", "..\\evil"])
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr(name, "evil")
    with pytest.raises(ModelError, match="not to be trusted"):
        unpack_model(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "model.zip"
    archive.write_bytes(content)
    with pytest.raises(ModelError, match="broken"):
        unpack_model(archive, tmp_path / "unpacked")


def test_a_language_nobody_offers_is_refused_without_asking_the_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is es, en"):
        get_model("tlh", tmp_path)


def test_word_errors_are_counted_as_the_fewest_that_explain_what_was_heard() -> None:
    assert errors(["uno", "dos", "tres"], ["uno", "dos", "tres"]) == (0, 0, 0)
    assert errors(["uno", "dos", "tres"], ["uno", "tres"]) == (0, 1, 0)
    assert errors(["uno", "dos", "tres"], ["uno", "dos", "seis", "tres"]) == (0, 0, 1)
    assert errors(["uno", "dos", "tres"], ["uno", "doce", "tres"]) == (1, 0, 0)
    assert errors([], ["uno"]) == (0, 0, 1)
    assert errors(["uno"], []) == (0, 1, 0)


def test_the_small_model_knows_the_words_of_a_telephone_menu() -> None:
    for language in ("es", "en"):
        assert set(DIGITS[language]) <= set(WORDS[language])
        assert len(WORDS[language]) >= 110
        listed = (PACKAGED / language / "graph" / "words.txt").read_text(encoding="utf-8")
        assert {line.split()[0] for line in listed.splitlines()} == {
            *(*WORDS[language], "<eps>", "[unk]")
        }
