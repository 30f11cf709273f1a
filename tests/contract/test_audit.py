"""The audit log on SQLite and PostgreSQL: entries stay, and whoever touches them is found out.

The tampering is done as somebody would who owns the database: triggers are dropped first.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from centralita.audit.entry import Action, Actor, Draft, Outcome, Tip, chained, hash_of
from centralita.audit.head import Head
from centralita.audit.log import AuditLog
from centralita.core.clock import ManualClock
from centralita.store.audit import AuditFilter
from centralita.store.store import Store, open_store
from centralita.vault.keyring import Keyring
from tests.contract.test_store import postgres_server, url

__all__ = ["postgres_server", "url"]  # fixtures

ANA = Actor(who="user_ana", name="Ana Ñ", address="192.0.2.7")


class Office:
    """A log over a store, and somebody with all rights in the database."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.keyring = Keyring(folder / "keys")
        self.clock = ManualClock()
        self.log = self.another_log()

    def another_log(self, head: str = "audit") -> AuditLog:
        return AuditLog(self.store.audit, Head(self.folder / head, self.keyring), self.clock)

    async def hears(self, *recordings: str) -> None:
        for recording in recordings:
            await self.log.write(ANA, Action.RECORDING_HEARD, recording, call_id="call_ü", n=1)

    async def tampers(self, *statements: str) -> None:
        async with self.store.database.engine.begin() as connection:
            if self.store.database.is_sqlite:
                for verb in ("UPDATE", "DELETE"):
                    await connection.execute(
                        text(f"DROP TRIGGER IF EXISTS audit_is_append_only_{verb}")
                    )
            else:
                await connection.execute(
                    text("DROP TRIGGER IF EXISTS audit_is_append_only ON audit")
                )
            for statement in statements:
                await connection.execute(text(statement))

    async def found(self, *known: Tip) -> str:
        """What verification says is wrong; empty when nothing is."""
        broken = (await self.log.verify(*known)).broken
        return str(broken) if broken is not None else ""


@pytest.fixture
async def office(url: str, tmp_path: Path) -> AsyncIterator[Office]:
    store = await open_store(url)
    office = Office(store, tmp_path)
    await office.hears(*(f"rec_{n}" for n in range(1, 8)))
    yield office
    await store.close()


async def test_what_was_entered_is_kept_in_order_and_holds(office: Office) -> None:
    entries = await office.store.audit.after(0, 100)
    assert [entry.seq for entry in entries] == list(range(1, 8))
    first = entries[0]
    assert (first.who, first.name, first.address) == ("user_ana", "Ana Ñ", "192.0.2.7")
    assert (first.action, first.object, first.outcome) == ("recording.hear", "rec_1", "done")
    assert first.details == '{"call_id":"call_ü","n":1}'
    assert all(one.prev == before.hash for before, one in itertools.pairwise(entries))
    assert await office.found() == ""


async def test_the_database_itself_refuses_changes(office: Office) -> None:
    for statement in ("UPDATE audit SET who = 'x' WHERE seq = 3", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with office.store.database.engine.begin() as connection:
                await connection.execute(text(statement))
    assert await office.found() == ""


@pytest.mark.parametrize(
    "column", ["who", "name", "address", "action", "object", "outcome", "details"]
)
async def test_an_altered_entry_is_named(office: Office, column: str) -> None:
    await office.tampers(f"UPDATE audit SET {column} = 'x' WHERE seq = 3")
    assert await office.found() == "entry 3: was altered: its content does not give its hash"


async def test_an_entry_that_was_written_anew_with_its_right_hash_is_named(office: Office) -> None:
    """Somebody who knows how hashes are made; the entry after it still holds the old one."""
    (third,) = await office.store.audit.after(2, 1)
    forged = replace(third, object="rec_99")
    forged = replace(forged, hash=hash_of(forged))
    await office.tampers(
        f"UPDATE audit SET object = 'rec_99', hash = '{forged.hash}' WHERE seq = 3"
    )
    assert (await office.found()).startswith("entry 4: does not follow entry 3")


async def test_an_entry_of_another_time_is_named(office: Office) -> None:
    await office.tampers(
        "UPDATE audit SET at = (SELECT at FROM audit WHERE seq = 1) WHERE seq = 1",
    )
    assert await office.found() == ""
    await office.tampers("UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE seq = 4")
    assert (await office.found()).startswith("entry 4: was altered")


async def test_deleted_entries_are_named(office: Office) -> None:
    await office.tampers("DELETE FROM audit WHERE seq = 4")
    assert await office.found() == "entry 4: is missing: deleted"
    await office.tampers("DELETE FROM audit WHERE seq = 5")
    assert await office.found() == "entry 4: is missing, and all after it up to 5: deleted"


async def test_a_deletion_that_numbers_the_rest_anew_is_named(office: Office) -> None:
    await office.tampers("DELETE FROM audit WHERE seq = 4")
    for seq in (5, 6, 7):
        await office.tampers(f"UPDATE audit SET seq = {seq - 1} WHERE seq = {seq}")
    assert (await office.found()).startswith("entry 4: was altered")


async def test_reordered_entries_are_named(office: Office) -> None:
    await office.tampers(
        "UPDATE audit SET seq = 100 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 100",
    )
    assert (await office.found()).startswith("entry 2: was altered")


async def test_an_inserted_entry_is_named(office: Office) -> None:
    for seq in (7, 6, 5):
        await office.tampers(f"UPDATE audit SET seq = {seq + 1} WHERE seq = {seq}")
    await office.tampers(
        "INSERT INTO audit SELECT 5, at, who, name, address, action, 'rec_99', outcome, details, "
        "'p', 'h' FROM audit WHERE seq = 4"
    )
    assert (await office.found()).startswith("entry 5: was altered")


async def test_a_chain_written_anew_from_the_middle_is_named_by_its_anchor(office: Office) -> None:
    """Somebody who knows how hashes are made, and has not the keyring."""
    await office.tampers("DELETE FROM audit WHERE seq > 4")
    forger = AuditLog(
        office.store.audit,
        Head(office.folder / "forged", Keyring(office.folder / "other keys")),
        office.clock,
    )
    await forger.write(ANA, Action.SIGN_IN)  # writes a warning, too: it has no head
    await forger.write(ANA, Action.SIGN_IN)
    assert await office.found() == "entry 7: is not the entry that the log was anchored with"


@pytest.mark.parametrize("left", [0, 3, 6])
async def test_an_end_that_was_cut_off_is_named(office: Office, left: int) -> None:
    await office.tampers(f"DELETE FROM audit WHERE seq > {left}")
    said = await office.found()
    assert said == (
        f"entry {left + 1}: is missing, and all after it up to 7, where the log once ended"
    )


async def test_what_was_cut_off_stays_known_when_the_log_goes_on(office: Office) -> None:
    await office.tampers("DELETE FROM audit WHERE seq > 5")
    await office.hears("rec_9")
    verified = await office.log.verify()
    assert verified.broken is None
    (remark,) = verified.remarks
    assert "entry 6" in remark and "entries 6 to 7 are missing" in remark


async def test_a_head_that_was_forged_or_removed_is_told(office: Office) -> None:
    path = office.folder / "audit" / "head.json"
    good = path.read_text()
    path.write_text(good.replace('"seq":7', '"seq":6'))
    with pytest.raises(Exception, match="its seal is wrong"):
        await office.log.verify()
    path.unlink()
    assert "no head file" in (await office.log.verify()).remarks[0]
    await office.hears("rec_9")
    assert "there was no head file" in (await office.log.verify()).remarks[0]


async def test_an_entry_noted_elsewhere_finds_a_log_that_was_replaced_with_its_head(
    office: Office,
) -> None:
    (seventh,) = await office.store.audit.after(6, 1)
    assert await office.found(seventh.tip) == ""
    await office.tampers("DELETE FROM audit")
    shutil.rmtree(office.folder / "audit")
    await office.hears(*(f"rec_{n}" for n in range(7)))
    assert "anchored with" in await office.found(seventh.tip)


async def test_a_head_outlives_the_rotation_of_its_key(office: Office) -> None:
    old = office.keyring.current()
    office.keyring.rotate()
    head = Head(office.folder / "audit", office.keyring)
    head.renew()
    office.keyring.retire(old.key_id)
    assert head.read() == (await office.store.audit.after(6, 1))[0].tip
    assert await office.found() == ""


async def test_many_writers_at_once_make_one_chain(office: Office, url: str) -> None:
    """Logs of several processes on one folder, and of another machine with a head of its own."""
    stores = [await open_store(url) for _ in range(3)]
    try:
        logs = [office.log, office.another_log()]
        logs += [
            AuditLog(store.audit, Head(office.folder / "audit", office.keyring), office.clock)
            for store in stores
        ]
        elsewhere = office.another_log("elsewhere")
        await elsewhere.write(ANA, Action.SIGN_IN)  # with its first warning, before the crowd
        await office.log.write(ANA, Action.SIGN_IN)
        await asyncio.gather(
            *(
                log.write(ANA, Action.RECORDING_HEARD, f"rec_{n}")
                for n in range(10)
                for log in (*logs, elsewhere)
            )
        )
        entries = await office.store.audit.after(10, 1000)
        assert len(entries) == 60
        assert await office.found() == ""
    finally:
        for store in stores:
            await store.close()


async def test_a_writer_that_is_cancelled_leaves_no_entry_without_its_anchor(
    office: Office,
) -> None:
    tasks = [asyncio.ensure_future(office.hears(f"rec_{n}")) for n in range(20)]  # noqa: TID251
    await asyncio.sleep(0)
    for number, task in enumerate(tasks):
        if number % 2:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await office.hears("the last")
    verified = await office.log.verify()
    assert (verified.broken, verified.remarks) == (None, [])


async def test_entries_are_found_by_who_what_and_when(office: Office) -> None:
    await office.log.write(Actor(who="user_leo"), Action.SIGN_IN, outcome=Outcome.REFUSED)
    audit = office.store.audit
    first, following = await audit.list(AuditFilter(), limit=3)
    assert [entry.seq for entry in first] == [8, 7, 6]
    assert following == 6
    rest, end = await audit.list(AuditFilter(), limit=5, before=following)
    assert ([entry.seq for entry in rest], end) == ([5, 4, 3, 2, 1], None)

    async def seqs(wanted: AuditFilter) -> list[int]:
        return [entry.seq for entry in (await audit.list(wanted, limit=99))[0]]

    assert await seqs(AuditFilter(who="user_leo")) == [8]
    assert await seqs(AuditFilter(action="session.sign_in")) == [8]
    assert await seqs(AuditFilter(object="rec_2")) == [2]
    assert await seqs(AuditFilter(outcome="refused")) == [8]
    assert await seqs(AuditFilter(until=office.clock.now())) == []


def test_the_bytes_that_are_hashed_never_change() -> None:
    """They are part of the format: a release that hashes otherwise cannot verify old logs."""
    draft = Draft(
        at=datetime(2026, 1, 5, 9, 0, 0, 1, tzinfo=UTC), actor=ANA, action=Action.SIGN_IN,
        object='a"b\x00', details={"b": 1, "a": [None, True, 1.5]},
    )  # fmt: skip
    entry = chained(Tip(), draft)
    assert entry.details == '{"a":[null,true,1.5],"b":1}'
    assert entry.object == 'a"b'
    assert entry.hash == "e51eaf000681ebb8734eb88e987875c63d8ee9a2bd54dc509c99a476e6c8f44d"
