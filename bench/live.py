"""`./dev bench live`: how soon an event is on the agents' screens, with many pages open.

A server in its own process under the load bench's callers and agents. Many pages are open: here, as
WebSockets that are read as a page reads them, and one of them in a real Chromium. What is measured
is the time from the event, which every message carries, to the message's arrival; and from an offer
to the pop as painted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import numpy as np

from bench.load import sounds
from bench.load.cases import CASES
from bench.load.generator import Generator, Report, build
from bench.load.run import FIRST_EXTENSION, generator_basics, prepare
from centralita.api.passwords import SESSION_PREFIX, hash_password, new_token, token_hash
from centralita.core.ids import AgentId, UserId
from centralita.core.tasks import Tasks
from centralita.store.records import Role, SessionRecord, UserRecord
from centralita.store.store import open_store
from tests.support.browser import BrowserPage, open_browser
from tests.support.server import ServerProcess

_AGENTS_AT_WORK = 20
_SUPERVISORS = 5
_SEEN = "bench-page"
# Notes when each pop was offered and painted; the mark is final a frame after it.
_WATCH = """(() => {
  window.painted = {};
  setInterval(() => {
    const pop = document.querySelector('[data-testid="pop"][data-shown-at]');
    if (pop) window.painted[pop.dataset.offeredAt] = pop.dataset.shownAt;
  }, 40);
})()"""
# The time of the event, by the type of its message.
_TIMES = {"agent": "since", "call": "since", "offer": "ringing_since"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run; times in milliseconds."""

    pages: int
    calls_a_second: float
    seconds: float
    messages: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    offer_p50_ms: float
    offer_p95_ms: float
    pops_painted: int
    painted_p50_ms: float
    painted_p95_ms: float


async def main(arguments: Sequence[str]) -> int:
    """Run it, print the figures, write the JSON; 1 when a page heard nothing."""
    parser = argparse.ArgumentParser(prog="./dev bench live", description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5, help="new calls a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    figures = await _run(options.pages, options.rate, options.seconds)
    print(
        f"{figures.pages} pages, {figures.calls_a_second:g} calls a second, "
        f"{figures.messages} messages: event to page p50 {figures.p50_ms:.1f}, "
        f"p95 {figures.p95_ms:.1f}, p99 {figures.p99_ms:.1f} ms; offers p50 "
        f"{figures.offer_p50_ms:.1f}, p95 {figures.offer_p95_ms:.1f} ms; "
        f"{figures.pops_painted} pops in Chromium, offer to paint p50 "
        f"{figures.painted_p50_ms:.0f}, p95 {figures.painted_p95_ms:.0f} ms"
    )
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    return 0 if figures.messages and figures.pops_painted else 1


async def _run(pages: int, rate: float, seconds: float) -> Figures:
    tasks = Tasks("live bench")
    heard: list[tuple[str, float]] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="centralita-live-")))
        program = await build(folder)
        server = ServerProcess(folder, media="max_calls = 400\n")
        await server.prepare()
        await prepare(server, CASES["queued"], pages)
        password = secrets.token_urlsafe(12)
        tokens = await _sign_in_all(server, pages, password)
        await server.start()
        stack.push_async_callback(server.stop)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        # One person is signed in by the browser instead.
        open_pages = [
            tasks.spawn(_read(client, server, token, heard), name="page") for token in tokens[1:]
        ]
        stack.push_async_callback(tasks.close)
        browser = await stack.enter_async_context(open_browser())
        page = await browser.open("agent", server.url, locale="es-ES")
        await page.fill("sign-in-user", _SEEN)
        await page.fill("sign-in-password", password)
        await page.click("sign-in-submit")
        await page.sees("user-menu")
        audio, agent_audio = await sounds.make(folder, speech=False)
        options = generator_basics(server) | {
            "agents": _AGENTS_AT_WORK,
            "at_once": 4 * _AGENTS_AT_WORK,
            "rate": rate,
            "total": 0,
            "hold_ms": 2000,
            "key_every_ms": 0,
            "answer_ms": 300,
            "audio": audio,
            "agent_audio": agent_audio,
        }
        generator = await stack.enter_async_context(Generator(program, options, _nothing))
        await generator.until(lambda report: report.ended > 5, within=60)
        heard.clear()
        await page.evaluate(_WATCH)
        await asyncio.sleep(seconds)
        measured = list(heard)
        painted = await _painted(page)
        if any(reader.done() for reader in open_pages):
            raise RuntimeError("a page lost its connection")
        await generator.stop()
    return _figures(pages, rate, seconds, measured, painted)


def _nothing(_: Report) -> None:
    return None


async def _sign_in_all(server: ServerProcess, pages: int, password: str) -> list[str]:
    """A session for each page: most are agents', a few supervisors'. The first is the browser's."""
    store = await open_store(server.config().database_url)
    hashed = hash_password(password)
    now = datetime.now(UTC)
    tokens = []
    for number in range(pages):
        agent = number < pages - _SUPERVISORS
        user_id = UserId(f"user_{number}")
        await store.users.put(
            UserRecord(
                user_id=user_id,
                username=_SEEN if number == 0 else f"page-{number}",
                name=f"Page {number}",
                role=Role.AGENT if agent else Role.SUPERVISOR,
                password_hash=hashed,
                agent_id=AgentId(f"agent_{FIRST_EXTENSION + number}") if agent else None,
            )
        )
        token = new_token(SESSION_PREFIX)
        await store.sessions.add(
            SessionRecord(
                token_hash=token_hash(token),
                user_id=user_id,
                created_at=now,
                expires_at=now + timedelta(hours=1),
                used_at=now,
            )
        )
        tokens.append(token)
    await store.close()
    return tokens


async def _read(
    client: aiohttp.ClientSession,
    server: ServerProcess,
    token: str,
    heard: list[tuple[str, float]],
) -> None:
    """One page: everything it is told, and how old that is when it comes."""
    headers = {"Authorization": f"Bearer {token}"}
    async with client.ws_connect(f"{server.url}/api/v1/live", headers=headers) as socket:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise RuntimeError(f"the live feed ended: {frame.type.name}")
            now = datetime.now(UTC)
            message = json.loads(frame.data)
            kind = str(message["type"])
            field = _TIMES.get(kind)
            if field is not None:
                at = datetime.fromisoformat(message[field])
                heard.append((kind, (now - at).total_seconds() * 1000))


async def _painted(page: BrowserPage) -> list[float]:
    """From offer to paint, of each pop in the browser."""
    marks = await page.evaluate("Object.entries(window.painted)")
    return [float(shown) - float(offered) for offered, shown in marks]


def _figures(
    pages: int,
    rate: float,
    seconds: float,
    measured: Sequence[tuple[str, float]],
    painted: Sequence[float],
) -> Figures:
    def share(values: Sequence[float], percent: float) -> float:
        return round(float(np.percentile(values, percent)), 1) if len(values) else 0.0

    everything = [delay for _, delay in measured]
    offers = [delay for kind, delay in measured if kind == "offer"]
    return Figures(
        pages=pages,
        calls_a_second=rate,
        seconds=seconds,
        messages=len(measured),
        p50_ms=share(everything, 50),
        p95_ms=share(everything, 95),
        p99_ms=share(everything, 99),
        offer_p50_ms=share(offers, 50),
        offer_p95_ms=share(offers, 95),
        pops_painted=len(painted),
        painted_p50_ms=share(painted, 50),
        painted_p95_ms=share(painted, 95),
    )
