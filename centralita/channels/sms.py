"""SMS by Kannel's HTTP interface (`sendsms`), which other gateways have taken over, too."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import aiohttp

from centralita.channels.protocol import Delayed, Letter, NotSent, Refused, Trouble, Unclear

# For a connection, and for an answer, in seconds.
_CONNECTION = 10.0
_ANSWER = 30.0
# So much of an answer is read.
_ANSWER_BYTES = 300

MOST_PARTS = 10
"""No longer text is sent: it costs as many SMS, and phones join only so many to one text."""

# GSM 03.38 (3GPP TS 23.038, 6.2.1): the alphabet of seven bits, and what takes two of its places.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsGateway:
    """Where SMS are handed over, and the number or name they come from."""

    url: str
    user: str
    password: str = field(repr=False)
    sender: str


def is_gsm(text: str) -> bool:
    """Whether a text can be written in the seven bits of GSM 03.38."""
    return all(sign in _GSM or sign in _GSM_TWICE for sign in text)


def parts(text: str) -> int:
    """How many SMS a text takes: 160 places, or 153 in each of several; outside of GSM 03.38 it is
    70 and 67 units of UTF-16."""
    if is_gsm(text):
        length, one, each = sum(2 if sign in _GSM_TWICE else 1 for sign in text), 160, 153
    else:
        length, one, each = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= one else math.ceil(length / each)


class KannelSender:
    """Asks the gateway by GET, as its manual shows and all its imitators understand.

    An SMS has no identity: the phone shows what comes twice two times. So a letter of which nobody
    knows whether the gateway took it is never repeated by itself.
    """

    channel = "sms"
    repeatable = False

    def __init__(self, gateway: SmsGateway) -> None:
        self._gateway = gateway
        self._session: aiohttp.ClientSession | None = None

    async def send(self, letter: Letter) -> None:
        if parts(letter.body) > MOST_PARTS:
            raise Refused(Trouble.REJECTED, f"longer than {MOST_PARTS} SMS")
        asked = {
            "username": self._gateway.user,
            "password": self._gateway.password,
            "from": self._gateway.sender,
            "to": letter.to,
            "text": letter.body,
            "charset": "UTF-8",
            "coding": "0" if is_gsm(letter.body) else "2",
        }
        try:
            status, answer = await self._ask(asked)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as exc:
            raise Delayed(Trouble.INSECURE, f"no TLS with the gateway: {exc}") from exc
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Delayed(Trouble.UNREACHABLE, f"the gateway cannot be reached: {exc}") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            # The name of the error alone: some repeat the address, in which the password is.
            raise Unclear(f"the gateway did not answer: {type(exc).__name__}") from exc
        error = _judge(status, answer)
        if error is not None:
            raise error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, asked: dict[str, str]) -> tuple[int, str]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ANSWER, connect=_CONNECTION)
            # A connection that was kept may be closed in the moment in which it is used again, and
            # then it would be unclear whether the gateway has heard.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        async with self._session.get(
            self._gateway.url, params=asked, allow_redirects=False
        ) as answer:
            said = await answer.content.read(_ANSWER_BYTES)
            return answer.status, said.decode("utf-8", "replace").strip()


def _judge(status: int, answer: str) -> NotSent | None:
    """What Kannel's answer means (user guide, "SMS Push reply"); None is: it has it."""
    said = f"{status} {answer}"
    match status:
        case 200 | 202:
            return None
        case 403 if "not routable" in answer.lower():
            return Refused(Trouble.ADDRESS, said)
        case 401 | 403:
            return Delayed(Trouble.LOGIN, said)
        case 400 if "denied" in answer.lower() or "receiver" in answer.lower():
            return Refused(Trouble.ADDRESS, said)
        case 400:
            return Refused(Trouble.REJECTED, said)
        case 500 | 502 | 503 | 504 | 429:
            return Delayed(Trouble.BUSY, said)
        case _:
            return Delayed(Trouble.SETUP, said)
