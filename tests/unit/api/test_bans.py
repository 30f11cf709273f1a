"""Who may see and forgive the addresses that the edge ignores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.api import schemas as s
from tests.support.desk import NOON, Desk, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        desk.floor.banned["192.0.2.7"] = s.Ban(
            address="192.0.2.7", reason="guesses", since=NOON, until=NOON + timedelta(minutes=5)
        )
        yield desk


async def test_an_admin_lists_the_bans_and_lifts_one(desk: Desk) -> None:
    eva = await desk.sign_in("eva")
    (ban,) = (await eva.get("/edge/bans"))["items"]
    assert ban == {
        "address": "192.0.2.7",
        "reason": "guesses",
        "since": "2026-01-05T12:00:00Z",
        "until": "2026-01-05T12:05:00Z",
    }
    assert (await eva.ask("DELETE", "/api/v1/edge/bans/192.0.2.7")).status == 204
    (entry,) = (await eva.get("/audit?action=ban.lift"))["items"]
    assert entry["object"] == "192.0.2.7"
    assert (await eva.get("/edge/bans"))["items"] == []
    assert (await eva.ask("DELETE", "/api/v1/edge/bans/192.0.2.7")).status == 404


@pytest.mark.parametrize("user", ["ana", "sol"])
async def test_nobody_else_does(desk: Desk, user: str) -> None:
    person = await desk.sign_in(user)
    assert (await person.ask("GET", "/api/v1/edge/bans")).status == 403
    assert (await person.ask("DELETE", "/api/v1/edge/bans/192.0.2.7")).status == 403
    assert "192.0.2.7" in desk.floor.banned
