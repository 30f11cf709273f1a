"""A whole Centralita in a process of its own, on loopback and free ports."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import aiohttp
import psutil

from centralita.core.clock import SteadyClock
from centralita.server.config import Config, Overrides, load_config
from centralita.server.demo.company import found_company
from centralita.store.store import open_store
from centralita.telephony.phone.phone import Phone

ROOT = Path(__file__).resolve().parents[2]
Credentials = dict[str, dict[str, str]]

_SHARED = Path(tempfile.mkdtemp(prefix="centralita-tests-"))
atexit.register(shutil.rmtree, _SHARED, ignore_errors=True)
_FOUNDED = _SHARED / "company"
# What the house says is the same everywhere, and spoken once.
_SPOKEN = _SHARED / "spoken"


def free_port() -> int:
    """A port that neither UDP nor TCP uses on loopback at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


async def file_has(file: Path, words: str, *, within: float) -> None:
    """Until a file that another process writes has these words; else shows what it has."""

    def text() -> str:
        return file.read_text(errors="replace")

    try:
        async with asyncio.timeout(within):
            while words not in text():
                await asyncio.sleep(0.05)  # another process: nothing to await but its file
    except TimeoutError:
        raise AssertionError(f"not there: {words}\n{text()}") from None


def lives(server: ServerProcess) -> set[int]:
    """The processes that strangers reach: none may die of what they send."""
    found = set()
    for child in psutil.Process(server.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(child.cmdline())
            if "kamailio" in command or "telephony.worker" in command:
                found.add(child.pid)
    found.add(server.brain.pid)
    return found


async def _company_in(config: Config) -> Credentials:
    """The demonstration's company: its passwords take a second to hash, so it is founded once."""
    founded = _FOUNDED / f"{config.sip.domain}-{config.sip.region}"
    if config.database.url or (config.data / "centralita.db").exists():
        return await _found(config)
    if not founded.exists():
        credentials = await _found(config)
        founded.mkdir(parents=True)
        for name in ("centralita.db", "demo-credentials.json"):
            shutil.copy(config.data / name, founded)
        return credentials
    shutil.copytree(founded, config.data, dirs_exist_ok=True)
    return cast(Credentials, json.loads((config.data / "demo-credentials.json").read_text()))


async def _found(config: Config) -> Credentials:
    store = await open_store(config.database_url)
    try:
        return await found_company(store, config, SteadyClock())
    finally:
        await store.close()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where this server listens."""

    sip: int
    http: int


class ServerProcess:
    """`centralita serve` as its users run it: `async with ServerProcess(folder) as server`."""

    _running: ClassVar[set[psutil.Process]] = set()

    def __init__(
        self,
        folder: Path,
        *,
        extra: str = "",
        sip: str = "",
        media: str = "",
        trunk: str = "127.0.0.0/8",
        address: str = "127.0.0.1",
        demo: bool = True,
    ) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.ports = Ports(sip=free_port(), http=free_port())
        self.users: dict[str, str] = {}
        self.phones: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.extra = extra
        self._sip = sip
        self._media = media
        self._trunk = trunk
        self._address = address
        self._demo = demo
        self._config = folder / "sip.conf"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The page and the API."""
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def sip(self) -> tuple[str, int]:
        """Where to call."""
        return ("127.0.0.1", self.ports.sip)

    def uri(self, number: str) -> str:
        """The SIP URI of a number."""
        return f"sip:{number}@127.0.0.1:{self.ports.sip}"

    @property
    def pid(self) -> int:
        """The keeper's process id."""
        assert self._process is not None
        return self._process.pid

    def child(self, words: str) -> psutil.Process:
        """The process below with these words in its command line; its own children come after."""
        for child in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if words in " ".join(child.cmdline()):
                    return child
        raise AssertionError(f"no child with {words}")

    def children(self) -> set[int]:
        """The process ids of the keeper's children."""
        return {child.pid for child in psutil.Process(self.pid).children()}

    async def log_has(self, words: str, within: float = 20) -> None:
        """Until the server's log has these words."""
        await file_has(self.log, words, within=within)

    @property
    def brain(self) -> psutil.Process:
        """The process that decides."""
        return self.child("centralita.server serve")

    def config(self) -> Config:
        """The configuration that the process reads."""
        return load_config(self._config, Overrides(data=self.data))

    async def __aenter__(self) -> ServerProcess:
        await self.prepare()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def prepare(self) -> None:
        """Write sip.conf and found the demo company; a test may then add to the store."""
        first = 30000 + (self.ports.sip % 140) * 200
        self._config.write_text(
            f"[sip]\naddress = {self._address}\n"
            f"port = {self.ports.sip}\ntls_port = {free_port()}\n"
            f"ws_port = {free_port()}\nwss_port = {free_port()}\nworker_port = {free_port()}\n"
            f"{self._sip}\n"
            f"[media]\naddress = {'' if ':' in self._address else self._address}\n"
            f"rtp_ports = {first}-{first + 1999}\n{self._media or 'workers = 1'}\n"
            f"[http]\nport = {self.ports.http}\n"
            f"[trunk:loopback]\naddresses = {self._trunk}\ncaller_id = from\n" + self.extra,
            encoding="utf-8",
        )
        self.data.mkdir(parents=True, exist_ok=True)
        if not (self.data / "cache").exists():
            _SPOKEN.mkdir(exist_ok=True)
            (self.data / "cache").symlink_to(_SPOKEN)
        if self._demo:
            credentials = await _company_in(self.config())
            self.users, self.phones = credentials["users"], credentials["phones"]

    async def start(self) -> None:
        """Run it, until it takes calls."""
        arguments = ["serve", "--config", str(self._config), "--data", str(self.data)]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "centralita.server", *arguments),
                *(["--demo"] if self._demo else []),
                "--allow-root",
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.env},
            )
        self._running.add(psutil.Process(self._process.pid))
        async with asyncio.timeout(40), aiohttp.ClientSession() as session:
            while True:
                if self._process.returncode is not None:
                    raise AssertionError(f"the server ended:\n{self.tail()}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/healthz") as answer:
                        health = json.loads(await answer.text())
                        if answer.status == 200 and health["asr"]["ok"]:
                            return
                await asyncio.sleep(0.05)  # another process: nothing to await but its answer

    async def stop(self) -> int:
        """SIGTERM, as an operator does; the exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 45)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise AssertionError(f"the server did not stop:\n{self.tail()}") from None
        assert process.returncode is not None
        type(self)._running -= {known for known in self._running if known.pid == process.pid}
        return process.returncode

    @classmethod
    def kill_those_left(cls) -> None:
        """End every server that was not stopped, with its children."""
        while cls._running:
            with contextlib.suppress(psutil.NoSuchProcess):
                keeper = cls._running.pop()
                for process in (*keeper.children(recursive=True), keeper):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()

    def tail(self, lines: int = 60) -> str:
        """The end of the log, for a failing test's message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- people -----------------------------------------------------------------------------

    async def caller(self, number: str = "+34600111222") -> Phone:
        """A phone outside."""
        return await Phone(number, self.sip, domain="centralita").start()

    async def agent_phone(self, extension: str) -> Phone:
        """An agent's phone, registered."""
        password = self.phones[extension]
        phone = await Phone(extension, self.sip, password=password, domain="centralita").start()
        await phone.register()
        return phone

    def api(self, user: str) -> ApiClient:
        """The API as that user sees it."""
        return ApiClient(self.url, user, self.users[user])


class ApiClient:
    """A signed-in user of the API. Use as `async with server.api("ana") as api`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._user = user
        self._password = password
        self.headers: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiClient:
        async with aiohttp.ClientSession() as session:
            body = {"username": self._user, "password": self._password}
            async with session.post(f"{self._url}/api/v1/session", json=body) as answer:
                assert answer.status in (200, 201), await answer.text()
                token = (await answer.json())["token"]
        self.headers = {"Authorization": f"Bearer {token}"}
        self._session = aiohttp.ClientSession(headers=self.headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str) -> dict[str, object]:
        """The JSON at a path below /api/v1."""
        assert self._session is not None
        async with self._session.get(f"{self._url}/api/v1{path}") as answer:
            assert answer.status == 200, f"{path}: {answer.status} {await answer.text()}"
            result: dict[str, object] = await answer.json()
            return result

    async def bytes(self, path: str) -> bytes:
        """The body at a path below /api/v1."""
        assert self._session is not None
        async with self._session.get(f"{self._url}/api/v1{path}") as answer:
            assert answer.status in (200, 206), f"{path}: {answer.status}"
            return await answer.read()

    async def post(self, path: str, body: object) -> tuple[int, dict[str, object]]:
        """Status and JSON of a POST."""
        assert self._session is not None
        async with self._session.post(f"{self._url}/api/v1{path}", json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else {}

    async def put(self, path: str) -> int:
        """The status of a PUT without a body."""
        assert self._session is not None
        async with self._session.put(f"{self._url}/api/v1{path}") as answer:
            return answer.status

    async def delete(self, path: str) -> int:
        """The status of a DELETE."""
        assert self._session is not None
        async with self._session.delete(f"{self._url}/api/v1{path}") as answer:
            return answer.status

    async def live(self) -> aiohttp.ClientWebSocketResponse:
        """The live feed."""
        assert self._session is not None
        return await self._session.ws_connect(f"{self._url}/api/v1/live")
