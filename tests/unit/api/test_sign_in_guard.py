"""Guessing is made slow and stopped, and nobody is locked out by what strangers do elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from centralita.api.http import TooManyAttempts
from centralita.api.ports import ApiSettings
from centralita.api.sign_in_guard import SignInGuard, network_of
from centralita.core.clock import ManualClock
from tests.support.desk import NOON, PASSWORD, Desk, open_desk

HOME, OFFICE = "198.51.100.7", "203.0.113.9"


class Gate:
    """A guard, and how long it has let people wait."""

    def __init__(self) -> None:
        settings = ApiSettings(
            region="ES", version="1", recordings_dir=Path("unused"), failures_per_user=3,
            failures_per_address=6,
        )  # fmt: skip
        self.clock = ManualClock(NOON)
        self.waits: list[float] = []
        self.guard = SignInGuard(self.clock, settings, self._wait)

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def guesses(self, address: str, times: int, username: str = "marta") -> None:
        for _ in range(times):
            await self.guard.begin(username, address)

    async def signs_in(self, address: str, username: str = "marta") -> None:
        self.guard.succeeded(await self.guard.begin(username, address))


async def test_ten_wrong_passwords_from_elsewhere_do_not_lock_out_who_sits_at_home() -> None:
    gate = Gate()
    await gate.guesses(HOME, 3)
    with pytest.raises(TooManyAttempts):
        await gate.guesses(HOME, 1, " MARTA")
    await gate.signs_in(OFFICE)


async def test_what_comes_from_everywhere_gets_slower_and_never_refused() -> None:
    gate = Gate()
    for number in range(60):
        await gate.guesses(f"192.0.2.{number}", 1)
    assert gate.waits[0] == 0.5
    assert gate.waits == sorted(gate.waits)
    assert gate.waits[-1] == 8.0
    assert len(gate.waits) == 57


async def test_who_has_signed_in_there_before_does_not_wait() -> None:
    gate = Gate()
    await gate.signs_in(OFFICE)
    for number in range(30):
        await gate.guesses(f"192.0.2.{number}", 1)
    gate.waits.clear()
    await gate.signs_in(OFFICE)
    assert gate.waits == []
    await gate.signs_in(HOME)
    assert len(gate.waits) == 1
    await gate.signs_in(HOME)
    assert len(gate.waits) == 1


async def test_signing_in_forgives_the_own_mistakes_and_nobody_elses() -> None:
    gate = Gate()
    await gate.guesses(OFFICE, 2)
    await gate.signs_in(OFFICE)
    await gate.guesses(OFFICE, 2)
    await gate.guesses(HOME, 3)
    with pytest.raises(TooManyAttempts):
        await gate.guesses(HOME, 1)


async def test_it_is_all_forgotten_after_a_while() -> None:
    gate = Gate()
    await gate.guesses(HOME, 3)
    gate.clock.advance(timedelta(minutes=5))
    await gate.guesses(HOME, 3)
    assert gate.waits == []


def test_an_address_of_ipv6_counts_with_its_neighbours() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff")
    assert network_of("2001:db8::1") != network_of("2001:db8:1::1")


async def test_a_stranger_cannot_keep_marta_out_of_the_page(tmp_path: Path) -> None:
    async def tries(desk: Desk, address: str, password: str) -> int:
        answer = await desk.client.post(
            "/api/v1/session",
            json={"username": "ana", "password": password},
            headers={"X-Forwarded-For": address},
        )
        return answer.status

    async with open_desk(tmp_path) as desk:
        assert [await tries(desk, HOME, "wrong") for _ in range(11)] == [401] * 10 + [429]
        assert await tries(desk, HOME, PASSWORD) == 429
        assert await tries(desk, OFFICE, PASSWORD) == 200
