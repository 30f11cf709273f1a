"""A child process that outlives even this program's image: see `keeper`, which replaces itself."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import subprocess
from collections.abc import Mapping

from centralita.core.landlock import enter, gain_nothing, rule_set
from centralita.core.process import ProcessSpec

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# Of our environment, which may hold anybody's secrets, children are given what programs need.
_PASSED = frozenset(
    ("HOME", "LANG", "LANGUAGE", "LOCALDOMAIN", "LOGNAME", "PATH", "RES_OPTIONS", "SSL_CERT_DIR",
     "SSL_CERT_FILE", "TMPDIR", "TZ", "TZDIR", "USER", "VIRTUAL_ENV")
)  # fmt: skip
_PASSED_KINDS = ("LC_", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "PYTHON")
_PASSED_ALSO = "CENTRALITA_PASS"
"""An environment variable with the names, divided by commas, of others that are passed, too."""


def die_with_parent() -> None:
    """Runs in the child: should its parent be killed, the kernel sends it SIGTERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What children are given of our environment."""
    also = environment.get(_PASSED_ALSO, "").split(",")
    return {
        name: value
        for name, value in environment.items()
        if name in _PASSED or name in also or name.startswith(_PASSED_KINDS)
    }


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
        rules = rule_set(spec.sandbox) if spec.sandbox is not None else None

        def prepare() -> None:
            die_with_parent()
            gain_nothing()
            if rules is not None:
                enter(rules)

        # A pipe of our own: asyncio's would let a grandchild that holds it hide the death.
        ears, mouth = os.pipe()
        try:
            started = subprocess.Popen(
                spec.argv,
                env={**passed_on(os.environ), **spec.env},
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=mouth,
                preexec_fn=prepare,
            )
        except (OSError, subprocess.SubprocessError) as exc:
            os.close(ears)
            if isinstance(exc, OSError):
                raise
            # Rather no child than one outside its sandbox.
            raise OSError(errno.EPERM, "it cannot be put into its sandbox") from exc
        finally:
            os.close(mouth)
            if rules is not None:
                os.close(rules)
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
