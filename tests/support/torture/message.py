"""One torture message, and how it is put down exactly to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Wants(Enum):
    """What RFC 3261 wants of the element that receives the message."""

    ACCEPTED = "well-formed: whatever is answered, not that it is malformed"
    REFUSED = "malformed, or not to be served: a refusal or silence, never a success"
    EITHER = "malformed in a way that a liberal element may overlook"
    IGNORED = "a response that belongs to nothing: no answer at all"


@dataclass(frozen=True, slots=True)
class Torture:
    """A message of RFC 4475, by the name that the RFC gives it.

    `codes` are the answers that are right for us, where the RFC says or implies which; empty for
    any that goes with `wants`. `datagram_only` ones have no end on a stream.
    """

    section: str
    name: str
    wants: Wants
    data: bytes
    codes: tuple[int, ...] = ()
    datagram_only: bool = False


def crlf(text: str) -> bytes:
    """Lines as they go over the wire. `\\xNN` in the text is that byte."""
    return text.replace("\n", "\r\n").encode("latin-1")


def sdp(host: str, *, start: str = "0", connection: str = "") -> str:
    """The body that most of the messages share."""
    return (
        "v=0\n"
        f"o=mhandley 29739 7272939 IN IP4 {host}\n"
        "s=-\n"
        f"c=IN IP4 {connection or host}\n"
        f"t={start} 0\n"
        "m=audio 49217 RTP/AVP 0 12\n"
        "m=video 3227 RTP/AVP 31\n"
        "a=rtpmap:31 LPC\n"
    )
