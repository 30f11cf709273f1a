"""Giving memory back to the machine.

SIP keeps what it knows of a call for half a minute after its end (RFC 3261 17.2.2, timer J). After
a busy hour the C library has a hundred megabytes of that in hand, free and in pieces, and returns
them only when it is asked.
"""

from __future__ import annotations

import ctypes

# So much may be kept for the next busy minute, in bytes.
_SPARE = 16 * 1024 * 1024


class _Figures(ctypes.Structure):
    """`struct mallinfo2` of the GNU C library."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


class SpareMemory:
    """What has been freed and not been asked for again; nothing, on another C library."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._libc = libc if hasattr(libc, "mallinfo2") and hasattr(libc, "malloc_trim") else None
        if self._libc is not None:
            self._libc.mallinfo2.restype = _Figures
            self._libc.malloc_trim.argtypes = [ctypes.c_size_t]
        # What has been given back still counts as free: it is ours to ask for again.
        self._given = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return int(self._libc.mallinfo2().fordblks) if self._libc is not None else 0

    def give_back(self) -> bool:
        """Return it, if it is worth it; says whether it was. Takes some milliseconds, in which
        nobody else in this process gets memory."""
        if self._libc is None:
            return False
        size = self.size
        self._given = min(self._given, size)
        if size - self._given < _SPARE:
            return False
        self._libc.malloc_trim(_SPARE // 4)
        self._given = size
        return True
