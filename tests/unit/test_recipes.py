"""What the pages tell people to write into sip.conf is taken as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from centralita.server.config import load_config

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```ini\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[object]:
    """All of them, with the page and the line."""
    found: list[object] = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize("text", blocks())
def test_a_piece_of_sip_conf_in_the_docs_is_one(tmp_path: Path, text: str) -> None:
    for name in re.findall(r"(?m)^(?:\w*_file|tls_ca|tls_certificate|tls_key) *= *(\S+)", text):
        file = tmp_path / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a-long-one\n")
        file.chmod(0o600)
        text = text.replace(f"= {name}", f"= {file}")
    path = tmp_path / "sip.conf"
    path.write_text(text, encoding="utf-8")
    load_config(path)
