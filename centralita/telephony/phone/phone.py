"""The phone itself: registers, calls, answers, speaks and listens (SIP over UDP, PCMA)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from urllib.parse import quote

from centralita.core.errors import CentralitaError
from centralita.core.tasks import Tasks
from centralita.telephony.phone.message import SipMessage, branch, digest, parse
from centralita.telephony.phone.rtp import RtpAudio

_T1 = 0.5  # RFC 3261 17.1.1.1
_RETRANSMISSIONS = 6


class PhoneError(CentralitaError):
    """The other side refused or did not answer."""

    code = "phone"

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class PhoneCall:
    """One call of the phone, from either side. Times are time.monotonic()."""

    def __init__(self, phone: Phone, sip_call_id: str, *, outgoing: bool) -> None:
        self.sip_call_id = sip_call_id
        self.audio = RtpAudio()
        self.times: dict[str, float] = {}
        self.status = 0
        self.invite = SipMessage()
        self.their_sdp = ""
        self.ringing = asyncio.Event()
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.settled = asyncio.Event()
        self.held = False
        self.transfer: list[str] = []
        self._phone = phone
        self._outgoing = outgoing
        self._local = ""
        self._remote = ""
        self._target = ""
        self._routes: list[str] = []
        self._cseq = 0
        self._sdp = ""

    @property
    def caller(self) -> str:
        """The user part of From."""
        match = re.search(r"sips?:([^@;>]*)", self.invite.get("From"))
        return match[1] if match else ""

    async def wait_answered(self, within: float = 10.0) -> None:
        """Until the call is up; raises PhoneError when it is refused."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.settled.wait(), within)
        if not self.answered.is_set():
            raise PhoneError(f"call not answered: {self.status or 'timeout'}", status=self.status)

    async def wait_ended(self, within: float = 10.0) -> None:
        """Until the other side or we have ended it."""
        await asyncio.wait_for(self.ended.wait(), within)

    def ring(self) -> None:
        """180 to an incoming call."""
        self._phone.respond(self.invite, 180, "Ringing", self)

    def ring_with_sound(self) -> None:
        """183 to an incoming call: the other side may hear us before we answer."""
        self._phone.respond(self.invite, 183, "Session Progress", self, body=self._sdp)

    def accept(self) -> None:
        """200 to an incoming call."""
        self.times["accepted"] = time.monotonic()
        self._phone.respond(self.invite, 200, "OK", self, body=self._sdp)

    def reject(self, status: int = 486) -> None:
        """A final refusal of an incoming call."""
        self.status = status
        self._phone.respond(self.invite, status, "Refused", self)
        self.finish()

    async def hang_up(self) -> None:
        """BYE; before the answer CANCEL, or a refusal of a call that came in."""
        if self.ended.is_set():
            return
        self.times["hung_up"] = time.monotonic()
        if not self.answered.is_set():
            if self._outgoing:
                await self._phone.cancel(self)
            else:
                self.reject(480)
            return
        self.finish()
        await self._phone.send_request(self.request("BYE"))

    async def hold(self, held: bool) -> None:
        """Re-INVITE with sendonly, or back with sendrecv."""
        self.held = held
        request = self.request("INVITE")
        request.headers.append(("Contact", self._phone.contact))
        request.headers.append(("Content-Type", "application/sdp"))
        request.body = self._sdp.replace("a=sendrecv", "a=sendonly") if held else self._sdp
        response = await self._phone.send_request(request)
        if response.status != 200:
            raise PhoneError(f"re-INVITE refused: {response.status}", status=response.status)
        self._phone.send(self.request("ACK"))

    async def refer(self, target: str, replaces: PhoneCall | None = None) -> int:
        """Transfer of the other side to `target`, blind or to whom another call of ours is with
        (RFC 5589); returns the status. How it goes is told in `transfer`."""
        request = self.request("REFER")
        request.headers.append(("Contact", self._phone.contact))
        named = f"?Replaces={replaces.dialog_name}" if replaces is not None else ""
        request.headers.append(("Refer-To", f"<{target}{named}>"))
        return (await self._phone.send_request(request)).status

    async def info_digit(self, digit: str) -> int:
        """A key by SIP INFO."""
        request = self.request("INFO")
        request.headers.append(("Content-Type", "application/dtmf-relay"))
        request.body = f"Signal={digit}\r\nDuration=160\r\n"
        return (await self._phone.send_request(request)).status

    @property
    def dialog_name(self) -> str:
        """This dialog as Replaces names it to the other side (RFC 3891), escaped for a URI."""
        tags = f";to-tag={_tag(self._remote)};from-tag={_tag(self._local)}"
        return quote(self.sip_call_id + tags, safe="")

    # --- dialog (used by Phone) ---------------------------------------------------------------

    async def open_media(self, host: str) -> None:
        """Bind the RTP port and write our SDP."""
        port = await self.audio.open(host)
        self._sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        )

    def move_to(self, host: str, port: int) -> None:
        """Let the next offer of ours name another address for audio."""
        self._sdp = re.sub(r"c=IN IP4 \S+", f"c=IN IP4 {host}", self._sdp)
        self._sdp = re.sub(r"m=audio \d+", f"m=audio {port}", self._sdp)

    @property
    def sdp(self) -> str:
        """Our SDP."""
        return self._sdp

    def dialog_from_response(self, response: SipMessage) -> None:
        """Learn the dialog of an outgoing call."""
        self._local, self._remote = response.get("From"), response.get("To")
        self._target = _address(response.get("Contact")) or self._target
        self._routes = response.all("Record-Route")[::-1]
        self._cseq = response.cseq[0]

    def dialog_from_request(self, request: SipMessage, tag: str) -> None:
        """Learn the dialog of an incoming call."""
        self.invite = request
        self._local = f"{request.get('To')};tag={tag}"
        self._remote = request.get("From")
        self._target = _address(request.get("Contact"))
        self._routes = request.all("Record-Route")
        self._cseq = 1

    @property
    def remote_contact(self) -> str:
        """Where the other side says that it is: the URI of its Contact."""
        return self._target

    @property
    def local(self) -> str:
        """Our From or To with its tag."""
        return self._local

    def request(self, method: str) -> SipMessage:
        """A request within the dialog."""
        if method not in ("ACK", "CANCEL"):
            self._cseq += 1
        headers = [
            ("Via", f"SIP/2.0/UDP {self._phone.address};branch={branch()};rport"),
            *(("Route", route) for route in self._routes),
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.sip_call_id),
            ("CSeq", f"{self._cseq} {method}"),
        ]
        return SipMessage(method=method, uri=self._target, headers=headers)

    def take_media(self, sdp: str) -> None:
        """Send audio to where the other side's SDP says."""
        self.their_sdp = sdp
        address = re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
        dtmf = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", sdp, re.MULTILINE)
        if address and port:
            peer = (address[1].strip(), int(port[1]))
            self.audio.start(peer, int(dtmf[1]) if dtmf else 101)

    def finish(self) -> None:
        """The call is over."""
        self.times.setdefault("ended", time.monotonic())
        self.audio.close()
        self.settled.set()
        self.ended.set()


class Phone(asyncio.DatagramProtocol):
    """A SIP user agent on one UDP port."""

    def __init__(
        self,
        user: str,
        server: tuple[str, int],
        *,
        password: str = "",
        host: str = "127.0.0.1",
        domain: str = "",
    ) -> None:
        self.user = user
        self.incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        self.ring_at_once = True
        self._server = server
        self._password = password
        self._host = host
        self._port = 0
        self._domain = domain or server[0]
        self._transport: asyncio.DatagramTransport | None = None
        self._calls: dict[str, PhoneCall] = {}
        self._waiting: dict[tuple[str, str], asyncio.Queue[SipMessage]] = {}
        self._answered: dict[str, bytes] = {}
        self._tasks = Tasks(f"phone {user}")

    @property
    def address(self) -> str:
        """Our host and port."""
        return f"{self._host}:{self._port}"

    @property
    def contact(self) -> str:
        """Our Contact."""
        return f"<sip:{self.user}@{self.address}>"

    async def start(self) -> Phone:
        """Bind the port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._host, 0)
        )
        self._port = int(self._transport.get_extra_info("sockname")[1])
        return self

    async def close(self) -> None:
        """Leave without a word, as a phone whose plug is pulled."""
        await self._tasks.close()
        for call in self._calls.values():
            call.audio.close()
        if self._transport is not None:
            self._transport.close()

    async def hang_up(self) -> None:
        """End every call of this phone."""
        await asyncio.gather(*(call.hang_up() for call in tuple(self._calls.values())))

    async def register(self, expires: int = 300) -> None:
        """Register at the server; raises PhoneError when refused. 0 takes the registration back."""
        request = self._new_request("REGISTER", f"sip:{self._domain}", self.user)
        request.headers.append(("Contact", self.contact))
        request.headers.append(("Expires", str(expires)))
        response = await self._authenticated(request)
        if response.status != 200:
            raise PhoneError(
                f"registration refused: {response.status} {response.reason}",
                status=response.status,
            )

    async def call(
        self,
        number: str,
        *,
        headers: Mapping[str, str] | None = None,
        display: str = "",
        caller: str | None = None,
        offer: Callable[[str], str] = str,
    ) -> PhoneCall:
        """Send an INVITE; returns at once, see `PhoneCall.wait_answered`.

        `offer` makes what is sent out of our SDP; without any, the other side makes the offer, and
        our ACK does not answer it.
        """
        request = self._new_request(
            "INVITE", f"sip:{number}@{self._domain}", number, caller=caller, display=display
        )
        call = PhoneCall(self, request.get("Call-ID"), outgoing=True)
        await call.open_media(self._host)
        request.headers.append(("Contact", self.contact))
        request.headers.extend((headers or {}).items())
        request.body = offer(call.sdp)
        if request.body:
            request.headers.append(("Content-Type", "application/sdp"))
        self._calls[call.sip_call_id] = call
        call.times["invite"] = time.monotonic()
        call.invite = request
        self._own(self._invite(call, request))
        return call

    # --- requests of ours ---------------------------------------------------------------------

    async def send_request(self, request: SipMessage) -> SipMessage:
        """Send a request and return its final response (408 when none comes)."""
        async for response in self._responses(request):
            if response.status >= 200:
                return response
        return SipMessage(status=408, reason="Request Timeout")

    async def cancel(self, call: PhoneCall) -> None:
        """CANCEL an INVITE that is not answered yet."""
        invite = call.invite
        cancel = SipMessage(method="CANCEL", uri=invite.uri)
        cancel.headers = [
            (name, value)
            for name, value in invite.headers
            if name in ("Via", "Max-Forwards", "From", "To", "Call-ID")
        ]
        cancel.headers.append(("CSeq", f"{invite.cseq[0]} CANCEL"))
        await self.send_request(cancel)

    async def _invite(self, call: PhoneCall, request: SipMessage) -> None:
        response = await self._invite_once(call, request)
        if response.status in (401, 407) and self._password:
            request = self._with_credentials(request, response)
            call.invite = request
            response = await self._invite_once(call, request)
        call.status = response.status
        if response.status != 200:
            self._calls.pop(call.sip_call_id, None)
            call.finish()
            return
        call.times["answered"] = time.monotonic()
        call.dialog_from_response(response)
        ack = call.request("ACK")
        self.send(ack)
        self._answered[call.sip_call_id] = ack.encode()
        call.take_media(response.body)
        call.answered.set()
        call.settled.set()

    async def _invite_once(self, call: PhoneCall, request: SipMessage) -> SipMessage:
        async for response in self._responses(request):
            if response.status in (180, 183):
                call.times.setdefault("ringing", time.monotonic())
                call.ringing.set()
                if response.body:
                    call.take_media(response.body)
            if response.status >= 300:
                self.send(_ack_of_refusal(request, response))
            if response.status >= 200:
                return response
        return SipMessage(status=408, reason="Request Timeout")

    async def _responses(self, request: SipMessage) -> AsyncIterator[SipMessage]:
        """Send, retransmit until something comes, yield each response up to the final one."""
        key = (_branch_of(request), request.cseq[1])
        queue = self._waiting[key] = asyncio.Queue()
        try:
            for attempt in range(_RETRANSMISSIONS):
                self.send(request)
                try:
                    async with asyncio.timeout(_T1 * 2**attempt):
                        response = await queue.get()
                    break
                except TimeoutError:
                    continue
            else:
                return
            yield response
            while response.status < 200:
                response = await queue.get()
                yield response
        finally:
            self._waiting.pop(key, None)

    async def _authenticated(self, request: SipMessage) -> SipMessage:
        response = await self.send_request(request)
        if response.status in (401, 407) and self._password:
            response = await self.send_request(self._with_credentials(request, response))
        return response

    def _with_credentials(self, request: SipMessage, challenge: SipMessage) -> SipMessage:
        names = ("WWW-Authenticate", "Authorization")
        if challenge.status == 407:
            names = ("Proxy-Authenticate", "Proxy-Authorization")
        value = digest(
            challenge.get(names[0]),
            user=self.user,
            password=self._password,
            method=request.method,
            uri=request.uri,
        )
        number = request.cseq[0] + 1
        headers = [
            (name, value)
            for name, value in request.headers
            if name not in ("Via", "CSeq", names[1])
        ]
        headers.insert(0, ("Via", f"SIP/2.0/UDP {self.address};branch={branch()};rport"))
        headers += [("CSeq", f"{number} {request.method}"), (names[1], value)]
        return SipMessage(
            method=request.method, uri=request.uri, headers=headers, body=request.body
        )

    def _new_request(
        self, method: str, uri: str, to: str, *, caller: str | None = None, display: str = ""
    ) -> SipMessage:
        user = self.user if caller is None else caller
        name = f'"{display}" ' if display else ""
        return SipMessage(
            method=method,
            uri=uri,
            headers=[
                ("Via", f"SIP/2.0/UDP {self.address};branch={branch()};rport"),
                ("Max-Forwards", "70"),
                ("From", f"{name}<sip:{user}@{self._domain}>;tag={secrets.token_hex(6)}"),
                ("To", f"<sip:{to}@{self._domain}>"),
                ("Call-ID", f"{secrets.token_hex(12)}@{self._host}"),
                ("CSeq", f"1 {method}"),
                ("User-Agent", "Centralita phone"),
            ],
        )

    # --- requests to us -----------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        message = parse(data)
        if message is None:
            return
        if message.status:
            waiting = self._waiting.get((_branch_of(message), message.cseq[1]))
            if waiting is not None:
                waiting.put_nowait(message)
            elif message.cseq[1] == "INVITE" and message.status == 200:
                ack = self._answered.get(message.get("Call-ID"))
                if ack is not None and self._transport is not None:
                    self._transport.sendto(ack, self._server)
            return
        self._requested(message)

    def _requested(self, request: SipMessage) -> None:
        call = self._calls.get(request.get("Call-ID"))
        match request.method:
            case "INVITE" if call is None:
                self._own(self._ring(request))
            case "INVITE" if call is not None and "tag=" in request.get("To"):
                call.take_media(request.body)
                self.respond(request, 200, "OK", call, body=call.sdp)
            case "ACK" if call is not None:
                if not call.answered.is_set():
                    call.times["answered"] = time.monotonic()
                    call.answered.set()
                    call.settled.set()
            case "CANCEL" if call is not None:
                self.respond(request, 200, "OK", call)
                self.respond(call.invite, 487, "Request Terminated", call)
                call.status = 487
                call.finish()
            case "BYE" if call is not None:
                self.respond(request, 200, "OK", call)
                call.finish()
            case "NOTIFY" if call is not None:
                self.respond(request, 200, "OK", call)
                call.transfer.append(request.body.split("\r\n")[0].strip())
            case "BYE" | "CANCEL":
                self.respond(request, 481, "Call Does Not Exist", None)
            case "ACK":
                pass
            case _:
                self.respond(request, 200, "OK", call)

    async def _ring(self, request: SipMessage) -> None:
        call = PhoneCall(self, request.get("Call-ID"), outgoing=False)
        self._calls[call.sip_call_id] = call
        call.dialog_from_request(request, secrets.token_hex(6))
        call.times["invite"] = time.monotonic()
        await call.open_media(self._host)
        call.take_media(request.body)
        if self.ring_at_once:
            call.ring()
        self.incoming.put_nowait(call)

    def respond(
        self,
        request: SipMessage,
        status: int,
        reason: str,
        call: PhoneCall | None,
        *,
        body: str = "",
    ) -> None:
        """Answer a request."""
        to = request.get("To")
        if "tag=" not in to and call is not None and request.method != "CANCEL":
            to = call.local
        copied = ("via", "record-route", "from", "call-id", "cseq")
        headers = [(name, value) for name, value in request.headers if name.lower() in copied]
        headers += [("To", to), ("Contact", self.contact)]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        self.send(SipMessage(status=status, reason=reason, headers=headers, body=body))

    def send(self, message: SipMessage) -> None:
        """Put a message on the wire."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message.encode(), self._server)

    def _own(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.spawn(work, name="call")


def _address(contact: str) -> str:
    match = re.search(r"<([^>]+)>", contact)
    return match[1] if match else contact


def _tag(address: str) -> str:
    match = re.search(r";tag=([^;,\s]+)", address)
    return match[1] if match else ""


def _branch_of(message: SipMessage) -> str:
    match = re.search(r"branch=([^;,\s]+)", message.get("Via"))
    return match[1] if match else ""


def _ack_of_refusal(request: SipMessage, response: SipMessage) -> SipMessage:
    """ACK for a non-2xx final response: same transaction (RFC 3261 17.1.1.3)."""
    headers = [
        (name, value)
        for name, value in request.headers
        if name in ("Via", "Max-Forwards", "From", "Call-ID", "Route")
    ]
    headers += [("To", response.get("To")), ("CSeq", f"{request.cseq[0]} ACK")]
    return SipMessage(method="ACK", uri=request.uri, headers=headers)
