"""The gate: `OutboundPolicy` over a ledger. Follows each call that it let through to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.ids import LegId
from centralita.core.tasks import Tasks
from centralita.outbound.numbers import Number
from centralita.outbound.policy import (
    CallCut,
    CallRefused,
    OutboundLedger,
    OutboundRefused,
    Running,
    SpendAlert,
    Wanted,
    Witness,
)
from centralita.outbound.rules import (
    Allowed,
    Kind,
    Reason,
    Refused,
    Rules,
    Usage,
    Verdict,
    decide,
    time_left,
)
from centralita.telephony.call import (
    CallControl,
    EndReason,
    LegAnswered,
    LegEnded,
    TelephonyError,
)

log = logging.getLogger(__name__)

_EVERY = 1.0
# A ledger that is slower than this refuses: what cannot be counted cannot be limited.
_LEDGER = 2.0
# How long before its end a call that must end is told so.
WARNING = timedelta(seconds=30)

Warn = Callable[[LegId], Awaitable[None]]


async def _silently(_: LegId) -> None:
    return None


class Gate:
    """One for the house."""

    def __init__(
        self,
        rules: Rules,
        ledger: OutboundLedger,
        control: CallControl,
        bus: Bus,
        clock: Clock,
        witness: Witness,
        *,
        warn: Warn = _silently,
    ) -> None:
        """`warn` lets those on a leg hear that the call ends soon."""
        self._rules = rules
        self._ledger = ledger
        self._control = control
        self._bus = bus
        self._clock = clock
        self._witness = witness
        self._warn = warn
        self._running: dict[LegId, Running] = {}
        self._warned: set[LegId] = set()
        self._alerted: datetime | None = None
        self._ends = 0
        self._counted: tuple[datetime, int] | None = None
        self._notes: asyncio.Queue[tuple[str, LegId, datetime]] = asyncio.Queue()
        self._tasks = Tasks("outbound")
        self.spent = Decimal(0)
        self.refused: dict[Reason, int] = {}
        bus.subscribe(LegAnswered, self._answered)
        bus.subscribe(LegEnded, self._ended)

    @property
    def rules(self) -> Rules:
        """What is allowed."""
        return self._rules

    @property
    def running(self) -> int:
        """How many calls to the outside go on."""
        return len(self._running)

    @property
    def overspent(self) -> bool:
        """Whether this day's calls cost more than the house wants to be told of."""
        return self._rules.alert_at is not None and self.spent >= self._rules.alert_at

    async def open(self, legs: Collection[LegId] = ()) -> None:
        """Go on where the last server stopped; `legs` are those that are still up."""
        for running in await self._ledger.running():
            if running.leg_id in legs:
                self._running[running.leg_id] = running
            else:
                # Nobody saw its end: it counts as if it had gone on until now.
                await self._ledger.ended(running.leg_id, self._clock.now())
        self._tasks.keep(self._write, name="write")
        self._tasks.keep(self._watch, name="watch")

    async def close(self) -> None:
        """Write what is pending, and stop."""
        try:
            await asyncio.wait_for(self._notes.join(), _LEDGER)
        except TimeoutError:
            log.warning("calls to the outside are not written down", extra={"calls": self.running})
        await self._tasks.close()

    # --- OutboundPolicy -----------------------------------------------------------------------

    async def permit(self, wanted: Wanted) -> Number:
        now = self._clock.now()

        async def reserve() -> Verdict:
            try:
                return await self._ledger.reserve(
                    wanted,
                    now,
                    self._rules.day_of(now),
                    lambda usage: decide(self._rules, wanted.dialled, wanted.who, usage, now),
                )
            except BaseException:
                # Nobody knows whether it is noted: what is will be over.
                self._notes.put_nowait(("ended", wanted.leg_id, now))
                raise

        verdict = await self._asked(wanted, reserve)
        if isinstance(verdict, Refused):
            await self._refuse(wanted, verdict)
            raise OutboundRefused(verdict.reason, verdict.message, verdict.values)
        self._running[wanted.leg_id] = Running(
            leg_id=wanted.leg_id,
            call_id=wanted.call_id,
            who=wanted.who,
            number=verdict.number.text,
            emergency=verdict.number.emergency,
            price=verdict.price,
            started_at=now,
        )
        log.info(
            "call to the outside",
            extra={
                "call_id": wanted.call_id,
                "leg_id": wanted.leg_id,
                "who": wanted.who.key,
                "region": verdict.number.region,
                "pii_number": verdict.number.text,
            },
        )
        return verdict.number

    async def foresee(self, wanted: Wanted) -> None:
        now = self._clock.now()

        async def look() -> Verdict:
            usage = await self._ledger.usage(wanted.who, now, self._rules.day_of(now))
            return decide(self._rules, wanted.dialled, wanted.who, usage, now)

        verdict = await self._asked(wanted, look)
        if isinstance(verdict, Refused):
            await self._refuse(wanted, verdict)
            raise OutboundRefused(verdict.reason, verdict.message, verdict.values)

    def withdraw(self, leg_id: LegId) -> None:
        if self._running.pop(leg_id, None) is not None:
            self._notes.put_nowait(("ended", leg_id, self._clock.now()))

    # --- within -------------------------------------------------------------------------------

    async def _asked(self, wanted: Wanted, ask: Callable[[], Awaitable[Verdict]]) -> Verdict:
        """The verdict; without the ledger only that of an emergency."""
        now = self._clock.now()
        first = decide(self._rules, wanted.dialled, wanted.who, Usage(), now)
        try:
            async with asyncio.timeout(_LEDGER):
                return await ask()
        except (CentralitaError, TimeoutError) as exc:
            is_emergency = isinstance(first, Allowed) and first.number.emergency
            if isinstance(first, Refused) or (is_emergency and wanted.who.kind is Kind.AGENT):
                return first
            log.error("calls to the outside cannot be counted", extra={"error": str(exc)})
            return Refused(
                reason=Reason.UNAVAILABLE,
                message="calls to the outside cannot be counted while the database is away",
            )

    async def _refuse(self, wanted: Wanted, verdict: Refused) -> None:
        self.refused[verdict.reason] = self.refused.get(verdict.reason, 0) + 1
        log.warning(
            "call to the outside refused",
            extra={
                "call_id": wanted.call_id,
                "who": wanted.who.key,
                "reason": verdict.reason.value,
                "pii_number": wanted.dialled,
            },
        )
        self._bus.publish(
            CallRefused(
                call_id=wanted.call_id,
                leg_id=wanted.leg_id,
                kind=wanted.who.kind,
                who=wanted.who.ident,
                reason=verdict.reason,
            )
        )
        await self._witness.refused(wanted, verdict.reason, verdict.message)

    def _answered(self, event: LegAnswered) -> None:
        running = self._running.get(event.leg_id)
        if running is not None and running.answered_at is None:
            now = self._clock.now()
            self._running[event.leg_id] = replace(running, answered_at=now)
            self._notes.put_nowait(("answered", event.leg_id, now))

    def _ended(self, event: LegEnded) -> None:
        self._warned.discard(event.leg_id)
        self.withdraw(event.leg_id)

    async def _write(self) -> None:
        """What is heard of the legs goes to the ledger in order; a ledger that is away waits."""
        while True:
            what, leg_id, at = await self._notes.get()
            away = False
            while True:
                try:
                    if what == "answered":
                        await self._ledger.answered(leg_id, at)
                    else:
                        await self._ledger.ended(leg_id, at)
                        self._ends += 1
                    break
                except CentralitaError as exc:
                    if not away:
                        log.error("call to the outside is not written", extra={"error": str(exc)})
                    away = True
                    await asyncio.sleep(_EVERY)
            self._notes.task_done()

    async def _watch(self) -> None:
        away = False
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.look()
                away = False
            except CentralitaError as exc:
                if not away:
                    log.error("calls to the outside cannot be counted", extra={"error": str(exc)})
                away = True

    async def look(self) -> None:
        """Warn and end calls whose time for the day is over; tell of what the day has cost."""
        now = self._clock.now()
        since = self._rules.day_of(now)
        if self._running or self._counted != (since, self._ends):
            self._counted = (since, self._ends)
            self.spent = await self._ledger.spent(now, since)
            self._tell_spending(since)
        talking = [one for one in self._running.values() if one.answered_at is not None]
        for who in {one.who.key: one.who for one in talking}.values():
            usage = await self._ledger.usage(who, now, since)
            left = time_left(self._rules, who, usage)
            for running in talking:
                # Nobody ends an emergency call.
                if running.who.key == who.key and not running.emergency:
                    # Calls that go on together use up the time together.
                    await self._mind(running, left / len(talking), now)

    async def _mind(self, running: Running, left: timedelta, now: datetime) -> None:
        if left <= timedelta():
            await self._cut(running, now)
        elif left <= WARNING and running.leg_id not in self._warned:
            self._warned.add(running.leg_id)
            self._tasks.spawn(self._tell_soon(running), name=f"warn {running.leg_id}")

    async def _tell_soon(self, running: Running) -> None:
        try:
            await self._warn(running.leg_id)
        except CentralitaError as exc:
            log.warning(
                "a call ends soon, and nobody could be told",
                extra={"leg_id": running.leg_id, "error": str(exc)},
            )

    async def _cut(self, running: Running, now: datetime) -> None:
        lasted = now - (running.answered_at or now)
        log.warning(
            "call to the outside ended, its time for the day is over",
            extra={
                "call_id": running.call_id,
                "who": running.who.key,
                "seconds": lasted.total_seconds(),
            },
        )
        self.withdraw(running.leg_id)
        self._bus.publish(
            CallCut(
                call_id=running.call_id,
                leg_id=running.leg_id,
                who=running.who.ident,
                lasted=lasted,
            )
        )
        try:
            await self._control.hang_up(running.leg_id, EndReason.CONVERSATION_ENDED)
        except TelephonyError:
            pass  # it has just ended by itself
        await self._witness.cut(running)

    def _tell_spending(self, day: datetime) -> None:
        if not self.overspent or self._alerted == day:
            return
        self._alerted = day
        threshold = str(self._rules.alert_at)
        log.warning(
            "calls to the outside cost more than the alert threshold",
            extra={"spent": str(self.spent), "threshold": threshold},
        )
        self._bus.publish(SpendAlert(day=day, spent=str(self.spent), threshold=threshold))
