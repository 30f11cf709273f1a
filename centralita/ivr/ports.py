"""What a call in its flow needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from centralita.asr.recognizer import Recognizer
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.ids import AgentId, CallId, LegId
from centralita.ivr.signals import Enqueue, Onward, Prompt, QueueExit
from centralita.ivr.voicemail import MessageRecorder
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import CallArrived, CallControl


class PromptMaker(Protocol):
    """Makes sound files of prompts; raises CentralitaError when one cannot be made."""

    async def files(self, prompts: Sequence[Prompt]) -> list[Path]: ...

    async def beep(self) -> Path: ...

    async def ringing(self) -> Path: ...


class OnLeft(Protocol):
    """Hears how a caller left the queue, and where an agent has sent the caller, if anywhere."""

    def __call__(self, how: QueueExit, onward: Onward | None) -> None: ...


class QueueGateway(Protocol):
    """The way into the queues; raises CentralitaError when the queue does not exist."""

    def enqueue(
        self,
        arrived: CallArrived,
        order: Enqueue,
        on_left: OnLeft,
    ) -> None:
        """`on_left` is called once, with the exit and where an agent has sent the caller."""
        ...

    def rejoin(self, call_id: CallId, on_left: OnLeft) -> bool:
        """As `enqueue` for a caller whom the queues have taken over; False if they have not."""
        ...


class Targets(Protocol):
    """Where a transfer goes, if it may."""

    async def open(
        self,
        target: str,
        *,
        arrived: CallArrived,
        leg_id: LegId,
        flow: str,
        agent_id: AgentId | None,
    ) -> Sequence[Attempt]:
        """How the target is dialled. `agent_id` is the agent who asked for the transfer; without
        one the flow did. Raises CentralitaError when it may not be called; what may is counted,
        and must be dialled as `leg_id`."""
        ...

    def withdraw(self, leg_id: LegId) -> None:
        """The leg could not be started after all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IvrPorts:
    """Everything a call needs."""

    control: CallControl
    recognizer: Recognizer
    prompts: PromptMaker
    queues: QueueGateway
    messages: MessageRecorder
    targets: Targets
    bus: Bus
    clock: Clock
