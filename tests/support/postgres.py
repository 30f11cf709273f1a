"""A real PostgreSQL for tests: made in a folder, reached over loopback, ended with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 30.0


def binaries() -> Path | None:
    """Where initdb and postgres are, the newest version first; None when not installed."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    if versions:
        return versions[-1]
    # Some machines have a wrapper of the same name in /usr/local: look through it.
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found is not None else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """A server in a folder of its own, which a test may stop and start again."""

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        # PostgreSQL refuses to run as root.
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._user = account.pw_uid if account is not None else None
        self._group = account.pw_gid if account is not None else None
        self._groups: list[int] | None = [] if account is not None else None
        self._bin_dir = bin_dir
        self._folder = folder
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        subprocess.run(
            [bin_dir / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder,
            user=self._user, group=self._group, extra_groups=self._groups,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Of the empty database `postgres`."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        """Returns when it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._bin_dir / "postgres", "-D", self._folder / "data", "-h", "127.0.0.1",
                 "-p", str(self._port), "-k", self._folder,
                 "-c", "fsync=off", "-c", "shared_buffers=32MB"],
                stdout=subprocess.DEVNULL, stderr=log, cwd=self._folder,
                user=self._user, group=self._group, extra_groups=self._groups,
            )  # fmt: skip
        _await_ready(self._bin_dir, self._port, self._server, self._folder / "log")

    def stop(self) -> None:
        """As an operator does who does not wait for its clients."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a server; it is ended with the block."""
    bin_dir = binaries()
    if bin_dir is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="centralita-pg-"))
    server: Postgres | None = None
    try:
        server = Postgres(bin_dir, folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; yields the URL of its empty database `postgres`."""
    with postgres_server() as server:
        yield server.url


def _await_ready(bin_dir: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    probe = [str(bin_dir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    while subprocess.run(probe, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
        time.sleep(0.05)
