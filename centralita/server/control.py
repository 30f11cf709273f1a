"""How a command on this machine tells the running server that the directory has changed, and asks
it how the trunks are.

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

from centralita.core.errors import CentralitaError, InvalidInput, Unavailable
from centralita.core.wire import Wire
from centralita.telephony.edge.trunk_state import TrunkState

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTrunks:
    """To the server: how are the trunks?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunksAre:
    """From the server."""

    states: tuple[TrunkState, ...]


WIRE = Wire((TakeChanges, Taken, AskTrunks, TrunksAre))


def _socket(run_dir: Path) -> Path:
    return run_dir / "control.sock"


class ControlSocket:
    """The server's side."""

    def __init__(
        self,
        run_dir: Path,
        take_changes: Callable[[], Awaitable[None]],
        trunks: Callable[[], tuple[TrunkState, ...]] = tuple,
    ) -> None:
        self._path = _socket(run_dir)
        self._take_changes = take_changes
        self._trunks = trunks
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
            match await WIRE.receive(reader):
                case TakeChanges():
                    WIRE.send(writer, await self._taken())
                case AskTrunks():
                    WIRE.send(writer, TrunksAre(states=self._trunks()))
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


async def ask_trunks(run_dir: Path) -> tuple[TrunkState, ...]:
    """How the trunks of the running server are; raises Unavailable when there is none."""
    try:
        answer = await _ask(run_dir, AskTrunks())
    except OSError as exc:
        raise Unavailable(f"no server runs in {run_dir.parent}; start it, or name --data") from exc
    if not isinstance(answer, TrunksAre):
        raise Unavailable("the running server does not answer; its log may say why")
    return answer.states


async def _ask(run_dir: Path, question: object) -> object | None:
    """What the running server answers, if it does. Raises OSError when none runs."""
    reader, writer = await asyncio.open_unix_connection(_socket(run_dir))
    answer: object | None = None
    try:
        WIRE.send(writer, question)
        async with asyncio.timeout(_ANSWERS_WITHIN):
            answer = await WIRE.receive(reader)
    except (TimeoutError, InvalidInput):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answer


async def tell_server(run_dir: Path) -> str:
    """Have the running server take what was changed; a sentence for whoever gave the command."""
    try:
        answer = await _ask(run_dir, TakeChanges())
    except OSError:
        return "no server runs here; it counts as soon as one is started"
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
