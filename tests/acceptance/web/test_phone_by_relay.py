"""A page whose network lets nothing else through talks by a TURN server, coturn on this machine."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from centralita.telephony.worker.addresses import route_to
from tests.support.browser import why_skip
from tests.support.page_phone import Center, both_hear, center, hears, long_enough
from tests.support.peer_connection import kept, used
from tests.support.server import free_port
from tests.support.story import eventually

pytestmark = [
    pytest.mark.skipif(why_skip() != "", reason=why_skip()),
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="needs coturn"),
]

SECRET = "between us and the relay"


@asynccontextmanager
async def relay(folder: Path, host: str, port: int = 0) -> AsyncIterator[int]:
    """coturn with our shared secret; its port."""
    port = port or free_port()

    async def listens() -> bool | None:
        with socket.socket() as probe:
            return probe.connect_ex((host, port)) == 0 or None

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
        await eventually(listens, "coturn listens")
        yield port
    finally:
        process.kill()  # without a word to the page
        await process.wait()


@asynccontextmanager
async def behind(folder: Path, host: str, port: int) -> AsyncIterator[Center]:
    """A center whose pages are given that relay."""
    secret = folder / "turn-secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET + "\n", encoding="utf-8")
    media = (
        f"workers = 1\nice_servers = turn:{host}:{port}?transport=udp\nturn_secret_file = {secret}"
    )
    async with center(folder, media=media) as here:
        yield here


async def test_a_page_that_can_only_reach_a_relay_talks_through_it(tmp_path: Path) -> None:
    # Neither browsers nor pjnath take loopback: the address by which this machine leaves.
    host = route_to("192.0.2.99")
    async with AsyncExitStack() as first_relay:
        port = await first_relay.enter_async_context(relay(tmp_path, host))
        async with behind(tmp_path, host, port) as here:
            page = await here.agent()
            await page.evaluate(kept(only_relays=True))
            call = await here.talk(page)
            assert await page.evaluate(used("local", "candidateType")) == "relay"
            await long_enough(page)

            # Elsewhere than at the desk the page's phone holds by itself, in a re-INVITE.
            await page.press("2")
            await page.click("phone-hold")
            await page.until(hears(0))
            await page.click("phone-hold")
            await both_hear(page, call)

            # The relay dies, and another one takes its place: by an ICE restart.
            await first_relay.aclose()
            await page.until(hears(0))
            async with relay(tmp_path, host, port):
                await both_hear(page, call)
                assert await page.evaluate(used("local", "candidateType")) == "relay"
                await call.hang_up()
                await page.sees_no("phone-hang-up")
