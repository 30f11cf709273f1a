"""Memory that was freed goes back to the machine."""

from __future__ import annotations

import ctypes
from pathlib import Path

from centralita.telephony.worker.memory import SpareMemory

SIZE = 48 * 1024 * 1024
PIECE = 2000


def resident() -> int:
    """What this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_what_a_busy_hour_left_behind_is_given_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    pieces = [libc.malloc(PIECE) for _ in range(SIZE // PIECE)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    last = libc.malloc(PIECE)  # holds the end of the heap, as the next call would
    for piece in pieces:
        libc.free(piece)
    before, spare = resident(), SpareMemory()
    assert spare.size >= SIZE * 0.9
    assert spare.give_back()
    assert resident() < before - SIZE // 2
    assert not spare.give_back()  # once is enough
    libc.free(last)
