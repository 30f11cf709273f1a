"""A child process that outlives even this program's image: see `keeper`, which replaces itself."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess

from centralita.core.process import ProcessSpec

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Runs in the child: should its parent be killed, the kernel sends it SIGTERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class ChildProcess:
    """A running child of this process: `start` one, or go on with `ChildProcess(pid, ears)`.

    `ears` is the reading end of what it prints on standard error; whoever reads it closes it, and
    sets it to None.
    Not asyncio's own, which knows only what it has started itself. Needs a running loop.
    """

    def __init__(
        self, pid: int, ears: int | None, *, started: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.pid = pid
        self.ears = ears
        self.code: int | None = None
        # Kept and told of the end: one that is dropped unaware would ask for its child again.
        self._started = started
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)

    @classmethod
    def start(cls, spec: ProcessSpec) -> ChildProcess:
        """Run it; raises OSError when the system cannot."""
        # A pipe of our own: asyncio's would let a grandchild that holds it hide the death.
        ears, mouth = os.pipe()
        try:
            started = subprocess.Popen(
                spec.argv,
                env={**os.environ, **spec.env},
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=mouth,
                preexec_fn=die_with_parent,
            )
        except OSError:
            os.close(ears)
            raise
        finally:
            os.close(mouth)
        return cls(started.pid, ears, started=started)

    async def wait(self) -> int:
        """Its exit code, once it has ended; minus the signal that ended it."""
        await self._ended.wait()
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        if self._started is not None:
            self._started.returncode = self.code
        self._ended.set()
