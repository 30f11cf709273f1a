"""What the desk stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.ids import AgentId, CallId, LegId, OfferId
from centralita.core.tasks import Tasks
from centralita.routing.actions import Action
from centralita.routing.board import Board
from centralita.routing.conversations.targets import Outward
from centralita.telephony.attempts import Attempt, CallingParty
from centralita.telephony.call import CallControl


class PhoneBook(Protocol):
    """How an agent's phone is rung."""

    def find(self, extension: str) -> Sequence[Attempt]: ...


class Lines(PhoneBook, Protocol):
    """Phones, the world outside, and flows."""

    async def foresee(self, number: str, *, call_id: CallId, agent_id: AgentId) -> None:
        """Raises Conflict, with the reason and the cure, when `open` would."""
        ...

    async def open(
        self,
        number: str,
        *,
        call_id: CallId,
        leg_id: LegId,
        agent_id: AgentId,
        party: CallingParty,
    ) -> Sequence[Attempt]:
        """How a number outside is dialled as `leg_id` on this agent's account; it counts from now
        on. Raises Conflict when the agent may not."""
        ...

    def withdraw(self, leg_id: LegId) -> None:
        """That leg could not be started."""
        ...

    def check_flow(self, flow_id: str, node: str) -> None:
        """Raises NotFound when there is no such flow, or no such node in it."""
        ...


class Dispatching(Protocol):
    """What the desk needs of the dispatcher, which knows the callers and the agents' legs."""

    def carry_out(self, actions: Sequence[Action]) -> None:
        """Do and tell what the board wants."""
        ...

    def send_on(self, call_id: CallId, outward: Outward, by: AgentId) -> None:
        """The caller goes back to the flow, which takes it there for that agent."""
        ...

    def remember(self, call_id: CallId) -> None:
        """The call's note is out of date."""
        ...

    def adopt(self, leg_id: LegId, offer_id: OfferId) -> None:
        """This leg is an agent's from now on."""
        ...

    def desk_rings(self, call_id: CallId, leg_id: LegId) -> bool:
        """Whether this third party is still wanted and has not answered."""
        ...


class Tones(Protocol):
    """What is played while somebody waits or is rung."""

    async def music(self) -> Path: ...

    async def ringing(self) -> Path: ...

    async def unheard(self, language: str) -> Path:
        """Tells an agent that no sound comes from the other side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """Everything a desk stands on."""

    board: Board
    control: CallControl
    bus: Bus
    clock: Clock
    lines: Lines
    tones: Tones
    dispatcher: Dispatching
    tasks: Tasks
