"""Which keys recordings need, and giving them another one. Blocking; run in a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from centralita.recordings.files import SEALED, sound_name
from centralita.vault.keyring import Key, Keyring, KeyringError
from centralita.vault.sealed import keys_of, wrap_anew


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many files got the key, how many had it, and what is wrong with the others."""

    changed: int
    as_before: int
    problems: tuple[str, ...]


def sealed_files(folder: Path) -> Iterator[Path]:
    """All encrypted recordings."""
    return folder.rglob(f"*.flac{SEALED}")


def keys_in_use(folder: Path) -> tuple[Counter[str], tuple[str, ...]]:
    """How many recordings each key opens, and what cannot be read."""
    found: Counter[str] = Counter()
    problems = []
    for path in sealed_files(folder):
        try:
            found.update(set(keys_of(path)))
        except FileNotFoundError:
            continue  # retention was quicker
        except (OSError, KeyringError) as exc:
            problems.append(str(exc))
    return found, tuple(problems)


def rewrap(folder: Path, keyring: Keyring, key: Key) -> Rewrapped:
    """Let every recording be opened by `key` and no other one. What cannot be is left as it is.

    May be killed at any point, and begun again; a server may serve meanwhile.
    """
    changed = as_before = 0
    problems = []
    for path in sealed_files(folder):
        try:
            if wrap_anew(path, sound_name(path), keyring, key):
                changed += 1
            else:
                as_before += 1
        except FileNotFoundError:
            continue
        except (OSError, KeyringError) as exc:
            problems.append(str(exc))
    return Rewrapped(changed, as_before, tuple(problems))
