"""Mutations of SIP messages, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
)
_REQUESTS: dict[str, tuple[str, str]] = {
    # method: extra headers, body
    "INVITE": ("Content-Type: application/sdp\r\n", _SDP),
    "REGISTER": (
        'Expires: 60\r\nAuthorization: Digest username="201", realm="centralita", nonce="x", '
        'uri="sip:centralita", response="0123456789abcdef0123456789abcdef", qop=auth, '
        'nc=00000001, cnonce="y", algorithm=MD5\r\n',
        "",
    ),
    "OPTIONS": ("Accept: application/sdp\r\n", ""),
    "BYE": ("", ""),
    "CANCEL": ("", ""),
    "ACK": ("", ""),
    "INFO": ("Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n"),
    "REFER": ("Refer-To: <sip:202@centralita>\r\nReferred-By: <sip:201@centralita>\r\n", ""),
    "SUBSCRIBE": ("Event: dialog\r\nExpires: 300\r\n", ""),
    "UPDATE": ("Content-Type: application/sdp\r\n", _SDP),
    "PRACK": ("RAck: 1 1 INVITE\r\n", ""),
    "NOTIFY": ("Event: refer\r\nSubscription-State: active\r\n", "SIP/2.0 100 Trying\r\n"),
    "MESSAGE": ("Content-Type: text/plain\r\n", "hello"),
}
_IN_DIALOG = frozenset({"BYE", "ACK", "INFO", "REFER", "UPDATE", "PRACK", "NOTIFY"})
_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")
_NUMBERS = ("0", "-1", "2147483648", "4294967296", "18446744073709551616", "9" * 200, "1e9", "")
_UTF8 = (
    b"\xc3", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xff\xfe", b"\xc0\x80",
    "ñ🎧\u202e".encode(), b"\x00", b"\x1b[2J", b"%00%0d%0a", b"%n%n%s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A message that was changed. `broken`: whatever it is now, it must not succeed."""

    data: bytes
    broken: bool
    how: str


class Fuzzer:
    """An endless supply of mutants for one `number` that is dialled."""

    def __init__(self, seed: int, *, number: str, port: int, transport: str) -> None:
        self._random = random.Random(seed)
        self._number = number
        self._port = port
        self._transport = transport
        self._count = 0
        self._prefix = f"{seed:x}"

    def __iter__(self) -> Iterator[Mutant]:
        while True:
            yield self.mutant()

    def mutant(self) -> Mutant:
        """The next one: of a valid message, changed in one to three ways."""
        message = self._response() if self._random.random() < 0.1 else self._request()
        if self._random.random() < 0.15:  # what breaks it is known, and nothing else is changed
            name, breaks = self._random.choice(self._breaking)
            return Mutant(breaks(self, message), True, name)
        ways = []
        for _ in range(self._random.randint(1, 3)):
            name, change = self._random.choice(self._changes)
            message = change(self, message)
            ways.append(name)
        return Mutant(message[:60_000], False, " ".join(ways))

    # --- valid ones ---------------------------------------------------------------------------

    def _request(self) -> bytes:
        method = self._random.choice(tuple(_REQUESTS))
        more, body = _REQUESTS[method]
        self._count += 1
        own = f"{self._prefix}-{self._count}"
        tag = ";tag=theirs" if method in _IN_DIALOG else ""
        uri = "sip:centralita" if method == "REGISTER" else f"sip:{self._number}@centralita"
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self._transport} 127.0.0.1:{self._port};rport;branch=z9hG4bK{own}\r\n"
            "Max-Forwards: 70\r\n"
            f'From: "Fuzz" <sip:201@centralita>;tag={own}\r\n'
            f"To: <sip:{self._number}@centralita>{tag}\r\n"
            f"Call-ID: {own}@fuzz\r\n"
            f"CSeq: {self._random.randint(1, 10_000)} {method}\r\n"
            f"Contact: <sip:fuzz@127.0.0.1:{self._port}>\r\n"
            "Allow: INVITE, ACK, BYE, CANCEL\r\nSupported: timer, replaces, 100rel\r\n"
            f"User-Agent: fuzz\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _response(self) -> bytes:
        status = self._random.choice((100, 180, 183, 200, 202, 302, 401, 407, 481, 486, 503, 699))
        request = self._request()
        _, _, rest = request.partition(b"\r\n")
        return b"SIP/2.0 %d Whatever\r\n" % status + rest

    # --- changes ------------------------------------------------------------------------------

    def _flip(self, message: bytes) -> bytes:
        data = bytearray(message)
        for _ in range(self._random.choice((1, 2, 8, 64))):
            at = self._random.randrange(len(data)) if data else 0
            if data:
                data[at] ^= 1 << self._random.randrange(8)
        return bytes(data)

    def _cut(self, message: bytes) -> bytes:
        return message[: self._random.randrange(len(message) + 1)]

    def _repeat_header(self, message: bytes) -> bytes:
        lines = message.split(b"\r\n")
        at = self._random.randrange(len(lines))
        return b"\r\n".join(lines[:at] + [lines[at]] * self._random.choice((2, 5, 60)) + lines[at:])

    def _swell_header(self, message: bytes) -> bytes:
        lines = message.split(b"\r\n")
        at = self._random.randrange(len(lines))
        filler = self._random.choice((b"x", b";", b",", b'"', b"<", b" ", b"%41", b"\\"))
        lines[at] += filler * self._random.choice((100, 2000, 12_000))
        return b"\r\n".join(lines)

    def _lose_header(self, message: bytes) -> bytes:
        lines = message.split(b"\r\n")
        del lines[self._random.randrange(len(lines))]
        return b"\r\n".join(lines)

    def _shuffle(self, message: bytes) -> bytes:
        head, end, body = message.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self._random.shuffle(lines)
        return b"\r\n".join([first, *lines]) + end + body

    def _number_somewhere(self, message: bytes) -> bytes:
        found = list(re.finditer(rb"\d+", message))
        if not found:
            return message
        match = self._random.choice(found)
        number = self._random.choice(_NUMBERS).encode()
        return message[: match.start()] + number + message[match.end() :]

    def _wrong_length(self, message: bytes) -> bytes:
        length = self._random.choice((*_NUMBERS, "1", "70000")).encode()
        return re.sub(rb"(?m)^Content-Length: \d+", b"Content-Length: " + length, message)

    def _odd_text(self, message: bytes) -> bytes:
        at = self._random.randrange(len(message) + 1)
        return message[:at] + self._random.choice(_UTF8) + message[at:]

    def _line_ends(self, message: bytes) -> bytes:
        end = self._random.choice((b"\n", b"\r", b"\r\n ", b"\r\r\n", b"\n\r", b"\0", b"\r\n\t"))
        if self._random.random() < 0.5:
            return message.replace(b"\r\n", end)
        return message.replace(b"\r\n", end, self._random.randint(1, 5))

    def _two_at_once(self, message: bytes) -> bytes:
        return message + self._request()

    def _nest(self, message: bytes) -> bytes:
        what = self._random.choice((b"<", b"(", b"[", b'"', b"sip:"))
        return message.replace(b"<sip:", what * self._random.choice((2, 50, 1000)) + b"<sip:", 1)

    def _drop(self, message: bytes) -> bytes:
        name = self._random.choice(_MANDATORY)
        return re.sub(rb"(?m)^" + name.encode() + rb": .*\r\n", b"", message, count=1)

    def _other_method(self, message: bytes) -> bytes:
        return re.sub(rb"(?m)^(CSeq: \d+) \w+", rb"\1 NONESUCH", message, count=1)

    def _cseq_too_large(self, message: bytes) -> bytes:
        return re.sub(rb"(?m)^CSeq: \d+", b"CSeq: 36893488147419103232", message, count=1)

    def _negative_length(self, message: bytes) -> bytes:
        return re.sub(rb"(?m)^Content-Length: \d+", b"Content-Length: -5", message, count=1)

    def _other_version(self, message: bytes) -> bytes:
        return re.sub(rb"\A(.*)SIP/2\.0", rb"\1SIP/9.0", message, count=1)

    def _twice(self, message: bytes) -> bytes:
        return re.sub(rb"(?m)^(CSeq: )(\d+)( .*\r\n)", rb"\1\2\3\g<1>1\2\3", message, count=1)

    _changes: tuple[tuple[str, Callable[[Fuzzer, bytes], bytes]], ...] = (
        ("flip", _flip),
        ("cut", _cut),
        ("repeat", _repeat_header),
        ("swell", _swell_header),
        ("lose", _lose_header),
        ("shuffle", _shuffle),
        ("number", _number_somewhere),
        ("length", _wrong_length),
        ("text", _odd_text),
        ("line ends", _line_ends),
        ("two", _two_at_once),
        ("nest", _nest),
    )
    _breaking: tuple[tuple[str, Callable[[Fuzzer, bytes], bytes]], ...] = (
        ("no mandatory header", _drop),
        ("CSeq of another method", _other_method),
        ("CSeq beyond 2^31", _cseq_too_large),
        ("negative length", _negative_length),
        ("another version", _other_version),
        ("two CSeqs", _twice),
    )
