"""Where a caller is in the flows, in words that outlive the process that served the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from centralita.core.errors import InvalidInput
from centralita.core.ids import LegId
from centralita.ivr.flow import Flow, Step, Variables
from centralita.ivr.run import FlowRun, Frame, Outcome, PathStep, emergency_nodes, follow
from centralita.telephony.call import CallArrived

# The journal has the whole way. A note is written anew at each step, and would grow with each.
_STEPS = 32
NOTE = "flow"
"""The name under which a driver leaves its `FlowNote` with the caller's leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowVersion:
    """A flow as a call holds it."""

    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedFlow:
    """A flow that waits for a sub-flow, and the node it goes on with."""

    flow: FlowVersion
    back_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNote:
    """A `FlowRun` without what can be read elsewhere, and the driver's transfer.

    `state` is the node's state if it is a word: nodes that only wait have such. `path` is the end
    of a long way.
    """

    arrived: CallArrived
    flow: FlowVersion
    stack: tuple[StackedFlow, ...]
    node: str
    state: str
    variables: Variables
    path: tuple[PathStep, ...]
    faults: int
    default_queue: str
    in_vain: bool = False
    sought: str = ""
    transfer_leg: LegId | None = None
    transfer_answered: bool = False

    @property
    def versions(self) -> frozenset[FlowVersion]:
        """The flows that the run needs."""
        return frozenset((self.flow, *(stacked.flow for stacked in self.stack)))


def describe(
    arrived: CallArrived, run: FlowRun, transfer_leg: LegId | None, *, transfer_answered: bool
) -> str:
    """The note of a run, as text."""
    state = run.node_state
    note = FlowNote(
        arrived=arrived,
        flow=_version(run.flow),
        stack=tuple(
            StackedFlow(flow=_version(frame.flow), back_to=frame.back_to) for frame in run.stack
        ),
        node=run.node,
        state=state if isinstance(state, str) else "",
        variables=run.variables,
        path=run.path[-_STEPS:],
        faults=run.faults,
        default_queue=run.default_queue,
        in_vain=run.in_vain,
        sought=run.sought,
        transfer_leg=transfer_leg,
        transfer_answered=transfer_answered,
    )
    return msgspec.json.encode(note).decode()


def read_note(text: str) -> FlowNote:
    """The note again. Raises InvalidInput for what `describe` did not write."""
    try:
        return msgspec.json.decode(text, type=FlowNote)
    except msgspec.MsgspecError as exc:
        raise InvalidInput(f"note of a flow: {exc}") from exc


def restore(
    note: FlowNote, flows: Mapping[FlowVersion, Flow], library: Mapping[str, Flow]
) -> FlowRun:
    """The run as it stood. `flows` has the note's versions; `library`, sub-flows for later."""
    run = FlowRun(
        flow=flows[note.flow],
        library=library,
        variables=note.variables,
        node=note.node,
        node_state=note.state or None,
        stack=tuple(
            Frame(flow=flows[stacked.flow], back_to=stacked.back_to) for stacked in note.stack
        ),
        path=note.path,
        faults=note.faults,
        default_queue=note.default_queue,
        in_vain=note.in_vain,
        sought=note.sought,
    )
    return replace(run, emergency=emergency_nodes(run)) if note.faults else run


def reenter(run: FlowRun, now: datetime) -> Outcome:
    """Let the node at which the run stands begin again: its prompt, its question, its message."""
    return follow(replace(run, node_state=None), Step(goto=run.node), now)


def _version(flow: Flow) -> FlowVersion:
    return FlowVersion(name=flow.name, version=flow.version)
