"""Writes what a release is made of as CycloneDX 1.5, from the lock files: `./dev sbom > sbom.json`.

What scanners for known weaknesses read (osv-scanner, grype, Dependency-Track). The distribution's
packages (Kamailio, espeak-ng, OpenSSL) are the distribution's to mend, and not here.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON_LOCKS = ("requirements.txt", "deploy/pjsua2/requirements.txt")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}

Json = dict[str, object]


def component(kind: str, name: str, version: str, hashes: list[Json], *, scope: str) -> Json:
    """One entry; its purl names it for scanners."""
    # The @ of a scope of npm is written so in a purl.
    purl = f"pkg:{kind}/{name.replace('@', '%40')}@{version}"
    return {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "scope": scope, "hashes": hashes,
    }  # fmt: skip


def python_packages(root: Path = ROOT) -> Iterator[Json]:
    """Those that run, by the locks of pip."""
    seen = set()
    for lock in PYTHON_LOCKS:
        # A line that ends with \ goes on in the next.
        for line in (root / lock).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            pin = _PIN.match(line)
            if pin is None or pin.groups() in seen:
                continue
            seen.add(pin.groups())
            name = re.sub(r"[-_.]+", "-", pin[1]).lower()
            hashes: list[Json] = [
                {"alg": "SHA-256", "content": digest} for digest in _HASH.findall(line)
            ]
            yield component("pypi", name, pin[2], hashes, scope="required")


def npm_packages(root: Path = ROOT) -> Iterator[Json]:
    """Those that the pages are made of, and those that only build them (`optional`)."""
    lock = json.loads((root / "web" / "package-lock.json").read_text(encoding="utf-8"))
    for place, package in lock["packages"].items():
        if not place or package.get("link"):
            continue
        hashes: list[Json] = []
        for one in str(package.get("integrity", "")).split():
            algorithm, _, digest = one.partition("-")
            if algorithm in _ALGORITHMS:
                content = base64.b64decode(digest).hex()
                hashes.append({"alg": _ALGORITHMS[algorithm], "content": content})
        name = place.rpartition("node_modules/")[2]
        scope = "optional" if package.get("dev") else "required"
        yield component("npm", name, package["version"], hashes, scope=scope)


def pjproject(root: Path = ROOT) -> Json:
    """The SIP library, which we build and patch ourselves."""
    text = (root / "deploy" / "pjsua2" / "make.py").read_text(encoding="utf-8")
    version, digest = (
        re.search(rf'^UPSTREAM_{name} = "([^"]+)"', text, re.MULTILINE)
        for name in ("VERSION", "SHA256")
    )
    assert version is not None and digest is not None
    hashes: list[Json] = [{"alg": "SHA-256", "content": digest[1]}]
    patches = sorted(file.name for file in (root / "deploy/pjsua2/patches").glob("*.patch"))
    found = component("github", "pjsip/pjproject", version[1], hashes, scope="required")
    found["pedigree"] = {"notes": "with our patches: " + ", ".join(patches)}
    return found


def document(root: Path = ROOT) -> Json:
    """The whole; the same for the same lock files."""
    init = (root / "centralita" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "([^"]+)"', init)
    assert version is not None
    components = [*python_packages(root), pjproject(root), *npm_packages(root)]
    # A package of npm may lie in several places.
    unique = {str(one["bom-ref"]): one for one in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "centralita", "version": version[1]}
        },
        "components": [unique[ref] for ref in sorted(unique)],
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2)
    print()
