"""A small SIP party for tests: writes requests as text, reads what comes, knows digest."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


@dataclass(frozen=True, slots=True)
class Message:
    """A SIP message: its first line, its headers in order (names in lower case), its body."""

    first_line: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        return int(self.first_line.split(" ")[1]) if self.first_line.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """The method; of an answer, the one in CSeq."""
        return self["cseq"].split()[1] if self.status else self.first_line.split(" ")[0]

    @property
    def uri(self) -> str:
        """The request URI."""
        return self.first_line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    def __getitem__(self, name: str) -> str:
        return self.all(name)[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    @staticmethod
    def parse(data: bytes) -> Message:
        """The message in one datagram."""
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return Message(first, tuple((k.strip().lower(), v.strip()) for k, _, v in pairs), body)


@dataclass
class Party:
    """Somebody who speaks SIP from one address. Messages that come are in `inbox`."""

    local: tuple[str, int]
    transport_name: str
    writer: asyncio.DatagramTransport | asyncio.StreamWriter
    inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    cseq: int = 0

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        """Send a whole message."""
        if isinstance(self.writer, asyncio.StreamWriter):
            self.writer.write(text.encode())
        else:
            self.writer.sendto(text.encode(), to)

    async def receive(self, timeout: float = 5.0) -> Message:
        """The next message that is not a provisional answer."""
        while True:
            message = await asyncio.wait_for(self.inbox.get(), timeout)
            if not 100 <= message.status < 200:
                return message

    async def receive_request(self, method: str, timeout: float = 5.0) -> Message:
        """The next request with that method; the dispatcher's OPTIONS are passed over."""
        while True:
            message = await self.receive(timeout)
            if not message.status and message.method == method:
                return message

    async def receive_answer(self, method: str, timeout: float = 5.0) -> Message:
        """The next final answer to a request of that method; what else comes is passed over."""
        while True:
            message = await self.receive(timeout)
            if message.status and message.method == method:
                return message

    def request(
        self,
        method: str,
        uri: str,
        *,
        user: str = "tester",
        to: str = "",
        call_id: str = "",
        extra: str = "",
        body: str = "",
        from_tag: str = "",
        expires: int | None = None,
    ) -> str:
        """A request from `user`; to the request URI unless `to` says another."""
        self.cseq += 1
        host, port = self.local
        via = f"{self.transport_name.upper()} {host}:{port}"
        transport = "" if self.transport_name == "udp" else f";transport={self.transport_name}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{via};rport;branch=z9hG4bK{secrets.token_hex(8)}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@centralita>;tag={from_tag or secrets.token_hex(4)}",
            f"To: <{to or uri}>",
            f"Call-ID: {call_id or secrets.token_hex(8)}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{user}@{host}:{port}{transport}>",
        ]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        lines.extend(line for line in extra.split("\r\n") if line)
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def answer(self, request: Message, status: int, reason: str, *, body: str = "") -> str:
        """An answer to `request`, with a tag and a contact of ours."""
        lines = [f"SIP/2.0 {status} {reason}"]
        for name in ("via", "record-route", "from", "call-id", "cseq"):
            lines.extend(f"{name.title()}: {value}" for value in request.all(name))
        tag = "" if ";tag=" in request["to"] else ";tag=answering"
        lines.append(f"To: {request['to']}{tag}")
        transport = "" if self.transport_name == "udp" else f";transport={self.transport_name}"
        lines.append(f"Contact: <sip:us@{self.local[0]}:{self.local[1]}{transport}>")
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    async def register(
        self, server: tuple[str, int], user: str, password: str, *, expires: int = 60, **more: str
    ) -> tuple[Message, Message]:
        """Register by digest. The challenge, and the answer to our credentials."""
        uri = f"sip:{server[0]}:{server[1]}"
        aor = f"sip:{user}@centralita"
        call_id = secrets.token_hex(8)

        def attempt(extra: str) -> str:
            return self.request(
                "REGISTER", uri, user=user, to=aor, call_id=call_id, extra=extra, expires=expires
            )

        self.send(attempt(""), server)
        challenge = await self.receive()
        line = authorization(challenge["www-authenticate"], "REGISTER", uri, user, password)
        self.send(attempt(f"Authorization: {line}"), server)
        return challenge, await self.receive()

    def close(self) -> None:
        self.writer.close()


def authorization(
    challenge: str,
    method: str,
    uri: str,
    user: str,
    password: str,
    *,
    secret: bytes = b"",
    count: int = 1,
) -> str:
    """The credentials that answer a digest challenge (MD5, qop=auth).

    `secret` stands in the place of HA1; `count` is how often the nonce has been used.
    """
    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce = given["realm"], given["nonce"]

    def md5(data: bytes) -> str:
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    cnonce, used = secrets.token_hex(4), f"{count:08x}"
    secret = secret or md5(f"{user}:{realm}:{password}".encode()).encode()
    second = md5(f"{method}:{uri}".encode())
    response = md5(secret + f":{nonce}:{used}:{cnonce}:auth:{second}".encode())
    return (
        f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc={used}, cnonce="{cnonce}"'
    )


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, inbox: asyncio.Queue[Message]) -> None:
        self.inbox = inbox

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.strip(b"\0\r\n"):  # keep-alives are no messages
            self.inbox.put_nowait(Message.parse(data))


@contextlib.asynccontextmanager
async def udp_party(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Party]:
    """A party on a UDP socket."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(inbox), local_addr=(host, port)
    )
    local: tuple[str, int] = transport.get_extra_info("sockname")
    party = Party(local, "udp", transport, inbox)
    try:
        yield party
    finally:
        party.close()


async def _read(reader: asyncio.StreamReader, inbox: asyncio.Queue[Message]) -> None:
    """Put the messages of a connection into the inbox until it ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
            if not head:
                continue
            length = re.search(rb"(?mi)^Content-Length:\s*(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            inbox.put_nowait(Message.parse(head + body))


class _Latest(asyncio.DatagramTransport):
    """Sends by the connection that was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[asyncio.StreamWriter] = []

    def sendto(self, data: bytes | bytearray | memoryview, addr: object = None) -> None:
        self.writers[-1].write(bytes(data))

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


@contextlib.asynccontextmanager
async def listening_party(host: str, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Party]:
    """A party that others connect to, by TCP, or by TLS with this certificate."""
    latest = _Latest()
    inbox: asyncio.Queue[Message] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        latest.writers.append(writer)
        await _read(reader, inbox)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    local: tuple[str, int] = server.sockets[0].getsockname()[:2]
    party = Party(local, "tls" if tls else "tcp", latest, inbox)
    try:
        yield party
    finally:
        party.close()
        server.close()


@contextlib.asynccontextmanager
async def stream_party(
    server: tuple[str, int], *, tls: bool = False, host: str = "127.0.0.1"
) -> AsyncIterator[Party]:
    """A party on a TCP or TLS connection to `server`, whose certificate is not verified."""
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(*server, ssl=context, local_addr=(host, 0))
    local: tuple[str, int] = writer.get_extra_info("sockname")
    party = Party(local, "tls" if tls else "tcp", writer)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_read(reader, party.inbox))
        try:
            yield party
        finally:
            reading.cancel()
            party.close()


class _Frames(asyncio.DatagramTransport):
    """A WebSocket as a party's transport: one message is one frame (RFC 7118)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        super().__init__()
        self._socket = socket
        self._frames: asyncio.Queue[str] = asyncio.Queue()

    def sendto(self, data: bytes | bytearray | memoryview, addr: object = None) -> None:
        self._frames.put_nowait(bytes(data).decode())

    def close(self) -> None:
        """The socket is its owner's."""

    async def write(self) -> None:
        while True:
            await self._socket.send_str(await self._frames.get())


@contextlib.asynccontextmanager
async def page_party(url: str, *, origin: str) -> AsyncIterator[Party]:
    """A party on a WebSocket, as a page of `origin` opens it."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["sip"], origin=origin) as socket,
        asyncio.TaskGroup() as group,
    ):
        frames = _Frames(socket)
        party = Party(("page.invalid", 5060), "ws", frames)

        async def read() -> None:
            async for message in socket:
                party.inbox.put_nowait(Message.parse(str(message.data).encode()))

        tasks = [group.create_task(read()), group.create_task(frames.write())]
        try:
            yield party
        finally:
            for task in tasks:
                task.cancel()
