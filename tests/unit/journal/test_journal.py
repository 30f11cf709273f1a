"""The journal: what is on disk stays, what was never finished is cut off, nobody else writes."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.core.errors import Conflict
from centralita.journal.files import JournalError
from centralita.journal.journal import Journal
from centralita.journal.segment import Record, pack_record, records_in


@asynccontextmanager
async def opened(folder: Path, *, segment_size: int = 1 << 20) -> AsyncIterator[Journal]:
    journal = Journal(folder, segment_size=segment_size)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def everything(journal: Journal, *, after: int = 0, size: int = 4096) -> list[bytes]:
    reader = journal.reader(after=after)
    found: list[bytes] = []
    while records := await journal.read_next(reader, size=size):
        found += [record.data for record in records]
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


async def test_records_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        assert [journal.append(b"one"), journal.append(b"two")] == [1, 2]
        assert await journal.flushed(within=5)
        identity = journal.identity
    async with opened(tmp_path) as journal:
        assert (journal.identity, journal.last) == (identity, 2)
        assert journal.append(b"three") == 3
        await journal.flushed(within=5)
        assert await everything(journal) == [b"one", b"two", b"three"]
        assert await everything(journal, after=2) == [b"three"]


async def test_records_wait_for_each_other_and_share_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as journal:
        written: list[int] = []
        write = os.pwrite

        def counted(file: int, data: bytes, offset: int) -> int:
            written.append(len(data))
            return write(file, data, offset)

        monkeypatch.setattr("os.pwrite", counted)
        for _ in range(100):
            journal.append(b"record")
        await journal.beyond(99)
        assert len(written) == 1


@given(
    contents=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=8),
    cut=st.integers(min_value=0),
)
def test_of_a_file_cut_anywhere_the_whole_records_are_read(contents: list[bytes], cut: int) -> None:
    packed = [pack_record(Record(number, data)) for number, data in enumerate(contents, 1)]
    data = b"".join(packed)
    data = data[: cut % (len(data) + 1)]
    found = [record.data for record, _ in records_in(data)]
    sizes = [len(b"".join(packed[:count])) for count in range(len(packed) + 1)]
    whole = max(count for count, size in enumerate(sizes) if size <= len(data))
    assert found == contents[:whole]


@pytest.mark.parametrize(
    "tail",
    [
        pack_record(Record(3, b"half of me"))[:-4],
        pack_record(Record(3, b"wrong"))[:-1] + b"?",
        bytes(4096),
        b"\x00\x00",
    ],
    ids=["cut short", "wrong sum", "zeros", "two bytes"],
)
async def test_a_tail_that_was_never_finished_is_cut_off_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tail: bytes
) -> None:
    async with opened(tmp_path) as journal:
        journal.append(b"one")
        journal.append(b"two")
        await journal.flushed(within=5)
    (file,) = files(tmp_path)
    whole = file.stat().st_size
    with file.open("ab") as broken:
        broken.write(tail)
    with caplog.at_level(logging.WARNING):
        async with opened(tmp_path) as journal:
            assert journal.append(b"three") == 3
            await journal.flushed(within=5)
            assert await everything(journal) == [b"one", b"two", b"three"]
    (warning,) = caplog.records
    assert warning.message == "journal ends in a record that was never finished, cutting it off"
    said = vars(warning)
    assert (said["file"], said["offset"], said["bytes"]) == (str(file), whole, len(tail))


async def test_a_file_that_was_never_begun_is_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        journal.append(b"one")
        await journal.flushed(within=5)
    (tmp_path / "0000000000000002.journal").write_bytes(b"CTJ")
    async with opened(tmp_path) as journal:
        assert await everything(journal) == [b"one"]
        assert journal.last == 1
    assert len(files(tmp_path)) == 1


async def test_files_are_dropped_when_all_is_applied_and_carried_on(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_size=1000) as journal:
        journal.carry = lambda: [b"still going on"]
        for _ in range(5):
            journal.append(bytes(600))
            assert await journal.flushed(within=5)
        assert len(files(tmp_path)) > 1
        journal.applied(1)
        assert len(files(tmp_path)) > 1
        journal.rotate()
        await journal.flushed(within=5)
        journal.applied(journal.last)
        assert len(files(tmp_path)) == 1
        assert await everything(journal) == [b"still going on"]
        assert await everything(journal, after=journal.last) == []
        last = journal.last
    async with opened(tmp_path) as journal:
        assert journal.append(b"next") == last + 1


async def test_a_file_that_calls_alone_fill_is_not_followed_by_another_at_once(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, segment_size=1000) as journal:
        journal.carry = lambda: [bytes(3000)]
        journal.append(bytes(1000))
        assert await journal.flushed(within=5)
        for _ in range(3):
            journal.append(b"something new")
            assert await journal.flushed(within=5)
        assert len(files(tmp_path)) == 2
        for _ in range(3):
            journal.append(bytes(1000))
            assert await journal.flushed(within=5)
        # By now as much is new as was carried: what the next file begins with is on its way.
        assert await journal.flushed(within=5)
        assert len(files(tmp_path)) == 3


async def test_a_reader_follows_through_the_files_while_they_are_written(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_size=2000) as journal:
        reader = journal.reader(after=0)
        found: list[Record] = []
        for number in range(200):
            journal.append(number.to_bytes(2) * 50)
            if number % 7 == 0:
                await journal.flushed(within=5)
                found += await journal.read_next(reader, size=100)
        await journal.flushed(within=5)
        while records := await journal.read_next(reader, size=1):
            found += records
        assert [record.number for record in found] == list(range(1, 201))
        assert len(files(tmp_path)) > 3


async def test_a_damaged_place_costs_the_rest_of_its_file_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as journal:
        for data in (b"one", b"two", b"three"):
            journal.append(data)
        await journal.flushed(within=5)
        journal.rotate()
        journal.append(b"four")
        await journal.flushed(within=5)
    first = files(tmp_path)[0]
    first.write_bytes(first.read_bytes().replace(b"two", b"tow"))
    with caplog.at_level(logging.ERROR):
        async with opened(tmp_path) as journal:
            assert await everything(journal) == [b"one", b"four"]
    (error,) = caplog.records
    assert error.message == "journal is damaged, records are lost"
    assert (vars(error)["first"], vars(error)["last"]) == (2, 3)


async def test_a_full_disk_delays_records_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as journal:
        write = os.pwrite
        full = True

        def half(file: int, data: bytes, offset: int) -> int:
            if full:
                write(file, data[: len(data) // 2], offset)
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, data, offset)

        monkeypatch.setattr("os.pwrite", half)
        journal.append(b"one")
        assert not await journal.flushed(within=0.2)
        assert journal.refusal == "No space left on device"
        journal.append(b"two")
        full = False
        assert await journal.flushed(within=5)
        assert journal.refusal == ""
    async with opened(tmp_path) as journal:
        assert await everything(journal) == [b"one", b"two"]


async def test_two_servers_cannot_have_one_journal(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(Conflict, match="another Centralita uses"):
            await Journal(tmp_path).open()
    async with opened(tmp_path):
        pass


async def test_files_of_another_journal_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as journal:
        journal.append(b"one")
        await journal.flushed(within=5)
    async with opened(tmp_path / "b") as journal:
        journal.append(b"one")
        await journal.flushed(within=5)
    (other,) = files(tmp_path / "b")
    other.rename(tmp_path / "a" / "0000000000000002.journal")
    with pytest.raises(JournalError, match="belongs to another journal"):
        await Journal(tmp_path / "a").open()
