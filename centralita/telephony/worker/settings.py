"""What a media worker is told at start, as a JSON file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How one worker listens and what it may carry.

    `edge` is the SIP URI of the edge that outgoing calls go through; empty without one.
    `media_address` pins the address in our SDP; empty means the one that routes to the other
    side. `public_address` replaces it for peers outside the private networks (NAT).
    `rtp_timeout` ends a leg that sent audio and then nothing for so many seconds; 0 never. After
    `silence_timeout` without audio and reports a phone in a conversation is told to be silent.
    """

    worker_id: str
    socket: str
    sip_address: str = "127.0.0.1"
    sip_port: int = 5070
    sip_tcp: bool = False
    edge: str = ""
    domain: str = "centralita"
    user_agent: str = "Centralita"
    media_address: str = ""
    public_address: str = ""
    rtp_port: int = 20000
    rtp_ports: int = 4000
    clock_rate: int = 8000
    codecs: tuple[str, ...] = ("PCMA/8000", "PCMU/8000", "opus/48000", "G722/16000")
    srtp: str = "optional"
    max_calls: int = 400
    rtp_timeout: float = 120.0
    silence_timeout: float = 8.0
    log_level: int = 2

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))

    @staticmethod
    def load(path: Path) -> WorkerSettings:
        """Read the file; raises msgspec.ValidationError that names the field."""
        return msgspec.json.decode(path.read_bytes(), type=WorkerSettings)
