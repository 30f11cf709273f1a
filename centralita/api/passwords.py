"""Passwords and tokens: how they are made and kept."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SESSION_PREFIX = "cs_"
API_TOKEN_PREFIX = "ct_"

# Argon2 takes 64 MiB each time: more than two at once would let strangers fill the memory.
AT_ONCE = 2


class Passwords:
    """Hashes and verifies by argon2id, in a thread, because it takes tens of milliseconds."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password. None (an unknown user) takes the same time and is False."""
        async with self._places:
            right = await asyncio.to_thread(self._matches, password_hash or self._nobody, password)
        return right and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether it should be hashed again with today's parameters."""
        return self._hasher.check_needs_rehash(password_hash)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False


def hash_password(password: str) -> str:
    """The hash to keep of a password, for set-up outside the server's loop (takes ~50 ms)."""
    return PasswordHasher().hash(password)


def new_password() -> str:
    """A password for somebody to sign in with, who may change it."""
    return secrets.token_urlsafe(12)


def new_phone_password() -> str:
    """A password for a phone; nobody has to remember it."""
    return secrets.token_urlsafe(12)


def new_token(prefix: str) -> str:
    """An opaque token: 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token. It is random, so a plain SHA-256 cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_token(session_token: str) -> str:
    """The CSRF token that belongs to a session; nothing has to be kept for it."""
    return hmac.new(session_token.encode(), b"centralita csrf", hashlib.sha256).hexdigest()
