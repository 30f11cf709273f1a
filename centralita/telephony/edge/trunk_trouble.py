"""Finds out why a trunk does not answer, and says what to do about it.

Kamailio only knows that nothing came back. So the same way is tried from here, as far as it goes
without speaking SIP: the name, the connection, the certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from centralita.telephony.edge.config import EdgeTrunk
from centralita.telephony.edge.render import AUTHORITIES
from centralita.telephony.edge.srv import places
from centralita.telephony.edge.trunk_state import Trouble, refusal

# How long the name and the connection may each take, in seconds.
_PATIENCE = 5.0


async def what_ails(trunk: EdgeTrunk) -> tuple[Trouble, str]:
    """The reason why `trunk` does not answer."""
    host, port = (await places(*target(trunk), trunk.transport))[0]
    at = f"[trunk:{trunk.name}]"
    silent = (
        Trouble.NO_ANSWER,
        f"{host}:{port} ({trunk.transport}) does not answer: is it the address in {at}, does a "
        "firewall let SIP through, is the provider at work? probe = no for one that takes no "
        "questions (OPTIONS)",
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as exc:
        return Trouble.NAME, (
            f"the name {host} is not found ({_words(exc)}): correct it in {at}, or see to the "
            "DNS of this machine"
        )
    if trunk.transport == "udp":
        return silent
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=_tls(trunk))
    except ssl.SSLError as exc:
        return Trouble.CERTIFICATE, (
            f"the TLS of {host}:{port} is refused ({_words(exc)}): tls_ca in {at} names the "
            "authority that its certificate is signed by, or the certificate itself"
        )
    except (OSError, TimeoutError) as exc:
        return Trouble.CONNECTION, (
            f"no connection to {host}:{port} ({_words(exc)}): is it the port for "
            f"{trunk.transport}, does a firewall let it through, is the provider at work? See {at}"
        )
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 1.0)
    return silent


def why_refused(trunk: EdgeTrunk, trouble: Trouble, code: int) -> str:
    """What it means that its registrar refuses us by `code`."""
    at = f"[trunk:{trunk.name}]"
    if trouble is Trouble.PASSWORD:
        return (
            f"its registrar does not take our password ({refusal(code)}): check username and "
            f"password_file in {at}"
        )
    return (
        f"its registrar refuses us ({refusal(code)}): check registrar and username in {at}, and "
        "ask the provider whether the account is open"
    )


def target(trunk: EdgeTrunk) -> tuple[str, int]:
    """Where it is asked: where our calls go first, or else the registrar."""
    if first := trunk.outbound_proxy or trunk.proxy:
        return first
    assert trunk.registration is not None
    return trunk.registration.registrar, trunk.registration.port


def _tls(trunk: EdgeTrunk) -> ssl.SSLContext | None:
    """What Kamailio asks of its certificate (`render.tls_cfg`)."""
    if trunk.transport != "tls":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if not trunk.tls_verify:
        context.verify_mode = ssl.CERT_NONE
    elif trunk.tls_ca is not None:
        context.load_verify_locations(cafile=trunk.tls_ca)
    else:
        context.load_verify_locations(capath=AUTHORITIES)
    return context


def _words(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return exc.verify_message
    if isinstance(exc, ssl.SSLError):
        return exc.reason or str(exc)
    return (exc.strerror if isinstance(exc, OSError) else "") or str(exc)
