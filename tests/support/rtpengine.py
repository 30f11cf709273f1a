"""A real rtpengine of our own, as the profile in deploy/ has it, and what it says of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import ROOT, free_port
from tests.support.story import eventually

PROFILE = ROOT / "deploy" / "rtpengine" / "rtpengine.conf"


def missing_rtpengine() -> str:
    """Why there is none; empty when there is."""
    return "" if shutil.which("rtpengine") else "needs Debian's rtpengine-daemon"


@dataclass(frozen=True)
class RtpEngine:
    """Takes commands at `port` of loopback, and audio at `ports`."""

    process: asyncio.subprocess.Process
    port: int
    ports: range

    async def calls(self) -> int:
        """How many it carries."""
        return len(re.findall(rb"\d+:[^:]+", await self._ask(b"d7:command4:liste", b"callsl")))

    async def calls_become(self, number: int) -> None:
        """Return when it carries so many."""

        async def so_many() -> bool | None:
            return await self.calls() == number or None

        await eventually(so_many, f"rtpengine carries {number} calls")

    async def _ask(self, command: bytes, after: bytes) -> bytes:
        """One command (bencoded): what stands in the answer from `after` to the end of its list."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.setblocking(False)
            way.connect(("127.0.0.1", self.port))
            cookie = secrets.token_hex(4).encode()
            await loop.sock_sendall(way, cookie + b" " + command)
            async with asyncio.timeout(2):
                answer = await loop.sock_recv(way, 65536)
        assert answer.startswith(cookie), answer
        return answer.partition(after)[2].partition(b"e6:result")[0]


@asynccontextmanager
async def rtpengine(folder: Path, host: str, *, port: int = 0) -> AsyncIterator[RtpEngine]:
    """rtpengine for as long as the block lasts: the profile, with this machine's address."""
    port = port or free_port()
    first = 31000
    text = PROFILE.read_text(encoding="utf-8")
    for key, value in {
        "interface": f"internal/{host};external/{host}",
        "listen-ng": f"127.0.0.1:{port}",
        "port-min": str(first),
        "port-max": str(first + 199),
    }.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert found == 1, key
    config = folder / "rtpengine.conf"
    config.write_text(text, encoding="utf-8")
    with (folder / "rtpengine.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *("rtpengine", "--config-file", str(config), "--foreground", "--log-stderr"),
            *("--pidfile", str(folder / "rtpengine.pid")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    engine = RtpEngine(process, port, range(first, first + 200))
    try:
        async with asyncio.timeout(10):
            while True:
                assert process.returncode is None, (folder / "rtpengine.log").read_text()
                with contextlib.suppress(OSError, TimeoutError):
                    await engine.calls()
                    break
                await asyncio.sleep(0.05)  # another process: nothing to await but its answer
        yield engine
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
