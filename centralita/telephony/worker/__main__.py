"""`python -m centralita.telephony.worker SETTINGS.json`: one media worker."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from pathlib import Path

from centralita.core.errors import CentralitaError
from centralita.telephony.worker.service import Worker
from centralita.telephony.worker.settings import WorkerSettings


def main() -> int:
    """Run until SIGTERM; 2 when the worker cannot start. SIGUSR1 drains it, to its last call."""
    # The media clock takes the GIL for each tapped frame: a switch must not wait the usual 5 ms.
    sys.setswitchinterval(0.0001)
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    settings = WorkerSettings.load(Path(sys.argv[1]))
    # What it records is plain until it is stored: for our eyes only.
    os.umask(0o077)
    _raise_descriptor_limit()
    try:
        worker = Worker(settings)
    except CentralitaError as exc:
        print(f"centralita worker: {exc}", file=sys.stderr)
        return 2

    def stop(_signal: int, _frame: object) -> None:
        worker.stopping = True

    def leave(_signal: int, _frame: object) -> None:
        worker.drain(leave=True)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, leave)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the brain decides
    worker.run()
    return 0


def _raise_descriptor_limit() -> None:
    """Two descriptors a leg, and files: the usual 1024 end at 400 calls."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


if __name__ == "__main__":
    sys.exit(main())
