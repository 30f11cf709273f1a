"""Which speech model serves a language, and how to get a better one."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from centralita.asr.recognizer import RecognizerError

PACKAGED: Final = Path(__file__).parent.parent / "mini" / "models"

OFFICIAL: Final = {
    "es": "https://alphacephei.com/vosk/models/vosk-model-small-es-0.42.zip",
    "en": "https://alphacephei.com/vosk/models/vosk-model-small-en-us-0.15.zip",
}

_LARGEST_ARCHIVE = 4 << 30
_LARGEST_UNPACKED = 12 << 30


class ModelError(RecognizerError):
    """A model is missing, broken, or could not be fetched; the message says what to do."""

    code = "speech_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model and where it was found.

    `words` is the size of its word list; None when the model keeps it inside its graph, as the
    official ones do: those know many thousands.
    """

    language: str
    path: Path
    words: int | None

    @property
    def large_vocabulary(self) -> bool:
        """Whether free speech is worth transcribing with it."""
        return self.words is None or self.words > 5000

    def describe(self) -> str:
        """One line for the log, /healthz and `models list`."""
        if self.large_vocabulary:
            return f"{self.language}: {self.path} (large vocabulary)"
        return (
            f"{self.language}: {self.path} (small built-in model, knows only {self.words} words;"
            f" centralita models get {self.language} fetches a large one)"
        )


def resolve_models(
    data: Path,
    configured: Mapping[str, Path] | None = None,
    languages: Iterable[str] = ("es", "en"),
) -> dict[str, ModelInfo]:
    """The model for each language: the configured path, else DATA/models/LANG, else the small one.

    A configured path that holds no model raises ModelError; a language without any is left out.
    """
    configured = configured or {}
    found = {}
    for language in dict.fromkeys((*languages, *configured)):
        if language in configured:
            path = configured[language]
            if not is_model(path):
                raise ModelError(f"{path} is not a Vosk model: it holds no am/final.mdl")
            found[language] = _info(language, path)
            continue
        for path in (data / "models" / language, PACKAGED / language):
            if is_model(path):
                found[language] = _info(language, path)
                break
    return found


def list_models(data: Path, configured: Mapping[str, Path] | None = None) -> list[ModelInfo]:
    """What serves each language now."""
    return list(resolve_models(data, configured).values())


def get_model(
    language: str, data: Path, *, progress: Callable[[str], None] = lambda line: None
) -> ModelInfo:
    """Download the official model to DATA/models/LANG. Blocking.

    `progress` gets lines to show. Raises ModelError, which says how to fetch it by hand.
    """
    url = OFFICIAL.get(language)
    if url is None:
        known = ", ".join(OFFICIAL)
        raise ModelError(f'no official model is listed for "{language}"; there is {known}')
    target = data / "models" / language
    target.parent.mkdir(parents=True, exist_ok=True)
    by_hand = f"fetch {url} on a machine with internet and unpack it to {target}"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".getting-") as work:
        archive = Path(work) / "model.zip"
        try:
            _download(url, archive, progress)
        except (urllib.error.URLError, TimeoutError, OSError) as exc:
            raise ModelError(f"{url} could not be downloaded ({exc}); {by_hand}") from exc
        progress("unpacking")
        model = unpack_model(archive, Path(work) / "unpacked")
        if target.exists():
            shutil.rmtree(target)
        model.rename(target)
    return _info(language, target)


def unpack_model(archive: Path, folder: Path) -> Path:
    """Unpack a model's zip and return the folder in it that is the model. Raises ModelError."""
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts:
                    raise ModelError(f"the archive is not to be trusted: it holds {name}")
            if sum(member.file_size for member in members) > _LARGEST_UNPACKED:
                raise ModelError("the archive is not to be trusted: it unpacks to too much")
            content.extractall(folder)
    except (zipfile.BadZipFile, EOFError) as exc:
        raise ModelError(f"the archive is broken ({exc}); try again") from exc
    for path in (folder, *sorted(folder.iterdir())):
        if is_model(path):
            return path
    raise ModelError("the archive holds no Vosk model (no am/final.mdl)")


def is_model(path: Path) -> bool:
    """Whether `path` looks like a folder that Vosk loads."""
    return (path / "am" / "final.mdl").is_file() or (path / "final.mdl").is_file()


def _info(language: str, path: Path) -> ModelInfo:
    listed = path / "graph" / "words.txt"
    if not listed.is_file():
        return ModelInfo(language=language, path=path, words=None)
    with listed.open("rb") as lines:
        # <eps> and [unk] are no words
        return ModelInfo(language=language, path=path, words=max(0, sum(1 for _ in lines) - 2))


def _download(url: str, target: Path, progress: Callable[[str], None]) -> None:
    progress(f"downloading {url}")
    with urllib.request.urlopen(url, timeout=30) as answer, target.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        _copy(answer, file, total, progress)
        file.flush()
        os.fsync(file.fileno())
    if total and target.stat().st_size != total:
        raise OSError(f"only {target.stat().st_size} of {total} bytes came")


def _copy(
    source: IO[bytes], target: IO[bytes], total: int, progress: Callable[[str], None]
) -> None:
    done, told = 0, 0
    while block := source.read(1 << 16):
        done += len(block)
        if done > _LARGEST_ARCHIVE:
            raise OSError("the file is larger than any model")
        target.write(block)
        if done - told >= 4 << 20:
            told = done
            share = f" of {total >> 20}" if total else ""
            progress(f"{done >> 20}{share} MB")
