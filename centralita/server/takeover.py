"""Taking over the calls that a killed server left in the media workers.

All are put back where they were before anything is decided; then what happened meanwhile is told.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Sequence

from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError
from centralita.core.ids import AgentId, CallId, LegId
from centralita.ivr import resume
from centralita.ivr.resume import FlowNote
from centralita.ivr.run import FlowRun
from centralita.routing import notes
from centralita.routing.conversations.events import OutgoingFailed
from centralita.routing.dispatcher import Dispatcher
from centralita.server import outgoing
from centralita.server.call_log import CallLog
from centralita.server.center import Center
from centralita.server.switch import Switch
from centralita.telephony.call import (
    CallControl,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegDirection,
    TelephonyError,
)

log = logging.getLogger(__name__)


class TakeOver:
    """Once per start, before the switch reads events and after the agents are back."""

    def __init__(
        self,
        kept: Sequence[KeptLeg],
        *,
        control: CallControl,
        calls: CallLog,
        center: Center,
        dispatcher: Dispatcher,
        switch: Switch,
        bus: Bus,
    ) -> None:
        self._bus = bus
        self._legs = {leg.leg_id: leg for leg in kept}
        self._control = control
        self._calls = calls
        self._center = center
        self._dispatcher = dispatcher
        self._switch = switch

    async def run(self) -> None:
        """Put all back, tell what was missed, and go on."""
        callers = [
            leg
            for leg in self._legs.values()
            # With the leg of a transfer only the caller's is noted.
            if leg.notes.get(resume.NOTE, "").startswith("{")
        ]
        read = [(leg, await self._flow(leg)) for leg in callers]
        mine: set[LegId] = {leg.leg_id for leg in callers}
        ringing: set[LegId] = set()
        for leg, found in read:
            if found is None:
                self._begin_again(leg)
                continue
            note, run = found
            if leg.call_id not in self._calls.calls:
                if leg.ended is None:  # nobody has written down that it came
                    self._switch.hear(note.arrived)
                continue
            self._queue(leg)
            transfer = self._legs.get(note.transfer_leg) if note.transfer_leg is not None else None
            self._switch.take_over(note, run, leg, transfer)
            if transfer is not None:
                mine.add(transfer.leg_id)
                if not note.transfer_answered:
                    ringing.add(transfer.leg_id)
        for leg in self._legs.values():
            # It ended before the brain that had answered it could leave a note.
            if leg.direction is LegDirection.IN and leg.ended is not None and not leg.notes:
                self._begin_again(leg)
        ringing |= self._dispatcher.ringing_legs
        mine |= self._dispatcher.agent_legs
        self._end_dialling({leg.call_id for leg in callers})
        self._tell(ringing)
        self._dispatcher.go_on(self._legs)
        await self._end_others(mine)
        if callers:
            log.warning("calls of the last run go on", extra={"calls": len(callers)})

    async def _flow(self, leg: KeptLeg) -> tuple[FlowNote, FlowRun] | None:
        """Where the caller is; None, with the reason logged, when that is not to be found."""
        try:
            note = resume.read_note(leg.notes[resume.NOTE])
            flows = {
                version: await self._center.flow(version.name, version.version)
                for version in note.versions
            }
        except CentralitaError as exc:
            log.error(
                "call cannot go on where it was, it begins again",
                extra={"call_id": leg.call_id, "error": str(exc)},
            )
            return None
        return note, resume.restore(note, flows, dict(self._center.flows))

    def _queue(self, leg: KeptLeg) -> None:
        text = leg.notes.get(notes.NOTE)
        if text is None:
            return
        try:
            self._dispatcher.take_over(notes.read_note(text), self._legs)
        except CentralitaError as exc:
            log.error(
                "call cannot go back to its queue, the flow asks again",
                extra={"call_id": leg.call_id, "error": str(exc)},
            )

    def _end_dialling(self, served: Collection[CallId]) -> None:
        """Calls that agents were making and nobody has answered: they are made again by hand."""
        for call_id in tuple(self._calls.calls):
            legs = [leg for leg in self._legs.values() if leg.call_id == call_id]
            if call_id not in served and any(outgoing.NOTE in leg.notes for leg in legs):
                agent_id = self._calls.calls[call_id].agent_id
                self._bus.publish(
                    OutgoingFailed(
                        call_id=call_id,
                        agent_id=agent_id or AgentId(""),
                        outcome="failed",
                        reason=EndReason.WORKER_LOST,
                    )
                )

    def _begin_again(self, leg: KeptLeg) -> None:
        state = self._calls.calls.get(leg.call_id)
        if state is not None:
            self._switch.hear(state.arrived)

    def _tell(self, ringing: Collection[LegId]) -> None:
        """What happened on the legs while there was no server; `ringing` was so at its death."""
        for leg in self._legs.values():
            if leg.call_id not in self._calls.calls:
                continue
            if leg.ended is not None:
                self._switch.hear(leg.ended)
            elif leg.answered and leg.leg_id in ringing:
                self._switch.hear(
                    LegAnswered(leg_id=leg.leg_id, call_id=leg.call_id, page=leg.page)
                )

    async def _end_others(self, mine: Collection[LegId]) -> None:
        """Phones that ring, or talk, for no call: what they were for was being ended."""
        rest = (leg for leg in self._legs.values() if leg.leg_id not in mine)
        for leg in rest:
            if leg.direction is LegDirection.OUT and leg.ended is None:
                with contextlib.suppress(TelephonyError):
                    await self._control.hang_up(leg.leg_id, EndReason.CONVERSATION_ENDED)
