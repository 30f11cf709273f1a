"""The web server of the house: the API, the live feed and the page, behind the door."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from aiohttp import web

from centralita import __version__
from centralita.api.app import make_app
from centralita.api.door import Door, GuardedSite
from centralita.api.ports import ApiPorts, ApiSettings
from centralita.core.errors import Unavailable
from centralita.outbound.messages import MessageLimits
from centralita.server.config import Config
from centralita.server.outward import outbound_rules

# Who was too slow with a body is not listened to for long after the answer, in seconds.
_LINGER = 2.0


class Website:
    """`await open()`, then `close()`, which may also be called before."""

    def __init__(self, config: Config, ports: ApiPorts) -> None:
        self._config = config.http
        self._door = Door(ports.settings)
        self._runner = web.AppRunner(make_app(ports), access_log=None, lingering_time=_LINGER)

    async def open(self) -> None:
        """Listen. Raises Unavailable when the port cannot be had."""
        host, port = self._config.host, self._config.port
        await self._runner.setup()
        try:
            await GuardedSite(self._runner, host, port, self._door).start()
        except OSError as exc:
            raise Unavailable(
                f"port {port} of {host} cannot be used: {exc.strerror}; "
                "choose another one with --http-port"
            ) from exc

    async def close(self) -> None:
        """Finish the requests that are under way, then listen no more."""
        await self._runner.cleanup()


def api_settings(config: Config, web_dir: Path | None) -> ApiSettings:
    """What the API has to know of the configuration."""
    has_edge = config.sip.edge == "kamailio"
    return ApiSettings(
        region=config.sip.region,
        version=__version__,
        recordings_dir=config.recordings_dir,
        outbound=outbound_rules(config),
        message_limits=MessageLimits(
            agent_sms=config.outbound.agent_sms,
            sms=config.outbound.sms,
            agent_emails=config.outbound.agent_emails,
            emails=config.outbound.emails,
        ),
        web_dir=web_dir,
        session_idle=config.http.session_idle,
        domain=config.sip.domain,
        cookie_secure=config.http.cookie_secure,
        trusted_proxies=tuple(map(ipaddress.ip_network, config.http.trusted_proxies)),
        metrics_from=tuple(map(ipaddress.ip_network, config.http.metrics_from)),
        ws_port=config.sip.ws_port if has_edge else 0,
        wss_port=config.sip.wss_port if "tls" in config.sip.transports else 0,
        ws_url=config.sip.ws_url,
        origins=(config.http.public_url.rstrip("/"),) if config.http.public_url else (),
    )
