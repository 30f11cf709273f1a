"""An address that guesses passwords at a running server: banned, seen, forgiven."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT, ApiClient, ServerProcess
from tests.support.sip import udp_party


async def _cli(server: ServerProcess, *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "centralita.server", *words, "--data", str(server.data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def _is_ignored(server: ServerProcess, address: str) -> bool:
    async with udp_party(address) as party:
        party.send(party.request("OPTIONS", "sip:centralita"), server.sip)
        try:
            return not (await party.receive(timeout=2)).status
        except TimeoutError:
            return True


async def test_guessers_are_banned_until_somebody_forgives_them(tmp_path: Path) -> None:
    attackers = ("127.0.0.66", "127.0.0.67")
    async with ServerProcess(tmp_path, trunk="127.0.0.2") as server:
        phone = await server.agent_phone("201")
        for address in attackers:
            async with udp_party(address) as attacker:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(30):
                        for number in range(150):
                            # one phone after another, or only that phone would be locked
                            await attacker.register(server.sip, str(201 + number), "guess")
                            await asyncio.sleep(0.08)  # slower than a flood
            assert await _is_ignored(server, address)
        # the phone whose password they guessed goes on, by the same name
        await phone.register()
        assert re.search(r"banned for too many wrong passwords 127\.0\.0\.66", server.tail(200))

        async with ApiClient(server.url, "admin", server.users["admin"]) as admin:
            bans = await admin.get("/edge/bans")
            items = bans["items"]
            assert isinstance(items, list)
            assert {item["address"] for item in items} == set(attackers)
            assert {item["reason"] for item in items} == {"guesses"}
            assert await admin.delete("/edge/bans/127.0.0.66") == 204
        assert not await _is_ignored(server, "127.0.0.66")

        code, output = await _cli(server, "ban", "list")
        assert code == 0 and output.startswith("127.0.0.67: guessing passwords, from ")
        code, output = await _cli(server, "ban", "lift", "127.0.0.67")
        assert code == 0 and output.endswith("127.0.0.67 is listened to again\n")
        assert not await _is_ignored(server, "127.0.0.67")
        code, output = await _cli(server, "ban", "lift", "127.0.0.67")
        assert code == 1 and "127.0.0.67 is not banned" in output
        await phone.close()
    code, output = await _cli(server, "ban", "list")
    assert code == 1 and "the edge does not answer" in output
