"""Tells the service manager how we are: sd_notify(3), by ourselves."""

from __future__ import annotations

import contextlib
import os
import socket
import time

ADDRESS = "NOTIFY_SOCKET"
"""The environment variable with the socket of whoever started us, if it wants to hear."""


class ServiceManager:
    """What systemd hears of a service of `Type=notify`. Without an address nobody hears it."""

    def __init__(self, address: str | None = None) -> None:
        given = os.environ.get(ADDRESS, "") if address is None else address
        # A name of the abstract kind begins with @ in the environment, and with a zero for sockets.
        self._address = f"\0{given[1:]}" if given.startswith("@") else given

    def ready(self, status: str) -> None:
        """It serves, from the start or after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """What it serves with is replaced; `ready` follows."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """It comes to its end."""
        self._tell("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """A line for `systemctl status`."""
        self._tell(f"STATUS={status}")

    def alive(self) -> None:
        """For the watchdog (`WatchdogSec`): whoever says nothing is started anew."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # Nobody may be there any more, or be too busy: that is no reason to stop work.
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outlet:
                outlet.setblocking(False)
                outlet.sendto("\n".join(lines).encode(), self._address)
