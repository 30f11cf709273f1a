"""Debian's Firefox under the hand of a test, by WebDriver BiDi: its own port, no driver between.

https://w3c.github.io/webdriver-bidi. Its microphone is Firefox's own tone of 1000 Hz
(`media.navigator.streams.fake`; its pitch is `media.navigator.audio.fake_frequency`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from centralita.core.tasks import Tasks

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.active-protocols": 1,
}
_PATIENCE = 20.0


def firefox_path() -> str | None:
    """The Firefox of this machine, if it has one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class FirefoxPage:
    """The one tab. Elements are named by their `data-testid`, or by a selector."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._context = ""

    async def begin(self) -> None:
        await self._ask("session.new", {"capabilities": {}})
        tree = await self._ask("browsingContext.getTree", {})
        self._context = tree["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        await self._ask(
            "browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"}
        )

    async def evaluate(self, script: str) -> Any:
        """The value of an expression, which may be a promise."""
        found = await self._ask(
            "script.evaluate",
            {
                "expression": script,
                "target": {"context": self._context},
                "awaitPromise": True,
                "userActivation": True,
            },
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        """Waits until the script's value is true."""
        async with asyncio.timeout(_PATIENCE):
            while not await self.evaluate(script):
                await asyncio.sleep(0.05)  # another process: nothing to await but its answer

    async def sees(self, element: str) -> None:
        await self.until(f"document.querySelector({_selector(element)}) !== null")

    async def click(self, element: str) -> None:
        await self.sees(element)
        await self.evaluate(f"document.querySelector({_selector(element)}).click()")

    async def fill(self, element: str, value: str) -> None:
        """Type into a field, as React sees it."""
        await self.sees(element)
        await self.evaluate(
            f"(() => {{ const field = document.querySelector({_selector(element)});"
            "Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')"
            f".set.call(field, {value!r});"
            "field.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )

    async def _ask(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(_PATIENCE):
            while True:
                reply = await self._socket.receive_json()
                if reply.get("id") == number:
                    assert reply["type"] == "success", reply
                    return reply["result"]


def _selector(element: str) -> str:
    return repr(f'[data-testid="{element}"]' if re.fullmatch(r"[a-z0-9-]+", element) else element)


@asynccontextmanager
async def open_firefox(folder: Path, *, microphone_hertz: int) -> AsyncIterator[FirefoxPage]:
    """Firefox with an empty profile in `folder`, for as long as the block lasts."""
    program = firefox_path()
    assert program is not None, "a test in Firefox needs firefox-esr"
    profile = folder / "profile"
    profile.mkdir()
    chosen = PREFERENCES | {"media.navigator.audio.fake_frequency": microphone_hertz}
    (profile / "user.js").write_text(
        "".join(f'user_pref("{name}", {str(value).lower()});\n' for name, value in chosen.items()),
        encoding="utf-8",
    )
    process = await asyncio.create_subprocess_exec(
        *(program, "--headless", "--no-remote", "--profile", str(profile)),
        "--remote-debugging-port=0",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
    )
    assert process.stderr is not None
    tasks = Tasks("firefox")
    try:
        async with asyncio.timeout(60):
            while True:
                line = (await process.stderr.readline()).decode(errors="replace")
                assert line, "Firefox ended before it could be driven"
                if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                    break
        tasks.spawn(_drain(process.stderr), name="what Firefox says")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(found[1] + "/session", max_msg_size=0) as socket,
        ):
            page = FirefoxPage(socket)
            await page.begin()
            yield page
    finally:
        await tasks.close()
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
