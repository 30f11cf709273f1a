"""Which of our addresses the other side can send its audio to."""

from __future__ import annotations

import ipaddress
import re
import socket

_CONNECTION = re.compile(r"^c=IN IP[46] (?P<address>\S+)", re.MULTILINE)
# The address stands at the end of these lines; a=rtcp (RFC 3605) is where RTCP is to be sent.
_OUR_ADDRESS = re.compile(r"^(?P<head>o=.{0,200} |c=|a=rtcp:\d{1,5} )IN IP[46] \S+", re.MULTILINE)


def route_to(peer: str) -> str:
    """The local address from which packets to `peer` leave; empty when there is no route."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return ""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, 9))  # UDP connect only asks the routing table; nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def media_peer(sdp: str) -> str:
    """The address in the first `c=` line of an SDP; empty if there is none."""
    match = _CONNECTION.search(sdp)
    return match["address"] if match else ""


def choose(peer: str, *, pinned: str, public: str) -> str:
    """The address for our SDP towards `peer`; empty means: leave what pjsua2 wrote."""
    if pinned:
        return pinned
    try:
        outside = bool(peer) and ipaddress.ip_address(peer).is_global
    except ValueError:
        outside = False
    if outside and public:
        return public
    return route_to(peer) if peer else ""


def rewrite(sdp: str, address: str) -> str:
    """`sdp` with `address` in its `o=`, `c=` and `a=rtcp` lines."""
    version = 6 if ":" in address else 4
    return _OUR_ADDRESS.sub(lambda match: f"{match['head']}IN IP{version} {address}", sdp)
