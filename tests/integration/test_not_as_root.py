"""Root sets up; whoever hears strangers is somebody who may do nothing else."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.server import ROOT, file_has, free_port

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are its own user's."""
    folder = Path(tempfile.mkdtemp(prefix="centralita-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_to_serve_as_root_is_refused_with_the_cure(tmp_path: Path, command: str) -> None:
    """Before anything is made in the data folder."""
    as_if_root = (
        "import os, sys; os.geteuid = lambda: 0\n"
        "from centralita.server.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", as_if_root, command, "--data", str(tmp_path / "data")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("centralita: refuses to run as root")
    assert "--allow-root" in answer.stderr and "centralita.service" in answer.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("variable", ["CENTRALITA_CHILDREN", "CENTRALITA_KEEPER"])
def test_a_server_that_root_started_before_is_renewed_with_its_calls(
    tmp_path: Path, variable: str
) -> None:
    """It was told nothing about root then, and calls go on meanwhile."""
    as_if_root = (
        "import os, sys; os.geteuid = lambda: 0\n"
        "from centralita.server import __main__ as command\n"
        "async def serve(*_, **__):\n"
        "    return 7\n"
        "command.run_keeper = serve\n"
        "import centralita.server.commands\n"
        "centralita.server.commands.serve = serve\n"
        "sys.exit(command.main(sys.argv[1:]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", as_if_root, "serve", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        env={**os.environ, variable: "[]"},
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (7, "")


@as_root_only
def test_what_root_does_in_the_folder_of_another_user_is_that_user_s(open_folder: Path) -> None:
    """A key that the server cannot read would cost the recordings."""
    data = open_folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)
    for words in (("keys", "rotate"), ("queue", "add", "sales")):
        subprocess.run(
            [sys.executable, "-m", "centralita.server", *words, "--data", str(data)],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    owners = {path.stat().st_uid for path in (data, *data.rglob("*"))}
    assert owners == {NOBODY.pw_uid}


@as_root_only
async def test_started_by_root_it_serves_as_another_user(open_folder: Path) -> None:
    """With a folder that an earlier start as root has left, too."""
    data, log, config = open_folder / "data", open_folder / "log", open_folder / "sip.conf"
    (data / "audit").mkdir(parents=True)
    ports = [free_port() for _ in range(6)]
    config.write_text(
        "[sip]\naddress = 127.0.0.1\nport = {}\ntls_port = {}\nws_port = {}\nwss_port = {}\n"
        "worker_port = {}\n[media]\naddress = 127.0.0.1\nrtp_ports = 46000-46999\nworkers = 1\n"
        "[http]\nport = {}\n".format(*ports)
    )
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            *("tools/as-own-user", sys.executable, "serve"),
            *("--config", str(config), "--data", str(data)),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env={**os.environ, "CENTRALITA_USER": "nobody"},
        )
    try:
        await file_has(log, "Centralita takes calls", within=60)
        keeper = psutil.Process(server.pid)
        everybody = [keeper, *keeper.children(recursive=True)]
        assert {process.username() for process in everybody} == {"nobody"}
        assert any("kamailio" in process.name() for process in everybody)
        assert "children are not confined" not in log.read_text()
        assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {NOBODY.pw_uid}
        server.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.wait(), 30) == 0
    finally:
        if server.returncode is None:
            server.kill()


@as_root_only
def test_where_no_other_user_can_serve_root_does_and_says_why(tmp_path: Path) -> None:
    """The folder is not one of ours, so it is not given away."""
    (tmp_path / "photos").mkdir()
    answer = subprocess.run(
        ["tools/as-own-user", "/bin/echo", "serve", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "CENTRALITA_USER": "nobody"},
    )
    assert f"As root, because nobody cannot write in {tmp_path}" in answer.stderr
    assert answer.stdout.endswith(f"serve --allow-root --data {tmp_path}\n")
    assert tmp_path.stat().st_uid == 0
