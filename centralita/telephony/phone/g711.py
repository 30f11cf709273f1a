"""G.711 A-law as tables (ITU-T G.711)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


def _decode_table() -> Samples:
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    magnitude = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << (exponent - 1).clip(0)
    )
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


_DECODE = _decode_table()


def _encode_table() -> NDArray[np.uint8]:
    """The nearest code for each of the 65,536 sample values."""
    order = np.argsort(_DECODE, kind="stable")
    levels = _DECODE[order].astype(np.int32)
    values = np.arange(-32768, 32768)
    right = np.searchsorted(levels, values).clip(1, 255)
    nearer_left = values - levels[right - 1] <= levels[right] - values
    return order[np.where(nearer_left, right - 1, right)].astype(np.uint8)


_ENCODE = _encode_table()
SILENCE = bytes([int(_ENCODE[32768])])


def decode(payload: bytes) -> Samples:
    """A-law bytes as 16-bit samples."""
    return _DECODE[np.frombuffer(payload, dtype=np.uint8)]


def encode(samples: Samples) -> bytes:
    """16-bit samples as A-law bytes."""
    return _ENCODE[samples.astype(np.int32) + 32768].tobytes()
