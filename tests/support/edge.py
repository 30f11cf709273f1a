"""A real Kamailio with our configuration, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from centralita.core.errors import Unavailable
from centralita.telephony.edge.config import EdgeConfig, EdgePhone, EdgeTrunk, ha1
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.edge import Edge
from tests.support.server import file_has, free_port


def phone(extension: str, password: str, domain: str = "centralita") -> EdgePhone:
    """A phone with that password."""
    return EdgePhone(extension=extension, ha1=ha1(extension, domain, password))


@dataclass
class RunningEdge:
    """Kamailio at work."""

    edge: Edge
    control: EdgeControl
    process: asyncio.subprocess.Process
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Where it takes UDP and TCP."""
        return "127.0.0.1", self.edge.config.port

    @property
    def tls_address(self) -> tuple[str, int]:
        """Where it takes TLS."""
        return "127.0.0.1", self.edge.config.tls_port

    async def log_has(self, words: str) -> None:
        """Return when the log has them."""
        await file_has(self.log, words, within=10)


def edge_config(tmp_path: Path, workers: Sequence[tuple[str, int]]) -> EdgeConfig:
    """A small edge for tests."""
    return EdgeConfig(
        run_dir=tmp_path / "run",
        state_dir=tmp_path / "state",
        workers=tuple(workers),
        address="127.0.0.1",
        port=free_port(),
        tls_port=free_port(),
        processes=1,
        trunks=(EdgeTrunk(name="acme", addresses=("127.0.0.2",)),),
    )


@contextlib.asynccontextmanager
async def running_edge(
    config: EdgeConfig,
    phones: Sequence[EdgePhone] = (),
    *,
    change: Callable[[str], str] | None = None,
    within: Sequence[str] = (),
) -> AsyncIterator[RunningEdge]:
    """Start it, wait until it answers, and end it by its process id.

    `change` breaks kamailio.cfg, to see that somebody notices. `within` is a command that gives way
    to the one behind it.
    """
    edge = Edge(config)
    await edge.prepare(phones)
    if change is not None:
        file = config.folder / "kamailio.cfg"
        before = file.read_text(encoding="utf-8")
        assert change(before) != before
        file.write_text(change(before), encoding="utf-8")
    spec = edge.spec()
    log = config.run_dir / "edge.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *within,
            *spec.argv,
            env={**os.environ, **spec.env},
            cwd=spec.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    control = EdgeControl(config.control_pipe, timeout=timedelta(seconds=1))
    running = RunningEdge(edge, control, process, log)
    try:
        async with asyncio.timeout(15):
            while True:
                with contextlib.suppress(Unavailable):
                    await control.ping()
                    break
                assert process.returncode is None, log.read_text(errors="replace")
                await asyncio.sleep(0.05)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 8)
        except TimeoutError:
            process.kill()
            await process.wait()


__all__ = ["RunningEdge", "edge_config", "free_port", "phone", "replace", "running_edge"]


async def written_down(registrations: Path, *, phones: int) -> None:
    """Wait until so many registrations outlive the edge."""
    async with asyncio.timeout(10):
        while _on_disk(registrations) < phones:
            await asyncio.sleep(0.05)


def _on_disk(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM location").fetchone()[0])
