"""What our SDP towards a page says beyond what pjsua2 writes. Pure."""

from __future__ import annotations

import re

_AUDIO = re.compile(r"^m=audio (?P<port>\d+) (?P<profile>\S+)(?P<types>(?: \d+)+)", re.MULTILINE)
_RTPMAP = re.compile(r"^a=rtpmap:(?P<type>\d+) (?P<name>[^/\s]+)", re.MULTILINE)
_STATIC = {"0": "pcmu", "8": "pcma", "9": "g722"}
# A page's network may be anybody's: Opus hides losses, G.722 is wide, G.711 always works.
_ORDER = ("opus", "g722", "pcmu", "pcma")
_HOST = re.compile(
    r"^a=candidate:(?P<foundation>\S+) (?P<component>\d+) (?P<transport>\S+) (?P<priority>\d+) "
    r"(?P<address>\S+) (?P<port>\d+) typ host.*$",
    re.MULTILINE,
)


def wide_first(sdp: str) -> str:
    """The codecs in the order that suits pages, whatever trunks prefer."""
    match = _AUDIO.search(sdp)
    if match is None:
        return sdp
    names = _STATIC | {found["type"]: found["name"].lower() for found in _RTPMAP.finditer(sdp)}
    rank = {name: place for place, name in enumerate(_ORDER)}
    types = sorted(match["types"].split(), key=lambda kind: rank.get(names.get(kind, ""), 99))
    line = f"m=audio {match['port']} {match['profile']} {' '.join(types)}"
    return sdp[: match.start()] + line + sdp[match.end() :]


def with_public_candidate(sdp: str, public: str) -> str:
    """Each of our candidates under the address, too, by which the internet sees this machine.

    The router before us must pass the ports on as they are.
    """

    def doubled(match: re.Match[str]) -> str:
        # As RFC 8445 5.1.2.1 has it, below the host candidates: those are nearer.
        priority = (100 << 24) | (65535 << 8) | (256 - int(match["component"]))
        return (
            f"{match[0]}\na=candidate:{match['foundation']}p {match['component']} "
            f"{match['transport']} {priority} {public} {match['port']} typ srflx "
            f"raddr {match['address']} rport {match['port']}"
        )

    return _HOST.sub(doubled, sdp.replace("\r\n", "\n")).replace("\n", "\r\n")
