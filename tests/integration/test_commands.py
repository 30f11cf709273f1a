"""What the command line prints, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

_BAD_FLOW = """flow: x
language: es
start: menu
nodes:
  menu:
    type: menu
    prompt: "Hola {nobody}"
    choices:
      - {key: "1", next: nowhere}
    on_failure: end
  lonely:
    type: play
    prompt: hola
    next: end
  end: {type: hangup}
"""


async def _centralita(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "centralita.server", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_bad_flow_is_refused_with_file_node_field_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(_BAD_FLOW, encoding="utf-8")
    code, output, errors = await _centralita("flow", "check", str(file))
    assert code == 1
    assert (output + errors).splitlines() == [
        f'{file}: node "menu", field "choices[0].next": there is no node "nowhere"',
        f'{file}: node "lonely": no other node leads here; remove or link it',
        f'{file}: node "menu", field "prompt": unknown variable "nobody"',
    ]


async def test_a_bad_setting_is_refused_with_file_line_section_key_and_cure(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sip.conf"
    file.write_text("[http]\nport = many\n", encoding="utf-8")
    serve = ("serve", "--config", str(file), "--data", str(tmp_path / "data"))
    code, _, errors = await _centralita(*serve)
    assert (code, errors.strip()) == (
        1,
        f'centralita: {file}:2 [http] port: "many" is not a port; write a number from 1 to 65535',
    )
    file.write_text("[sip]\nprot = 5060\n", encoding="utf-8")
    code, _, errors = await _centralita(*serve)
    assert (code, errors.strip()) == (
        1,
        f'centralita: {file}:2 [sip] prot: there is no such setting; did you mean "port"?',
    )


async def test_the_demonstration_makes_a_whole_call(tmp_path: Path) -> None:
    code, output, errors = await _centralita("demo", "--data", str(tmp_path), "--allow-root")
    assert code == 0, output + errors
    assert "Ana answers" in output
    assert "The timeline of Carmen Ruiz, newest first:" in output


@pytest.mark.parametrize("listing", [("models", "list"), ("user", "list"), ("audit", "verify")])
async def test_a_list_of_which_nobody_reads_the_end_is_no_error(
    tmp_path: Path, listing: tuple[str, ...]
) -> None:
    """As in `centralita user list | head`."""
    if listing[0] == "user":
        await _centralita("user", "add", "ana", "--data", str(tmp_path))
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "centralita.server", *listing, "--data", str(tmp_path)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    _, errors = await asyncio.wait_for(process.communicate(), 90)
    assert (process.returncode, errors.decode()) == (128 + signal.SIGPIPE, "")
