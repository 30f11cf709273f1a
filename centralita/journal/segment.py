"""One file of the journal: its header, its records, and how far it is whole.

    header   8 bytes `CTJRNL1\\n`, 16 bytes identity of the journal, number of the first record
    record   length of the data, CRC-32 of number and data, number, data

Numbers are big-endian; lengths and sums have 32 bits, record numbers 64.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct(">8s16sQ")
_RECORD = struct.Struct(">IIQ")
_NUMBER = struct.Struct(">Q")
_MAGIC = b"CTJRNL1\n"

HEADER_SIZE = _HEADER.size
# A length beyond this is no length: what stands there was never finished.
MAX_RECORD = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What was kept under `number`; numbers grow by one."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a file."""

    identity: bytes
    first: int


def pack_header(header: Header) -> bytes:
    """The bytes a file begins with."""
    return _HEADER.pack(_MAGIC, header.identity, header.first)


def read_header(data: bytes) -> Header | None:
    """The header that `data` begins with, or None when it is not whole or not ours."""
    if len(data) < HEADER_SIZE:
        return None
    magic, identity, first = _HEADER.unpack_from(data)
    return Header(identity, first) if magic == _MAGIC else None


def pack_record(record: Record) -> bytes:
    """The bytes of a record."""
    number = _NUMBER.pack(record.number)
    total = zlib.crc32(record.data, zlib.crc32(number))
    return _RECORD.pack(len(record.data), total, record.number) + record.data


def records_in(data: bytes, start: int = 0) -> Iterator[tuple[Record, int]]:
    """The whole records from `start` on, each with the place behind it.

    Ends at the first one that is not whole: cut short, with a wrong sum, or nothing but zeros,
    which some file systems leave where data had not arrived when the power failed.
    """
    while start + _RECORD.size <= len(data):
        length, total, number = _RECORD.unpack_from(data, start)
        body = start + _RECORD.size
        end = body + length
        if not 0 < length <= MAX_RECORD or end > len(data):
            return
        content = data[body:end]
        if zlib.crc32(content, zlib.crc32(_NUMBER.pack(number))) != total:
            return
        yield Record(number, content), end
        start = end
