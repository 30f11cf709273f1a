"""`./dev bench browser-leg`: what a caller and an agent at a page hear of each other, and how late.

A server in its own process, a Chromium whose microphone chirps, a scripted caller who chirps too.
Each chirp is found again at the other end: that is the delay from mouth to ear, on one machine and
by one clock. All audio between page and media worker passes a detour that drops packets by a seeded
generator. The MOS is the E-model's, see `bench/e_model.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench import e_model
from bench.chirps import PERIOD, ROUND, SECONDS, Block, delays, times_of_chirps
from bench.page_ears import PageEars
from centralita.core.tasks import Tasks
from centralita.telephony.phone.phone import PhoneCall
from centralita.telephony.phone.rtp import FRAME_SECONDS
from tests.support.detour import Detour, detour
from tests.support.page_phone import center

# Until buffers have found their size.
_SETTLES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One direction at one loss. Delays are from mouth to ear."""

    direction: str
    loss_percent: float
    lost_percent: float
    missing_percent: float
    chirps: int
    delay_p50_ms: float
    delay_p95_ms: float
    buffer_ms: float | None
    rating: float
    mos: float


async def main(arguments: Sequence[str]) -> int:
    """Run the cases, print the table, write the JSON; 1 when a chirp was never heard."""
    parser = argparse.ArgumentParser(prog="./dev bench browser-leg", description=__doc__)
    parser.add_argument(
        "--loss", type=float, nargs="+", default=[0.0, 1.0, 3.0], help="percent, in each direction"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each case")
    parser.add_argument("--seed", type=int, default=1, help="which packets are dropped")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="centralita-bench-") as folder:
        figures = await measure(Path(folder), options.loss, options.seconds, options.seed)
    report(figures)
    if options.json is not None:
        rows = [asdict(one) for one in figures]
        options.json.write_text(json.dumps({"rows": rows, "seconds": options.seconds}, indent=2))
    return 0 if all(one.chirps for one in figures) else 1


async def measure(
    folder: Path, losses: Sequence[float], seconds: float, seed: int
) -> list[Figures]:
    """One call, in which each loss lasts so long."""
    async with center(folder, microphone=ROUND) as here, detour() as way:
        page = await here.agent()
        await way.lead(page)
        ears = PageEars(page)
        await ears.begin()
        call = await here.caller.call("110")
        await call.wait_answered()
        await page.click("phone-answer")
        await ears.hears_something()
        figures = []
        for number, loss in enumerate(losses):
            way.lose(loss / 100, seed + number)
            figures += await _case(ears, call, way, loss, seconds)
        await call.hang_up()
        await page.leave()
    return figures


async def _case(
    ears: PageEars, call: PhoneCall, way: Detour, loss: float, seconds: float
) -> list[Figures]:
    said: list[float] = []
    chirps = Tasks("chirps")
    chirps.spawn(_chirp(call, said), name="caller chirps")
    await asyncio.sleep(_SETTLES)
    await ears.take()
    said.clear()
    before, began = await ears.counts(), time.monotonic()
    passed = way.page.passed, way.page.dropped, way.worker.passed, way.worker.dropped
    await asyncio.sleep(seconds)
    ended = time.monotonic() - PERIOD  # what was said later may not have been heard yet
    counts, taps = (await ears.counts()).since(before), await ears.take()
    await chirps.close()
    page, worker = way.page, way.worker
    frames = [Block(frame.at, frame.samples) for frame in call.audio.frames if frame.at >= began]
    to_agent = delays([at for at in said if at < ended], times_of_chirps(taps.ear))
    at_page = [at for at in times_of_chirps(taps.microphone) if at < ended]
    to_caller = delays(at_page, times_of_chirps(frames))
    from_page = _share(page.dropped - passed[1], page.passed - passed[0])
    from_worker = _share(worker.dropped - passed[3], worker.passed - passed[2])
    return [
        _figures(
            "caller to agent",
            loss,
            from_worker,
            counts.concealed_percent,
            to_agent,
            counts.buffer_ms,
        ),
        # What the worker makes up it tells nobody: all that was lost counts.
        _figures("agent to caller", loss, from_page, from_page, to_caller, None),
    ]


async def _chirp(call: PhoneCall, said: list[float]) -> None:
    """One chirp a period; `said` gets when each began at the mouth."""
    while True:
        ended = await call.audio.say(ROUND[: int(SECONDS * 8000)])
        # A frame leaves when its 20 ms have been said.
        said.append(ended - SECONDS)
        await asyncio.sleep(PERIOD - SECONDS - FRAME_SECONDS)


def _share(dropped: int, passed: int) -> float:
    return 100 * dropped / (dropped + passed) if dropped + passed else 0.0


def _figures(
    direction: str,
    loss: float,
    lost: float,
    missing: float,
    found: Sequence[float],
    buffer_ms: float | None,
) -> Figures:
    milliseconds = [1000 * delay for delay in found] or [PERIOD * 1000]
    p50, p95 = (float(np.percentile(milliseconds, share)) for share in (50, 95))
    rating = e_model.rating(p50, missing)
    return Figures(
        direction=direction,
        loss_percent=loss,
        lost_percent=round(lost, 2),
        missing_percent=round(missing, 2),
        chirps=len(found),
        delay_p50_ms=round(p50, 1),
        delay_p95_ms=round(p95, 1),
        buffer_ms=None if buffer_ms is None else round(buffer_ms, 1),
        rating=round(rating, 1),
        mos=round(e_model.mos(rating), 2),
    )


def report(figures: Sequence[Figures]) -> None:
    """The table."""
    print(
        f"\n{'':17}{'loss %':>7}{'lost %':>8}{'missing %':>11}{'chirps':>8}"
        f"{'p50 ms':>8}{'p95 ms':>8}{'buffer ms':>11}{'R':>7}{'MOS':>6}"
    )
    for one in figures:
        buffer = "-" if one.buffer_ms is None else f"{one.buffer_ms:.0f}"
        print(
            f"{one.direction:17}{one.loss_percent:>7.1f}{one.lost_percent:>8.2f}"
            f"{one.missing_percent:>11.2f}{one.chirps:>8}{one.delay_p50_ms:>8.1f}"
            f"{one.delay_p95_ms:>8.1f}{buffer:>11}{one.rating:>7.1f}{one.mos:>6.2f}"
        )
