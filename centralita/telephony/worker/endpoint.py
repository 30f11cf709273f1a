"""The one pjsua2 Endpoint of the process: transports, codecs, accounts."""

from __future__ import annotations

import functools
import importlib.metadata
import ipaddress
import logging

import pjsua2 as pj

from centralita.telephony.call import TelephonyError
from centralita.telephony.worker.settings import WorkerSettings
from centralita.telephony.worker.wire_text import wire_text

log = logging.getLogger(__name__)

_SRTP = {"off": 0, "optional": 1, "mandatory": 2}
# What a build can carry is compiled in and has no getter: the ready-made wheel from the package
# index is the desktop configuration with 4 calls, our own build has PJSUA_MAX_CALLS 1024.
_DESKTOP_WHEEL = "pjsua2-python"
_DESKTOP_CALLS = 4
_OUR_BUILD_CALLS = 1024


@functools.cache
def build_limit() -> int:
    """How many legs the installed pjsua2 can hold."""
    try:
        importlib.metadata.distribution(_DESKTOP_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return _OUR_BUILD_CALLS
    return _DESKTOP_CALLS


class LogToPython(pj.LogWriter):
    """Passes pjsip's own log on."""

    def write(self, entry: pj.LogEntry) -> None:
        """Called by any pj thread."""
        level = logging.WARNING if entry.level <= 2 else logging.DEBUG
        log.log(level, "pjsip", extra={"pii_message": wire_text(entry.msg.strip())})


def start_endpoint(settings: WorkerSettings, log_writer: LogToPython) -> pj.Endpoint:
    """Create, configure and start the endpoint; raises TelephonyError with the cause."""
    endpoint = pj.Endpoint()
    try:
        endpoint.libCreate()
        endpoint.libInit(_endpoint_config(settings, log_writer))
        endpoint.audDevManager().setNullDev()
        _listen(endpoint, settings)
        endpoint.libStart()
        _order_codecs(endpoint, settings.codecs)
    except pj.Error as exc:
        raise TelephonyError(
            f"worker {settings.worker_id} cannot start on "
            f"{settings.sip_address}:{settings.sip_port}: {exc.reason or exc.info()}"
        ) from exc
    return endpoint


def _endpoint_config(settings: WorkerSettings, log_writer: LogToPython) -> pj.EpConfig:
    config = pj.EpConfig()
    config.logConfig.level = settings.log_level
    config.logConfig.consoleLevel = 0
    config.logConfig.msgLogging = 1 if settings.log_level >= 5 else 0
    config.logConfig.writer = log_writer
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = False
    # All that the build has: one beyond our limit has room to be refused with 503 (pjsua itself
    # would say 486, and an edge would not try the next worker), so has the second phone that rings
    # for one leg, and so have calls that are over for us and whose other side answers no BYE.
    config.uaConfig.maxCalls = build_limit()
    config.uaConfig.userAgent = settings.user_agent
    media = config.medConfig
    media.clockRate = settings.clock_rate
    media.sndClockRate = settings.clock_rate
    media.audioFramePtime = 20
    media.ecTailLen = 0
    media.noVad = True
    media.quality = 5
    media.sndAutoCloseTime = -1
    media.maxMediaPorts = 4000
    # The jitter buffer starts empty, for the shortest delay, and grows when the net is worse.
    media.jbInit = 0
    media.jbMax = 400
    return config


def _listen(endpoint: pj.Endpoint, settings: WorkerSettings) -> None:
    transport = pj.TransportConfig()
    transport.port = settings.sip_port
    transport.boundAddress = settings.sip_address
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    if settings.sip_tcp:
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)


def _order_codecs(endpoint: pj.Endpoint, wanted: tuple[str, ...]) -> None:
    """The wanted codecs in their order, all others off."""
    for codec in endpoint.codecEnum2():
        rank = next(
            (
                index
                for index, name in enumerate(wanted)
                if codec.codecId.lower().startswith(name.lower())
            ),
            None,
        )
        endpoint.codecSetPriority(codec.codecId, 0 if rank is None else 250 - rank)


def account_config(settings: WorkerSettings, user: str, *, srtp: str = "") -> pj.AccountConfig:
    """An account without registration: one takes calls from the edge, those with `srtp` make them.

    An offer of ours has SRTP or has it not: one with both would make plain phones refuse the call.
    """
    config = pj.AccountConfig()
    config.idUri = f"sip:{user}@{settings.domain}"
    config.regConfig.registerOnAdd = False
    config.sipConfig.autoRespondSipMessage = True
    if srtp and settings.edge:
        config.sipConfig.proxies.append(f"{settings.edge};lr")
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    config.natConfig.iceEnabled = False
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = False
    config.natConfig.sdpNatRewriteUse = False
    media = config.mediaConfig
    media.srtpUse = _SRTP[srtp or settings.srtp]
    media.srtpSecureSignaling = 0
    media.transportConfig.port = settings.rtp_port
    media.transportConfig.portRange = settings.rtp_ports
    if settings.media_address:
        media.transportConfig.boundAddress = settings.media_address
    return config


def page_account_config(settings: WorkerSettings, user: str) -> pj.AccountConfig:
    """The account that rings pages in browsers (WebRTC): ICE, DTLS-SRTP and one port for both."""
    config = account_config(settings, user, srtp="mandatory")
    config.natConfig.iceEnabled = True
    config.natConfig.iceAggressiveNomination = True
    # Browsers know what was chosen: a further offer would only cost a round.
    config.natConfig.iceAlwaysUpdate = False
    media = config.mediaConfig
    keyings = pj.IntVector()
    keyings.append(pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP)
    media.srtpOpt.keyings = keyings
    media.rtcpMuxEnabled = True
    # Browsers answer with several codecs and send the first. A second INVITE to say so could
    # overtake the ACK on its way through the edge, and the ACK would be taken for an old one.
    media.lockCodecEnabled = False
    # pjnath offers one family, and none of loopback: browsers don't take their own there, either.
    media.ipv6Use = pj.PJSUA_IPV6_DISABLED
    address = settings.media_address
    if address and (":" in address or ipaddress.ip_address(address).is_loopback):
        address = ""
    media.transportConfig.boundAddress = address
    return config
