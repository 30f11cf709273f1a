"""The worker's end of the socket to the brain: a thread that reads, so that pjsip need not wait."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.telephony.protocol import COMMANDS, EVENTS, Command, Deframer, frame

log = logging.getLogger(__name__)


class BrainSocket:
    """Accepts one brain at a time; a new connection replaces the old one.

    Commands wait in `commands` until the worker's thread takes them; `wake` interrupts its wait.
    What cannot be sent because no brain is connected is dropped: a brain that connects is told
    what there is by `greet`, it does not want to hear what was.
    """

    def __init__(
        self, path: str, wake: Callable[[], None], greet: Callable[[], Iterable[object]]
    ) -> None:
        self.commands: deque[Command] = deque()
        self._path = Path(path)
        self._wake = wake
        self._greet = greet
        self._arrivals: deque[socket.socket] = deque()
        self._lock = threading.Lock()
        self._peer: socket.socket | None = None
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(4)

    def start(self) -> None:
        """Begin to accept the brain."""
        threading.Thread(target=self._accept, name="brain socket", daemon=True).start()

    def welcome(self) -> None:
        """Greet a brain that has come. From the worker's thread: no leg changes meanwhile."""
        while self._arrivals:
            peer = self._arrivals.popleft()
            with self._lock:
                self._drop()
                self._peer = peer
                self.commands.clear()
            for message in self._greet():
                self.send(message)
            threading.Thread(
                target=self._read, args=(peer,), name="brain reader", daemon=True
            ).start()

    def send(self, message: object) -> None:
        """Send an event, from any thread, in the order of the calls."""
        data = frame(EVENTS.encode(message))
        with self._lock:
            if self._peer is None:
                return
            try:
                self._peer.sendall(data)
            except OSError as exc:
                # A brain that reads nothing for the socket's send timeout is as good as gone.
                log.error("brain does not read, dropping it", extra={"error": str(exc)})
                self._drop()

    @property
    def connected(self) -> bool:
        """Whether a brain is there."""
        return self._peer is not None

    def close(self) -> None:
        """Remove the socket."""
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(None)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, b"\x01" + bytes(7) + bytes(8))
            self._arrivals.append(peer)
            self._wake()

    def _read(self, peer: socket.socket) -> None:
        deframer = Deframer()
        while True:
            try:
                data = peer.recv(65536)
                if not data:
                    break
                for body in deframer.push(data):
                    command = COMMANDS.decode(body)
                    assert isinstance(command, Command)
                    self.commands.append(command)
                self._wake()
            except InvalidInput as exc:
                log.error("brain sent nonsense, dropping it", extra={"error": str(exc)})
                break
            except OSError:
                break
        with self._lock:
            if self._peer is peer:
                self._drop()
        log.warning("brain has gone")

    def _drop(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            peer.close()
