"""A browser under the hand of a test: Chromium, driven by web/tests/driver.mjs."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centralita.core.tasks import Tasks

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"


def browser_path() -> str | None:
    """The Chromium of this machine, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def node_path() -> str | None:
    """Node.js: ours in .venv, where the machine has none."""
    ours = ROOT / ".venv" / "node" / "bin" / "node"
    return shutil.which("node") or (str(ours) if ours.exists() else None)


def why_skip() -> str:
    """A reason to skip browser tests, on somebody's own machine; nothing is skipped where CI is
    set, so that a missing browser cannot hide what it would have found."""
    return "" if os.environ.get("CI") else missing()


def missing() -> str:
    """What keeps a browser test from running here; empty when nothing does."""
    if browser_path() is None:
        return "needs chromium"
    if node_path() is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        return "needs the packages of the web: npm ci in web/"
    if not (WEB / "dist" / "index.html").is_file():
        return "needs the built pages: npm run build in web/"
    return ""


class Browser:
    """The process that drives Chromium. One JSON line for each request and each answer."""

    def __init__(self, process: asyncio.subprocess.Process, tasks: Tasks) -> None:
        self._process = process
        self.pid = process.pid
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        tasks.spawn(self._read(), name="answers of the browser")

    async def ask(self, page: str, op: str, **args: object) -> Any:
        """Have `op` done on the page of that name; raises AssertionError with what went wrong."""
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        assert self._process.stdin is not None
        line = msgspec.json.encode({"id": number, "page": page, "op": op, "args": args})
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()
        return await answer

    async def open(self, name: str, url: str, **options: object) -> BrowserPage:
        """A page with an empty profile; options are Playwright's (locale, colorScheme...)."""
        await self.ask(name, "open", url=url, **options)
        return BrowserPage(self, name)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            reply = msgspec.json.decode(line)
            waiting = self._waiting.pop(reply["id"])
            if "error" in reply:
                waiting.set_exception(AssertionError(reply["error"]))
            else:
                waiting.set_result(reply["ok"])
        for waiting in self._waiting.values():
            waiting.set_exception(AssertionError("the browser's driver has ended"))


@dataclass(frozen=True, slots=True)
class BrowserPage:
    """One page. Elements are named by their `data-testid`, or by a selector of Playwright's."""

    browser: Browser
    name: str

    async def click(self, element: str) -> None:
        await self._ask("click", selector=_selector(element))

    async def fill(self, element: str, value: str) -> None:
        await self._ask("fill", selector=_selector(element), value=value)

    async def select(self, element: str, value: str) -> None:
        await self._ask("select", selector=_selector(element), value=value)

    async def press(self, key: str) -> None:
        await self._ask("press", key=key)

    async def sees(self, element: str, text: str | None = None) -> None:
        """Waits until the element is visible (and contains the text)."""
        more = {} if text is None else {"text": text}
        await self._ask("wait", selector=_selector(element), **more)

    async def sees_no(self, element: str) -> None:
        """Waits until the element is gone."""
        await self._ask("wait", selector=_selector(element), state="hidden")

    async def text(self, element: str) -> str:
        return str(await self._ask("text", selector=_selector(element)))

    async def value(self, element: str) -> str:
        return str(await self._ask("value", selector=_selector(element)))

    async def attribute(self, element: str, name: str) -> str | None:
        found = await self._ask("attribute", selector=_selector(element), name=name)
        return None if found is None else str(found)

    async def count(self, element: str) -> int:
        return int(await self._ask("count", selector=_selector(element)))

    async def evaluate(self, script: str) -> Any:
        return await self._ask("evaluate", script=script)

    async def until(self, script: str) -> None:
        """Waits until the script's value is true."""
        await self._ask("until", script=script)

    async def goto(self, url: str) -> None:
        await self._ask("goto", url=url)

    async def reload(self) -> None:
        await self._ask("reload")

    async def offline(self, offline: bool) -> None:
        """Take the network of this person's browser away, or give it back."""
        await self._ask("offline", offline=offline)

    async def close(self) -> None:
        """Close the tab, as a person does."""
        await self._ask("close")

    async def leave(self) -> None:
        """Close all tabs of this person; nothing is remembered."""
        await self._ask("leave")

    async def tab(self, name: str, url: str) -> BrowserPage:
        """Another tab of the same person."""
        await self._ask("tab", url=url, **{"as": name})
        return BrowserPage(self.browser, name)

    async def screenshot(self, path: Path, **options: object) -> None:
        await self._ask("screenshot", path=str(path), **options)

    async def look(self, **media: str) -> None:
        """Emulate media, for instance colorScheme="dark"."""
        await self._ask("look", **media)

    async def size(self, width: int, height: int) -> None:
        await self._ask("size", width=width, height=height)

    async def metrics(self) -> dict[str, float]:
        """Chromium's own counts; durations are seconds of the main thread's CPU."""
        return dict(await self._ask("metrics"))

    async def problems(self) -> list[str]:
        """Errors that the page met so far, or wrote to its console."""
        return list(await self._ask("problems"))

    async def inaccessible(self) -> list[Any]:
        """What axe finds wrong with the page as it is now."""
        return list(await self._ask("axe"))

    async def _ask(self, op: str, **args: object) -> Any:
        return await self.browser.ask(self.name, op, **args)


def _selector(element: str) -> str:
    return f'[data-testid="{element}"]' if re.fullmatch(r"[a-z0-9-]+", element) else element


@asynccontextmanager
async def open_browser(microphone: Path | None = None) -> AsyncIterator[Browser]:
    """A browser for as long as the block lasts; its microphone says a WAV file over and over."""
    node, chromium = node_path(), browser_path()
    assert not missing(), f"a browser test {missing()}"
    assert node is not None and chromium is not None
    process = await asyncio.create_subprocess_exec(
        node,
        str(WEB / "tests" / "driver.mjs"),
        chromium,
        *([] if microphone is None else [str(microphone)]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
        env={**os.environ, "NO_COLOR": "1"},
    )
    tasks = Tasks("browser")
    try:
        yield Browser(process, tasks)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await tasks.close()
