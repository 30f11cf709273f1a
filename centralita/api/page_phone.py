"""Where a page finds the edge, to be a phone. Pure."""

from __future__ import annotations

import ipaddress
import re

from centralita.api.ports import ApiSettings

_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def websocket_url(settings: ApiSettings, host: str, *, https: bool) -> str:
    """The WebSocket for a page that was opened at `host`; empty when it cannot be a phone.

    A page may use the microphone when it came by https, or from this machine itself. The former
    may open only WebSockets with TLS, and the latter finds the one without.
    """
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if not _HOST.fullmatch(name):
        return ""
    if settings.ws_url:
        return settings.ws_url
    if https:
        return f"wss://{name}:{settings.wss_port}" if settings.wss_port else ""
    if settings.ws_port and is_here(name):
        return f"ws://127.0.0.1:{settings.ws_port}"
    return ""


def is_here(host: str) -> bool:
    """Whether a host of a URL means the machine that asks."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
