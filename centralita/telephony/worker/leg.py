"""One SIP dialog, and what its audio is connected to."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol

import pjsua2 as pj

from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import (
    DigitReceived,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegDirection,
    LegEnded,
    LegHeld,
    LegRinging,
    LegSilent,
    PlaybackEnd,
    PlaybackEnded,
    RecordingStopped,
    TransferRequested,
)
from centralita.telephony.worker import addresses, page_sdp, refer
from centralita.telephony.worker.audio import LegRecorder, Playback, Tap
from centralita.telephony.worker.heard import Heard
from centralita.telephony.worker.keys import Keys
from centralita.telephony.worker.settings import WorkerSettings
from centralita.telephony.worker.wire_text import wire_text

log = logging.getLogger(__name__)

_OBSERVED = {
    486: EndReason.BUSY,
    600: EndReason.BUSY,
    603: EndReason.DECLINED,
    480: EndReason.UNREACHABLE,
    404: EndReason.NO_SUCH_NUMBER,
    410: EndReason.NO_SUCH_NUMBER,
    484: EndReason.NO_SUCH_NUMBER,
    604: EndReason.NO_SUCH_NUMBER,
    401: EndReason.LINE_REFUSED,
    403: EndReason.LINE_REFUSED,
    407: EndReason.LINE_REFUSED,
}
# The agent said no at one of several phones: it goes for all (RFC 3261 21.6).
_FOR_ALL = frozenset({600, 603})
# A page sends 50 packets a second, whether or not anybody speaks. In seconds.
_PAGE_IS_SILENT = 1.0
# The final response to a call that we end before answering it.
_REFUSAL = {
    EndReason.BUSY: 486,
    EndReason.DECLINED: 603,
    EndReason.SHUTDOWN: 503,
    EndReason.UNREACHABLE: 404,
    EndReason.NO_SUCH_NUMBER: 404,
    EndReason.LINE_REFUSED: 403,
    EndReason.LINE_DOWN: 502,  # at 503 the edge would ask another worker
    EndReason.NOT_ACCEPTED: 488,
    EndReason.FAULT: 500,
}


_AUDIO = re.compile(r"^m=audio [1-9]", re.MULTILINE)


class Refer(Enum):
    """How far the REFER of the other side is told of."""

    NONE = auto()
    ACCEPTED = auto()
    UNDER_WAY = auto()


class LegOwner(Protocol):
    """What a leg needs of the worker around it."""

    settings: WorkerSettings

    def emit(self, event: Event) -> None: ...

    def later(self, work: Callable[[], None]) -> None: ...

    def soon(self, work: Callable[[], None]) -> None: ...

    def of_dialog(self, sip_call_id: str) -> PjLeg | None: ...

    def over(self, leg: PjLeg, ended: LegEnded) -> None: ...

    def tries_on(self, leg: PjLeg, sip_code: int) -> bool: ...

    def gone(self, leg: PjLeg) -> None: ...

    def takes_over(self, leg: PjLeg, before: PjLeg | None) -> None: ...


def _brings_sound(prm: pj.OnCallStateParam) -> bool:
    """Whether the response that changed the state of a call has an SDP with audio."""
    event = prm.e
    if event.type != pj.PJSIP_EVENT_TSX_STATE or event.body.tsxState.type != pj.PJSIP_EVENT_RX_MSG:
        return False
    return _AUDIO.search(event.body.tsxState.src.rdata.wholeMsg) is not None


def call_param(code: int = 0) -> pj.CallOpParam:
    """Call settings for one audio stream and nothing else."""
    param = pj.CallOpParam(True)
    param.statusCode = code
    param.opt.audioCount = 1
    param.opt.videoCount = 0
    if hasattr(param.opt, "textCount"):  # since 2.16; its default offers m=text
        param.opt.textCount = 0
    return param


class PjLeg(pj.Call):
    """A leg. All methods run in the worker's thread, but for the callbacks marked foreign.

    Several phones may ring for one leg: each is a `PjLeg` of that name, and they are each other's
    `rivals`. Who answers is the leg; the others go without a word.
    """

    def __init__(
        self,
        owner: LegOwner,
        account: pj.Account,
        *,
        leg_id: LegId,
        call_id: CallId,
        direction: LegDirection,
        pj_call: int = pj.PJSUA_INVALID_ID,
        peer: str = "",
        page: str = "",
    ) -> None:
        super().__init__(account, pj_call)
        self.leg_id = leg_id
        self.call_id = call_id
        self.direction = direction
        self.page = page
        self.rivals: list[PjLeg] = []
        self.attempts: Sequence[Attempt] = ()
        self.tried = 0
        self.lost = False
        self.audio: pj.AudioMedia | None = None
        self.playback: Playback | None = None
        self.recorder: LegRecorder | None = None
        self.tap: Tap | None = None
        self.peers: dict[PjLeg, None] = {}
        self.early: PjLeg | None = None  # whom it hears although that one has not answered
        self.early_to: PjLeg | None = None
        self.ended = False
        self.confirmed = False
        self.end_reason: EndReason | None = None
        self.heard_at = self.began_at = time.monotonic()
        self.notes: dict[str, str] = {}
        self._owner = owner
        self._peer = peer
        self._media_index = 0
        self._codec = ""
        self._encrypted = False
        self._held = False
        self._heard = self._ringing = self._early = False
        self._refer = Refer.NONE
        self._joined = False
        self._lingers = self._abandoned = False
        self._packets = self._lost = 0
        self._jitter_ms = 0.0
        self._silent = False
        self._receives = True
        self._phone = Heard(self.began_at)
        self._keys = Keys()

    # --- commands ---------------------------------------------------------------------------

    def end(self, reason: EndReason) -> None:
        """BYE, CANCEL or a final response, as the state wants."""
        if self.end_reason is None:
            self.end_reason = reason
        if self.ended:
            return
        if self.unheard:
            self.abandon()
            return
        code = 0
        if self.direction is LegDirection.IN and not self.confirmed:
            code = _REFUSAL.get(reason, 480)
        self.hangup(call_param(code))

    @property
    def unheard(self) -> bool:
        """Whether nobody has said anything to our INVITE, not even 100."""
        return self.direction is LegDirection.OUT and not self._heard and not self.ended

    def abandon(self, sip_code: int = 0) -> None:
        """End a leg of which nothing was heard.

        It cannot be cancelled yet (RFC 3261 9.1), and is over for the house: should something
        come after all, pjsip cancels it then, or acknowledges the answer and hangs up.
        """
        self.ended = self._abandoned = True  # before pjsip says that it is over, which it is not
        self.hangup(call_param())
        self._phone_over(sip_code)

    def end_all(self, reason: EndReason) -> None:
        """End the leg, and whatever rings for it."""
        for rival in self.rivals:
            if self.confirmed:
                rival.lose()
            else:
                rival.end(reason)
        self.end(reason)

    def free(self) -> bool:
        """Destroy the object, unless pjsua may still call it; then it has to be tried again.

        A call of pjsua's that still refers to us would go on with freed memory. And when another
        leg has got our old place in pjsua's table, our destructor would take that call for ours.
        """
        place = self.getId()
        holder = pj.Call.lookup(place) if place >= 0 else None
        if holder is not None:
            if holder is self and not self._lingers and not self._abandoned:
                self._lingers = True
                log.error("pjsua still has a call that is over", extra={"leg_id": self.leg_id})
                self._guarded(lambda: self.hangup(call_param()))
            return False
        self.thisown = False
        pj.Call.__swig_destroy__(self)
        return True

    def lose(self) -> None:
        """Another phone is the leg: end without a word."""
        self.lost = True
        if not self.ended:
            self.hangup(call_param())

    def inherit(self, before: PjLeg) -> None:
        """Take the place of a phone that was the leg, with all that was connected to it."""
        self.notes, self.confirmed = before.notes, True
        if before.audio is not None:
            if before.playback is not None:
                self._quietly(before.playback.stop, before.audio)
            if before.tap is not None:
                self._quietly(before.audio.stopTransmit, before.tap)
            if before.recorder is not None:
                self._quietly(before.recorder.detach, before.audio)
        self.playback, before.playback = before.playback, None
        self.tap, before.tap = before.tap, None
        self.recorder, before.recorder = before.recorder, None
        self._joined, self._refer = before._joined, before._refer
        for peer in tuple(before.peers):
            before.disconnect(peer)
            self.connect(peer)
        self._reconnect()
        if before.is_silent:
            self._tell_silent(False)

    @property
    def is_silent(self) -> bool:
        """Whether it was told that no audio comes from this page or phone."""
        return self._silent or self._phone.silent

    def play(self, playback: Playback) -> None:
        """Replace what plays to the leg."""
        self.stop_playing(PlaybackEnd.STOPPED)
        self.playback = playback
        if self.audio is not None:
            playback.start(self.audio)

    def stop_playing(self, how: PlaybackEnd) -> None:
        """End the running playback, if there is one, and say so."""
        playback, self.playback = self.playback, None
        if playback is None:
            return
        if self.audio is not None:
            self._quietly(playback.stop, self.audio)
        self._owner.later(playback.destroy)
        self._emit_playback_end(playback.id, how)

    def playback_at_end(self, playback_id: PlaybackId) -> None:
        """The last file of that playback has been read."""
        if self.playback is not None and self.playback.id == playback_id:
            self.stop_playing(PlaybackEnd.COMPLETED)

    def connect(self, other: PjLeg) -> None:
        """Let both legs hear each other, besides those that they hear already."""
        if other in self.peers:
            return
        for leg in (self, other):
            leg.hear_early(None)
        self.peers[other] = other.peers[self] = None
        self._joined = other._joined = True
        for leg in (self, other):
            leg._listen_anew(time.monotonic())
        if self.audio is not None and other.audio is not None:
            self.audio.startTransmit(other.audio)
            other.audio.startTransmit(self.audio)

    def disconnect(self, other: PjLeg) -> None:
        """Take the two apart."""
        if other not in self.peers:
            return
        del self.peers[other], other.peers[self]
        if self.audio is not None and other.audio is not None:
            self._quietly(self.audio.stopTransmit, other.audio)
            self._quietly(other.audio.stopTransmit, self.audio)

    def leave(self) -> None:
        """Take the leg out of whatever it is joined with."""
        self.hear_early(None)
        if self.early_to is not None:
            self.early_to.hear_early(None)
        for peer in tuple(self.peers):
            self.disconnect(peer)

    def hear_early(self, other: PjLeg | None) -> None:
        """Hear a leg before it answers, in place of what plays; None hears it no more."""
        before, self.early = self.early, other
        if before is not None:
            before.early_to = None
            if self.audio is not None and before.audio is not None:
                self._quietly(before.audio.stopTransmit, self.audio)
        if other is None:
            return
        self.stop_playing(PlaybackEnd.STOPPED)
        other.early_to = self
        if self.audio is not None and other.audio is not None:
            other.audio.startTransmit(self.audio)

    def listen_with(self, tap: Tap | None) -> Tap | None:
        """Connect the tap in place of the present one, which is returned."""
        before, self.tap = self.tap, tap
        if self.audio is not None:
            if before is not None:
                self._quietly(self.audio.stopTransmit, before)
            if tap is not None:
                self.audio.startTransmit(tap)
        return before

    def record_with(self, recorder: LegRecorder) -> None:
        """Start recording; a running one is finished first."""
        self.stop_recording()
        self.recorder = recorder
        if self.audio is not None:
            recorder.attach(self.audio)

    def pause_recording(self, paused: bool) -> None:
        """Silence in the file while paused."""
        if self.recorder is None or not self.recorder.pause(paused) or self.audio is None:
            return
        if paused:
            self._quietly(self.recorder.detach, self.audio)
        else:
            self.recorder.attach(self.audio)

    def stop_recording(self) -> None:
        """Finish the recording, if there is one, and say so when the file is final."""
        recorder, self.recorder = self.recorder, None
        if recorder is None:
            return
        if self.audio is not None:
            self._quietly(recorder.detach, self.audio)
        duration = recorder.finish()
        event = RecordingStopped(
            leg_id=self.leg_id, call_id=self.call_id, path=recorder.path, duration=duration
        )
        # pjmedia rewrites the header when the clock thread lets go of the port, a tick later.
        self._owner.later(lambda: self._owner.emit(event))

    def report_transfer(self, status: int) -> None:
        """NOTIFY who sent REFER how it goes (RFC 3515): first that it is under way."""
        if self.ended:
            return
        if self._refer is Refer.ACCEPTED:
            self._refer = Refer.UNDER_WAY
            self.sendRequest(refer.report(100))
        if self._refer is Refer.UNDER_WAY and status >= 200:
            self._refer = Refer.NONE
            self.sendRequest(refer.report(status))

    def check_media(self, now: float) -> None:
        """End the leg when it sent audio once and has been mute on the wire for too long."""
        timeout = self._owner.settings.rtp_timeout
        if not timeout or not self.confirmed or self.ended or self._held or self.audio is None:
            if not self.page:
                self.heard_at = now
            return
        packets = int(self.getStreamStat(self._media_index).rtcp.rxStat.pkt)
        if packets != self._packets or packets == 0:
            self._packets, self.heard_at = packets, now
        elif now - self.heard_at > timeout:
            log.warning("leg sends no audio any more, ending it", extra={"leg_id": self.leg_id})
            self.end(EndReason.MEDIA_TIMEOUT)

    def listen_to_page(self, now: float) -> None:
        """Tell when a page has fallen silent, and when it is heard again."""
        if not self.page or not self.confirmed or self.ended or self.audio is None:
            return
        packets = int(self.getStreamStat(self._media_index).rtcp.rxStat.pkt)
        if packets != self._packets:
            self._packets, self.heard_at = packets, now
        silent = now - self.heard_at > _PAGE_IS_SILENT
        if silent != self._silent:
            self._silent = silent
            self._tell_silent(silent)

    def listen_to_phone(self, now: float) -> None:
        """Tell when a phone in a conversation has fallen silent, and when it is heard again."""
        limit = self._owner.settings.silence_timeout
        listens = limit and self.confirmed and not self.ended and self.audio is not None
        if self.page or not listens or not (self.peers or self._phone.silent):
            self._phone.begin(now)
            return
        if self._held or not self._receives:  # it has said that it will send nothing
            self._listen_anew(now)
            return
        rtcp = self.getStreamStat(self._media_index).rtcp
        packets, reports = int(rtcp.rxStat.pkt), int(rtcp.txStat.updateCount)
        if self._phone.notice(packets, reports, now, limit):
            self._tell_silent(self._phone.silent)

    def _listen_anew(self, now: float) -> None:
        self._phone.begin(now)
        if self._phone.silent:
            self._phone.silent = False
            self._tell_silent(False)

    def _tell_silent(self, silent: bool) -> None:
        self._owner.emit(
            LegSilent(leg_id=self.leg_id, call_id=self.call_id, silent=silent, page=self.page)
        )

    def kept(self, ended: LegEnded | None = None) -> KeptLeg:
        """What a brain that takes over must know."""
        return KeptLeg(
            leg_id=self.leg_id,
            call_id=self.call_id,
            direction=self.direction,
            answered=self.confirmed,
            other=next((peer.leg_id for peer in self.peers), None),
            recording=self.recorder.path if self.recorder is not None else "",
            page=self.page,
            silent=self.is_silent,
            notes=dict(self.notes),
            ended=ended,
        )

    # --- callbacks --------------------------------------------------------------------------

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802
        """The dialog moved on."""
        sound = _brings_sound(prm)
        self._guarded(lambda: self._state_changed(sound))

    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802
        """A transaction of the dialog moved on: the first to be heard is 100, which is no state."""
        if prm.e.body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            self._heard = True

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        """Media was set up, anew after each re-INVITE."""
        self._guarded(self._media_changed)

    def onCallSdpCreated(self, prm: pj.OnCallSdpCreatedParam) -> None:  # noqa: N802
        """Our SDP is about to be sent."""
        self._guarded(lambda: self._choose_address(prm))

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:  # noqa: N802
        """A key, by RFC 4733 or SIP INFO."""
        digit, way = prm.digit, int(prm.method)
        self._guarded(lambda: self._digit(digit, way))

    def onStreamDestroyed(self, prm: pj.OnStreamDestroyedParam) -> None:  # noqa: N802
        """The last chance to read the figures of the stream."""
        index = prm.streamIdx
        self._guarded(lambda: self._read_statistics(index))

    def onCallReplaceRequest(self, prm: pj.OnCallReplaceRequestParam) -> None:  # noqa: N802
        """INVITE with Replaces (RFC 3891): refused, or pjsua would swap our calls by itself.

        Who wants to pick up a call asks the brain: by the page, the API or REFER.
        """
        prm.statusCode = 603
        log.warning("INVITE with Replaces refused", extra={"leg_id": self.leg_id})

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:  # noqa: N802
        """REFER: the brain decides; pjsua2 itself calls nobody."""
        target, dialog = refer.wanted(wire_text(prm.dstUri))
        # Who talks with nobody has nobody to transfer; whom a held one is with, the brain knows.
        prm.statusCode = 202 if self._joined else 603
        # With a 202 pjsua would call the target, too, and report on it. Our patch leaves both to
        # us when there is no media to call with; without the patch that call fails at once.
        prm.opt.audioCount = prm.opt.videoCount = 0
        if hasattr(prm.opt, "textCount"):
            prm.opt.textCount = 0
        if not self._joined:
            return
        other = self._owner.of_dialog(dialog) if dialog else None
        self._refer = Refer.ACCEPTED
        self._owner.soon(lambda: self._guarded(lambda: self.report_transfer(100)))
        self._owner.emit(
            TransferRequested(
                leg_id=self.leg_id,
                call_id=self.call_id,
                target=target,
                replaces=other.leg_id if other is not None else LegId("") if dialog else None,
            )
        )

    # --- within -----------------------------------------------------------------------------

    def _state_changed(self, sound: bool) -> None:
        if self.ended:
            return
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY and self.direction is LegDirection.OUT:
            # Of several phones none has a network whose sound is worth more than our own.
            early = sound and not self.rivals
            first = not self._ringing and not any(rival.rang for rival in self.rivals)
            if first or early is not self._early:
                self._owner.emit(LegRinging(leg_id=self.leg_id, call_id=self.call_id, early=early))
            self._ringing, self._early = True, early
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.confirmed and not self.lost:
            self.heard_at = time.monotonic()
            before = next((rival for rival in self.rivals if rival.confirmed), None)
            self._owner.takes_over(self, before)
            for rival in self.rivals:
                rival.lose()
            self.rivals = []
            if before is not None:
                return
            if self.audio is None and self.direction is LegDirection.IN:
                # ACK without the answer to our offer (RFC 3261 13.2.1): nobody would hear a thing.
                log.warning("call without audio is ended", extra={"leg_id": self.leg_id})
                self._owner.soon(self._end_without_answer)
                return
            self.confirmed = True
            self._owner.emit(
                LegAnswered(
                    leg_id=self.leg_id,
                    call_id=self.call_id,
                    codec=self._codec,
                    encrypted=self._encrypted,
                    page=self.page,
                )
            )
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.ended = True
            self._phone_over(int(info.lastStatusCode))

    def _end_without_answer(self) -> None:
        if self.ended:
            return
        self.end_reason = self.end_reason or EndReason.NOT_ACCEPTED
        param = call_param()
        reason = pj.SipHeader()
        reason.hName, reason.hValue = "Reason", 'SIP;cause=488;text="No SDP answer"'
        param.txOption.headers.append(reason)
        self.hangup(param)

    @property
    def rang(self) -> bool:
        """Whether it was told that the phone rings, or rang."""
        return self._ringing or self.confirmed

    def _phone_over(self, sip_code: int) -> None:
        """The dialog is over; so is the leg, unless another phone is it or may become it."""
        refused = not self.confirmed and not self.lost and self.end_reason is None
        if refused and self._owner.tries_on(self, sip_code):
            if self.early_to is not None:
                self.early_to.hear_early(None)
            if self._early:  # what was heard of this one is over
                self._owner.emit(LegRinging(leg_id=self.leg_id, call_id=self.call_id))
            self.audio = None
            self._owner.gone(self)
            return
        living = [rival for rival in self.rivals if not rival.ended]
        for rival in living:
            rival.rivals = [leg for leg in rival.rivals if leg is not self]
        refused = not self.confirmed and sip_code not in _FOR_ALL
        talking = any(rival.confirmed for rival in living)
        # What we end ourselves is ended at all phones, and the last one tells.
        goes_on = refused or talking or (self.end_reason is not None and not self.confirmed)
        if self.lost or (living and goes_on):
            self.audio = None
            self._owner.gone(self)
            return
        for rival in living:
            rival.lose()
        self._over(sip_code)

    def _over(self, sip_code: int) -> None:
        self.audio = None
        recorded = self.recorder is not None
        self.leave()
        self.stop_playing(PlaybackEnd.STOPPED)
        self.stop_recording()
        reason = self.end_reason or self._observed_reason(sip_code)
        ended = LegEnded(
            leg_id=self.leg_id,
            call_id=self.call_id,
            reason=reason,
            sip_code=sip_code,
            rtp_packets=self._packets,
            rtp_lost=self._lost,
            jitter_ms=self._jitter_ms,
        )
        if recorded:  # the last event of the leg comes after RecordingStopped, which waits
            self._owner.later(lambda: self._owner.over(self, ended))
        else:
            self._owner.over(self, ended)

    def _observed_reason(self, sip_code: int) -> EndReason:
        if self.confirmed:
            return EndReason.REMOTE_HANGUP
        if self.direction is LegDirection.IN:
            return EndReason.CANCELLED if sip_code == 487 else EndReason.REJECTED
        if sip_code == 408:
            return EndReason.NO_ANSWER if self._ringing else EndReason.LINE_DOWN
        if 500 <= sip_code < 600:
            return EndReason.LINE_DOWN
        return _OBSERVED.get(sip_code, EndReason.REJECTED)

    def _media_changed(self) -> None:
        info = self.getInfo()
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            self._media_index = media.index
            held = media.status == pj.PJSUA_CALL_MEDIA_REMOTE_HOLD
            self._receives = bool(media.dir & pj.PJMEDIA_DIR_DECODING)
            if held or media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.audio = self.getAudioMedia(media.index)
                stream = self.getStreamInfo(media.index)
                self._codec = wire_text(f"{stream.codecName}/{stream.codecClockRate}")
                # A page has another profile than a phone (DTLS-SRTP).
                self._encrypted = bool(stream.proto & pj.PJMEDIA_TP_PROFILE_SRTP)
                self._reconnect()
            else:
                self.audio = None
            if held != self._held:
                self._held = held
                self._owner.emit(LegHeld(leg_id=self.leg_id, call_id=self.call_id, held=held))
            return

    def _reconnect(self) -> None:
        """Apply what we want connected to the stream's new conference port."""
        audio = self.audio
        if audio is None or self.lost:
            return
        # Somebody always listens, if only the sound device that there is not: what nobody reads
        # fills the jitter buffer, and is heard as a delay of 400 ms once somebody does.
        audio.startTransmit(pj.Endpoint.instance().audDevManager().getPlaybackDevMedia())
        if self.playback is not None:
            self.playback.start(audio)
        if self.tap is not None:
            audio.startTransmit(self.tap)
        if self.recorder is not None:
            self.recorder.attach(audio)
        if self.early is not None and self.early.audio is not None:
            self.early.audio.startTransmit(audio)
        if self.early_to is not None and self.early_to.audio is not None:
            audio.startTransmit(self.early_to.audio)
        for peer in self.peers:
            if peer.audio is not None:
                audio.startTransmit(peer.audio)
                peer.audio.startTransmit(audio)

    def _choose_address(self, prm: pj.OnCallSdpCreatedParam) -> None:
        settings = self._owner.settings
        if self.page:
            sdp = page_sdp.wide_first(prm.sdp.wholeSdp)
            if settings.public_address:
                sdp = page_sdp.with_public_candidate(sdp, settings.public_address)
            prm.sdp.wholeSdp = sdp
            return
        peer = addresses.media_peer(prm.remSdp.wholeSdp) or self._peer
        address = addresses.choose(
            peer, pinned=settings.media_address, public=settings.public_address
        )
        if address:
            prm.sdp.wholeSdp = addresses.rewrite(prm.sdp.wholeSdp, address)

    def _digit(self, digit: str, way: int) -> None:
        known = digit and digit in "0123456789*#ABCD"
        if known and self._keys.take(digit, way, time.monotonic()):
            self._owner.emit(DigitReceived(leg_id=self.leg_id, call_id=self.call_id, digit=digit))
            if self.direction is LegDirection.OUT:
                # Keys are packets of their own, which the bridge of audio does not carry.
                for peer in self.peers:
                    peer.dialDtmf(digit)

    def _read_statistics(self, index: int) -> None:
        received = self.getStreamStat(index).rtcp.rxStat
        self._packets = int(received.pkt)
        self._lost = int(received.loss)
        self._jitter_ms = received.jitterUsec.mean / 1000

    def _emit_playback_end(self, playback_id: PlaybackId, how: PlaybackEnd) -> None:
        self._owner.emit(
            PlaybackEnded(
                leg_id=self.leg_id, call_id=self.call_id, playback_id=playback_id, how=how
            )
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        """pjsua2 prints and swallows what a callback raises: log it with the leg instead."""
        try:
            work()
        except pj.Error as exc:
            log.error("pjsua2 callback failed", extra={"leg_id": self.leg_id, "error": exc.info()})
        except Exception:
            log.exception("callback failed", extra={"leg_id": self.leg_id})

    def _quietly(self, disconnect: Callable[[pj.AudioMedia], None], media: pj.AudioMedia) -> None:
        """Undo a connection that may be gone already with its stream."""
        try:
            disconnect(media)
        except pj.Error as exc:
            log.debug("already apart", extra={"leg_id": self.leg_id, "error": exc.info()})
