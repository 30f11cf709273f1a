"""Sealed files: AES-256-GCM in chunks, of which any part can be read by itself. Blocking.

    magic 8 | nonce prefix 7 | slot 68 | slot 68 | chunk | chunk | … | last chunk

Each file has a data key of its own. A slot holds it, wrapped by a key of the ring:

    key id 8 | nonce 12 | wrapped data key 32 + tag 16

The file's name is authenticated with the wrapped key, so that one file cannot be put in another
one's place. The chunks are those of the STREAM construction (Hoang, Reyhanitabar, Rogaway and
Vizár 2015): the nonce of a chunk is the prefix, its number, and whether it is the last, so that
chunks cannot be reordered, repeated, left out or cut off at the end. A chunk holds 64 KiB, the last
one what is left.

There are two slots so that a file can be wrapped anew in its place: the new one is on disk before
the old one goes, and a process that is killed in between leaves a file with one or two good slots.
"""

from __future__ import annotations

import io
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from centralita.vault.keyring import ID_SIZE, KEY_SIZE, Key, Keyring, KeyringError

MAGIC = b"CENTSEA1"
CHUNK = 64 * 1024
TAG = 16
PREFIX = 7
_NONCE = 12
_SLOT = ID_SIZE + _NONCE + KEY_SIZE + TAG
_SLOTS = (len(MAGIC) + PREFIX, len(MAGIC) + PREFIX + _SLOT)
HEADER = _SLOTS[1] + _SLOT
_EMPTY = bytes(_SLOT)
_PURPOSE = "wrapping the keys of files"


class SealError(KeyringError):
    """A sealed file is not what was written; the message names it and what is wrong."""

    code = "sealed_file"


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before the chunks."""

    prefix: bytes
    slots: tuple[bytes, bytes]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys that the slots are for."""
        return tuple(slot[:ID_SIZE].hex() for slot in self.slots if slot != _EMPTY)

    def about(self, name: str) -> bytes:
        """What is authenticated with the data key."""
        return MAGIC + self.prefix + name.encode()


def seal(source: BinaryIO, target: BinaryIO, name: str, key: Key) -> None:
    """Write what `source` holds to `target`, sealed for `key` under the name `name`."""
    data_key, prefix = secrets.token_bytes(KEY_SIZE), secrets.token_bytes(PREFIX)
    header = _Header(prefix, (_EMPTY, _EMPTY))
    target.write(MAGIC + prefix + _wrapped(data_key, header.about(name), key) + _EMPTY)
    cipher = AESGCM(data_key)
    number, chunk = 0, source.read(CHUNK)
    while True:
        following = source.read(CHUNK) if len(chunk) == CHUNK else b""
        target.write(cipher.encrypt(_nonce(prefix, number, last=not following), chunk, MAGIC))
        if not following:
            return
        number, chunk = number + 1, following


class SealedReader(io.RawIOBase):
    """The content of a sealed file. Reads and opens only the chunks that are asked for.

    Raises SealError for what was tampered with or cut off, and KeyringError for a key that is not
    there. The end is checked when the file is opened.
    """

    def __init__(self, path: Path, name: str, keyring: Keyring) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        try:
            header = _read_header(self._file, path)
            self._prefix = header.prefix
            self._cipher = AESGCM(_data_key(header, name, path, keyring))
            body = os.fstat(self._file.fileno()).st_size - HEADER
            full, rest = divmod(body, CHUNK + TAG)
            if body < TAG or 0 < rest < TAG:
                raise SealError(f"{path} has been cut off")
            self._last = full if rest else full - 1
            self.size = body - (self._last + 1) * TAG
            self._at = 0
            self._number = -1
            self._chunk = b""
            self._load(self._last)
        except BaseException:
            self._file.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any writable buffer
        if self._at >= self.size or not view:
            return 0
        number, start = divmod(self._at, CHUNK)
        self._load(number)
        piece = self._chunk[start : start + len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._chunk = b""
        self._file.close()
        super().close()

    def _load(self, number: int) -> None:
        if number == self._number:
            return
        self._file.seek(HEADER + number * (CHUNK + TAG))
        sealed = self._file.read(CHUNK + TAG)
        last = number == self._last
        try:
            chunk = self._cipher.decrypt(_nonce(self._prefix, number, last=last), sealed, MAGIC)
        except InvalidTag as exc:
            what = "was changed or cut off at its end" if last else f"was changed in part {number}"
            raise SealError(f"{self._path} {what}; bring it back from a backup") from exc
        self._number, self._chunk = number, chunk


def keys_of(path: Path) -> tuple[str, ...]:
    """The ids of the keys by which a sealed file can be opened: two while it is wrapped anew."""
    with path.open("rb") as file:
        return _read_header(file, path).key_ids


def wrap_anew(path: Path, name: str, keyring: Keyring, key: Key) -> bool:
    """Let `key` open the file, and no other one; False if that is so already.

    Can be killed at any point and begun again.
    """
    with path.open("r+b", buffering=0) as file:
        header = _read_header(file, path)
        if header.key_ids == (key.key_id,):
            return False
        data_key = _data_key(header, name, path, keyring)
        held = [_opens(slot, header.about(name), key) for slot in header.slots]
        if not any(held):
            good = [_is_good(slot, header, name, path, keyring) for slot in header.slots]
            free = 0 if all(good) else good.index(False)
            _put(file, free, _wrapped(data_key, header.about(name), key))
            held[free] = True
        for at, ours in enumerate(held):
            if not ours and header.slots[at] != _EMPTY:
                _put(file, at, _EMPTY)
    return True


def _put(file: io.FileIO, at: int, slot: bytes) -> None:
    file.seek(_SLOTS[at])
    file.write(slot)
    os.fsync(file.fileno())


def _read_header(file: BinaryIO | io.FileIO, path: Path) -> _Header:
    data = file.read(HEADER)
    if len(data) < HEADER or not data.startswith(MAGIC):
        raise SealError(f"{path} is not a sealed file, or its beginning is damaged")
    prefix = data[len(MAGIC) : len(MAGIC) + PREFIX]
    first, second = (data[at : at + _SLOT] for at in _SLOTS)
    return _Header(prefix, (first, second))


def _wrapped(data_key: bytes, about: bytes, key: Key) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    wrapped = AESGCM(key.derived(_PURPOSE)).encrypt(nonce, data_key, about)
    return bytes.fromhex(key.key_id) + nonce + wrapped


def _unwrapped(slot: bytes, about: bytes, key: Key) -> bytes | None:
    nonce, wrapped = slot[ID_SIZE : ID_SIZE + _NONCE], slot[ID_SIZE + _NONCE :]
    try:
        return AESGCM(key.derived(_PURPOSE)).decrypt(nonce, wrapped, about)
    except InvalidTag:
        return None


def _opens(slot: bytes, about: bytes, key: Key) -> bool:
    return slot[:ID_SIZE].hex() == key.key_id and _unwrapped(slot, about, key) is not None


def _is_good(slot: bytes, header: _Header, name: str, path: Path, keyring: Keyring) -> bool:
    """Whether the file can be opened by this slot."""
    if slot == _EMPTY:
        return False
    try:
        key = keyring.get(slot[:ID_SIZE].hex(), needed_for=str(path))
    except KeyringError:
        return False
    return _unwrapped(slot, header.about(name), key) is not None


def _data_key(header: _Header, name: str, path: Path, keyring: Keyring) -> bytes:
    """The file's own key by whichever slot gives it."""
    missing: KeyringError | None = None
    wrong = ""
    for slot in header.slots:
        if slot == _EMPTY:
            continue
        key_id = slot[:ID_SIZE].hex()
        try:
            key = keyring.get(key_id, needed_for=str(path))
        except KeyringError as exc:
            missing = exc
            continue
        data_key = _unwrapped(slot, header.about(name), key)
        if data_key is not None:
            return data_key
        wrong = key_id
    if wrong:
        raise SealError(
            f"{path} does not open with the key {wrong}: it is not the file that was written as "
            f"{name}, its beginning was changed, or {wrong}.key is another key of that name; "
            "bring the file or the key back from a backup"
        )
    raise missing or SealError(f"{path} holds no key; bring it back from a backup")


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes((last,))
