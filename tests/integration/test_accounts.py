"""Somebody is put out of a running server, from the command line, while people talk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from centralita.telephony.phone.phone import PhoneError
from tests.support.hearing import ANA, CALLER, hears, steadily
from tests.support.office import Office, open_office
from tests.support.server import ROOT, ServerProcess

TAKEN = "the running server has taken it"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as office:
        yield office


async def user(server: ServerProcess, *words: str) -> list[str]:
    """`centralita user ...`; what it prints."""
    source = server.config().source
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "centralita.server", "user", *words),
        *("--config", str(source), "--data", str(server.data)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return said.decode().splitlines()


async def test_who_is_disabled_loses_page_and_phone_at_once_and_the_caller_notices_nothing(
    office: Office,
) -> None:
    server = office.server
    async with (
        office.talking("+34600111222") as (caller, ana),
        server.api("ana") as api,
    ):
        feed = await api.live()
        await feed.receive_str(timeout=5)
        said = await user(server, "disable", "ana")
        assert said[-1] == TAKEN
        # It was in force when the command said so.
        while (message := await feed.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == 4401
        assert await api.put("/me/password") == 401
        with pytest.raises(PhoneError):
            await office.ana.register()
        assert "agent_ana" not in str(await office.sofia.api.get("/agents"))
        await steadily(caller, hears(ANA))
        await steadily(ana, hears(CALLER))
        await caller.hang_up()
        await asyncio.wait_for(ana.ended.wait(), 10)
    assert (await user(server, "enable", "ana"))[-1] == TAKEN
    await office.ana.register()


async def test_a_phone_whose_password_was_made_anew_is_registered_no_more(office: Office) -> None:
    server = office.server
    said = await user(server, "phone-password", "luis")
    assert said[-1] == TAKEN
    await office.sofia.agent_becomes("luis", registered=False)
    with pytest.raises(PhoneError):
        await office.luis.register()
    server.phones["202"] = said[0].split()[-1]
    again = await server.agent_phone("202")
    await office.sofia.agent_becomes("luis", registered=True)
    await again.close()


async def test_what_was_done_while_nothing_ran_is_in_force_from_the_start(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        phone = await server.agent_phone("201")
        await server.stop()
        assert (await user(server, "disable", "ana"))[-1] != TAKEN
        await server.start()
        await server.log_has("phone is registered no more")
        with pytest.raises(PhoneError):
            await phone.register()
        await phone.close()
