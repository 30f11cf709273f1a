"""`./dev bench long-call`: does a page's call outlive its counters?

An RTP sequence number wraps after 65,536 packets, 22 minutes of 20 ms. From then on both ends must
agree on how often it has (the rollover counter of SRTP, RFC 3711 3.3.1), and no SDP tells it: who
begins to count anew at a hold or at a change of network hears nothing any more. The call lasts so
long that both directions have wrapped, and is then held and resumed, and led another way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from centralita.telephony.phone.phone import PhoneCall
from tests.support.browser import BrowserPage
from tests.support.detour import Detour, detour
from tests.support.page_phone import AGENT_HZ, both_hear, center, hears

_PACKETS_BEFORE_WRAP = 65536
_SAYS_EVERY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds until both heard each other again; packets of each direction before."""

    packets_from_page: int
    packets_from_worker: int
    after_hold_s: float
    after_another_way_s: float
    after_second_hold_s: float


async def main(arguments: Sequence[str]) -> int:
    """Hold the call, change it, print the figures; fails when somebody is not heard."""
    parser = argparse.ArgumentParser(prog="./dev bench long-call", description=__doc__)
    parser.add_argument("--minutes", type=float, default=23.0, help="before anything is changed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="centralita-bench-") as folder:
        figures = await measure(Path(folder), options.minutes * 60)
    for name, value in asdict(figures).items():
        print(f"{name:24} {value:>10.1f}" if isinstance(value, float) else f"{name:24} {value:>8}")
    fewest = min(figures.packets_from_page, figures.packets_from_worker)
    if fewest < _PACKETS_BEFORE_WRAP:
        print("too short: a sequence number that began at 0 has not wrapped yet")
    if options.json is not None:
        options.json.write_text(json.dumps({"rows": [asdict(figures)]}, indent=2))
    return 0


async def measure(folder: Path, seconds: float) -> Figures:
    """One call."""
    async with center(folder) as here, detour() as way, detour() as another:
        page = await here.agent()
        await way.lead(page)
        call = await here.talk(page)
        await _last(call, page, way, seconds)
        await both_hear(page, call)
        packets = way.page.passed, way.worker.passed
        # Elsewhere than at the desk the page's phone holds by itself, in a re-INVITE.
        await page.press("2")
        first_hold = await _hold(page, call)
        await another.lead(page)
        began = time.monotonic()
        way.cut()
        await page.until(hears(0))
        await both_hear(page, call)
        led = time.monotonic() - began
        second_hold = await _hold(page, call)
        await call.hang_up()
        await page.leave()
    return Figures(
        packets_from_page=packets[0],
        packets_from_worker=packets[1],
        after_hold_s=first_hold,
        after_another_way_s=led,
        after_second_hold_s=second_hold,
    )


async def _last(call: PhoneCall, page: BrowserPage, way: Detour, seconds: float) -> None:
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < seconds:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(call.ended.wait(), min(_SAYS_EVERY, seconds - lasted))
            raise SystemExit(
                f"the call has ended after {time.monotonic() - began:.1f} s; "
                f"the page says: {await page.problems() or 'nothing'}"
            )
        print(
            f"  {(time.monotonic() - began) / 60:.0f} min, packets from the page "
            f"{way.page.passed}, from the worker {way.worker.passed}",
            flush=True,
        )


async def _hold(page: BrowserPage, call: PhoneCall) -> float:
    """How long it takes, after the agent resumes, until both hear each other."""
    await page.click("phone-hold")
    await page.sees('[data-testid="phone-hold"][aria-pressed="true"]')
    await call.audio.until(lambda frame: not frame.has_tone(AGENT_HZ), within=10)
    await page.click("phone-hold")
    began = time.monotonic()
    await both_hear(page, call)
    return time.monotonic() - began
