"""REFER (RFC 3515, 5589): what it asks for, and what we tell its sender."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote

import pjsua2 as pj

from centralita.telephony.worker.sip_message import uri_of

_REPLACES = re.compile(r"[?&]replaces=([^&>]*)", re.IGNORECASE)
_PHRASES = {100: "Trying", 200: "OK", 480: "Temporarily Unavailable", 481: "No Such Call",
            486: "Busy Here", 487: "Request Terminated", 603: "Declined"}  # fmt: skip


def wanted(refer_to: str) -> tuple[str, str]:
    """The URI in a Refer-To without its headers, and the Call-ID that its Replaces names."""
    uri = uri_of(refer_to)
    replaces = _REPLACES.search(uri)
    dialog = unquote(replaces[1]).split(";")[0].strip() if replaces else ""
    return uri.partition("?")[0], dialog


def report(status: int) -> pj.CallSendRequestParam:
    """The NOTIFY that says how the transfer goes."""
    param = pj.CallSendRequestParam()
    param.method = "NOTIFY"
    over = status >= 200
    state = "terminated;reason=noresource" if over else "active;expires=60"
    for name, value in (("Event", "refer"), ("Subscription-State", state)):
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        param.txOption.headers.append(header)
    param.txOption.contentType = "message/sipfrag;version=2.0"
    param.txOption.msgBody = f"SIP/2.0 {status} {_phrase(status)}\r\n"
    return param


def _phrase(status: int) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    return HTTPStatus(status).phrase if status in {item.value for item in HTTPStatus} else "Failed"
