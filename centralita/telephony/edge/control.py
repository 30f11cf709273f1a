"""Asks a running Kamailio, by JSON-RPC over its named pipe.

A pipe and not its datagram socket: that one cannot send more than 64 KiB, which a few hundred
registrations exceed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from centralita.core.errors import Unavailable
from centralita.telephony.edge.render import worker_uri
from centralita.telephony.edge.trunk_state import Facts

# A flag of Kamailio's uac module: the registrar keeps us.
_ONLINE = 1 << 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A phone that can be rung: where it is, what it says it is, how long it stays.

    `page` is whether it is an agent's page in a browser; `connection` is its TCP connection.
    """

    extension: str
    page: bool = False
    contact: str
    user_agent: str
    expires: timedelta
    transport: str
    connection: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """An address that is ignored: for too many `requests`, or too many `guesses` at passwords."""

    address: str
    reason: str
    since: datetime


class EdgeRefuses(Unavailable):
    """The edge is there and does not do it: for commands that take something away, because it is
    gone already."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP or TLS connection; `lifetime` is how many seconds it may be idle."""

    id: int
    src_ip: str
    lifetime: int


class _TableEntry(msgspec.Struct):
    name: str
    value: int | str


class _TableSlot(msgspec.Struct):
    slot: list[_TableEntry] = msgspec.field(default_factory=list)


class _Contact(msgspec.Struct, rename={"address": "Address", "expires": "Expires"}):
    address: str
    expires: int | str
    user_agent: str = msgspec.field(name="User-Agent", default="")
    socket: str = msgspec.field(name="Socket", default="")
    connection: int = msgspec.field(name="Tcpconn-Id", default=-1)


class _ContactItem(msgspec.Struct):
    contact: _Contact = msgspec.field(name="Contact")


class _Info(msgspec.Struct):
    aor: str = msgspec.field(name="AoR")
    contacts: list[_ContactItem] = msgspec.field(name="Contacts", default_factory=list)


class _InfoItem(msgspec.Struct):
    info: _Info = msgspec.field(name="Info")


class _Domain(msgspec.Struct):
    aors: list[_InfoItem] = msgspec.field(name="AoRs", default_factory=list)


class _DomainItem(msgspec.Struct):
    domain: _Domain = msgspec.field(name="Domain")


class _Dump(msgspec.Struct):
    domains: list[_DomainItem] = msgspec.field(name="Domains", default_factory=list)


class _Account(msgspec.Struct):
    l_uuid: str
    flags: int
    diff_expires: int


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


def page_name(extension: str) -> str:
    """The name that the page of an extension registers under; no extension has a tilde."""
    return f"{extension}~page"


def extension_of(name: str) -> tuple[str, bool]:
    """The extension behind a registered name, and whether it is a page."""
    extension, _, what = name.partition("~")
    return extension, what == "page"


class EdgeControl:
    """Commands to the edge. Each raises Unavailable when it does not answer in time."""

    def __init__(self, control_pipe: Path, *, timeout: timedelta = timedelta(seconds=2)) -> None:
        self._path = control_pipe
        self._timeout = timeout.total_seconds()
        # One command at a time: Kamailio serves its pipe with one process.
        self._lock = asyncio.Lock()

    async def ping(self) -> None:
        """Return when the edge is there."""
        await self._call("core.version")

    async def version(self) -> str:
        """What the edge calls itself, such as `kamailio 5.6.3 (x86_64/linux)`."""
        return msgspec.json.decode(await self._call("core.version"), type=str)

    async def registrations(self) -> dict[str, Registration]:
        """What can be rung, by the name it registered under (see `page_name`).

        Of several phones for one extension it is the longest to stay.
        """
        raw = await self._call("ul.dump")
        dump = msgspec.json.decode(raw, type=_Dump)
        found: dict[str, Registration] = {}
        for domain in dump.domains:
            for item in domain.domain.aors:
                name = item.info.aor.partition("@")[0]
                extension, page = extension_of(name)
                for holder in item.info.contacts:
                    contact = holder.contact
                    # "expired" and "deleted" stand here too, until the next sweep
                    if not isinstance(contact.expires, int) or contact.expires <= 0:
                        continue
                    registration = Registration(
                        extension=extension,
                        page=page,
                        contact=contact.address,
                        user_agent="" if contact.user_agent == "n/a" else contact.user_agent,
                        expires=timedelta(seconds=contact.expires),
                        transport=contact.socket.partition(":")[0],
                        connection=contact.connection,
                    )
                    known = found.get(name)
                    if known is None or known.expires < registration.expires:
                        found[name] = registration
        return found

    async def reload_phones(self) -> None:
        """Take up the phones that `Edge.write_phones` wrote."""
        await self._call("htable.reload", "phones")

    async def reload_sources(self) -> None:
        """Take up the addresses that `Edge.write_sources` wrote."""
        await self._call("htable.reload", "sources")

    async def forget_phone(self, extension: str, domain: str) -> None:
        """End the registrations of an extension: its account was withdrawn."""
        with contextlib.suppress(EdgeRefuses):  # none is registered
            await self._call("ul.rm", "location", f"{extension}@{domain}")

    async def admit_page(self, extension: str, ha1: str) -> None:
        """Let a page register with that secret until it runs out, and with the last one no more."""
        # Only a new entry begins a new time.
        await self._forget_page(extension)
        await self._call("htable.sets", "pages", extension, ha1)

    async def dismiss_page(self, extension: str, domain: str) -> None:
        """The page of an extension is its phone no longer, and cannot become it again."""
        await self._forget_page(extension)
        await self.forget_phone(page_name(extension), domain)

    async def _forget_page(self, extension: str) -> None:
        with contextlib.suppress(EdgeRefuses):  # there is none
            await self._call("htable.delete", "pages", extension)

    async def bans(self) -> list[Ban]:
        """The addresses that are ignored at this moment, the latest first.

        One at which only some users are locked, for guessing at their passwords, is among them.
        """
        found: dict[str, Ban] = {}
        for table in ("locked", "banned"):
            for entry in await self._entries(table):
                reason, _, seconds = str(entry.value).partition(" ")
                since = datetime.fromtimestamp(int(seconds), UTC)
                address = entry.name.partition("/")[0]
                found[address] = Ban(address=address, reason=reason, since=since)
        return sorted(found.values(), key=lambda ban: ban.since, reverse=True)

    async def lift_ban(self, address: str) -> None:
        """Listen to an address again, as if it had never guessed. `address` as `bans` spells it."""
        for table in ("banned", "locked", "guesses"):
            for entry in await self._entries(table):
                if entry.name.partition("/")[0] == address:
                    with contextlib.suppress(EdgeRefuses):  # it ran out in this instant
                        await self._call("htable.delete", table, entry.name)

    async def _entries(self, table: str) -> list[_TableEntry]:
        slots = msgspec.json.decode(await self._call("htable.dump", table), type=list[_TableSlot])
        return [entry for slot in slots for entry in slot.slot]

    async def connections(self) -> list[Connection]:
        """The TCP and TLS connections."""
        return msgspec.json.decode(await self._call("core.tcp_list"), type=list[Connection])

    async def close_connections(self, ids: Iterable[int]) -> None:
        """Have connections closed, within a second or two."""
        for number in ids:
            await self._call("htable.seti", "doomed", str(number), number)

    async def reload_workers(self) -> None:
        """Take up the list of media workers that was written."""
        await self._call("dispatcher.reload")

    async def worker_takes_calls(self, address: tuple[str, int], takes: bool) -> None:
        """Send new calls to a worker, or pass it over, without waiting for a ping to tell."""
        state = "ap" if takes else "ip"  # active or inactive, and pinged in any case
        await self._call("dispatcher.set_state", state, 1, worker_uri(address))

    async def probe_trunk(self, name: str, number: str, section: str, uri: str) -> None:
        """Have a trunk asked by OPTIONS within a second or so; see trunk_watch.cfg."""
        await self._call("htable.sets", "probes", name, f"{number} {section} {uri}")

    async def trunk_facts(self, *, accounts: bool) -> dict[str, Facts]:
        """What is known of trunks, by name; `accounts` is whether we register with any."""
        said: dict[str, dict[str, str]] = {}
        for entry in await self._entries("trunks"):
            name, _, what = entry.name.partition("/")
            said.setdefault(name, {})[what] = str(entry.value)
        found: dict[str, _Account] = {}
        if accounts:
            raw = await self._call("uac.reg_dump")
            for account in msgspec.json.decode(raw, type=list[_Account]):
                found[account.l_uuid.rpartition("-")[0]] = account
        return {
            name: _facts(said.get(name, {}), found.get(name)) for name in said.keys() | found.keys()
        }

    async def _call(self, method: str, *params: str | int) -> bytes:
        async with self._lock:
            # A pipe of its own for each answer: a late one cannot be taken for the next.
            name = f"answer-{secrets.token_hex(6)}"
            request = msgspec.json.encode(
                {"jsonrpc": "2.0", "method": method, "params": params, "reply_name": name, "id": 1}
            )
            try:
                with _pipe(self._path.with_name(name)) as answer:
                    self._send(request)
                    data = await asyncio.wait_for(_read_to_end(answer), self._timeout)
            except (OSError, TimeoutError) as exc:
                raise Unavailable(f"the edge does not answer {method}: {exc}") from exc
        try:
            decoded = msgspec.json.decode(data, type=_Answer)
        except msgspec.MsgspecError as exc:
            raise Unavailable(f"the edge answered {method} with nonsense: {exc}") from exc
        if decoded.error is not None:
            raise EdgeRefuses(f"the edge refuses {method}: {decoded.error.message}")
        return bytes(decoded.result)

    def _send(self, request: bytes) -> None:
        # Without a reader this fails at once, which is how an edge that is down shows.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, request + b"\n")
        finally:
            os.close(descriptor)


def _facts(said: dict[str, str], account: _Account | None) -> Facts:
    register = None
    if "register" in said:
        code, proven, at = said["register"].split()
        register = int(code), proven == "1", int(at)
    return Facts(
        sent=said.get("sent", ""),
        answered=said.get("answered", ""),
        register=register,
        online=account is not None and bool(account.flags & _ONLINE),
        expires=account.diff_expires if account is not None else 0,
        calls=(int(said.get("in", 0)), int(said.get("out", 0))),
    )


@contextlib.contextmanager
def _pipe(path: Path) -> Iterator[int]:
    """A new named pipe, open for reading, gone afterwards."""
    os.mkfifo(path, 0o600)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


async def _read_to_end(descriptor: int) -> bytes:
    """Everything that is written to a pipe, from the first writer's coming to its leaving."""
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    while True:
        readable = loop.create_future()
        loop.add_reader(descriptor, _wake, readable)
        try:
            await readable
        finally:
            loop.remove_reader(descriptor)
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            continue
        if not chunk and chunks:
            return b"".join(chunks)
        if not chunk:
            # Nobody has opened the other end yet.
            await asyncio.sleep(0.005)
            continue
        chunks.append(chunk)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
