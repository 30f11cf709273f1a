"""The seam: whoever dials to the outside asks an `OutboundPolicy` first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from centralita.core.errors import CentralitaError, Values
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId
from centralita.outbound.numbers import Number
from centralita.outbound.rules import Kind, Originator, Reason, Usage, Verdict


class OutboundRefused(CentralitaError):
    """A call to the outside may not be made; `reason` is stable, the message says the cure."""

    code = "outbound_refused"

    def __init__(self, reason: Reason, message: str, values: Values | None = None) -> None:
        """`values` are those of `Refused`."""
        super().__init__(message, values=values)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call that somebody wants to make: the leg that will be dialled, beside which call."""

    leg_id: LegId
    call_id: CallId
    dialled: str
    who: Originator


class OutboundPolicy(Protocol):
    """Decides about each call to the outside, counts it, and ends it when its time is over."""

    async def permit(self, wanted: Wanted) -> Number:
        """Count the call as made, and return the number to dial, exactly as it is to be dialled.

        Dial with the `leg_id` that was named: the leg's answer and end are heard on the bus. When
        the leg could not even be started, say so by `withdraw`. Raises OutboundRefused.
        """
        ...

    async def foresee(self, wanted: Wanted) -> None:
        """As `permit`, without counting: raises OutboundRefused if that would refuse it now."""
        ...

    def withdraw(self, leg_id: LegId) -> None:
        """That leg will never be: the call still counts as one, but as none that goes on."""
        ...


class Witness(Protocol):
    """Keeps what was refused, for those who look into it later. Must not fail."""

    async def refused(self, wanted: Wanted, reason: Reason, message: str) -> None: ...

    async def cut(self, running: Running) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A call to the outside that goes on, or is being set up. The price is per minute."""

    leg_id: LegId
    call_id: CallId
    who: Originator
    number: str
    emergency: bool
    price: Decimal
    started_at: datetime
    answered_at: datetime | None = None


class OutboundLedger(Protocol):
    """Remembers what was called, across restarts. Days begin at `since`."""

    async def reserve(
        self, wanted: Wanted, now: datetime, since: datetime, judge: Callable[[Usage], Verdict]
    ) -> Verdict:
        """Let `judge` see the usage, and note the call if it is allowed: in one step, so that of
        many who ask at once none sees a usage that misses another one's call."""
        ...

    async def answered(self, leg_id: LegId, at: datetime) -> None:
        """The other side picked up: time and cost begin."""
        ...

    async def ended(self, leg_id: LegId, at: datetime) -> None:
        """It is over. Twice does no harm."""
        ...

    async def running(self) -> Sequence[Running]:
        """The calls of which no end is known."""
        ...

    async def usage(self, who: Originator, now: datetime, since: datetime) -> Usage:
        """As `judge` would see it."""
        ...

    async def spent(self, now: datetime, since: datetime) -> Decimal:
        """What the calls have cost, those that go on included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused(Event):
    """Somebody wanted to call the outside and may not."""

    call_id: CallId
    leg_id: LegId
    kind: Kind
    who: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCut(Event):
    """A call to the outside was ended because its time for the day was over."""

    call_id: CallId
    leg_id: LegId
    who: str
    lasted: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendAlert(Event):
    """The calls of this day have cost more than the house wants to be told of. Once a day."""

    day: datetime
    spent: str
    threshold: str
