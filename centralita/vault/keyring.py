"""The keyring: a folder with one file for each key. Blocking; run in a thread.

The key with the highest number is the one for what is written from now on. The folder is read
anew at each use, so that a running server takes a rotation without being told.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from centralita.core.errors import CentralitaError
from centralita.core.files import sync_folder, write_private

KEY_SIZE = 32
ID_SIZE = 8
_SUFFIX = ".key"


class KeyringError(CentralitaError):
    """A key is missing, or cannot be used; the message names it and the cure."""

    code = "keyring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the ring. What it is used for gets a key of its own, derived from it."""

    key_id: str
    number: int
    created_at: datetime
    secret: bytes = field(repr=False)

    def derived(self, purpose: str) -> bytes:
        """The 256 bits for one purpose; those of another purpose tell nothing about them."""
        kdf = HKDF(SHA256(), KEY_SIZE, salt=None, info=f"centralita {purpose}".encode())
        return kdf.derive(self.secret)


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a key's file holds; `key` in base64."""

    id: str
    number: int
    created_at: datetime
    key: str


class Keyring:
    """The keys in a folder that only we can read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def retired_folder(self) -> Path:
        """Where keys lie that nothing needs any more, until somebody takes them away."""
        return self.folder / "retired"

    def all(self) -> tuple[Key, ...]:
        """All keys, oldest first. Raises KeyringError for a file that cannot be used."""
        found = [self._read(file) for file in self.folder.glob(f"*{_SUFFIX}")]
        return tuple(sorted(found, key=lambda key: (key.number, key.key_id)))

    def current(self) -> Key:
        """The key for what is written now; the first one is made when there is none."""
        keys = self.all()
        if keys:
            return keys[-1]
        with self._locked():
            return (self.all() or (self._make(1),))[-1]

    def get(self, key_id: str, *, needed_for: str) -> Key:
        """A key by its id. Raises KeyringError that says what cannot be opened without it."""
        file = self._file(key_id)
        if not file.is_file():
            raise KeyringError(
                f"{needed_for} needs the key {key_id}, which is not in {self.folder}; bring back "
                f"the file {file.name} from your copy of the keys"
                + (
                    f", or from {self.retired_folder}"
                    if (self.retired_folder / file.name).is_file()
                    else ""
                )
            )
        return self._read(file)

    def rotate(self) -> Key:
        """Make the key that everything is written with from now on."""
        with self._locked():
            keys = self.all()
            return self._make(keys[-1].number + 1 if keys else 1)

    def retire(self, key_id: str) -> Path:
        """Take a key out of use; returns where it lies now. The caller knows that nothing needs
        it. Raises KeyringError for the key in use, and for one that is not there."""
        if self.current().key_id == key_id:
            raise KeyringError(
                f"{key_id} is the key in use; make another one first: centralita keys rotate"
            )
        file = self._file(key_id)
        if not file.is_file():
            raise KeyringError(f"there is no key {key_id} in {self.folder}")
        self.retired_folder.mkdir(mode=0o700, exist_ok=True)
        target = self.retired_folder / file.name
        file.rename(target)
        sync_folder(self.retired_folder)
        sync_folder(self.folder)
        return target

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two processes must not both make the next key."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make(self, number: int) -> Key:
        key = Key(
            key_id=secrets.token_hex(ID_SIZE),
            number=number,
            created_at=datetime.now(UTC).replace(microsecond=0),
            secret=secrets.token_bytes(KEY_SIZE),
        )
        content = _File(
            id=key.key_id,
            number=number,
            created_at=key.created_at,
            key=base64.b64encode(key.secret).decode(),
        )
        write_private(self._file(key.key_id), msgspec.json.encode(content) + b"\n")
        return key

    def _file(self, key_id: str) -> Path:
        if len(key_id) != 2 * ID_SIZE or any(sign not in "0123456789abcdef" for sign in key_id):
            raise KeyringError(f'"{key_id}" is not the id of a key; see: centralita keys list')
        return self.folder / f"{key_id}{_SUFFIX}"

    @staticmethod
    def _read(file: Path) -> Key:
        try:
            if file.stat().st_mode & 0o077:
                raise KeyringError(f"other users can read the key; chmod 600 {file}")
            content = msgspec.json.decode(file.read_bytes(), type=_File)
            secret = base64.b64decode(content.key, validate=True)
        except (OSError, ValueError) as exc:
            raise KeyringError(
                f"{file} cannot be read as a key ({exc}); bring it back from your copy of the keys"
            ) from exc
        if len(secret) != KEY_SIZE or file.stem != content.id:
            raise KeyringError(f"{file} is damaged; bring it back from your copy of the keys")
        return Key(
            key_id=content.id,
            number=content.number,
            created_at=content.created_at,
            secret=secret,
        )
