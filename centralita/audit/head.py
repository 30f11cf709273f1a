"""The head file: where the chain ended when it was last written, sealed by a key. Blocking.

A chain alone cannot tell that its end was cut off. The head can, and only who has the keyring can
write one; it is in the data folder, apart from the database.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from centralita.audit.entry import Tip
from centralita.core.errors import CentralitaError
from centralita.core.files import write_private
from centralita.vault.keyring import Key, Keyring, KeyringError

_PURPOSE = "anchoring the audit log"


class HeadError(CentralitaError):
    """The head file is not what we wrote; the message says what is wrong with it."""

    code = "audit_head"


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    seq: int
    hash: str
    key_id: str
    mac: str


class Head:
    """The head file in `folder`. Two processes write it one after the other: see `locked`."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.path = folder / "head.json"
        self._keyring = keyring

    @contextmanager
    def locked(self) -> Iterator[None]:
        """From reading the head to writing it, nobody else does."""
        descriptor = self.lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def lock(self) -> int:
        """As `locked`, for callers in several threads: close the descriptor in the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path.parent / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read(self) -> Tip | None:
        """Where the chain ended; None when there is no file. Raises HeadError for a forged one."""
        head = self._file()
        if head is None:
            return None
        try:
            key = self._keyring.get(head.key_id, needed_for=str(self.path))
        except KeyringError as exc:
            raise HeadError(str(exc)) from exc
        tip = Tip(head.seq, head.hash)
        if not hmac.compare_digest(_mac(tip, key), head.mac):
            raise HeadError(f"{self.path} was not written by this server: its seal is wrong")
        return tip

    def write(self, tip: Tip) -> None:
        """The chain ends here now; on disk when this returns."""
        key = self._keyring.current()
        head = _File(seq=tip.seq, hash=tip.hash, key_id=key.key_id, mac=_mac(tip, key))
        write_private(self.path, msgspec.json.encode(head) + b"\n")

    def key_id(self) -> str:
        """The key that the head is sealed with; empty when there is no head."""
        head = self._file()
        return head.key_id if head is not None else ""

    def renew(self) -> None:
        """Seal the head with the key that is in use now. Raises HeadError for a forged one."""
        with self.locked():
            tip = self.read()
            if tip is not None:
                self.write(tip)

    def _file(self) -> _File | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as exc:
            raise HeadError(f"{self.path} cannot be read: {exc}") from exc


def _mac(tip: Tip, key: Key) -> str:
    text = f"{tip.seq} {tip.hash}".encode()
    return hmac.new(key.derived(_PURPOSE), text, hashlib.sha256).hexdigest()
