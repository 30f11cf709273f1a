"""Writes Kamailio's files, has them checked, and says how to run it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path

import psutil

from centralita.core.errors import InvalidInput, Unavailable
from centralita.core.files import write_private
from centralita.core.process import ProcessSpec
from centralita.telephony.edge import render
from centralita.telephony.edge.certificate import self_signed
from centralita.telephony.edge.config import EdgeConfig, EdgePhone, EdgeTrunk
from centralita.telephony.edge.leftovers import FamilyFile
from centralita.telephony.edge.peers import peers_cfg
from centralita.telephony.edge.registrations import make_registrations
from centralita.telephony.edge.srv import places

log = logging.getLogger(__name__)

_SCHEMAS = Path("/usr/share/kamailio/dbtext/kamailio")


Lookup = Callable[[EdgeTrunk], Awaitable[list[str]]]
# A DNS that does not answer must hold up neither a start nor a reload for long, in seconds.
_LOOKUP_WITHIN = 3.0


class Edge:
    """Kamailio as the server sees it: `await prepare(phones)`, then run `spec()`.

    The files are in `config.folder`, open to our own user only, since they hold secrets.
    """

    def __init__(self, config: EdgeConfig, lookup: Lookup | None = None) -> None:
        self.config = config
        self._lookup = lookup or _addresses_of

    async def prepare(self, phones: Iterable[EdgePhone]) -> frozenset[str]:
        """Write all files and check them; returns as `write_phones`.

        Raises Unavailable when Kamailio is not installed, InvalidInput when it refuses what was
        written, with its own words.
        """
        if find_kamailio(self.config.binary) is None:
            raise Unavailable(
                "Kamailio is not installed: install the packages kamailio, kamailio-tls-modules, "
                "kamailio-sqlite-modules and kamailio-websocket-modules, or set [sip] edge = none"
            )
        await asyncio.to_thread(self._clear_the_way)
        resolved, _ = await self.resolve()
        self.write_sources(resolved)
        await asyncio.to_thread(self._write, self._files())
        self.write_workers()
        gone = self.write_phones(phones)
        await self._check()
        return gone

    async def renew(self, phones: Iterable[EdgePhone]) -> tuple[frozenset[str], bool]:
        """Write the files below a Kamailio that is at work; as `write_phones`, and whether it has
        to be started again to follow them: it has not when only phones, workers or the addresses
        behind names are others.

        Files that Kamailio refuses are not taken: what is there goes on, and the log says why.
        """
        files = self._files()
        before = await asyncio.to_thread(self._read, files)
        changed = any(_lasting(before[name]) != _lasting(text) for name, text in files.items())
        if changed:
            await asyncio.to_thread(self._write, files)
            try:
                await self._check()
            except InvalidInput as exc:
                await asyncio.to_thread(self._write, before)
                log.error("edge goes on as it was", extra={"error": str(exc)})
                changed = False
        resolved, _ = await self.resolve()
        self.write_sources(resolved)
        self.write_workers()
        return self.write_phones(phones), changed

    async def resolve(self) -> tuple[dict[str, list[str]], bool]:
        """The addresses behind the registrars' names, by trunk, and whether all names were found:
        one that is not keeps the addresses it had, for that is the fault of DNS at this moment."""
        registered = [trunk for trunk in self.config.trunks if trunk.registration is not None]
        found = await asyncio.gather(*map(self._addresses_of, registered))
        file = self._table("sources")
        known = render.sources_in(file.read_text(encoding="utf-8")) if file.exists() else {}
        resolved = {
            trunk.name: sorted(where or known.get(trunk.name, []))
            for trunk, where in zip(registered, found, strict=True)
        }
        return resolved, all(found)

    async def _addresses_of(self, trunk: EdgeTrunk) -> list[str]:
        try:
            return await asyncio.wait_for(self._lookup(trunk), _LOOKUP_WITHIN)
        except TimeoutError:
            return []

    def write_sources(self, resolved: dict[str, list[str]]) -> bool:
        """Write whose calls come from which resolved address; a running Kamailio reads it at
        `EdgeControl.reload_sources`. Whether it is another table than before."""
        text = render.sources_table(render.sources(self.config.trunks, resolved))
        file = self._table("sources")
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        self._write_table("sources", text)
        return True

    def write_phones(self, phones: Iterable[EdgePhone]) -> frozenset[str]:
        """Write the table of phones; a running Kamailio reads it at `EdgeControl.reload_phones`.

        Returns the extensions whose phone or password the table has no more: whoever registered
        with that is still registered, also over a restart.
        """
        known = tuple(phones)
        file = self._table("phones")
        there = render.phones_in(file.read_text(encoding="utf-8")) if file.exists() else {}
        now = {phone.extension: phone.ha1 for phone in known}
        self._write_table("phones", render.phones_table(known))
        return frozenset(name for name, secret in there.items() if now.get(name) != secret)

    def _table(self, name: str) -> Path:
        return self.config.folder / "db" / name

    def _write_table(self, name: str, text: str) -> None:
        file = self._table(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        before = int(file.stat().st_mtime) if file.exists() else 0
        write_private(file, text.encode(), durable=False)
        # Kamailio takes a table for changed when its time is another, in whole seconds.
        changed_at = max(int(time.time()), before + 1)
        os.utime(file, (changed_at, changed_at))

    def write_workers(self) -> None:
        """Write the list of workers; a running Kamailio reads it at `reload_workers`."""
        text = render.workers_list(self.config)
        write_private(self.config.folder / "workers.list", text.encode(), durable=False)

    def spec(self) -> ProcessSpec:
        """The process to keep alive."""
        folder = self.config.folder
        return ProcessSpec(
            name="edge",
            argv=(
                *(sys.executable, "-m", "centralita.telephony.edge.launcher"),
                str(self.config.registrations),
                *self._command(),
                *("-DD", "-E"),
                *("-P", str(folder / "kamailio.pid")),
                # Shared memory is taken as it is used: this is room for all the connections that
                # kamailio.cfg allows.
                *("-m", "512", "-M", "8"),
            ),
            # The launcher is found wherever the server's own modules are.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=str(folder),
            grace=timedelta(seconds=6),
        )

    def _command(self) -> tuple[str, ...]:
        folder = self.config.folder
        return (
            find_kamailio(self.config.binary) or self.config.binary,
            *("-f", str(folder / "kamailio.cfg")),
            *("-Y", str(folder)),
            *("-w", str(folder)),
        )

    def _clear_the_way(self) -> None:
        config, folder = self.config, self.config.folder
        make_registrations(config.registrations)
        # Before anybody asks whether the edge answers: they would.
        left = FamilyFile(config.registrations.with_name("family"))
        if count := left.end_leftovers(str(folder / "kamailio.cfg")):
            log.warning("processes of an earlier edge ended", extra={"processes": count})
        (folder / "db").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def _files(self) -> dict[str, str]:
        """What Kamailio reads at its start alone, by name."""
        config = self.config
        interfaces = local_addresses()
        secret = self._secret()
        tokens = contact_names(config.trunks, secret)
        files = {
            **{
                name: Path(__file__).with_name(name).read_text(encoding="utf-8")
                for name in ("kamailio.cfg", "trunk_watch.cfg")
            },
            "settings.cfg": render.settings_cfg(config, interfaces, secrets.token_hex(16)),
            "peers.cfg": peers_cfg(config, tokens, _digest(secret, "dialogs of trunks")),
            "db/accounts": render.accounts_table(config.trunks),
        }
        if "tls" in config.transports:
            if config.tls_certificate is not None and config.tls_key is not None:
                pair = config.tls_certificate, config.tls_key
            else:
                pair = self_signed(config.state_dir / "edge", config.domain)
            files["tls.cfg"] = render.tls_cfg(*pair, config.trunks)
        if tokens:
            # The installed version's own columns and version number, whatever they are.
            files["db/version"] = (_SCHEMAS / "version").read_text(encoding="utf-8")
            header = (_SCHEMAS / "uacreg").read_text(encoding="utf-8").splitlines()[0]
            files["db/uacreg"] = render.registrations_table(header, config, tokens, interfaces)
        return files

    def _read(self, names: Iterable[str]) -> dict[str, str]:
        """These files as they are; one that is not there is empty."""
        files = ((name, self.config.folder / name) for name in names)
        return {
            name: file.read_text(encoding="utf-8") if file.exists() else "" for name, file in files
        }

    def _write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            write_private(self.config.folder / name, text.encode(), durable=False)

    def _secret(self) -> bytes:
        """What nobody else knows, the same at each start."""
        file = self.config.state_dir / "edge" / "secret"
        if not file.is_file():
            write_private(file, secrets.token_hex(32).encode())
        return file.read_bytes()

    async def _check(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            *("-c", "-E"),
            cwd=self.config.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            # Who is stopped while it starts leaves nobody behind.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise InvalidInput(
                "Kamailio refuses its configuration:\n"
                + complaints(output.decode(errors="replace")),
                place=str(self.config.folder / "kamailio.cfg"),
            )


def _lasting(text: str) -> str:
    """A file without what is another at each start."""
    return "\n".join(line for line in text.splitlines() if "EDGE_NO_PASSWORD" not in line)


def contact_names(trunks: Iterable[EdgeTrunk], secret: bytes) -> dict[str, str]:
    """The names by which the trunks that we register with call us: nobody else's business.

    The same at each start, or a registrar would keep the old ones beside the new.
    """
    return {
        trunk.name: f"{trunk.name}-{_digest(secret, trunk.name, account.username)}"
        for trunk in trunks
        if (account := trunk.registration) is not None
    }


def _digest(secret: bytes, *texts: str) -> str:
    return hmac.new(secret, "\0".join(texts).encode(), hashlib.sha256).hexdigest()[:24]


def find_kamailio(binary: str = "kamailio") -> str | None:
    """The path of Kamailio; /usr/sbin is not in everybody's PATH."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(binary, path=places)


def complaints(output: str) -> str:
    """The lines of Kamailio's output that say what is wrong, each once."""
    lines = [line.strip() for line in output.splitlines()]
    wrong = [line for line in lines if "CRITICAL" in line or "ERROR" in line]
    kept = list(dict.fromkeys(wrong or lines))
    return "\n".join(f"  {line}" for line in kept[:12])


def local_addresses() -> list[str]:
    """This machine's IP addresses without the link-local ones, loopback first."""
    found = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in {socket.AF_INET, socket.AF_INET6}
        and not address.address.lower().startswith("fe80:")
    }
    return sorted(found, key=lambda item: (item not in {"127.0.0.1", "::1"}, ":" in item, item))


async def _addresses_of(trunk: EdgeTrunk) -> list[str]:
    """The IP addresses behind a registrar's name; none while its name cannot be resolved."""
    account = trunk.registration
    if account is None:
        return []
    found = set()
    for host, _ in await places(account.registrar, account.port, trunk.transport):
        with contextlib.suppress(OSError):
            for entry in await asyncio.get_running_loop().getaddrinfo(
                host, None, type=socket.SOCK_DGRAM
            ):
                found.add(str(entry[4][0]))
    return sorted(address for address in found if "%" not in address)
