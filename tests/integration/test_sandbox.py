"""What a child process could do if a stranger had it: programs of ours in the real sandboxes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from centralita.asr.vosk.pool import VoskPool
from centralita.core.landlock import landlock_version
from centralita.core.process import ProcessSpec, Sandbox
from centralita.server import confinement as confining
from centralita.server.child import ChildProcess, passed_on
from centralita.server.config import Config
from centralita.server.confinement import Confinement
from centralita.server.telephony import edge_config, worker_settings
from centralita.telephony.edge.edge import Edge
from centralita.telephony.link import WorkerLink
from tests.support.server import ROOT, ServerProcess

needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")

# Tries each thing and says which succeeded.
PROBE = """
import json, os, socket, sys
def possible(deed):
    try:
        deed()
    except OSError:
        return False
    return True
def deeds(kind, path):
    return {
        "read": lambda: open(path, "rb").read(1),
        "list": lambda: os.listdir(path),
        "write": lambda: open(path, "ab").close(),
        "remove": lambda: os.unlink(path),
        "link": lambda: os.symlink(path, path + ".link"),
        "run": lambda: os.posix_spawn(path, [path], {}),
        "listen": lambda: socket.socket(socket.AF_UNIX).bind(path),
        "tcp": lambda: socket.create_connection(("127.0.0.1", int(path)), 1),
        "signal": lambda: os.kill(int(path), 0),
    }[kind]
found = [possible(deeds(kind, path)) for kind, path in json.loads(sys.argv[1])]
print(json.dumps(found), file=sys.stderr)
"""

Deed = tuple[str, object]


async def outcome(spec: ProcessSpec, *deeds: Deed) -> dict[Deed, bool]:
    """What of it succeeds in the sandbox of that process."""
    wishes = json.dumps([(kind, str(what)) for kind, what in deeds])
    probe = replace(spec, argv=(sys.executable, "-c", PROBE, wishes), name="probe")
    return dict(zip(deeds, json.loads(await last_words(probe)), strict=True))


async def last_words(spec: ProcessSpec) -> str:
    """What it prints before it ends."""
    child = ChildProcess.start(spec)
    await child.wait()
    assert child.ears is not None
    with os.fdopen(child.ears) as ears:
        return ears.read().strip()


class House:
    """A data folder as a server leaves it, and the processes that would be started there."""

    def __init__(self, folder: Path) -> None:
        self.config = config = Config(data=folder / "data")
        self.database = config.data / "centralita.db"
        self.key = config.keys_dir / "2026.key"
        self.head = config.audit_dir / "head"
        self.journal = config.data / "journal" / "today"
        self.recording = config.recordings_dir / "one.wav"
        self.phones = config.run_dir / "edge" / "db" / "phones"
        self.spool = config.recordings_dir / "spool"
        self.prompt = config.data / "prompts" / "music.wav"
        self.model = folder / "model" / "words"
        self.registrations = config.data / "edge" / "registrations.sqlite"
        for file in (*self.secrets, self.phones, self.prompt, self.model, self.registrations):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("something")
        self.spool.mkdir()
        self.confinement = Confinement(config)

    @property
    def secrets(self) -> tuple[Path, ...]:
        return (self.database, self.key, self.head, self.journal, self.recording)

    @property
    def forbidden(self) -> list[Deed]:
        """What none of them may do."""
        return [
            *(("read", file) for file in self.secrets),
            *(("write", file) for file in self.secrets),
            *(("remove", file) for file in self.secrets),
            *(("list", file.parent) for file in self.secrets),
            ("write", self.config.data / "something.new"),
            ("link", self.key),
            # Not by another name of the same place either.
            ("read", f"/proc/self/root{self.database}"),
            # Nor the memory and the environment of those who know.
            ("read", f"/proc/{os.getpid()}/environ"),
            ("read", f"/proc/{os.getpid()}/maps"),
            ("read", Path.home() / ".bashrc"),
        ]

    def media_worker(self) -> ProcessSpec:
        link = WorkerLink(worker_settings(self.config))
        return self.confinement.media_worker(link.specs(self.config.run_dir)[0])

    def recogniser(self) -> ProcessSpec:
        pool = VoskPool({"es": self.model.parent}, self.config.run_dir)
        return self.confinement.recogniser(pool.specs()[0], [self.model.parent])

    def edge(self) -> ProcessSpec:
        return self.confinement.edge(Edge(edge_config(self.config)).spec())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def refuses_all(spec: ProcessSpec, deeds: list[Deed]) -> None:
    done = await outcome(replace(spec, cwd=None), *deeds)
    assert [deed for deed, succeeded in done.items() if succeeded] == []


async def allows_all(spec: ProcessSpec, deeds: list[Deed]) -> None:
    done = await outcome(replace(spec, cwd=None), *deeds)
    assert [deed for deed, succeeded in done.items() if not succeeded] == []


@needs_landlock
async def test_a_media_worker_plays_prompts_and_drops_recordings_and_no_more(house: House) -> None:
    worker = house.media_worker()
    await allows_all(
        worker,
        [
            ("read", house.prompt),
            ("read", worker.argv[-1]),
            ("write", house.spool / "track.wav"),
            ("listen", house.config.run_dir / "worker-0.sock"),
            ("remove", house.config.run_dir / "worker-0.sock"),
        ],
    )
    track = house.spool / "somebody-else.wav"
    track.write_text("said by another caller")
    await refuses_all(
        worker,
        [
            *house.forbidden,
            ("read", track),
            ("read", house.phones),
            ("write", house.prompt),
            ("write", house.config.run_dir / "any"),
            ("signal", os.getpid()),
        ],
    )


@needs_landlock
async def test_a_recogniser_reads_its_models_and_no_more(house: House) -> None:
    recogniser = house.recogniser()
    await allows_all(
        recogniser, [("read", house.model), ("listen", house.config.run_dir / "asr-1.sock")]
    )
    await refuses_all(
        recogniser,
        [
            *house.forbidden,
            ("read", house.prompt),
            ("read", house.phones),
            ("write", house.model),
            ("write", house.spool / "track.wav"),
            ("signal", os.getpid()),
        ],
    )


@needs_landlock
async def test_the_edge_has_its_own_files_and_no_others(house: House) -> None:
    edge = house.edge()
    await allows_all(
        edge,
        [
            ("read", house.phones),
            ("write", house.phones),
            ("write", house.registrations),
            ("write", house.config.data / "edge" / "family.part"),
            ("read", "/etc/resolv.conf"),
        ],
    )
    await refuses_all(edge, [*house.forbidden, ("read", house.prompt), ("write", "/etc/hosts")])


@pytest.mark.skipif(landlock_version() < 4, reason="this kernel's Landlock knows no TCP")
async def test_who_needs_no_tcp_has_none(house: House) -> None:
    """The database, the API and the outside are a connection away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for spec in (house.media_worker(), house.recogniser()):
            await refuses_all(spec, [("tcp", port)])
        await allows_all(house.edge(), [("tcp", port)])


@needs_landlock
async def test_a_child_cannot_leave_its_sandbox_by_another_program(house: House) -> None:
    """What it starts is confined as well, and gains nothing by setuid."""
    inner = (
        "import subprocess, sys; print(subprocess.run(['/bin/cat', sys.argv[1]],"
        " capture_output=True).returncode, open('/proc/self/status').read()"
        ".split('NoNewPrivs:')[1].split()[0], file=sys.stderr)"
    )
    spec = replace(
        house.media_worker(),
        argv=(sys.executable, "-c", inner, str(house.database)),
        name="inner",
    )
    assert await last_words(spec) == "1 1"


@needs_landlock
@pytest.mark.parametrize("version", range(1, 7))
async def test_older_kernels_confine_as_far_as_they_can(
    house: House, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Debian 12 has the second Landlock, without TCP and signals; what is in files, each guards."""
    if version > landlock_version():
        version = landlock_version()
    monkeypatch.setattr("centralita.core.landlock.landlock_version", lambda: version)
    await refuses_all(house.media_worker(), house.forbidden)
    await allows_all(
        house.media_worker(), [("read", house.prompt), ("write", house.spool / "track.wav")]
    )


@needs_landlock
async def test_what_is_no_folder_or_not_there_keeps_no_child_from_its_start(
    house: House, tmp_path: Path
) -> None:
    odd = Sandbox(
        reads=(str(tmp_path / "nowhere"),), sockets=(str(house.prompt),), drops=(str(house.prompt),)
    )
    await refuses_all(replace(house.recogniser(), sandbox=odd), [("read", house.model)])


async def test_without_landlock_all_goes_on_and_it_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centralita.core.landlock.landlock_version", lambda: 0)
    monkeypatch.setattr(confining, "landlock_version", lambda: 0)
    assert "no Landlock" in house.confinement.trouble
    await allows_all(house.media_worker(), [("read", house.database)])


async def test_children_are_not_given_the_secrets_of_our_environment(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "PGPASSWORD": "secret", "NOTIFY_SOCKET": "/run/x"}
    assert passed_on(given) == {"PATH": "/bin", "LC_ALL": "C"}
    assert passed_on({**given, "CENTRALITA_PASS": "A,NOTIFY_SOCKET"}).keys() == {
        "PATH",
        "LC_ALL",
        "NOTIFY_SOCKET",
    }


async def test_children_inherit_no_open_file(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        spec = ProcessSpec(
            name="child",
            argv=(sys.executable, "-c", "import os, sys; print(os.listdir('/proc/self/fd'),"
                  " file=sys.stderr)"),
            sandbox=Sandbox(reads=("/",)),
        )  # fmt: skip
        # Standard input, output and error, and the listing itself.
        assert await last_words(spec) == "['0', '1', '2', '3']"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path)
    running.env = {"PGPASSWORD": "of-the-database"}
    async with running:
        yield running


@needs_landlock
async def test_a_whole_server_runs_confined_and_says_so(server: ServerProcess) -> None:
    caller = await server.caller()
    call = await caller.call("100")
    await call.wait_answered()
    await call.audio.sound()
    await caller.hang_up()
    await caller.close()
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/healthz") as answer:
        health = await answer.json()
    assert health["sandbox"] == {
        "ok": True,
        "message": "",
        "detail": {"landlock": landlock_version()},
    }
    for words in ("telephony.worker", "asr.vosk.worker", "edge.launcher", "kamailio.cfg"):
        process = server.child(words)
        assert _gains_nothing(process.pid)
        assert "PGPASSWORD" not in process.environ()
    assert "children are not confined" not in server.log.read_text()
    for pid in (server.pid, server.brain.pid):
        assert _gains_nothing(pid)


def _gains_nothing(pid: int) -> bool:
    return "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


async def test_who_knows_secrets_keeps_its_memory_to_itself(tmp_path: Path) -> None:
    """No other process of the same user reads it, and no core dump holds it."""
    serving = (
        "import ctypes, sys\n"
        "from centralita.server import __main__ as command\n"
        "async def run_keeper(*_, **__):\n"
        "    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"  # PR_GET_DUMPABLE
        "before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "command.run_keeper = run_keeper\n"
        "after = command.main(['serve', '--allow-root', '--data', sys.argv[1]])\n"
        "print(before, after)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", serving, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    output, _ = await process.communicate()
    assert output.split() == [b"1", b"0"]
