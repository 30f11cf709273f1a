"""A call whose every byte the test writes: for what no phone of ours would say."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from tests.support.wire import Wire, header, headers, status_of

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def tag_of(address: bytes) -> str:
    """The tag of a From or To; empty when there is none."""
    found = re.search(rb";tag=([^;\s]+)", address)
    return found[1].decode() if found else ""


@dataclass
class RawCall:
    """One INVITE on a wire, and the dialog it leads to."""

    wire: Wire
    dialled: str = "100"
    caller: bytes = b"<sip:+34600999000@centralita>"
    more: tuple[bytes, ...] = ()
    body: bytes = OFFER
    transport: str = "udp"
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    cseq: int = 1

    def invite(self) -> RawCall:
        """Send it."""
        host, port = self.wire.local
        way = self.transport
        lines = (
            f"INVITE sip:{self.dialled}@centralita SIP/2.0".encode(),
            f"Via: SIP/2.0/{way.upper()} {host}:{port};rport;branch=z9hG4bK{self.call_id}".encode(),
            b"Max-Forwards: 70",
            b"From: %b;tag=%b" % (self.caller, self.tag.encode()),
            f"To: <sip:{self.dialled}@centralita>".encode(),
            f"Call-ID: {self.call_id}".encode(),
            b"CSeq: 1 INVITE",
            f"Contact: <sip:raw@{host}:{port};transport={way}>".encode(),
            *self.more,
            b"Content-Type: application/sdp",
            b"Content-Length: %d" % len(self.body),
        )
        self.wire.send(b"\r\n".join(lines) + b"\r\n\r\n" + self.body)
        return self

    async def answered(self) -> RawCall:
        """Send it, and wait for its 200."""
        status = await self.invite().wire.final()
        assert status == 200, self.wire.answers
        return self

    @property
    def replies(self) -> list[bytes]:
        """What has come for it."""
        return [
            answer
            for answer in self.wire.answers
            if header(answer, "Call-ID") == self.call_id.encode() and status_of(answer)
        ]

    @property
    def ok(self) -> bytes:
        """The 200 to the INVITE."""
        return next(answer for answer in self.replies if status_of(answer) == 200)

    @property
    def their_tag(self) -> str:
        """The tag of the other side, as the first answer with one had it."""
        return next((tag for reply in self.replies if (tag := tag_of(header(reply, "To")))), "")

    def request(
        self,
        method: str,
        *more: bytes,
        body: bytes = b"",
        cseq: int | None = None,
        to_tag: str | None = None,
        from_tag: str | None = None,
        branch: str = "",
        content: str = "application/sdp",
    ) -> bytes:
        """A request within the dialog, with the right tags and the next number unless others are
        given. CANCEL and the ACK of a refusal go by the INVITE's branch: `branch=call_id`."""
        host, port = self.wire.local
        ok = next((reply for reply in self.replies if status_of(reply) == 200), b"")
        contact = re.search(rb"<([^>]+)>", header(ok, "Contact")) if ok else None
        uri = contact[1] if contact else f"sip:{self.dialled}@centralita".encode()
        tag = self.their_tag if to_tag is None else to_tag
        if cseq is None:
            if method not in ("ACK", "CANCEL"):
                self.cseq += 1
            cseq = self.cseq if method not in ("ACK", "CANCEL") else 1
        way = f"SIP/2.0/{self.transport.upper()} {host}:{port};rport"
        lines = (
            f"{method} ".encode() + uri + b" SIP/2.0",
            f"Via: {way};branch=z9hG4bK{branch or secrets.token_hex(8)}".encode(),
            *(b"Route: " + route for route in reversed(headers(ok, "Record-Route"))),
            b"Max-Forwards: 70",
            b"From: %b;tag=%b" % (self.caller, (from_tag or self.tag).encode()),
            f"To: <sip:{self.dialled}@centralita>".encode()
            + (f";tag={tag}" if tag else "").encode(),
            f"Call-ID: {self.call_id}".encode(),
            f"CSeq: {cseq} {method}".encode(),
            f"Contact: <sip:raw@{host}:{port};transport={self.transport}>".encode(),
            *more,
            *((f"Content-Type: {content}".encode(),) if body else ()),
            b"Content-Length: %d" % len(body),
        )
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def named_in(self, what: str) -> bytes:
        """The header `what` (Replaces or Join) with this dialog, as the other side knows it."""
        name = f"{what}: {self.call_id};to-tag={self.their_tag};from-tag={self.tag}"
        return name.encode()
