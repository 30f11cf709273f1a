"""The bill of materials names what the lock files pin, with their hashes."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tools.sbom import ROOT, document


def test_everything_that_is_pinned_is_in_it_with_its_hash() -> None:
    bill: Any = document()
    by_purl = {one["purl"]: one for one in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pins) > 20
    for name, version in pins:
        found = by_purl[f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"]
        assert found["hashes"] and found["scope"] == "required"
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    react = lock["packages"]["node_modules/react"]["version"]
    assert len(by_purl[f"pkg:npm/react@{react}"]["hashes"][0]["content"]) == 128
    mantine = lock["packages"]["node_modules/@mantine/core"]["version"]
    assert f"pkg:npm/%40mantine/core@{mantine}" in by_purl
    pjsip = next(one for one in bill["components"] if one["name"] == "pjsip/pjproject")
    assert "07-rtp-source-lock.patch" in pjsip["pedigree"]["notes"]


def test_it_is_written_by_one_command() -> None:
    written = subprocess.run(["./dev", "sbom"], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(written.stdout) == json.loads(json.dumps(document()))
