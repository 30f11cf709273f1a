"""sip.conf in the terms of the edge and of the media workers."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from centralita.server.config import Config, read_secret
from centralita.server.settings import TrunkConfig
from centralita.telephony.edge.config import EdgeConfig, EdgeRegistration, EdgeTrunk
from centralita.telephony.edge.srv import usual_port
from centralita.telephony.worker.settings import WorkerSettings

WORKER_HOST = "127.0.0.1"


def worker_addresses(config: Config) -> tuple[tuple[str, int], ...]:
    """Where each media worker listens behind the edge: loopback, one port each."""
    first = config.sip.worker_port
    return tuple((WORKER_HOST, first + number) for number in range(config.worker_count))


def worker_settings(config: Config) -> tuple[WorkerSettings, ...]:
    """What each media worker is told. Without an edge the only one listens on the public port."""
    sip, media = config.sip, config.media
    direct = sip.edge == "none"
    # Whole pairs of ports (RTP and RTCP) for each worker.
    share = len(media.rtp_ports) // config.worker_count // 2 * 2
    return tuple(
        WorkerSettings(
            worker_id=f"worker-{number}",
            socket=str(config.run_dir / f"worker-{number}.sock"),
            sip_address=sip.address if direct else host,
            sip_port=sip.port if direct else port,
            sip_tcp=direct and "tcp" in sip.transports,
            edge="" if direct else edge_config(config).uri,
            domain=sip.domain,
            user_agent=sip.user_agent,
            media_address=media.address,
            public_address=media.public_address,
            rtp_port=media.rtp_ports.first + number * share,
            rtp_ports=share,
            clock_rate=media.clock_rate,
            codecs=media.codecs,
            srtp=media.srtp,
            max_calls=media.max_calls,
            rtp_timeout=media.rtp_timeout.total_seconds(),
            silence_timeout=media.silence_timeout.total_seconds(),
        )
        for number, (host, port) in enumerate(worker_addresses(config))
    )


def edge_config(config: Config, retiring: Sequence[WorkerSettings] = ()) -> EdgeConfig:
    """What Kamailio is configured from. Reads the passwords of trunks; raises InvalidInput.

    `retiring` are workers beyond the configured ones that still have calls.
    """
    sip, limits = config.sip, config.limits
    return EdgeConfig(
        run_dir=config.run_dir,
        state_dir=config.data,
        workers=worker_addresses(config),
        retiring=tuple((worker.sip_address, worker.sip_port) for worker in retiring),
        address=sip.address,
        port=sip.port,
        transports=sip.transports,
        tls_port=sip.tls_port,
        ws_port=sip.ws_port,
        wss_port=sip.wss_port,
        origins=page_origins(config),
        tls_certificate=sip.tls_certificate,
        tls_key=sip.tls_key,
        public_address=sip.public_address,
        rtpengine=config.media.rtpengine,
        rtpengine_for_all=config.media.rtpengine_for == "all",
        domain=sip.domain,
        user_agent=sip.user_agent,
        trunks=tuple(_trunk(trunk) for trunk in config.trunks),
        flood_requests=limits.sip_requests,
        flood_interval=limits.sip_interval,
        ban=limits.ban,
        exempt=limits.exempt,
        guarded_keys=config.media.srtp_keys == "tls",
    )


def page_origins(config: Config) -> tuple[str, ...]:
    """Where our pages come from: this machine by its own names, and the public URL."""
    port = config.http.port
    here = tuple(f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    public = urlsplit(config.http.public_url)
    return (*here, f"{public.scheme}://{public.netloc}") if public.netloc else here


def _port(place: tuple[str, int], transport: str) -> int:
    """The port that is named; or none for a name, whose SRV records know it."""
    host, port = place
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return port
    return port or usual_port(transport)


def _trunk(trunk: TrunkConfig) -> EdgeTrunk:
    registration = None
    if trunk.registrar is not None and trunk.password_file is not None:
        registration = EdgeRegistration(
            registrar=trunk.registrar[0],
            port=_port(trunk.registrar, trunk.transport),
            username=trunk.username,
            password=read_secret(trunk.password_file),
            expires=trunk.expires,
        )
    # A provider that we register with takes our calls, too, unless another proxy is named.
    proxy = trunk.proxy or trunk.registrar
    if proxy is not None:
        proxy = proxy[0], _port(proxy, trunk.transport)
    outbound_proxy = trunk.outbound_proxy
    if outbound_proxy is not None:
        outbound_proxy = outbound_proxy[0], _port(outbound_proxy, trunk.transport)
    return EdgeTrunk(
        name=trunk.name,
        addresses=trunk.addresses,
        asserted=trunk.caller_id == "asserted",
        proxy=proxy,
        outbound_proxy=outbound_proxy,
        transport=trunk.transport,
        number_from=trunk.number_from,
        tls_ca=trunk.tls_ca,
        tls_verify=trunk.tls_verify,
        registration=registration,
        probe=trunk.probe,
    )
