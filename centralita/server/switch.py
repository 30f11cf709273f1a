"""The switch: reads telephony's events, publishes them, and gives each new call its driver."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError, NotFound
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId
from centralita.core.tasks import Tasks
from centralita.ivr.driver import CallDriver
from centralita.ivr.flow import HEADER_PREFIX, Flow
from centralita.ivr.outgoing import OUTGOING, in_conversation
from centralita.ivr.ports import IvrPorts
from centralita.ivr.resume import FlowNote, describe, read_note
from centralita.ivr.run import FlowRun
from centralita.server.call_log import CallLog
from centralita.server.center import Center
from centralita.server.farewell import Farewell
from centralita.telephony.call import (
    CallArrived,
    CallControl,
    EndReason,
    KeptLeg,
    LegDirection,
    LegEnded,
    TelephonyError,
)
from centralita.timeline.directory import Caller, Directory, customer_of
from centralita.timeline.identity import is_withheld

log = logging.getLogger(__name__)


def header_variables(headers: Mapping[str, str]) -> dict[str, str]:
    """The INVITE's headers as a flow knows them: `X-Level` is `header_x_level`."""
    return {
        HEADER_PREFIX + re.sub(r"[^a-z0-9]", "_", name.lower()): value
        for name, value in headers.items()
    }


def _customer_variables(caller: Caller) -> dict[str, str]:
    customer = customer_of(caller)
    return {
        "customer_id": customer.id if customer is not None else "",
        "customer_name": customer.name if customer is not None else "",
        "customer_known": "yes" if customer is not None and not customer.provisional else "",
        "customer_segment": customer.segment if customer is not None else "",
    }


class InsideCalls(Protocol):
    """Who serves the calls of agents' phones that no flow was given."""

    def takes(self, arrived: CallArrived) -> bool: ...

    async def serve(self, arrived: CallArrived) -> None: ...


class Switch:
    """One for the house."""

    def __init__(
        self,
        control: CallControl,
        ports: IvrPorts,
        center: Center,
        directory: Directory,
        calls: CallLog,
        bus: Bus,
        farewell: Farewell,
        *,
        regions: Mapping[str, str],
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        """By trunk: `regions` are the countries in whose form they write their callers, `accounts`
        the user names under which we are registered."""
        self._accounts = accounts or {}
        self._farewell = farewell
        self._regions = regions
        self.drivers: dict[CallId, CallDriver] = {}
        self.draining = False
        self.inside: InsideCalls | None = None
        self._control = control
        self._ports = ports
        self._center = center
        self._directory = directory
        self._calls = calls
        self._bus = bus
        self._tasks = Tasks("switch")
        self._served: set[CallId] = set()
        # Callers whose driver is not there yet, and how they ended if they did: CANCEL may come
        # in the same breath as INVITE, or while we look the caller up.
        self._early_ends: dict[LegId, LegEnded | None] = {}
        self._grace_is_over = False
        self._empty = asyncio.Event()
        self._empty.set()

    def start(self) -> None:
        """Begin to take calls."""
        self._tasks.keep(self._read, name="events")

    async def drain(self, grace: float) -> None:
        """Take no new calls; wait up to `grace` seconds for the others, then end them.

        Each caller is told so first, at the same time as the others.
        """
        self.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), grace)
        self._grace_is_over = True
        if self.drivers:
            log.warning("the grace is over, calls are ended", extra={"calls": len(self.drivers)})
        await asyncio.gather(*map(self._part_from, tuple(self.drivers.values())))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), 5)

    async def _part_from(self, driver: CallDriver) -> None:
        arrived = driver.arrived
        state = self._calls.calls.get(arrived.call_id)
        language = state.language if state is not None else ""
        await self._farewell.say(arrived.call_id, arrived.leg_id, language or driver.language)
        driver.end(EndReason.SHUTDOWN)

    async def close(self) -> None:
        """Stop reading."""
        await self._tasks.close()

    async def _read(self) -> None:
        async for event in self._control.events():
            self.hear(event)

    def hear(self, event: Event) -> None:
        """Something happened on the phone lines."""
        if isinstance(event, LegEnded) and event.leg_id in self._early_ends:
            self._early_ends[event.leg_id] = event
        if isinstance(event, CallArrived):
            event = self._without_stand_in(event)
            self._early_ends[event.leg_id] = None
            self._tasks.spawn(
                self._serve(event),
                name=f"call {event.call_id}",
                on_error=lambda _: self._give_up(event),
            )
        self._bus.publish(event)

    def _without_stand_in(self, arrived: CallArrived) -> CallArrived:
        """A withheld number is empty, whatever the trunk writes in its place: one lasting customer
        would be made of all who hide theirs. Some write our own account."""
        account = self._accounts.get(arrived.trunk)
        if is_withheld(arrived.caller) or (account and arrived.caller == account):
            return replace(arrived, caller="", caller_name="")
        return arrived

    def take_over(
        self, note: FlowNote, run: FlowRun, leg: KeptLeg, transfer: KeptLeg | None
    ) -> None:
        """Go on with a call of the server before this one; the call log has it already."""
        arrived = note.arrived
        flow = run.stack[0].flow if run.stack else run.flow
        driver = self._driver(arrived, flow, self._calls.calls[arrived.call_id].caller)
        driver.take_over(run, note, leg, transfer)
        log.info(
            "call taken over",
            extra={
                "call_id": arrived.call_id,
                "flow": f"{flow.name}.{flow.version}",
                "node": run.node,
            },
        )
        self._tasks.spawn(self._go_on(driver), name=f"call {arrived.call_id}")

    async def _go_on(self, driver: CallDriver) -> None:
        with self._counted(driver.arrived):
            await self._run(driver)

    async def _serve(self, arrived: CallArrived) -> None:
        if self.inside is not None and self._is_inside(arrived):
            await self._serve_inside(self.inside, arrived)
            return
        try:
            flow = self._center.flow_for(arrived.dialled)
        except NotFound:
            log.warning(
                "call refused, nothing answers that number",
                extra={"call_id": arrived.call_id, "pii_dialled": arrived.dialled},
            )
            await self._refuse(arrived, EndReason.UNREACHABLE)
            return
        if self.draining:
            await self._refuse(arrived, EndReason.SHUTDOWN)
            return
        with self._counted(arrived):
            driver = await self._begin(arrived, flow)
            ended = self._early_ends.pop(arrived.leg_id, None)
            if ended is not None:
                driver.caller_gone()
            if self._grace_is_over:
                driver.end(EndReason.SHUTDOWN)
            log.info(
                "call arrived",
                extra={
                    "call_id": arrived.call_id,
                    "sip_call_id": arrived.sip_call_id,
                    "flow": f"{flow.name}.{flow.version}",
                    "pii_caller": arrived.caller,
                },
            )
            await self._run(driver)

    def _is_inside(self, arrived: CallArrived) -> bool:
        inside = self.inside
        return (
            inside is not None
            and inside.takes(arrived)
            and not self._center.answers(arrived.dialled)
        )

    async def _serve_inside(self, inside: InsideCalls, arrived: CallArrived) -> None:
        ended = self._early_ends.pop(arrived.leg_id, None)
        if ended is not None:
            return
        if self.draining:
            await self._refuse(arrived, EndReason.SHUTDOWN)
            return
        await inside.serve(arrived)

    def serve_outgoing(self, arrived: CallArrived, caller: Caller, language: str) -> None:
        """The one whom an agent has called has answered; the conversation is with the queues."""
        driver = self._driver(arrived, OUTGOING, caller)
        run = in_conversation(
            dict(self._center.flows),
            driver.variables,
            language,
            default_queue=self._center.default_queue,
        )
        note = read_note(describe(arrived, run, None, transfer_answered=False))
        leg = KeptLeg(
            leg_id=arrived.leg_id, call_id=arrived.call_id, direction=LegDirection.OUT,
            answered=True,
        )  # fmt: skip
        driver.take_over(run, note, leg, None)
        self._tasks.spawn(self._go_on(driver), name=f"call {arrived.call_id}")

    async def _run(self, driver: CallDriver) -> None:
        self.drivers[driver.arrived.call_id] = driver
        try:
            await driver.run()
        finally:
            del self.drivers[driver.arrived.call_id]

    @contextlib.contextmanager
    def _counted(self, arrived: CallArrived) -> Iterator[None]:
        """A call for which the house stays open."""
        self._served.add(arrived.call_id)
        self._empty.clear()
        try:
            yield
        finally:
            self._early_ends.pop(arrived.leg_id, None)
            self._served.discard(arrived.call_id)
            if not self._served:
                self._empty.set()

    async def _begin(self, arrived: CallArrived, flow: Flow) -> CallDriver:
        """The driver of a call that is on disk. Who is calling is asked after the answer: the one
        thing that must not wait is the journal, and whatever else runs here delays it."""
        known = self._calls.calls.get(arrived.call_id)
        if known is not None:  # it arrived just before the last server was killed
            return self._driver(arrived, flow, known.caller)
        # The country in whose form the trunk writes its callers, if it has one of its own.
        region = self._regions.get(arrived.trunk)
        self._calls.begin(arrived, self._directory.recall(arrived.caller, region))
        ended = self._early_ends.get(arrived.leg_id)
        if ended is not None:  # in the same breath; from now on the log hears by itself
            self._calls.hears_late(ended)

        async def look_up() -> Mapping[str, str]:
            caller = await self._calls.who_calls(arrived.call_id, arrived.caller, region)
            return _customer_variables(caller)

        remembered = self._calls.calls[arrived.call_id].caller
        await self._calls.is_on_disk(arrived.call_id)
        return self._driver(arrived, flow, remembered, look_up)

    def _driver(
        self,
        arrived: CallArrived,
        flow: Flow,
        caller: Caller,
        lookup: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> CallDriver:
        variables = {
            "caller": arrived.caller,
            "dialled": arrived.dialled,
            "trunk": arrived.trunk,
            "diversion": arrived.diversion,
            **header_variables(arrived.headers),
            **_customer_variables(caller),
        }
        return CallDriver(
            arrived,
            flow,
            dict(self._center.flows),
            variables,
            self._ports,
            default_queue=self._center.default_queue,
            lookup=lookup,
        )

    def _give_up(self, arrived: CallArrived) -> None:
        """Serving this call has failed in a way that nobody foresaw: no caller waits for it."""
        self._tasks.spawn(self._refuse(arrived, EndReason.FAULT), name=f"give up {arrived.call_id}")

    async def _refuse(self, arrived: CallArrived, reason: EndReason) -> None:
        self._early_ends.pop(arrived.leg_id, None)
        try:
            await self._control.hang_up(arrived.leg_id, reason)
        except TelephonyError as exc:
            log.info("caller was gone already", extra={"error": str(exc)})
        except CentralitaError as exc:
            log.warning("call could not be refused", extra={"error": str(exc)})
