"""The flow of a call that an agent has made: nothing, until an agent sends the customer on."""

from __future__ import annotations

from collections.abc import Mapping

from centralita.ivr.flow import Flow, Variables
from centralita.ivr.nodes import Enqueue, HangUp
from centralita.ivr.run import FlowRun

OUTGOING = Flow(
    name="(outgoing)",
    version=0,
    title="Calls that agents make",
    language="es",
    start="talk",
    nodes={"talk": Enqueue(queue="", otherwise="bye"), "bye": HangUp(outcome="gave_up")},
)
"""No document has its name. Its caller is in the queue's hands from the first moment."""


def in_conversation(
    library: Mapping[str, Flow], variables: Variables, language: str, *, default_queue: str
) -> FlowRun:
    """The run of such a call, when the conversation begins."""
    return FlowRun(
        flow=OUTGOING,
        library=library,
        variables={"language": language, **variables},
        node="talk",
        node_state="waiting",
        default_queue=default_queue,
    )
