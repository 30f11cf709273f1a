"""Kannel, the SMS gateway: a real one with its simulated network, and an imitation of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_plus, unquote_to_bytes

import aiohttp
from aiohttp import web

from centralita.channels.sms import SmsGateway, is_gsm
from centralita.core.tasks import Tasks
from tests.support.server import file_has, free_port

USER, PASSWORD = "centralita", "correct horse"
DENIED = "+34999"
"""Numbers that begin so are on the gateway's black list."""
_PATH = "/cgi-bin/sendsms"


class Gateway(Protocol):
    """What a test needs of either."""

    port: int

    async def got(self) -> tuple[str, str, str]:
        """From, to and text of the next SMS that went out to the network."""
        ...


def settings(port: int, password: str = PASSWORD) -> SmsGateway:
    return SmsGateway(
        url=f"http://127.0.0.1:{port}{_PATH}", user=USER, password=password, sender="Talleres"
    )


# --- the imitation ------------------------------------------------------------------------------


@dataclass
class KannelImitation:
    """Answers as smsbox does (gw/smsbox.c). `answers` are given to the next requests instead."""

    port: int
    answers: deque[tuple[int, str]] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)
    strayed: list[str] = field(default_factory=list)
    hanging: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    out: asyncio.Queue[tuple[str, str, str]] = field(default_factory=asyncio.Queue)

    async def got(self) -> tuple[str, str, str]:
        return await asyncio.wait_for(self.out.get(), 5)

    async def serve(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        self.reached.set()
        if self.hanging is not None:
            await self.hanging.wait()
        status, text = self.answers.popleft() if self.answers else self._judge(asked)
        if status in (200, 202):
            self.out.put_nowait((asked["from"], asked["to"], asked["text"]))
        return web.Response(status=status, text=text, headers={"Location": "/elsewhere"})

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Where nobody should ask: the password would follow a redirection."""
        self.strayed.append(request.path)
        return web.Response(status=404)

    def _judge(self, asked: dict[str, str]) -> tuple[int, str]:
        if (asked.get("username"), asked.get("password")) != (USER, PASSWORD):
            return 403, "Authorization failed for sendsms"
        if not asked.get("to"):
            return 400, "Empty receiver number not allowed, rejected"
        if asked["to"].startswith(DENIED) or set(asked["to"]) - set("0123456789 +-"):
            return 400, "Number(s) has/have been denied by white- and/or black-lists."
        if asked["coding"] == "0" and not is_gsm(asked["text"]):
            raise AssertionError("these signs would be lost in seven bits")
        return 202, "0: Accepted for delivery"


@contextlib.asynccontextmanager
async def imitation(
    port: int | None = None, room: KannelImitation | None = None
) -> AsyncIterator[KannelImitation]:
    """Runs until the block ends. With `room`, one that was away is back."""
    room = room or KannelImitation(port or free_port())
    app = web.Application()
    app.router.add_get(_PATH, room.serve)
    app.router.add_get("/elsewhere", room.elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", room.port).start()
    try:
        yield room
    finally:
        await runner.cleanup()


# --- the real one -------------------------------------------------------------------------------

_FAKESMSC = ("/usr/lib/kannel/test/fakesmsc", "/usr/lib/kannel/fakesmsc", "/usr/sbin/fakesmsc")


def fakesmsc() -> str | None:
    """The program that plays the telephone network."""
    return shutil.which("fakesmsc") or next(filter(os.path.exists, _FAKESMSC), None)


def why_no_kannel() -> str:
    """What is missing for the real one; empty when it can run."""
    missing = [name for name in ("bearerbox", "smsbox") if _binary(name) is None]
    if fakesmsc() is None:
        missing.append("fakesmsc")
    return f"not installed: {', '.join(missing)} (kannel, kannel-extras)" if missing else ""


def _binary(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")


_CONF = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {inner}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = "{folder}/bearerbox.log"
log-level = 0

group = smsc
smsc = fake
smsc-id = network
port = {network}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {port}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 0

group = sendsms-user
username = "{user}"
password = "{password}"
concatenation = true
max-messages = 10
black-list-regex = "^.34999"

group = sms-service
keyword = default
text = "none"
"""


@dataclass
class Kannel:
    """bearerbox, smsbox and fakesmsc with a folder for their logs."""

    port: int
    folder: Path
    lines: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def got(self) -> tuple[str, str, str]:
        whole = ""
        async with asyncio.timeout(15):
            while True:
                line = await self.lines.get()
                if "got message" not in line.lower():
                    continue
                said = line[line.index("<") + 1 : line.rindex(">")]
                source, to, kind, text = said.split(" ", 3)
                if kind == "text":
                    return source, to, text
                if kind == "ucs-2":
                    units = unquote_to_bytes(text.replace("+", "%20"))
                    return source, to, units.decode("utf-16-be")
                # One of several: its header has their number and its place (TS 23.040, 9.2.3.24.1).
                header, _, part = text.split(" ", 2)
                *_, parts, place = unquote_to_bytes(header)
                whole += unquote_plus(part)
                if place == parts:
                    return source, to, whole


@contextlib.asynccontextmanager
async def kannel(folder: Path) -> AsyncIterator[Kannel]:
    """A real Kannel on loopback, ended by pid."""
    room = Kannel(free_port(), folder)
    network, admin = free_port(), free_port()
    conf = folder / "kannel.conf"
    conf.write_text(
        _CONF.format(
            admin=admin, inner=free_port(), network=network, port=room.port, folder=folder,
            user=USER, password=PASSWORD,
        )
    )  # fmt: skip
    running: list[asyncio.subprocess.Process] = []
    tasks = Tasks("kannel")

    async def run(*command: str, output: int | None = None) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=output or asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        running.append(process)
        return process

    bearerbox, smsbox, fake = _binary("bearerbox"), _binary("smsbox"), fakesmsc()
    assert bearerbox is not None and smsbox is not None and fake is not None
    try:
        await run(bearerbox, "-v", "4", str(conf))
        await _answers(admin, "/status.txt?password=secret")
        await run(smsbox, "-v", "4", str(conf))
        talking = await run(
            fake, "-H", "127.0.0.1", "-r", str(network), "-m", "0", "100 200 text nothing",
            output=asyncio.subprocess.PIPE,
        )  # fmt: skip
        tasks.spawn(_read(talking, room), name="read what goes out")
        await _answers(room.port, _PATH)
        await file_has(folder / "bearerbox.log", "Fakesmsc client connected", within=15)
        yield room
    finally:
        for process in reversed(running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()
        await tasks.close()


async def _read(process: asyncio.subprocess.Process, room: Kannel) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        room.lines.put_nowait(line.decode("utf-8", "replace").strip())


async def _answers(port: int, path: str) -> None:
    """Until another process serves."""
    async with asyncio.timeout(15), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}{path}"):
                    return
            await asyncio.sleep(0.05)  # another process: nothing to await but its answer
