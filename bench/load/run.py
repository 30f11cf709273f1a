"""One run: a fresh server, a load, what it cost."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.load import meter, sounds
from bench.load.cases import NUMBER, QUEUE, Case, Shape
from bench.load.generator import Generator, Report
from bench.load.report import Row, make_row
from centralita.core.clock import SteadyClock
from centralita.core.ids import AgentId, FlowId, QueueId
from centralita.store.records import AgentRecord, QueueRecord
from centralita.store.store import open_store
from centralita.telephony.edge.config import ha1
from tests.support.server import ServerProcess, free_port

_PASSWORD = "load-and-nothing-else"
FIRST_EXTENSION = 2000
_FIRST_RTP_PORT = 10000
# Calls that begin together would all speak at once: a ramp, in calls a second.
_RAMP = 40.0
_SETTLE = 3.0
_AFTER = 5.0
# SIP keeps what it knows of a call for a while after its end: RFC 3261 17.2.2, timer J.
REMEMBERED = 35.0


async def run_case(
    case: Case, size: int, *, program: Path, seconds: float, total: int, workers: int
) -> Row:
    """Run `case` at `size` and hold it for `seconds`, or make `total` calls."""
    held = case.shape is Shape.HELD
    at_once = size if held else max(20, int(size * (case.hold + case.seconds_each)))
    agents = at_once if case.agents else 0
    with tempfile.TemporaryDirectory(prefix="centralita-load-") as name:
        folder = Path(name)
        server = ServerProcess(
            folder,
            media=f"max_calls = 1000\nworkers = {workers}\n",
            extra=case.server,
        )
        await server.prepare()
        await prepare(server, case, agents)
        audio, agent_audio = await sounds.make(folder, speech=case.speech)
        await server.start()
        progress = _Progress(f"{case.name} {size}")
        try:
            before = await _at_rest(server.pid)
            options = generator_basics(server) | {
                "agents": agents,
                "at_once": at_once,
                "rate": min(_RAMP, size) if held else size,
                "total": total,
                "hold_ms": int(case.hold * 1000),
                "key_every_ms": int(case.key_every * 1000),
                "answer_ms": 100 if held else 0,
                "audio": audio,
                "agent_audio": agent_audio,
            }
            async with Generator(program, options, progress.show) as generator:
                if held:
                    row = await _held(case, size, generator, server, before, seconds)
                else:
                    row = await _passing(case, size, generator, server, before, seconds, total)
        except (TimeoutError, RuntimeError):
            print(server.tail(), file=sys.stderr)
            raise
        finally:
            progress.end()
            await server.stop()
    return row


def generator_basics(server: ServerProcess) -> dict[str, object]:
    """What each generator is told of a server that `prepare` has prepared."""
    return {
        "server_port": server.ports.sip,
        "sip_port": free_port(),
        "rtp_port": _FIRST_RTP_PORT,
        "number": NUMBER,
        "password": _PASSWORD,
        "first_extension": FIRST_EXTENSION,
    }


async def _held(
    case: Case,
    size: int,
    generator: Generator,
    server: ServerProcess,
    before: meter.Reading,
    seconds: float,
) -> Row:
    """All calls up, then the plateau, then the end of all."""

    def all_up(report: Report) -> bool:
        return report.answered >= size and (not case.agents or report.picked_up >= size)

    await generator.until(all_up, within=60 + size / min(_RAMP, size))
    await asyncio.sleep(_SETTLE)
    ramp = await generator.figures()
    generator.mark()
    async with meter.reference() as taken:
        begin, began = meter.read(server.pid), meter.cpu_of(generator.pid)
        await asyncio.sleep(seconds)
        report = await generator.figures()
        end, used = meter.read(server.pid), meter.cpu_of(generator.pid) - began
    await generator.stop()
    return make_row(
        case=case.name,
        size=size,
        held=True,
        report=report,
        setup=ramp,
        before=before,
        begin=begin,
        end=end,
        after=await _at_rest(server.pid, pause=_AFTER),
        generator_cpu_s=used,
        # A call that ended though nobody hung up has failed, too.
        failed=ramp.failed + report.failed + ramp.ended + report.ended,
        reference_ms=meter.median(taken),
    )


async def _passing(
    case: Case,
    size: int,
    generator: Generator,
    server: ServerProcess,
    before: meter.Reading,
    seconds: float,
    total: int,
) -> Row:
    """Calls that come and go, for some seconds or up to a number."""
    registering = 30.0 if case.agents else 0.0
    if not total:
        await generator.until(lambda report: report.ended > size, within=30 + registering)
        generator.mark()
    async with meter.reference() as taken:
        begin, began = meter.read(server.pid), meter.cpu_of(generator.pid)
        if total:
            await generator.until(
                lambda report: report.ended + report.failed >= total,
                within=60 + registering + 3 * total / size,
            )
        else:
            await asyncio.sleep(seconds)
        report = await generator.figures()
        end, used = meter.read(server.pid), meter.cpu_of(generator.pid) - began
    await generator.stop()
    if total:
        await asyncio.sleep(REMEMBERED)
    return make_row(
        case=case.name,
        size=size,
        held=False,
        report=report,
        setup=report,
        before=before,
        begin=begin,
        end=end,
        after=await _at_rest(server.pid, pause=_AFTER),
        generator_cpu_s=used,
        failed=report.failed + report.cut,
        reference_ms=meter.median(taken),
    )


async def _at_rest(root: int, *, pause: float = 1.0) -> meter.Reading:
    """A reading when what was begun has been finished: recordings, entries, freed memory."""
    reading = meter.read(root)
    for _ in range(30):
        await asyncio.sleep(pause)
        now = meter.read(root)
        if sum(now.cpu_s.values()) - sum(reading.cpu_s.values()) < 0.1 * pause:
            return now
        reading = now
    return reading


async def prepare(server: ServerProcess, case: Case, agents: int) -> None:
    """The flow, the queue and the agents."""
    store = await open_store(server.config().database_url)
    domain = server.config().sip.domain
    extensions = [str(FIRST_EXTENSION + number) for number in range(agents)]
    for extension in extensions:
        await store.agents.put(
            AgentRecord(
                agent_id=AgentId(f"agent_{extension}"),
                name=f"Agent {extension}",
                extension=extension,
                ha1=ha1(extension, domain, _PASSWORD),
                status="available",
            )
        )
    await store.queues.put(
        QueueRecord(
            queue_id=QueueId(QUEUE),
            title="Load",
            language="es",
            agents=tuple(AgentId(f"agent_{extension}") for extension in extensions),
            settings={
                "wrap_up": "0s",
                "record": case.record,
                "announce_recording": False,
                "exit_when_empty": False,
            },
        )
    )
    flow = await store.flows.add_version(FlowId("load"), case.flow, at=SteadyClock().now())
    await store.flows.publish(FlowId("load"), flow.version, numbers=(NUMBER,))
    await store.close()


class _Progress:
    """A line that changes on a screen, a line every ten seconds elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._screen = sys.stderr.isatty()
        self._next = 0.0
        self._began = time.monotonic()

    def show(self, report: Report) -> None:
        """The generator has reported."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.5 if self._screen else 10)
        text = (
            f"  {self._title}: {now - self._began:4.0f} s, {report.up} calls up, "
            f"{report.answered} answered, {report.ended} ended, {report.failed} failed, "
            f"{report.lost} packets lost, {report.late} late"
        )
        print(
            f"\r{text}\033[K" if self._screen else text,
            end="" if self._screen else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """Leave the line."""
        if self._screen:
            print(file=sys.stderr)
