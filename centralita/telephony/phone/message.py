"""Just enough of RFC 3261's grammar for a phone that talks to one server."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_PARAM = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(slots=True)
class SipMessage:
    """A request (`method`, `uri`) or a response (`status`, `reason`) with its headers in order."""

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    def get(self, name: str) -> str:
        """The first value of a header, or empty."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def all(self, name: str) -> list[str]:
        """All values of a header, one an item."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def tag(self, name: str) -> str:
        """The tag of From or To."""
        _, _, tag = self.get(name).partition(";tag=")
        return tag.split(";")[0]

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method."""
        number, _, method = self.get("CSeq").partition(" ")
        return int(number or 0), method.strip()

    def encode(self) -> bytes:
        """The message as it is sent."""
        first = (
            f"{self.method} {self.uri} SIP/2.0"
            if self.method
            else f"SIP/2.0 {self.status} {self.reason}"
        )
        lines = [first, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body.encode())}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


def parse(data: bytes) -> SipMessage | None:
    """A message, or None for keep-alives and what is not SIP."""
    head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
    lines = head.split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 3:
        return None
    message = SipMessage(body=body)
    if words[0] == "SIP/2.0":
        message.status, message.reason = int(words[1]), words[2]
    else:
        message.method, message.uri = words[0], words[1]
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() != "content-length":
            message.headers.append((name.strip(), value.strip()))
    return message


def branch() -> str:
    """A new transaction's branch."""
    return "z9hG4bK" + secrets.token_hex(8)


def digest(challenge: str, *, user: str, password: str, method: str, uri: str) -> str:
    """The Authorization value for a Digest challenge (RFC 2617, MD5, qop auth or none)."""
    given = {key: quoted or bare for key, quoted, bare in _PARAM.findall(challenge)}
    realm, nonce = given["realm"], given["nonce"]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret, request = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    value = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if "auth" in given.get("qop", "").split(","):
        cnonce = secrets.token_hex(8)
        response = md5(f"{secret}:{nonce}:00000001:{cnonce}:auth:{request}")
        return f'{value}, response="{response}", qop=auth, nc=00000001, cnonce="{cnonce}"'
    return f'{value}, response="{md5(f"{secret}:{nonce}:{request}")}"'
