"""Callers that know little of SIP."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.server import ServerProcess


async def test_a_caller_that_ignores_record_route_is_served_and_can_hang_up(tmp_path: Path) -> None:
    """sipp's built-in caller sends ACK and BYE without a Route."""
    async with ServerProcess(tmp_path) as server:
        host, port = server.sip
        sipp = await asyncio.create_subprocess_exec(
            *("sipp", "-sn", "uac", "-s", "100", f"{host}:{port}", "-i", "127.0.0.1"),
            *("-m", "5", "-r", "5", "-d", "500", "-timeout", "20", "-nostdin"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(sipp.communicate(), 40)
        assert sipp.returncode == 0, output.decode(errors="replace") + server.tail()
