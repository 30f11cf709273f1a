"""The trunks of sip.conf as ways out, with what is usual where it says nothing."""

from __future__ import annotations

from functools import partial

from centralita.outbound.ways import Forwarded, Identity, NumberFormat, WayOut
from centralita.server.config import Config
from centralita.server.settings import TrunkConfig
from centralita.telephony.attempts import Srtp
from centralita.telephony.edge.config import trunk_uri


def ways_out_of(config: Config) -> tuple[WayOut, ...]:
    """The trunks that take calls: those with a proxy, or a registrar."""
    return tuple(
        _way_out(trunk, config)
        for trunk in config.trunks
        if trunk.proxy is not None or trunk.registrar is not None
    )


def _way_out(trunk: TrunkConfig, config: Config) -> WayOut:
    host, _ = trunk.proxy or trunk.registrar or ("", 0)
    # Who registers is known there by the account: many providers look for it in From.
    registers = trunk.registrar is not None
    realm = trunk.registrar[0] if trunk.registrar is not None else ""
    return WayOut(
        name=trunk.name,
        uri=partial(trunk_uri, trunk.name),
        host=_bracketed(host),
        region=trunk.region or config.sip.region,
        transport=trunk.transport,
        from_user=trunk.from_user or (trunk.username if registers else ""),
        from_domain=_bracketed(trunk.from_domain or realm),
        keeps_from=bool(trunk.from_user),
        identity=Identity(trunk.identity),
        number_format=NumberFormat(trunk.number_format),
        number=trunk.number,
        hide_number=trunk.hide_number,
        forwarded=Forwarded(trunk.forwarded),
        srtp=Srtp(trunk.srtp or config.media.srtp),
        priority=trunk.priority,
        calls_to=trunk.calls_to,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
