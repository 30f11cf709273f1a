"""The torture messages of RFC 4475, all 49, each with what RFC 3261 wants."""

from __future__ import annotations

from tests.support.torture.application import APPLICATION
from tests.support.torture.invalid import INVALID
from tests.support.torture.message import Torture, Wants
from tests.support.torture.valid import VALID

TORTURE: tuple[Torture, ...] = VALID + INVALID + APPLICATION

__all__ = ["TORTURE", "Torture", "Wants"]
