"""Both ends of a call, over the scripted telephony and over a real worker process.

A `Stage` has a `control` under test and a world outside it. The same story can be told on either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, WorkerId, new_id
from centralita.core.tasks import Tasks
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import CallArrived, CallControl, EndReason, KeptLeg, LegEvent
from centralita.telephony.fake import FakeCallControl, FakeLeg
from centralita.telephony.link import WorkerLink
from centralita.telephony.phone.message import SipMessage
from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.telephony.worker.settings import WorkerSettings

E = TypeVar("E", bound=Event)
RATE = 8000


def tone(hertz: float, seconds: float) -> NDArray[np.int16]:
    """A sine of a quarter of full scale at 8 kHz."""
    moments = np.arange(int(RATE * seconds)) / RATE
    return (np.sin(2 * np.pi * hertz * moments) * 8000).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> Path:
    """A mono 16-bit WAV at 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


class EventLog:
    """The one consumer of a control's events: keeps all, hands each out once."""

    def __init__(self, control: CallControl) -> None:
        self.seen: list[Event] = []
        self._taken: set[int] = set()
        self._news = asyncio.Event()
        self._tasks = Tasks("event log")
        self._tasks.spawn(self._read(control), name="read")

    async def close(self) -> None:
        """Stop reading."""
        await self._tasks.close()

    async def next(self, kind: type[E], leg: LegId | None = None, within: float = 5.0) -> E:
        """The first event of that kind (on that leg) that was not handed out yet."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for event in self.seen:
                        if (
                            isinstance(event, kind)
                            and id(event) not in self._taken
                            and (leg is None or getattr(event, "leg_id", None) == leg)
                        ):
                            self._taken.add(id(event))
                            return event
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            names = [type(event).__name__ for event in self.seen]
            raise AssertionError(f"no {kind.__name__} within {within} s, but {names}") from None

    def of(self, leg: LegId) -> list[Event]:
        """Everything that happened on a leg, in order."""
        return [event for event in self.seen if isinstance(event, LegEvent) and event.leg_id == leg]

    async def _read(self, control: CallControl) -> None:
        async for event in control.events():
            self.seen.append(event)
            self._news.set()


class Outside(Protocol):
    """The person at the other end of a leg."""

    @property
    def leg_id(self) -> LegId: ...

    @property
    def call_id(self) -> CallId: ...

    async def hangs_up(self) -> None: ...

    async def presses(self, digits: str) -> None: ...

    async def holds(self, held: bool) -> None: ...

    async def refers(self, target: str, replaces: Outside | None = None) -> None: ...

    async def is_told(self) -> list[str]:
        """The reports on the transfer that this person's phone asked for: codes."""
        ...

    async def rings(self) -> None: ...

    async def answers(self) -> None: ...

    async def refuses(self, status: int, meaning: EndReason) -> None:
        """This is the answer to our INVITE, and what it means when nothing else is tried."""
        ...

    async def hears_out(self) -> None:
        """Let the running prompt end by itself."""
        ...


class Stage(Protocol):
    """A control and the world outside it."""

    log: EventLog

    @property
    def control(self) -> CallControl: ...

    async def calls(self, dialled: str) -> Outside:
        """Somebody calls; CallArrived has been seen."""
        ...

    async def dials(self, beside: Outside | None, ways: int = 1) -> Outside:
        """We dial the phone outside; it has our INVITE and does not ring yet. There may be several
        ways to it, of which it has the INVITE of the first."""
        ...

    async def is_dialled_again(self, outside: Outside) -> Outside:
        """The phone has the INVITE of the next attempt for that leg."""
        ...

    async def new_brain(self) -> list[KeptLeg]:
        """Our side is killed and another takes over: what it is told of the calls."""
        ...


class FakeOutside:
    """A person as the scripted telephony has them."""

    def __init__(self, control: FakeCallControl, leg: FakeLeg) -> None:
        self._control = control
        self.leg = leg

    @property
    def leg_id(self) -> LegId:
        return self.leg.leg_id

    @property
    def call_id(self) -> CallId:
        return self.leg.call_id

    async def hangs_up(self) -> None:
        self._control.hangs_up(self.leg)

    async def presses(self, digits: str) -> None:
        self._control.presses(self.leg, digits)

    async def holds(self, held: bool) -> None:
        self._control.holds(self.leg, held)

    async def refers(self, target: str, replaces: Outside | None = None) -> None:
        other = replaces.leg if isinstance(replaces, FakeOutside) else None
        self._control.refers(self.leg, target, other)

    async def is_told(self) -> list[str]:
        return [str(status) for status in self.leg.reports]

    async def rings(self) -> None:
        self._control.rings(self.leg)

    async def answers(self) -> None:
        self._control.answers(self.leg)

    async def refuses(self, status: int, meaning: EndReason) -> None:
        self._control.fails(self.leg, status, meaning)

    async def hears_out(self) -> None:
        self._control.hears_out(self.leg)


class FakeStage:
    """The scripted telephony."""

    def __init__(self) -> None:
        self.fake = FakeCallControl()
        self.log = EventLog(self.fake)

    @property
    def control(self) -> CallControl:
        return self.fake

    async def calls(self, dialled: str) -> FakeOutside:
        leg = self.fake.arrives(dialled)
        await self.log.next(CallArrived, leg.leg_id)
        return FakeOutside(self.fake, leg)

    async def dials(self, beside: Outside | None, ways: int = 1) -> FakeOutside:
        await self.fake.dial(
            beside.call_id if beside is not None else CallId(new_id("call")),
            LegId(new_id("leg")),
            [Attempt(uri="sip:201@phone", way=str(number)) for number in range(ways)],
            beside=beside.leg_id if beside is not None else None,
        )
        return FakeOutside(self.fake, await self.fake.next_dialled())

    async def is_dialled_again(self, outside: Outside) -> FakeOutside:
        return FakeOutside(self.fake, await asyncio.wait_for(self.fake.next_dialled(), 5))

    async def new_brain(self) -> list[KeptLeg]:
        await self.log.close()
        kept = self.fake.new_brain()
        self.log = EventLog(self.fake)
        return kept


class WatchedPhone(Phone):
    """A phone that keeps the requests it got, and can offer any SDP."""

    def __init__(self, user: str, server: tuple[str, int]) -> None:
        super().__init__(user, server)
        self.requests: list[SipMessage] = []
        self.requested = asyncio.Event()
        self.ring_at_once = False

    def _requested(self, request: SipMessage) -> None:
        self.requests.append(request)
        self.requested.set()
        super()._requested(request)

    async def request_of(self, method: str, within: float = 5.0) -> SipMessage:
        """The first request of that method."""
        async with asyncio.timeout(within):
            while True:
                for request in self.requests:
                    if request.method == method:
                        return request
                self.requested.clear()
                await self.requested.wait()

    async def offers(self, number: str, sdp: str) -> SipMessage:
        """Call with this SDP; the final answer, acknowledged."""
        invite = self._new_request("INVITE", f"sip:{number}@127.0.0.1", number)
        invite.headers += [("Contact", self.contact), ("Content-Type", "application/sdp")]
        invite.body = sdp
        answer = await self.send_request(invite)
        headers = [(n, v) for n, v in invite.headers if n in ("Max-Forwards", "From", "Call-ID")]
        headers.insert(
            0, ("Via", f"SIP/2.0/UDP {self.address};branch=z9hG4bK{secrets.token_hex(6)}")
        )
        headers += [("To", answer.get("To")), ("CSeq", "1 ACK")]
        target = answer.get("Contact").strip("<>") or invite.uri
        self.send(SipMessage(method="ACK", uri=target, headers=headers))
        return answer


class RealOutside:
    """A person with a SIP phone."""

    def __init__(self, leg_id: LegId, call_id: CallId, call: PhoneCall) -> None:
        self._leg_id, self._call_id = leg_id, call_id
        self.call = call

    @property
    def leg_id(self) -> LegId:
        return self._leg_id

    @property
    def call_id(self) -> CallId:
        return self._call_id

    async def hangs_up(self) -> None:
        await self.call.hang_up()

    async def presses(self, digits: str) -> None:
        for digit in digits:
            self.call.audio.press(digit)

    async def holds(self, held: bool) -> None:
        await self.call.hold(held)

    async def refers(self, target: str, replaces: Outside | None = None) -> None:
        other = replaces.call if isinstance(replaces, RealOutside) else None
        assert await self.call.refer(target, other) == 202

    async def is_told(self) -> list[str]:
        return [line.split(" ")[1] for line in self.call.transfer]

    async def rings(self) -> None:
        self.call.ring()

    async def answers(self) -> None:
        self.call.accept()

    async def refuses(self, status: int, meaning: EndReason) -> None:
        self.call.reject(status)

    async def hears_out(self) -> None:
        pass


def free_port() -> int:
    """A UDP port of loopback that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealStage:
    """A worker process, the link to it, and two phones on loopback."""

    def __init__(
        self,
        folder: Path,
        settings: WorkerSettings,
        link: WorkerLink,
        pid: int,
        hung: asyncio.Queue[str],
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.link = link
        self.pid = pid
        self.hung = hung
        self.log = EventLog(link)
        server = (settings.sip_address, settings.sip_port)
        self.caller = WatchedPhone("+34600111222", server)
        self.phone = WatchedPhone("201", server)

    @property
    def control(self) -> CallControl:
        return self.link

    async def calls(self, dialled: str) -> RealOutside:
        call = await self.caller.call(dialled)
        arrived = await self.log.next(CallArrived)
        return RealOutside(arrived.leg_id, arrived.call_id, call)

    async def dials(self, beside: Outside | None, ways: int = 1) -> RealOutside:
        leg_id = LegId(new_id("leg"))
        call_id = beside.call_id if beside is not None else CallId(new_id("call"))
        await self.link.dial(
            call_id,
            leg_id,
            [
                Attempt(
                    uri=f"sip:201@{self.phone.address}",
                    caller="+34600111222",
                    headers={"X-Centralita-Call": call_id},
                    way=str(number),
                )
                for number in range(ways)
            ],
            beside=beside.leg_id if beside is not None else None,
        )
        call = await asyncio.wait_for(self.phone.incoming.get(), 5)
        return RealOutside(leg_id, call_id, call)

    async def is_dialled_again(self, outside: Outside) -> RealOutside:
        call = await asyncio.wait_for(self.phone.incoming.get(), 5)
        return RealOutside(outside.leg_id, outside.call_id, call)

    async def new_brain(self) -> list[KeptLeg]:
        await self.log.close()
        await self.link.close()
        self.link = WorkerLink([self.settings], on_hung=self.hung.put_nowait)
        self.link.start()
        kept = await self.link.take_over([WorkerId(self.settings.worker_id)])
        self.log = EventLog(self.link)
        return kept

    def kill(self) -> None:
        """The worker dies without a word."""
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """The worker is there and does nothing any more."""
        os.kill(self.pid, signal.SIGSTOP)


@asynccontextmanager
async def fake_stage() -> AsyncIterator[FakeStage]:
    """The scripted telephony."""
    stage = FakeStage()
    try:
        yield stage
    finally:
        await stage.log.close()


@asynccontextmanager
async def real_stage(
    *, max_calls: int = 50, silence_timeout: float = 8.0
) -> AsyncIterator[RealStage]:
    """A worker process of its own, ended by its pid."""
    with tempfile.TemporaryDirectory(prefix="centralita-") as name:
        folder = Path(name)
        settings = WorkerSettings(
            worker_id="w1",
            socket=str(folder / "w1.sock"),
            sip_port=free_port(),
            rtp_port=20000 + secrets.randbelow(150) * 200,
            rtp_ports=200,
            max_calls=max_calls,
            silence_timeout=silence_timeout,
        )
        hung: asyncio.Queue[str] = asyncio.Queue()
        link = WorkerLink([settings], on_hung=hung.put_nowait)
        (spec,) = link.specs(folder)
        with (folder / "worker.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*spec.argv, stderr=log)
        stage = RealStage(folder, settings, link, process.pid, hung)
        try:
            link.start()
            await asyncio.wait_for(link.ready(), 15)
            await stage.caller.start()
            await stage.phone.start()
            yield stage
        finally:
            await stage.caller.close()
            await stage.phone.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
            await stage.log.close()
            await stage.link.close()
