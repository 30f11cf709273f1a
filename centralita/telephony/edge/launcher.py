"""`python -m centralita.telephony.edge.launcher REGISTRATIONS KAMAILIO ARGUMENT...`.

Kamailio is a family of processes. Should its first one be killed, the others stay, keep the
ports, and no new Kamailio can start. This one stands before the family: when the first ends, in
whatever way, the rest is ended too; when this one is ended, the family is told to end, and killed
if it doesn't; when this one is killed, the next one ends what has stayed (`leftovers.py`).

Should the machine's clock jump, the family is started again with the registrations, in the file
REGISTRATIONS, moved to the new time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from centralita.telephony.edge.clock_jumps import JUMP, JumpWatch, RegistrationMemory
from centralita.telephony.edge.leftovers import FamilyFile

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.5
# Kamailio's own `exit_timeout` is 3 s, and it knows no end while it starts. Whoever ends us waits
# longer (`ProcessSpec.grace`).
_PATIENCE = 4.0
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """Runs in the child: the kernel sends it SIGTERM when this process is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # A descriptor for each connection.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))


class Launcher:
    """Runs Kamailio by `command`; `registrations` is the file that it keeps them in."""

    def __init__(self, registrations: Path, command: Sequence[str]) -> None:
        self._command = command
        self._jumps = JumpWatch()
        self._memory = RegistrationMemory(registrations)
        self._family: subprocess.Popen[bytes] | None = None
        self._told_to_end = False
        self._told_at = 0.0
        self._file = FamilyFile(registrations.with_name("family"))

    def end(self, number: int, _frame: FrameType | None) -> None:
        """Tell the family."""
        if not self._told_to_end:
            self._told_at = time.monotonic()
        self._told_to_end = True
        if self._family is not None:
            self._family.send_signal(number)

    def run(self) -> int:
        """Kamailio to its end; its exit code, or 128 and the signal that ended it."""
        if self._file.is_looked_after():
            print("ERROR: another edge of this data folder runs: end it first", file=sys.stderr)
            return 1
        # Kamailio refuses to start while somebody has the number in its file, be it a process that
        # has ended and that nobody has asked for yet.
        Path(self._after("-P")).unlink(missing_ok=True)
        left = self._file.end_leftovers(self._after("-f"))
        if left:
            print(f"WARNING: {left} processes of an earlier edge are ended", file=sys.stderr)
        # SQLite's first reader locks all others out while it prepares the file, and Kamailio does
        # not wait: it would not start.
        with contextlib.suppress(sqlite3.Error):
            self._memory.look(self._jumps, JUMP)
        while True:
            self._family = family = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            self._file.write(family.pid, os.getpid())
            if self._told_to_end:
                family.terminate()
            jump = self._clock_jumps(family)
            # Killed, not ended: it would write down that all have expired.
            with contextlib.suppress(ProcessLookupError):
                # The session is the family's own, so nobody else is in this group.
                os.killpg(family.pid, signal.SIGKILL)
            code = family.wait()
            if not jump or self._told_to_end:
                return code if code >= 0 else 128 - code
            try:
                kept = self._memory.put_back(jump)
            except sqlite3.Error as exc:
                print(f"WARNING: registrations are not kept: {exc}", file=sys.stderr)
            else:
                print(
                    f"WARNING: the clock jumped by {jump:.0f} s, {kept} registrations are kept",
                    file=sys.stderr,
                    flush=True,
                )
            self._jumps.told()

    def _after(self, option: str) -> str:
        """What Kamailio is given with an option: -f, a file that no other one has, or -P."""
        return self._command[self._command.index(option) + 1]

    def _clock_jumps(self, family: subprocess.Popen[bytes]) -> float:
        """By how many seconds, once it does; 0 when the family has ended."""
        ended = os.pidfd_open(family.pid)
        try:
            while not select.select([ended], [], [], _LOOK_EVERY)[0]:
                if self._told_to_end and time.monotonic() - self._told_at > _PATIENCE:
                    break
                jump = self._jumps.look()
                if abs(jump) > JUMP:
                    return jump
                with contextlib.suppress(sqlite3.Error):  # busy: there is another time to look
                    self._memory.look(self._jumps, JUMP)
        finally:
            os.close(ended)
        return 0.0


def main(arguments: Sequence[str]) -> int:
    """Run it; its exit code."""
    launcher = Launcher(Path(arguments[0]), arguments[1:])
    signal.signal(signal.SIGTERM, launcher.end)
    # Ctrl-C reaches everybody at the terminal; the server decides when the edge ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return launcher.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
