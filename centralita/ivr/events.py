"""What is told of a call in its flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from centralita.core.events import Event
from centralita.core.ids import CallId, LegId
from centralita.ivr.run import PathStep


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEnded(Event):
    """The caller's way through the house is over; the leg is being ended or has ended.

    `path` is the whole way, or its end only when another server began it. `outcome` is the flow's
    own word, or one of `hung_up`, `transferred` (the caller talks with whom the flow has called),
    `unserved` (a good-bye to somebody who came in vain), `ended`. `in_vain`: the caller has asked
    for a person, a message or an answer, and got none since. `queue` has to see to the caller.
    """

    call_id: CallId
    flow: str
    version: int
    outcome: str
    path: tuple[PathStep, ...]
    variables: Mapping[str, str]
    in_vain: bool = False
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntered(Event):
    """The flow moved on. `learned` is what it knows by now."""

    call_id: CallId
    step: PathStep
    learned: Mapping[str, str]
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResumed(Event):
    """The flow goes on after the server's decisions were interrupted."""

    call_id: CallId
    node: str
    learned: Mapping[str, str]
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAnswered(Event):
    """The caller talks with whom an agent has transferred the call to; nobody of ours does."""

    call_id: CallId
    caller_leg: LegId
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardInCall(Event):
    """What a caller said to the flow."""

    call_id: CallId
    pii_text: str
    confidence: float
