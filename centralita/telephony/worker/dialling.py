"""Dialling: the attempts for a leg one after another, and the phones that ring at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pjsua2 as pj

from centralita.core.ids import CallId, LegId
from centralita.telephony.attempts import Attempt, following
from centralita.telephony.call import DialError, LegDirection, TelephonyError
from centralita.telephony.protocol import Dial, RingAgain
from centralita.telephony.worker.leg import LegOwner, PjLeg, call_param
from centralita.telephony.worker.sip_uri import header_value, name_addr, sip_uri
from centralita.telephony.worker.targets import Target, targets_of

log = logging.getLogger(__name__)

_SILENT = 408


class Caller(LegOwner, Protocol):
    """What the dialler needs of the worker around it."""

    legs: dict[LegId, PjLeg]

    def account_for(self, target: Target, encrypted: bool | None) -> pj.Account:
        """The one that offers such media."""
        ...

    def discard(self, leg: PjLeg) -> None:
        """Free what never became a call."""
        ...

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Run `work` then."""
        ...


class Dialler:
    """One for the worker."""

    def __init__(self, worker: Caller) -> None:
        self._worker = worker

    def dial(self, command: Dial) -> None:
        """Make the first attempt that can be sent; raises DialError when none can."""
        refused = ""
        for tried, attempt in enumerate(command.attempts):
            legs, why = self._make(command.leg_id, command.call_id, attempt)
            refused = refused or why
            if legs:
                self._follow(legs, command.attempts, tried)
                return
        raise DialError(f"cannot call {command.attempts[0].uri}: {refused}")

    def ring_again(self, present: PjLeg, command: RingAgain) -> None:
        """Ring for a leg that is up. Raises DialError."""
        if not present.confirmed:
            raise TelephonyError("the leg has not been answered yet")
        for rival in present.rivals:
            rival.lose()
        present.rivals = []
        attempt = Attempt(uri=command.target, headers=command.headers)
        for target in targets_of(command.target):
            leg = self._leg(target, present.leg_id, present.call_id, attempt)
            try:
                leg.makeCall(target.uri, _offer(present.getInfo().localUri, attempt))
            except pj.Error as exc:
                self._worker.discard(leg)
                raise DialError(f"cannot call {target.uri}: {exc.reason}") from exc
            leg.rivals = [present, *present.rivals]
            for rival in present.rivals:
                rival.rivals.append(leg)
            present.rivals.append(leg)

    def tries_on(self, leg: PjLeg, sip_code: int) -> bool:
        """That is the answer to the leg's attempt: make the next one, if there is one for it."""
        if leg.page:
            return False  # a page has one kind of media, whatever its phone is offered
        tried = leg.tried
        while (after := following(leg.attempts, tried, sip_code, rang=leg.rang)) is not None:
            legs, why = self._make(leg.leg_id, leg.call_id, leg.attempts[after], instead_of=leg)
            if legs:
                log.info(
                    "leg is dialled by another way",
                    extra={"leg_id": leg.leg_id, "sip_code": sip_code, "attempt": after},
                )
                self._follow(legs, leg.attempts, after)
                return True
            log.warning("attempt cannot be sent", extra={"leg_id": leg.leg_id, "error": why})
            tried = after
        return False

    def _make(
        self, leg_id: LegId, call_id: CallId, attempt: Attempt, instead_of: PjLeg | None = None
    ) -> tuple[list[PjLeg], str]:
        """The legs of one attempt, and why one could not be begun. All ring for the same leg."""
        known = self._worker.legs
        legs: list[PjLeg] = []
        refused = ""
        targets: Sequence[Target] = targets_of(attempt.uri)
        if instead_of is not None:
            # Its page rings, or has answered in its own way.
            targets = [target for target in targets if not target.page]
        for target in targets:
            leg = self._leg(target, leg_id, call_id, attempt)
            # Known before its first event, and as the leg until one of them has answered.
            before = known.get(leg_id)
            if before is None or before is instead_of:
                known[leg_id] = leg
            try:
                leg.makeCall(attempt.to or target.uri, _offer(_from(attempt, self._domain), attempt,
                                                             target.uri))  # fmt: skip
            except pj.Error as exc:
                refused = exc.reason
                self._worker.discard(leg)
                if known[leg_id] is leg and before is None:
                    del known[leg_id]
                elif known[leg_id] is leg and before is not None:
                    known[leg_id] = before
            else:
                legs.append(leg)
        living = instead_of.rivals if instead_of is not None else []
        for rival in living:
            rival.rivals.extend(legs)
        for leg in legs:
            leg.rivals = [rival for rival in (*legs, *living) if rival is not leg]
            if instead_of is not None:
                leg.notes = instead_of.notes
        return legs, refused

    def _follow(self, legs: Sequence[PjLeg], attempts: Sequence[Attempt], tried: int) -> None:
        """Remember what is still to be tried, and notice when nobody is there."""
        for leg in legs:
            leg.attempts, leg.tried = attempts, tried
        patience = attempts[tried].patience
        if patience:
            self._worker.after(patience, lambda: self._notice_silence(legs))

    def _notice_silence(self, legs: Sequence[PjLeg]) -> None:
        for leg in legs:
            if leg.unheard and not leg.lost:
                log.warning("nobody answers where the leg is dialled", extra={"leg_id": leg.leg_id})
                leg.abandon(_SILENT)

    def _leg(self, target: Target, leg_id: LegId, call_id: CallId, attempt: Attempt) -> PjLeg:
        return PjLeg(
            self._worker,
            self._worker.account_for(target, attempt.encrypted),
            leg_id=leg_id,
            call_id=call_id,
            direction=LegDirection.OUT,
            peer=attempt.peer,
            page=target.page,
        )

    @property
    def _domain(self) -> str:
        return self._worker.settings.domain


def _from(attempt: Attempt, domain: str) -> str:
    return name_addr(attempt.caller_name, sip_uri(attempt.caller, attempt.domain or domain))


def _offer(local: str, attempt: Attempt, target: str = "") -> pj.CallOpParam:
    """What an INVITE of ours says of itself; `target` is its request URI, when To has another."""
    param = call_param()
    param.txOption.localUri = local
    if attempt.to:
        param.txOption.targetUri = target
    headers: Mapping[str, str] = attempt.headers
    for key, value in headers.items():
        header = pj.SipHeader()
        header.hName, header.hValue = key, header_value(value)
        param.txOption.headers.append(header)
    return param
