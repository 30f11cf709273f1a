"""Who may see how the trunks are."""

from __future__ import annotations

from pathlib import Path

import pytest

from centralita.api import schemas as s
from tests.support.desk import NOON, Lines, open_desk


@pytest.mark.parametrize(("user", "status"), [("ana", 403), ("sol", 200), ("eva", 200)])
async def test_supervisors_see_how_the_trunks_are(tmp_path: Path, user: str, status: int) -> None:
    async with open_desk(tmp_path) as desk:
        assert isinstance(desk.ports.trunks, Lines)
        desk.ports.trunks.trunks.append(
            s.Trunk(
                name="acme",
                condition="down",
                since=NOON,
                answers=True,
                registration="refused",
                code=403,
                expires_at=None,
                trouble="refused",
                message="its registrar refuses us",
                calls_in=3,
                calls_out=1,
            )
        )
        person = await desk.sign_in(user)
        answer = await person.get("/trunks", status=status)
        if status == 200:
            assert answer["items"][0]["message"] == "its registrar refuses us"
