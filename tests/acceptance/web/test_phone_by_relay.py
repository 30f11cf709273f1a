"""A page whose network lets nothing else through talks by a TURN server: coturn, on this machine."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from centralita.telephony.worker.addresses import route_to
from tests.support.browser import why_skip
from tests.support.page_phone import both_hear, center
from tests.support.server import free_port

pytestmark = [
    pytest.mark.skipif(why_skip() != "", reason=why_skip()),
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="needs coturn"),
]

SECRET = "between us and the relay"
# The page is to use nothing but the relay, and to show what it used.
_BY_RELAY = """
(() => {
  const Plain = RTCPeerConnection;
  window.RTCPeerConnection = class extends Plain {
    constructor(how) {
      super({ ...how, iceTransportPolicy: "relay" });
      window.connection = this;
    }
  };
})()
"""
_USED = """
connection.getStats().then((stats) => {
  const pair = [...stats.values()].find((one) => one.type === "candidate-pair" && one.nominated);
  return stats.get(pair.localCandidateId).candidateType;
})
"""


@asynccontextmanager
async def relay(folder: Path, host: str) -> AsyncIterator[int]:
    """coturn with our shared secret; its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *("turnserver", "-n", "--listening-ip", host, "--relay-ip", host),
        *("--listening-port", str(port), "--realm", "centralita"),
        *("--use-auth-secret", f"--static-auth-secret={SECRET}"),
        *("--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout"),
        *("--pidfile", str(folder / "turn.pid"), "--userdb", str(folder / "turn.db")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex((host, port)) == 0:
                        break
                await asyncio.sleep(0.05)  # another process: nothing to await but its port
        yield port
    finally:
        process.terminate()
        await process.wait()


async def test_a_page_that_can_only_reach_a_relay_talks_through_it(tmp_path: Path) -> None:
    # Neither browsers nor pjnath take loopback: the address by which this machine leaves.
    host = route_to("192.0.2.99")
    secret = tmp_path / "turn-secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET + "\n", encoding="utf-8")
    async with relay(tmp_path, host) as port:
        media = (
            f"workers = 1\nice_servers = turn:{host}:{port}?transport=udp\n"
            f"turn_secret_file = {secret}"
        )
        async with center(tmp_path, media=media) as here:
            page = await here.agent()
            await page.evaluate(_BY_RELAY)
            call = await here.calls()
            await page.click("phone-answer")
            await both_hear(page, call)
            assert await page.evaluate(_USED) == "relay"
