"""The worker's thread: it runs pjsip, obeys the brain and tells it what happens."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pjsua2 as pj

from centralita.core.errors import CentralitaError
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId, new_id
from centralita.telephony.call import (
    CallArrived,
    DialError,
    EndReason,
    KeptLeg,
    LegDirection,
    LegEnded,
    NoSuchLeg,
    PlaybackEnd,
    TelephonyError,
)
from centralita.telephony.protocol import (
    Answer,
    Command,
    Dial,
    Disconnect,
    Done,
    Drain,
    HangUp,
    HearEarly,
    HeldLegs,
    Hello,
    Join,
    Listen,
    PauseRecording,
    Ping,
    Play,
    Remember,
    ReportTransfer,
    Ring,
    RingAgain,
    SendDigits,
    StartRecording,
    StopListening,
    StopPlaying,
    StopRecording,
    Transfer,
)
from centralita.telephony.worker.audio import LegRecorder, Playback, Silence, TapPool
from centralita.telephony.worker.brain_socket import BrainSocket
from centralita.telephony.worker.dialling import Dialler
from centralita.telephony.worker.endpoint import (
    LogToPython,
    account_config,
    build_limit,
    page_account_config,
    start_endpoint,
)
from centralita.telephony.worker.joining import join
from centralita.telephony.worker.leg import PjLeg, call_param
from centralita.telephony.worker.memory import SpareMemory
from centralita.telephony.worker.room import room_for
from centralita.telephony.worker.settings import WorkerSettings
from centralita.telephony.worker.sip_message import invite_facts
from centralita.telephony.worker.targets import Target
from centralita.telephony.worker.wire_text import wire_text

log = logging.getLogger(__name__)

_POLL_MS = 10
# pjmedia lets go of a recorder's file on the next tick of its clock, 20 ms; twice that is safe.
_FILE_FINAL = 0.05
_MEDIA_CHECK = 5.0
_PAGE_CHECK = 0.25
_PHONE_CHECK = 1.0
# Memory is given back while no more legs than these could notice.
_FEW = 10
# How long a new call rings while there is no brain to answer it, in seconds.
_BRAIN_MAY_TAKE = 15.0
# A brain that takes over hears of legs that ended up to this long ago: the one before it may have
# died with that news in its hands. In seconds, and legs.
_ENDS_KEPT = 60.0
_ENDS_KEPT_AT_MOST = 1000


class _Account(pj.Account):
    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        """An INVITE. Its text is read here: the message is gone when this returns.

        One that never became a leg is ended by pjsua2 with 500.
        """
        try:
            self._worker.arrived(self, prm.callId, prm.rdata.wholeMsg)
        except pj.Error as exc:
            log.error("INVITE could not be taken", extra={"error": exc.info()})
        except Exception:
            log.exception("INVITE could not be taken")


class Worker:
    """All legs of this process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.stopping = False
        self.legs: dict[LegId, PjLeg] = {}
        self._draining = False
        self._leaving = False
        self._had_brain = False
        self._dead: list[PjLeg] = []
        self._arrivals: dict[LegId, CallArrived] = {}
        self._ends: deque[tuple[float, KeptLeg]] = deque(maxlen=_ENDS_KEPT_AT_MOST)
        self._foreign: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_order = itertools.count()
        self._log_writer = LogToPython()
        self._endpoint = start_endpoint(settings, self._log_writer)
        inbound = account_config(settings, "centralita")
        outbound = account_config(settings, "centralita-dial", srtp="off")
        encrypting = account_config(settings, "centralita-dial-srtp", srtp="mandatory")
        to_pages = page_account_config(settings, "centralita-page")
        self._inbound = self._account(inbound, takes_calls=True)
        self._outbound = self._account(outbound)
        self._encrypting = self._account(encrypting)
        self._to_pages = self._account(to_pages)
        self._silence = Silence(settings.clock_rate)
        self._taps = TapPool()
        self._spare_memory = SpareMemory()
        self._waker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._dialler = Dialler(self)
        self._brain = BrainSocket(settings.socket, self.wake, self._greet)

    # --- life -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until `stopping`, then end all calls and free everything."""
        self._brain.start()
        next_page_check = next_phone_check = time.monotonic()
        next_check = next_page_check + _MEDIA_CHECK
        while not self.stopping:
            self._turn()
            if self._leaving and not self.legs and self._brain.connected:
                log.info("the last call is over, a drained worker ends")
                break
            if (now := time.monotonic()) >= next_page_check:
                next_page_check = now + _PAGE_CHECK
                all_phones = now >= next_phone_check
                if all_phones:
                    next_phone_check = now + _PHONE_CHECK
                for leg in tuple(self.legs.values()):
                    if leg.page:
                        self._check_media(leg, leg.listen_to_page)
                    elif all_phones or leg.is_silent:
                        self._check_media(leg, leg.listen_to_phone)
            if time.monotonic() >= next_check:
                next_check += _MEDIA_CHECK
                for leg in tuple(self.legs.values()):
                    self._check_media(leg, leg.check_media)
                self._give_up_arrivals()
                if len(self.legs) <= _FEW:
                    self._spare_memory.give_back()
        self._shut_down()

    def drain(self, *, leave: bool) -> None:
        """Take no new calls; those that are here go on, and agents are rung for them.

        With `leave` the process ends with the last of them, once a brain has heard of its end.
        """
        self._draining = True
        self._leaving = self._leaving or leave

    def wake(self) -> None:
        """Interrupt the wait for SIP, from any thread.

        pjsip's poll can only be woken by its own sockets: a keep-alive (RFC 5626 4.4.1, two line
        ends) to our own port is dropped by its parser and costs nothing.
        """
        try:
            self._waker.sendto(b"\r\n\r\n", (self.settings.sip_address, self.settings.sip_port))
        except OSError as exc:
            log.debug("worker not woken", extra={"error": str(exc)})

    def _turn(self) -> None:
        self._endpoint.libHandleEvents(_POLL_MS)
        if self._had_brain and not self._brain.connected:
            for leg_id in tuple(self._arrivals):  # of them it may not have heard
                self._ring(self.legs[leg_id])
        self._had_brain = self._brain.connected
        self._brain.welcome()
        while self._brain.commands:
            self._obey(self._brain.commands.popleft())
        while self._foreign:
            self._foreign.popleft()()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._dead = [leg for leg in self._dead if not leg.free()]

    def _shut_down(self) -> None:
        for leg in tuple(self.legs.values()):
            try:
                leg.end(EndReason.SHUTDOWN)
            except pj.Error as exc:
                log.warning("leg could not be ended", extra={"error": exc.info()})
        deadline = time.monotonic() + 2
        while (self.legs or self._timers or self._dead) and time.monotonic() < deadline:
            self._turn()
        self._silence.destroy()
        self._brain.close()
        # libDestroy with taps alive can crash in their destructors; the kernel frees as well.
        logging.shutdown()
        os._exit(0)

    # --- what legs ask of us (LegOwner) -------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Tell the brain."""
        self._brain.send(event)

    def later(self, work: Callable[[], None]) -> None:
        """Run `work` when files closed now are final; works of the same delay keep their order."""
        self.after(_FILE_FINAL, work)

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Run `work` then."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_order), work))

    def soon(self, work: Callable[[], None]) -> None:
        """Run `work` outside the callback in which we are."""
        self._foreign.append(work)

    def of_dialog(self, sip_call_id: str) -> PjLeg | None:
        """The leg whose dialog has this Call-ID."""
        for leg in self.legs.values():
            if not leg.ended and wire_text(leg.getInfo().callIdString) == sip_call_id:
                return leg
        return None

    def over(self, leg: PjLeg, ended: LegEnded) -> None:
        """The last word on a leg. It is freed outside its callback."""
        self.emit(ended)
        # Whoever answered a call may have died before leaving a note.
        if leg.notes or (leg.confirmed and leg.leg_id in self._arrivals):
            self._ends.append((time.monotonic(), leg.kept(ended)))
        self._release_tap(leg)
        self.legs.pop(leg.leg_id, None)
        self._arrivals.pop(leg.leg_id, None)
        self._foreign.append(lambda: self._dead.append(leg))

    def gone(self, leg: PjLeg) -> None:
        """A phone is over, and the leg goes on at another one."""
        if self.legs.get(leg.leg_id) is leg:
            self.legs[leg.leg_id] = next(rival for rival in leg.rivals if not rival.ended)
        self._foreign.append(lambda: self._dead.append(leg))

    def tries_on(self, leg: PjLeg, sip_code: int) -> bool:
        """Whether the leg is dialled anew, after this answer."""
        return self._dialler.tries_on(leg, sip_code)

    def discard(self, leg: PjLeg) -> None:
        """Free what never became a call."""
        self._dead.append(leg)

    def account_for(self, target: Target, encrypted: bool | None) -> pj.Account:
        """A page wants DTLS-SRTP; a phone or trunk is offered SRTP or not."""
        if target.page:
            return self._to_pages
        if encrypted is None:
            encrypted = self.settings.srtp == "mandatory"
        return self._encrypting if encrypted else self._outbound

    def takes_over(self, leg: PjLeg, before: PjLeg | None) -> None:
        """A phone answered: it is the leg."""
        first = self.legs[leg.leg_id]
        leg.notes = first.notes
        self.legs[leg.leg_id] = leg
        if before is not None:
            leg.inherit(before)

    # --- arrivals ---------------------------------------------------------------------------

    def arrived(self, account: pj.Account, pj_call: int, message: str) -> None:
        """A new INVITE; the brain decides what becomes of it."""
        leg = PjLeg(
            self,
            account,
            leg_id=LegId(new_id("leg")),
            call_id=CallId(new_id("call")),
            direction=LegDirection.IN,
            pj_call=pj_call,
        )
        self.legs[leg.leg_id] = leg
        try:
            self._take(leg, message)
        except Exception:
            # Nobody will hear of it any more: the caller must not wait, nor the place be taken.
            log.exception("INVITE could not be taken", extra={"leg_id": leg.leg_id})
            self._arrivals.pop(leg.leg_id, None)
            leg.end(EndReason.FAULT)

    def _take(self, leg: PjLeg, message: str) -> None:
        if self._draining or self._room_taken() > self.capacity:
            log.warning("call refused with 503", extra={"legs": len(self.legs)})
            leg.end(EndReason.SHUTDOWN)
            return
        facts = invite_facts(message, behind_edge=bool(self.settings.edge))
        arrived = CallArrived(
            leg_id=leg.leg_id,
            call_id=leg.call_id,
            sip_call_id=facts.sip_call_id,
            caller=facts.caller,
            caller_name=facts.caller_name,
            dialled=facts.dialled,
            diversion=facts.diversion,
            trunk=facts.trunk,
            extension=facts.extension,
            headers=facts.headers,
        )
        # Until the first note on it, a brain that comes (again) has to begin with the call.
        self._arrivals[leg.leg_id] = arrived
        if self._brain.connected:
            self.emit(arrived)
        else:
            self._ring(leg)

    def _ring(self, leg: PjLeg) -> None:
        """Let a caller wait for the next brain."""
        if leg.confirmed or leg.ended:
            return
        log.warning("call rings until the brain is back", extra={"leg_id": leg.leg_id})
        try:
            leg.answer(call_param(180))
        except pj.Error as exc:  # it was answered or is being cancelled
            log.info("call does not ring", extra={"leg_id": leg.leg_id, "error": exc.info()})

    def _give_up_arrivals(self) -> None:
        """Refuse those who ring in vain: their trunk may know another way."""
        if self._brain.connected:
            return
        oldest = time.monotonic() - _BRAIN_MAY_TAKE
        for leg_id in tuple(self._arrivals):
            leg = self.legs[leg_id]
            if not leg.confirmed and leg.began_at < oldest:
                log.error("no brain to answer, call refused with 503", extra={"leg_id": leg_id})
                leg.end(EndReason.SHUTDOWN)

    def _room_taken(self, *more: CallId) -> int:
        """How many legs the calls here may come to, with a further leg for each of `more`."""
        alive = (leg.call_id for leg in self.legs.values() if leg.end_reason is None)
        return room_for((*alive, *more))

    @property
    def capacity(self) -> int:
        """How many legs we take: what is configured or what the build allows."""
        return min(self.settings.max_calls, build_limit())

    # --- commands ---------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        if isinstance(command, Remember):
            self._remember(command)
            return
        try:
            self._carry_out(command)
            done = Done(seq=command.seq)
        except CentralitaError as exc:
            done = Done(seq=command.seq, error=exc.code, message=str(exc))
        except pj.Error as exc:
            done = Done(seq=command.seq, error=TelephonyError.code, message=exc.reason)
        except Exception as exc:
            log.exception("command failed", extra={"command": type(command).__name__})
            done = Done(seq=command.seq, error=TelephonyError.code, message=repr(exc))
        self._brain.send(done)

    def _remember(self, command: Remember) -> None:
        leg = self.legs.get(command.leg_id)
        if leg is None:
            return
        if command.text:
            leg.notes[command.name] = command.text
            self._arrivals.pop(leg.leg_id, None)
        else:
            leg.notes.pop(command.name, None)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Answer(leg_id=leg_id, early=early):
                leg = self._leg(leg_id)
                if not leg.confirmed:
                    leg.answer(call_param(183 if early else 200))
            case Ring(leg_id=leg_id):
                self._leg(leg_id).answer(call_param(180))
            case Play():
                self._play(command)
            case StopPlaying(leg_id=leg_id):
                self._leg(leg_id).stop_playing(PlaybackEnd.STOPPED)
            case Listen(leg_id=leg_id, sink=sink):
                leg = self._leg(leg_id)
                self._release_tap(leg)
                leg.listen_with(self._taps.take(sink))
            case StopListening(leg_id=leg_id):
                self._release_tap(self._leg(leg_id))
            case SendDigits(leg_id=leg_id, digits=digits):
                self._leg(leg_id).dialDtmf(digits)
            case StartRecording(files=files):
                legs = [(self._leg(leg_id), path) for leg_id, path in files.items()]
                for leg, path in legs:
                    leg.record_with(LegRecorder(path, self._silence))
            case PauseRecording(leg_id=leg_id, paused=paused):
                self._leg(leg_id).pause_recording(paused)
            case StopRecording(leg_id=leg_id):
                self._leg(leg_id).stop_recording()
            case Dial():
                self._dial(command)
            case RingAgain():
                self._dialler.ring_again(self._leg(command.leg_id), command)
            case Join(legs=joined):
                join(self, [self._leg(leg_id) for leg_id in joined])
            case HearEarly(leg_id=leg_id, other=other):
                self._leg(leg_id).hear_early(self._leg(other))
            case Disconnect(leg_id=leg_id):
                self._leg(leg_id).leave()
            case Transfer(leg_id=leg_id, target=target):
                self._leg(leg_id).xfer(target, call_param())
            case ReportTransfer(leg_id=leg_id, status=status):
                self._leg(leg_id).report_transfer(status)
            case HangUp(leg_id=leg_id, reason=reason):
                self._leg(leg_id).end_all(reason)
            case Drain(leave=leave):
                self.drain(leave=leave)
            case Ping():
                alive = (leg_id for leg_id, leg in self.legs.items() if leg.end_reason is None)
                self._brain.send(HeldLegs(legs=tuple(alive)))
            case _:
                raise TelephonyError(f"{type(command).__name__} is not implemented")

    def _play(self, command: Play) -> None:
        leg = self._leg(command.leg_id)
        for name in command.files:
            if not Path(name).is_file():
                raise TelephonyError(f"there is no sound file {name}", code="no_such_file")
        playback = Playback(
            command.playback_id,
            command.files,
            loop=command.loop,
            at_end=lambda playback_id: self._at_end(leg, playback_id),
        )
        leg.play(playback)

    def _at_end(self, leg: PjLeg, playback_id: PlaybackId) -> None:
        """From the media clock thread: let our own thread end the playback."""
        self._foreign.append(lambda: leg.playback_at_end(playback_id))
        self.wake()

    def _dial(self, command: Dial) -> None:
        if self._room_taken(command.call_id) > self.capacity:
            raise DialError(f"worker {self.settings.worker_id} is full with {len(self.legs)} legs")
        self._dialler.dial(command)

    def _leg(self, leg_id: LegId) -> PjLeg:
        leg = self.legs.get(leg_id)
        if leg is None or leg.ended:
            raise NoSuchLeg(f"leg {leg_id} has ended or never was")
        return leg

    def _release_tap(self, leg: PjLeg) -> None:
        tap = leg.listen_with(None)
        if tap is not None:
            self._taps.give_back(tap)

    def _check_media(self, leg: PjLeg, check: Callable[[float], None]) -> None:
        try:
            check(time.monotonic())
        except pj.Error as exc:
            log.debug("no statistics yet", extra={"leg_id": leg.leg_id, "error": exc.info()})

    # --- set-up -----------------------------------------------------------------------------

    def _account(self, config: pj.AccountConfig, *, takes_calls: bool = False) -> _Account:
        account = _Account(self)
        account.create(config, takes_calls)
        return account

    def _greet(self) -> Iterator[object]:
        recently = time.monotonic() - _ENDS_KEPT
        yield from (kept for at, kept in self._ends if at > recently)
        yield from (leg.kept() for leg in self.legs.values() if leg.leg_id not in self._arrivals)
        yield Hello(
            version=self._endpoint.libVersion().full,
            max_calls=self.capacity,
            arrivals=tuple(self._arrivals.values()),
        )
