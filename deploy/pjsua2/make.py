"""Installs pjsua2 into the environment of the Python that runs this.

The source comes from the first of these that works:

1. a tarball the administrator names (`CENTRALITA_PJPROJECT`, or `[media] pjproject` in sip.conf);
2. the upstream release, pinned by its SHA-256;
3. the copy of pjproject inside Debian's `asterisk` source package, its signatures checked by apt.

The wheel is kept in the user's cache, so that the next clone on this machine takes it from there.
If nothing can be built, the ready-made wheel is installed, which serves four calls: enough for a
first look, and said loudly.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
UPSTREAM_VERSION = "2.17"
UPSTREAM_URL = f"https://github.com/pjsip/pjproject/archive/refs/tags/{UPSTREAM_VERSION}.tar.gz"
UPSTREAM_SHA256 = "065fe06c06788d97c35f563796d59f00ce52fe9558a52d7b490a042a966facce"
MIRROR_SETTING = "CENTRALITA_DEBIAN_MIRROR"
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
OLDEST = (2, 15)


class CannotBuildError(Exception):
    """This source does not lead to a wheel; the message says why."""


def say(sentence: str) -> None:
    """A line of progress."""
    print(f"pjsua2: {sentence}", flush=True)


def named_tarball(config: Path | None) -> Path | None:
    """The tarball the administrator names, if any."""
    named = os.environ.get("CENTRALITA_PJPROJECT", "")
    if not named and config is not None and config.is_file():
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(config, encoding="utf-8")
        named = parser.get("media", "pjproject", fallback="")
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise SystemExit(f"pjsua2: {path}, named as the source of pjproject, is not a file")
    return path


def build_key(tarball: Path | None) -> str:
    """What a finished wheel depends on, apart from the version of an unnamed source."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and path.suffix in {".sh", ".h", ".patch"}:
            digest.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    abi = sysconfig.get_config_var("SOABI") or platform.python_version()
    system = platform.freedesktop_os_release()
    for text in (str(abi), system.get("ID", ""), system.get("VERSION_ID", "")):
        digest.update(text.encode() + b"\0")
    if tarball is not None:
        digest.update(tarball.read_bytes())
    return digest.hexdigest()[:20]


def cache_folder() -> Path:
    """Where this user's wheels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "centralita" / "pjsua2"


def from_upstream(folder: Path) -> Path:
    """The upstream release, fetched and compared with the pinned sum."""
    target = folder / f"pjproject-{UPSTREAM_VERSION}.tar.gz"
    try:
        with urllib.request.urlopen(UPSTREAM_URL, timeout=15) as answer:
            target.write_bytes(answer.read())
    except OSError as exc:
        raise CannotBuildError(f"the upstream release cannot be fetched: {exc}") from exc
    if hashlib.sha256(target.read_bytes()).hexdigest() != UPSTREAM_SHA256:
        raise CannotBuildError("the upstream release is not the file that was pinned")
    return target


def machine_mirror() -> str:
    """The Debian mirror this machine already uses, or the one that is named in its environment."""
    if named := os.environ.get(MIRROR_SETTING):
        return named
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.is_file():
            found = re.search(
                r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian)/?(?:\s|$)",
                path.read_text(encoding="utf-8"),
                re.MULTILINE,
            )
            if found:
                return found[1]
    raise CannotBuildError(
        f"this machine uses no Debian mirror; name one in {MIRROR_SETTING} to have it used"
    )


def from_debian(folder: Path) -> Path:
    """pjproject as Debian's asterisk carries it, through apt with lists of our own."""
    if shutil.which("apt-get") is None:
        raise CannotBuildError("this machine has no apt")
    if not DEBIAN_KEYRING.is_file():
        raise CannotBuildError(
            "Debian's copy cannot be trusted without its keys; "
            "install the package debian-archive-keyring"
        )
    (folder / "lists" / "partial").mkdir(parents=True)
    sources = folder / "sid.list"
    sources.write_text(f"deb-src [signed-by={DEBIAN_KEYRING}] {machine_mirror()} sid main\n")
    apt = [
        "apt-get",
        f"-oDir::Etc::SourceList={sources}",
        "-oDir::Etc::SourceParts=/dev/null",
        f"-oDir::State::Lists={folder / 'lists'}",
        "-oDir::Cache::pkgcache=",
        "-oDir::Cache::srcpkgcache=",
        "-oAcquire::Check-Valid-Until=false",
        "-oAPT::Sandbox::User=root",
        "-oAcquire::http::Timeout=30",
    ]
    for action in (["update"], ["source", "--download-only", "asterisk"]):
        if subprocess.run([*apt, *action], cwd=folder, stdin=subprocess.DEVNULL).returncode != 0:
            raise CannotBuildError(f"apt-get {' '.join(action)} failed, see the lines above")
    for path in sorted(folder.glob("*.orig-Xpjproject.tar.*")):
        return path
    raise CannotBuildError("Debian's asterisk no longer carries pjproject")


def version_of(tree: Path) -> tuple[int, int]:
    """Major and minor version of an unpacked pjproject."""
    text = (tree / "version.mak").read_text(encoding="utf-8")
    found = re.findall(r"^export PJ_VERSION_M(?:AJOR|INOR)\s*:=\s*(\d+)", text, re.MULTILINE)
    if len(found) != 2:
        raise CannotBuildError("version.mak does not tell the version")
    return int(found[0]), int(found[1])


def unpack(tarball: Path, folder: Path) -> Path:
    """The source tree inside `tarball`."""
    target = folder / "source"
    target.mkdir()
    if subprocess.run(["tar", "-xf", str(tarball), "-C", str(target)]).returncode != 0:
        raise CannotBuildError(f"{tarball.name} cannot be unpacked")
    trees = [path for path in (target, *target.iterdir()) if (path / "version.mak").is_file()]
    if not trees:
        raise CannotBuildError(f"{tarball.name} does not hold pjproject")
    return trees[0]


def build(tarball: Path, folder: Path) -> Path:
    """A wheel made from `tarball`."""
    tree = unpack(tarball, folder)
    version = version_of(tree)
    if version < OLDEST:
        raise CannotBuildError(f"pjproject {version[0]}.{version[1]} is older than 2.15")
    say(f"building pjproject {version[0]}.{version[1]}, which takes about two minutes on two cores")
    output = folder / "wheels"
    command = [str(HERE / "build.sh"), str(tree), sys.executable, str(output)]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        raise CannotBuildError(f"{tarball.name} does not build, see the lines above")
    return next(output.glob("*.whl"))


def sources(named: Path | None, folder: Path) -> Iterator[tuple[str, Path]]:
    """The sources that can be had, in order of preference."""
    if named is not None:
        yield f"the named file {named}", named
        return  # the administrator chose: another version behind his back would be wrong
    for title, fetch in (
        (f"upstream release {UPSTREAM_VERSION}", from_upstream),
        ("Debian's copy of pjproject", from_debian),
    ):
        place = folder / fetch.__name__
        place.mkdir()
        try:
            say(f"fetching: {title}")
            yield title, fetch(place)
        except CannotBuildError as exc:
            say(f"not from {title}: {exc}")


def pip_install(*arguments: str) -> bool:
    """Run pip in this environment; false when it fails."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0


def works() -> bool:
    """Whether the installed module loads on this machine."""
    return subprocess.run([sys.executable, "-c", "import pjsua2"]).returncode == 0


def remove() -> None:
    """Take away whatever is there: our wheel and the ready-made one go by different names."""
    command = [sys.executable, "-m", "pip", "uninstall", "--quiet", "-y"]
    subprocess.run([*command, "pjsua2", "pjsua2-python"], stdin=subprocess.DEVNULL)


def install(wheel: Path) -> bool:
    """Install `wheel` in place of whatever is there, and try it."""
    remove()
    return pip_install("--no-index", "--no-deps", "--force-reinstall", str(wheel)) and works()


def make(named: Path | None, kept: Path) -> bool:
    """Install a wheel from the cache `kept`, or build one into it."""
    for wheel in sorted(kept.glob("*.whl"), reverse=True):
        if install(wheel):
            say(f"taken from the cache: {wheel}")
            return True
    with tempfile.TemporaryDirectory(prefix="centralita-pjsua2-") as scratch:
        folder = Path(scratch)
        for title, tarball in sources(named, folder):
            try:
                place = folder / f"build-{tarball.name}"
                place.mkdir()
                wheel = build(tarball, place)
            except (CannotBuildError, OSError) as exc:
                say(f"not from {title}: {exc}")
                continue
            kept.mkdir(parents=True, exist_ok=True)
            partial = kept / f".{wheel.name}.{os.getpid()}"
            shutil.copyfile(wheel, partial)
            partial.rename(kept / wheel.name)
            if install(kept / wheel.name):
                say(f"built from {title}")
                return True
            say(f"the wheel from {title} does not load")
            (kept / wheel.name).unlink()
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, help="the sip.conf that may name a tarball")
    parser.add_argument("--mark", type=Path, help="file that exists while the fallback serves")
    options = parser.parse_args()
    named = named_tarball(options.config)
    done = make(named, cache_folder() / build_key(named))
    if not done:
        say("FALLBACK: installing the ready-made wheel, which carries FOUR CALLS and no more")
        fallback = str(HERE / "fallback.txt")
        remove()
        if not pip_install("--require-hashes", "--no-deps", "-r", fallback) or not works():
            say("the ready-made wheel cannot be installed either")
            return 1
    if options.mark is not None:
        options.mark.unlink(missing_ok=True)
        if not done:
            options.mark.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
