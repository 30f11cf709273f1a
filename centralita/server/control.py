"""How a command on this machine tells the running server that the directory has changed.

The server listens on a Unix socket in its data folder that only its own user can open. It answers
when the change is in force, so that the command can say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from centralita.core.errors import CentralitaError, InvalidInput
from centralita.core.wire import Wire

log = logging.getLogger(__name__)

# A server that is starting answers when it serves.
_ANSWERS_WITHIN = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeChanges:
    """To the server: read users, agents, queues and flows again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """From the server: it is in force; or what kept it from being so."""

    trouble: str = ""


WIRE = Wire((TakeChanges, Taken))


def _socket(run_dir: Path) -> Path:
    return run_dir / "control.sock"


class ControlSocket:
    """The server's side."""

    def __init__(self, run_dir: Path, take_changes: Callable[[], Awaitable[None]]) -> None:
        self._path = _socket(run_dir)
        self._take_changes = take_changes
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(await WIRE.receive(reader), TakeChanges):
                WIRE.send(writer, await self._taken())
                await writer.drain()
        except (InvalidInput, ConnectionError) as exc:
            log.warning("command cannot be understood", extra={"error": str(exc)})
        finally:
            writer.close()

    async def _taken(self) -> Taken:
        try:
            await self._take_changes()
        except CentralitaError as exc:
            log.error("changes cannot be taken", extra={"error": str(exc)})
            return Taken(trouble=str(exc))
        return Taken()


async def tell_server(run_dir: Path) -> str:
    """Have the running server take what was changed; a sentence for whoever gave the command."""
    try:
        reader, writer = await asyncio.open_unix_connection(_socket(run_dir))
    except OSError:
        return "no server runs here; it counts as soon as one is started"
    answer: object | None = None
    try:
        WIRE.send(writer, TakeChanges())
        async with asyncio.timeout(_ANSWERS_WITHIN):
            answer = await WIRE.receive(reader)
    except (TimeoutError, InvalidInput):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    match answer:
        case Taken(trouble=""):
            return "the running server has taken it"
        case Taken(trouble=trouble):
            return f"kept, but the running server could not take it: {trouble}"
        case _:
            return (
                "kept, but the running server does not answer; it takes it within half a minute, "
                "or when it is started again"
            )
