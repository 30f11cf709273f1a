"""The keeper: the parent of all processes. It starts the brain and outlives it, as calls do.

Media workers, recognisers and Kamailio are its children, not the brain's: a brain that dies
leaves them at work, and the next one finds them there. The keeper does nothing else, so that
there is nothing in it to go wrong.

For new code it replaces itself as well, in the same process, so that its children stay its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from centralita.core.errors import InvalidInput
from centralita.core.tasks import Tasks
from centralita.server.child import die_with_parent
from centralita.server.service_manager import ADDRESS, ServiceManager
from centralita.server.supervision import (
    ALIVE_EVERY,
    KEEPER_SOCKET,
    WIRE,
    Alive,
    Children,
    ChildState,
    Closing,
    Keep,
    Kill,
    LetEnd,
    Serving,
)
from centralita.server.supervisor import Inherited, Supervisor, pause_after

log = logging.getLogger(__name__)

# A brain whose loop has stood still this long is replaced; its longest pauses are a tenth of it.
_HANGS_AFTER = 10 * ALIVE_EVERY
# What a brain may take to end after SIGTERM, beyond its own grace for the calls.
_BEYOND_GRACE = timedelta(seconds=30)
INHERITANCE = "CENTRALITA_CHILDREN"
"""The environment variable in which a keeper leaves its children to the program it becomes."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
# Of a connection by Unix socket: process, user and group (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")
# What it may take to leave its calls to the next: they are served by nobody meanwhile.
_LEAVING = timedelta(seconds=4)


async def run_keeper(run_dir: Path, arguments: Sequence[str], *, grace: timedelta) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns the brain's exit code.

    `arguments` are those of this command, `serve` first: the brain gets the same. `grace` is what
    calls are given to end by themselves after SIGTERM.
    """
    program = (sys.executable, "-P", "-m", "centralita.server")
    keeper = Keeper(
        run_dir / "keeper.sock",
        (*program, *arguments),
        rehearsal=(*program, "check", *arguments[1:]),
        successor=(*program, *arguments),
        grace=grace,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.stop)
    loop.add_signal_handler(signal.SIGHUP, keeper.reload)
    loop.add_signal_handler(signal.SIGUSR2, keeper.renew)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # see `_become`
    return await keeper.run(_inherited())


class Keeper:
    """One brain after the other, and the children that they ask for.

    It listens to its brain, and to nobody else, at `place`, a Unix socket. `brain` is the command
    that starts one. A brain that is silent for `hangs_after` is replaced. Before it is renewed,
    `rehearsal` must end with 0; then this process becomes `successor`, or stays as it is when there
    is none.
    """

    def __init__(
        self,
        place: Path,
        brain: Sequence[str],
        *,
        rehearsal: Sequence[str] = (),
        successor: Sequence[str] = (),
        grace: timedelta = timedelta(seconds=30),
        hangs_after: timedelta = _HANGS_AFTER,
        manager: ServiceManager | None = None,
    ) -> None:
        self._manager = manager or ServiceManager()
        self._place = place
        self._argv = tuple(brain)
        self._rehearsal = tuple(rehearsal)
        self._successor = tuple(successor)
        self._grace = (grace + _BEYOND_GRACE).total_seconds()
        self._hangs_after = hangs_after.total_seconds()
        self._children = Supervisor(on_change=self._tell)
        self._tasks = Tasks("keeper")
        self._brain: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._serving = False  # a brain does, or one did
        self._this_one_serves = False
        # Signals for a brain that starts: it would die of them.
        self._pending: set[signal.Signals] = set()
        self._stopping = False
        self._rehearsing = False
        self._renewing = False
        self._heard_at = time.monotonic()

    def stop(self) -> None:
        """End the brain, which ends its calls first; then everything else."""
        self._stopping = True
        self._manager.stopping("No new calls; those that are here may end")
        self._send(signal.SIGTERM)

    def reload(self) -> None:
        """Let the brain look at its directory again."""
        self._pass_on(signal.SIGHUP)

    def renew(self) -> None:
        """Let the brain leave its calls to a new one: new code, or a changed `sip.conf`.

        Nothing happens when the next one would not start; the log says why.
        """
        if not (self._stopping or self._rehearsing or self._renewing):
            self._rehearsing = True
            self._tasks.spawn(self._renew(), name="renew")

    def _pass_on(self, number: signal.Signals) -> None:
        """The signal is meant for the brain, as soon as it serves."""
        if not self._this_one_serves:
            self._pending.add(number)
            return
        if number is signal.SIGUSR2:
            self._renewing = True
            self._manager.reloading("Another brain takes over the calls")
        self._send(number)

    def _send(self, number: signal.Signals) -> None:
        if self._brain is not None:
            with contextlib.suppress(ProcessLookupError):
                self._brain.send_signal(number)

    async def run(self, children: Sequence[Inherited] | None = None) -> int:
        """Keep a brain alive. One that never came to serve is not tried again: its error stands.

        With the `children` of the keeper before this one there are calls to serve: then each
        brain that fails is followed by another.
        """
        self._place.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._converse, self._place)
        self._place.chmod(0o600)
        if children is not None:
            self._serving = True
            self._children.inherit(children)
        try:
            pause = 0.0
            while True:
                began = time.monotonic()
                code = await self._one_brain()
                if self._stopping or not self._serving:
                    return code if code >= 0 else 128 - code
                if self._renewing:
                    self._renewing = False
                    log.info("brain has left, calls go on, starting the next", extra={"code": code})
                    self._become_successor()
                    continue
                log.error("brain died, calls go on, starting it again", extra={"code": code})
                self._manager.status("The brain died and is started again; calls go on")
                pause = pause_after(pause, lived=time.monotonic() - began)
                await asyncio.sleep(pause)
        finally:
            await self._tasks.close()
            await self._children.close()
            server.close()
            self._place.unlink(missing_ok=True)

    async def _renew(self) -> None:
        try:
            refusal = await self._rehearse()
        finally:
            self._rehearsing = False
        if refusal:
            log.error("not renewed, the next would not start", extra={"why": refusal})
        elif not self._stopping:
            self._pass_on(signal.SIGUSR2)

    async def _rehearse(self) -> str:
        """Why the next program would not start; empty when nothing is known against it."""
        if not self._rehearsal:
            return ""
        trial = await asyncio.create_subprocess_exec(
            *self._rehearsal,
            env=_without_manager(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        _, said = await trial.communicate()
        return said.decode(errors="replace").strip() if trial.returncode != 0 else ""

    def _become_successor(self) -> None:
        """Replace this program by another one in the same process, which inherits the children."""
        if not self._successor:
            return
        heirs = msgspec.json.encode(self._children.bequeath())
        # Until the next program has its handlers, a signal would end it, and everything with it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        logging.shutdown()
        sys.stdout.flush()
        try:
            os.execve(
                self._successor[0], self._successor, {**os.environ, INHERITANCE: heirs.decode()}
            )
        except OSError as exc:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            log.error("keeper stays as it is", extra={"error": str(exc)})

    async def _one_brain(self) -> int:
        self._this_one_serves = False
        self._brain = brain = await asyncio.create_subprocess_exec(
            *self._argv,
            env={**_without_manager(), KEEPER_SOCKET: str(self._place)},
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        if self._stopping:
            brain.terminate()
        self._heard_at = time.monotonic()
        stop_by: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(brain.wait(), ALIVE_EVERY.total_seconds())
            now = time.monotonic()
            if stop_by is None and (self._stopping or self._renewing):
                stop_by = now + (self._grace if self._stopping else _LEAVING.total_seconds())
            silent = self._serving and now - self._heard_at > self._hangs_after
            if silent or (stop_by is not None and now > stop_by):
                log.error("brain hangs and is killed", extra={"pid": brain.pid})
                with contextlib.suppress(ProcessLookupError):
                    brain.kill()
                return await brain.wait()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_the_brain(writer):
            # Whoever may say what is run here may do all that we may.
            log.error("keeper hears nobody but the brain, who comes here is sent away")
            writer.close()
            return
        self._writer = writer
        self._tell()
        try:
            while (message := await WIRE.receive(reader)) is not None:
                self._heard_at = time.monotonic()
                match message:
                    case Keep(spec=spec):
                        self._children.keep(spec)
                    case LetEnd(name=name):
                        self._children.let_end(name)
                    case Kill(name=name):
                        self._children.kill(name)
                    case Serving():
                        self._serving = self._this_one_serves = True
                        self._manager.ready("Takes calls")
                        pending, self._pending = self._pending, set()
                        for number in sorted(pending):
                            self._pass_on(number)
                    case Closing():
                        self._children.expect_ends()
                    case Alive():
                        # Its loop turns. That ours does would say nothing of the house.
                        self._manager.alive()
                    case _:
                        log.error("brain said what it must not", extra={"what": repr(message)})
        except InvalidInput as exc:
            log.error("brain cannot be understood", extra={"error": str(exc)})
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()

    def _is_the_brain(self, writer: asyncio.StreamWriter) -> bool:
        peer: socket.socket = writer.get_extra_info("socket")
        pid, _, _ = _CREDENTIALS.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return self._brain is not None and pid == self._brain.pid

    def _tell(self) -> None:
        if self._writer is None:
            return
        children = tuple(
            ChildState(
                name=name,
                pid=self._children.pid(name),
                restarts=self._children.restarts(name),
                last_words=self._children.last_words(name),
            )
            for name in self._children.names()
        )
        WIRE.send(self._writer, Children(children=children))


def _without_manager() -> dict[str, str]:
    """Our environment, for those who have nothing to say to the service manager."""
    return {name: value for name, value in os.environ.items() if name != ADDRESS}


def _inherited() -> list[Inherited] | None:
    """The children of the keeper that became this one; None for the first."""
    heirs = os.environ.pop(INHERITANCE, None)
    return None if heirs is None else msgspec.json.decode(heirs, type=list[Inherited])
