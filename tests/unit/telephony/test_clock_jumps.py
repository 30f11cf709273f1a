"""Registrations that Kamailio struck out when the clock jumped are put back."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.events import Event
from centralita.telephony.edge.clock_jumps import JumpWatch, RegistrationMemory
from centralita.telephony.edge.control import EdgeControl, Registration
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered
from centralita.telephony.edge.registrations import make_registrations
from centralita.telephony.edge.watch import RegistrationWatch

HOUR = 3600.0


def _day(seconds: float) -> float:
    """A moment as Kamailio writes it."""
    return 2440587.5 + seconds / 86400


def _write(file: Path, ruid: str, *, made_at: float) -> None:
    """A phone registers for two minutes."""
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "INSERT INTO location (ruid, username, contact, expires, last_modified) "
            "VALUES (?, ?, ?, ?, ?)",
            (ruid, ruid, f"sip:{ruid}@192.0.2.1", _day(made_at + 120), _day(made_at)),
        )
        database.commit()


def _expires_in(file: Path) -> dict[str, float]:
    """In how many seconds each registration ends, by the wall clock."""
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT username, expires FROM location").fetchall()
    return {name: (expires - _day(time.time())) * 86400 for name, expires in rows}


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["on", "back"])
def test_what_was_struck_out_is_back_in_the_new_time(tmp_path: Path, jump: float) -> None:
    file = tmp_path / "registrations.sqlite"
    make_registrations(file)
    now = time.time()
    for name in ("201", "202"):
        _write(file, name, made_at=now - jump - 10)
    memory, jumps = RegistrationMemory(file), JumpWatch()
    memory.look(jumps, 20)
    with closing(sqlite3.connect(file)) as database:
        database.execute("DELETE FROM location WHERE username = '201'")
        database.commit()
    _write(file, "203", made_at=now)  # it came after the jump
    assert memory.put_back(jump) == 3
    ends = _expires_in(file)
    assert [ends[name] for name in ("201", "202", "203")] == [
        pytest.approx(110, abs=2),
        pytest.approx(110, abs=2),
        pytest.approx(120, abs=2),
    ]


def test_what_is_seen_after_a_jump_does_not_replace_what_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "registrations.sqlite"
    make_registrations(file)
    _write(file, "201", made_at=time.time() - 10)
    memory, jumps = RegistrationMemory(file), JumpWatch()
    memory.look(jumps, 20)
    with closing(sqlite3.connect(file)) as database:
        database.execute("DELETE FROM location")
        database.commit()
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + HOUR)
    assert jumps.look() == pytest.approx(HOUR, abs=1)
    memory.look(jumps, 20)
    assert memory.put_back(jumps.look()) == 1
    jumps.told()
    assert abs(jumps.look()) < 1


class EdgeOfOnePhone(EdgeControl):
    """An edge that has one phone, until it is told that the phone's time is over."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.expired = False
        self.asked = asyncio.Condition()

    async def registrations(self) -> dict[str, Registration]:
        async with self.asked:
            self.asked.notify_all()
        if self.expired:
            return {}
        phone = Registration(
            extension="201", contact="", user_agent="", expires=timedelta(60), transport="udp"
        )
        return {"201": phone}

    async def is_asked(self, times: int) -> None:
        for _ in range(times):
            async with asyncio.timeout(5), self.asked:
                await self.asked.wait()


async def test_an_edge_is_not_believed_right_after_a_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = EdgeOfOnePhone()
    happened: list[Event] = []
    watch = RegistrationWatch(
        edge,
        happened.append,
        interval=timedelta(milliseconds=10),
        patience=timedelta(milliseconds=300),
    )
    watch.start()
    await watch.looked(5)
    assert happened == [PhoneRegistered(extension="201", user_agent="")]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + HOUR)
    edge.expired = True
    await edge.is_asked(3)
    assert len(happened) == 1
    async with asyncio.timeout(5):  # it stays away: then it is true
        while len(happened) == 1:
            await edge.is_asked(1)
    assert happened[1:] == [PhoneUnregistered(extension="201")]
    await watch.close()


async def test_an_edge_that_has_died_is_asked_twice_before_all_phones_are_gone() -> None:
    edge = EdgeOfOnePhone()
    happened: list[Event] = []
    watch = RegistrationWatch(edge, happened.append, interval=timedelta(milliseconds=10))
    watch.start()
    await watch.looked(5)
    edge.expired = True  # it has started again, and not read its registrations yet
    await edge.is_asked(1)
    edge.expired = False
    await edge.is_asked(2)
    assert happened == [PhoneRegistered(extension="201", user_agent="")]
    edge.expired = True
    async with asyncio.timeout(5):
        while len(happened) == 1:
            await edge.is_asked(1)
    assert happened[1:] == [PhoneUnregistered(extension="201")]
    await watch.close()
