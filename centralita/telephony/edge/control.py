"""Asks a running Kamailio, by JSON-RPC over its datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from centralita.core.errors import Unavailable

# The largest datagram the module sends; what is longer, it cannot say.
_LARGEST = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A phone that can be rung: where it is, what it says it is, how long it stays."""

    extension: str
    contact: str
    user_agent: str
    expires: timedelta
    transport: str


class _Contact(msgspec.Struct, rename={"address": "Address", "expires": "Expires"}):
    address: str
    expires: int | str
    user_agent: str = msgspec.field(name="User-Agent", default="")
    socket: str = msgspec.field(name="Socket", default="")


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


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class EdgeControl:
    """Commands to the edge. Each raises Unavailable when it does not answer in time."""

    def __init__(self, control_socket: Path, *, timeout: timedelta = timedelta(seconds=2)) -> None:
        self._path = control_socket
        self._timeout = timeout.total_seconds()
        self._lock = asyncio.Lock()
        self._next_id = 0

    async def ping(self) -> None:
        """Return when the edge is there."""
        await self._call("core.version")

    async def version(self) -> str:
        """What the edge calls itself, such as `kamailio 5.6.3 (x86_64/linux)`."""
        return msgspec.json.decode(await self._call("core.version"), type=str)

    async def registrations(self) -> dict[str, Registration]:
        """The phones that can be rung, by extension; of several for one, the longest to stay."""
        raw = await self._call("ul.dump")
        dump = msgspec.json.decode(raw, type=_Dump)
        found: dict[str, Registration] = {}
        for domain in dump.domains:
            for item in domain.domain.aors:
                extension = item.info.aor.partition("@")[0]
                for holder in item.info.contacts:
                    contact = holder.contact
                    # "expired" and "deleted" stand here too, until the next sweep
                    if not isinstance(contact.expires, int) or contact.expires <= 0:
                        continue
                    registration = Registration(
                        extension=extension,
                        contact=contact.address,
                        user_agent=contact.user_agent,
                        expires=timedelta(seconds=contact.expires),
                        transport=contact.socket.partition(":")[0],
                    )
                    known = found.get(extension)
                    if known is None or known.expires < registration.expires:
                        found[extension] = registration
        return found

    async def reload_phones(self) -> None:
        """Take up the phones that `Edge.write_phones` wrote."""
        await self._call("htable.reload", "phones")

    async def forget_phone(self, extension: str, domain: str) -> None:
        """End the registrations of an extension: its account was withdrawn."""
        with contextlib.suppress(Unavailable):  # none is registered
            await self._call("ul.rm", "location", f"{extension}@{domain}")

    async def reload_workers(self) -> None:
        """Take up the list of media workers that was written."""
        await self._call("dispatcher.reload")

    async def _call(self, method: str, *params: str) -> bytes:
        async with self._lock:
            self._next_id += 1
            request = msgspec.json.encode(
                {"jsonrpc": "2.0", "method": method, "params": params, "id": self._next_id}
            )
            async with self._socket() as channel:
                loop = asyncio.get_running_loop()
                try:
                    channel.connect(str(self._path))
                    await asyncio.wait_for(loop.sock_sendall(channel, request), self._timeout)
                    data = await asyncio.wait_for(
                        loop.sock_recv(channel, _LARGEST * 4), self._timeout
                    )
                except (OSError, TimeoutError) as exc:
                    raise Unavailable(f"the edge does not answer {method}: {exc}") from exc
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except msgspec.MsgspecError as exc:
            raise Unavailable(f"the edge answered {method} with nonsense: {exc}") from exc
        if answer.error is not None:
            raise Unavailable(f"the edge refuses {method}: {answer.error.message}")
        return bytes(answer.result)

    @contextlib.asynccontextmanager
    async def _socket(self) -> AsyncIterator[socket.socket]:
        # A new socket for each command: a late answer to an earlier one cannot be taken for ours.
        name = Path(tempfile.gettempdir()) / f"centralita-edge-{os.getpid()}-{id(self)}.sock"
        name.unlink(missing_ok=True)
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            channel.setblocking(False)
            channel.bind(str(name))
            name.chmod(0o600)
            yield channel
        finally:
            channel.close()
            name.unlink(missing_ok=True)
