"""A provider of telephone lines as the edge meets it: registrar, callee and caller in one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from centralita.telephony.edge.config import EdgeRegistration, EdgeTrunk
from tests.support.edge import RunningEdge
from tests.support.sip import Message, Party

USERNAME, PASSWORD = "34911000111", 'p:a$s\\w"d'


def challenge(algorithm: str = "MD5", nonce: str = "n1", more: str = "") -> str:
    """The value of a challenge's header."""
    return f'Digest realm="acme.example", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


def response(given: dict[str, str], method: str, password: str = PASSWORD) -> str:
    """The digest response that `password` gives for the nonces of a request."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret = md5(f"{given['username']}:{given['realm']}:{password}")
    second = md5(f"{method}:{given['uri']}")
    if "qop" not in given:
        return md5(f"{secret}:{given['nonce']}:{second}")
    return md5(f"{secret}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{second}")


@dataclass
class Provider:
    """Speaks through `party`, to whoever is at `edge`."""

    party: Party
    edge: tuple[str, int] = ("", 0)

    def trunk(self, **more: object) -> EdgeTrunk:
        """The trunk to it, on which we register."""
        host, port = self.party.local
        account = EdgeRegistration(registrar=host, port=port, username=USERNAME, password=PASSWORD)
        return EdgeTrunk(
            name="acme",
            proxy=self.party.local,
            registration=account,
            **more,  # type: ignore[arg-type]
        )

    def meets(self, edge: RunningEdge) -> None:
        """From now on it knows where the edge is."""
        self.edge = edge.address

    async def request(self, method: str, *, answered: bool) -> Message:
        """The next request of that method that answers a challenge, or that doesn't yet."""
        while True:
            message = await self.party.receive_request(method, timeout=20)
            if answered == ("authorization" in message or "proxy-authorization" in message):
                return message

    def challenges(
        self, request: Message, values: Sequence[str] = (challenge(),), status: int = 407
    ) -> None:
        """Ask who it is, by these challenges."""
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        text = self.party.answer(request, status, "Who Is It")
        lines = "".join(f"{name}: {value}\r\n" for value in values)
        self.party.send(text.replace("Content-Length", f"{lines}Content-Length"), self.edge)

    def answers(
        self, request: Message, status: int = 200, reason: str = "OK", *, body: str = ""
    ) -> None:
        """A final or provisional answer."""
        text = self.party.answer(request, status, reason, body=body)
        if request.method == "REGISTER":
            contact = f"Contact: {request['contact']};expires=60\r"
            text = re.sub(r"(?m)^Contact: .*\r$", contact, text)
        self.party.send(text, self.edge)

    def right(self, request: Message) -> bool:
        """Whether the credentials are those of our account."""
        lines = [*request.all("authorization"), *request.all("proxy-authorization")]
        given: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)"?', lines[-1]))
        return given["username"] == USERNAME and given["response"] == response(
            given, request.method
        )

    async def registers_us(self, values: Sequence[str] = (challenge(),)) -> str:
        """Challenge and accept the edge's registration; the contact that it gave."""
        self.challenges(await self.request("REGISTER", answered=False), values, 401)
        request = await self.request("REGISTER", answered=True)
        assert self.right(request)
        self.answers(request)
        contact = re.search(r"<([^>]+)>", request["contact"])
        assert contact is not None
        return contact[1]
