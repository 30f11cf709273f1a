"""`python -m centralita.telephony.edge.launcher KAMAILIO ARGUMENT...`: Kamailio as one process.

Kamailio is a family of processes. Should its first one be killed, the others stay, keep the
ports, and no new Kamailio can start. This one stands before the family: when the first ends, in
whatever way, the rest is ended too; when this one is ended or killed, the family is told to end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """Runs in the child: the kernel sends it SIGTERM when this process is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # A descriptor for each connection.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))


def run(command: Sequence[str]) -> int:
    """Run Kamailio to its end; its exit code, or 128 and the signal that ended it."""
    family = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        family.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    # Ctrl-C reaches everybody at the terminal; the server decides when the edge ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = family.wait()
    with contextlib.suppress(ProcessLookupError):
        # The session is the family's own, so nobody else is in this group.
        os.killpg(family.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
