"""FlowRun: one execution of a flow. Pure: state and event in, state and commands out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from textwrap import shorten

from centralita.core.events import Event
from centralita.ivr import ahead
from centralita.ivr.flow import Flow, Node, Scene, Step, Variables
from centralita.ivr.nodes import Enqueue, HangUp, Voicemail
from centralita.ivr.signals import Command, EndCall, Failed, PlayPrompts, Quiet

# More hops than this without waiting for the caller is a loop that the loader did not see.
_MAX_HOPS = 500
# Enough to remember a question by; a whole announcement need not go into every event of a call.
_MOST_SAID = 300

# The name of a node that no document has: a message for the queue named after it.
_MESSAGE_FOR = "voicemail:"

_SORRY = {
    "es": "Disculpe, ha habido un problema. Le pasamos con una persona.",
    "en": "Sorry, something went wrong. We are connecting you to a person.",
}
_GOODBYE = {
    "es": "Lo sentimos, no podemos atenderle ahora. Por favor, llame más tarde.",
    "en": "We are sorry, we cannot take your call now. Please call again later.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """One node of the caller's way, for the timeline: what was said there and heard, as text."""

    at: datetime
    flow: str
    node: str
    kind: str
    note: str = ""
    said: str = ""
    heard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where a sub-flow was entered: the flow and the node to go on with."""

    flow: Flow
    back_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """The state of one run. `over` once EndCall has been given; `ahead` are keys that have been
    pressed for a question that is still to come.

    `in_vain`: the caller has asked for a person, a message or an answer, and has not got it since.
    `sought` is the queue that the caller was last sent to.
    """

    flow: Flow
    library: Mapping[str, Flow]
    variables: Variables
    node: str = ""
    node_state: object = None
    stack: tuple[Frame, ...] = ()
    path: tuple[PathStep, ...] = ()
    faults: int = 0
    over: bool = False
    ahead: str = ""
    default_queue: str = ""
    emergency: Mapping[str, Node] = field(default_factory=dict)
    in_vain: bool = False
    sought: str = ""

    @property
    def outcome(self) -> str:
        """What the way was if the call ended now: the flow's own word, `hung_up` if it has none,
        and `unserved` where it says "self_service" to somebody who came in vain."""
        node = _find(self, self.node)
        if self.over:
            word = (self.path[-1].note if self.path else "") or "ended"
        else:
            word = (node.left_by_caller() if node is not None else "") or "hung_up"
        return "unserved" if word == "self_service" and self.in_vain else word


Outcome = tuple[FlowRun, tuple[Command, ...]]


def begin(
    flow: Flow,
    library: Mapping[str, Flow],
    variables: Variables,
    now: datetime,
    *,
    default_queue: str,
) -> Outcome:
    """Start `flow`. `library` holds the sub-flows in the versions this run keeps."""
    known = {"language": flow.language, **flow.variables, **variables}
    run = FlowRun(flow=flow, library=library, variables=known, default_queue=default_queue)
    return follow(run, Step(goto=flow.start), now)


def step(run: FlowRun, event: Event, now: datetime) -> Outcome:
    """Let an event act on the run. After the end, and for late events, nothing happens."""
    if run.over:
        return run, ()
    if isinstance(event, Failed):
        return follow(run, Step(fault=event.what), now)
    try:
        reaction = _node(run).react(run.node_state, event, _scene(run, now))
    except Exception as exc:  # a node that raises must not cost the caller the call
        reaction = Step(fault=f"{type(exc).__name__}: {exc}")
    return follow(run, reaction, now)


def jump(run: FlowRun, flow: Flow, node: str, now: datetime) -> Outcome:
    """An agent sends the caller into a flow, at `node` or at its beginning: no way leads back."""
    known = {**flow.variables, **run.variables}
    run = replace(run, flow=flow, stack=(), variables=known, ahead="")
    return follow(run, Step(goto=node or flow.start), now)


def take_message(run: FlowRun, queue: str, now: datetime) -> Outcome:
    """An agent sends the caller to the voicemail of a queue."""
    return follow(run, Step(goto=_MESSAGE_FOR + queue), now)


def follow(
    run: FlowRun, reaction: Step, now: datetime, before: tuple[Command, ...] = ()
) -> Outcome:
    """Follow a reaction until a node waits or the run is over."""
    commands = before
    for _ in range(_MAX_HOPS):
        commands += reaction.commands
        run = _noted(run, reaction)
        if reaction.met is not None:
            run = replace(run, in_vain=not reaction.met)
        if reaction.assign:
            run = replace(run, variables={**run.variables, **reaction.assign})
        if reaction.ahead:
            run = replace(run, ahead=ahead.kept(run.ahead, reaction.ahead))
        if reaction.fault:
            run, reaction, quiet = _fault(run, reaction.fault, now)
            commands += quiet
            continue
        if reaction.ended or (reaction.returns and not run.stack):
            end = EndCall(outcome=reaction.note or "self_service")
            return replace(run, over=True), (*commands, Quiet(), end)
        if reaction.returns:
            frame = run.stack[-1]
            run = replace(run, flow=frame.flow, stack=run.stack[:-1])
            reaction = Step(goto=frame.back_to)
            continue
        if reaction.call:
            called = run.library.get(reaction.call)
            if called is None:
                reaction = Step(fault=f"there is no flow {reaction.call}")
                continue
            frame = Frame(flow=run.flow, back_to=reaction.goto)
            known = {**called.variables, **run.variables}
            run = replace(run, flow=called, stack=(*run.stack, frame), variables=known)
            reaction = Step(goto=called.start)
            continue
        if not reaction.goto:
            return replace(run, node_state=reaction.state), commands
        if run.node_state is not None:
            commands += (Quiet(),)
        run, reaction = _enter(run, reaction.goto, now)
    run, reaction, quiet = _fault(run, "the flow goes round in circles", now)
    return follow(run, reaction, now, commands + quiet)


def _noted(run: FlowRun, reaction: Step) -> FlowRun:
    """What happened at the last node, in its step of the path; the first question stands."""
    if not run.path:
        return run
    before = run.path[-1]
    last = replace(
        before,
        note=reaction.note or before.note,
        said=before.said or _spoken(reaction.commands),
        heard=reaction.heard or reaction.assign.get("heard", before.heard),
    )
    return run if last == before else replace(run, path=(*run.path[:-1], last))


def _spoken(commands: tuple[Command, ...]) -> str:
    texts = [
        prompt.text
        for command in commands
        if isinstance(command, PlayPrompts)
        for prompt in command.prompts
    ]
    return _shortened(" ".join(texts))


@functools.lru_cache(maxsize=1024)
def _shortened(text: str) -> str:
    """Flows say the same to all callers, and to shorten it takes longer than the rest of a step."""
    return shorten(text, _MOST_SAID, placeholder="…")


def _enter(run: FlowRun, name: str, now: datetime) -> tuple[FlowRun, Step]:
    node = _find(run, name)
    if node is None:
        return run, Step(fault=f"there is no node {name}")
    kind = str(type(node).__struct_config__.tag)
    here = PathStep(at=now, flow=run.flow.name, node=name, kind=kind)
    sought = next((queue for _, queue in node.queues()), run.sought)
    run = replace(run, node=name, node_state=None, path=(*run.path, here), sought=sought)
    scene = _scene(run, now)
    try:
        step, left = ahead.taken(node, node.enter(scene), run.ahead, scene)
        return replace(run, ahead=left), step
    except Exception as exc:  # as in `step`
        return run, Step(fault=f"{type(exc).__name__}: {exc}")


def _fault(run: FlowRun, what: str, now: datetime) -> tuple[FlowRun, Step, tuple[Command, ...]]:
    """The way out when something failed: the flow's own, then a person, a voicemail, good-bye.

    Each fault goes one further, so that the ways out cannot loop among themselves.
    """
    failed = PathStep(at=now, flow=run.flow.name, node=run.node, kind="fault", note=what)
    run = replace(
        run, faults=run.faults + 1, node_state=None, ahead="", path=(*run.path, failed),
        in_vain=True,
    )  # fmt: skip
    quiet = (Quiet(),)
    if run.faults == 1 and run.flow.fault and run.flow.fault != run.node:
        return run, Step(goto=run.flow.fault), quiet
    run = replace(run, emergency=emergency_nodes(run))
    if run.faults > 5:
        return run, Step(ended=True, note="fault"), quiet
    order = [name for name in ("fault-agent", "fault-voicemail") if name in run.emergency]
    tried = {past.node for past in run.path}
    target = next((name for name in order if name not in tried), "fault-goodbye")
    return run, Step(goto=target), quiet


def emergency_nodes(run: FlowRun) -> Mapping[str, Node]:
    """The ways out that need no flow: a person, a voicemail, good-bye."""
    language = run.variables.get("language", "es")
    nodes: dict[str, Node] = {
        "fault-goodbye": HangUp(prompt=_GOODBYE.get(language, _GOODBYE["en"]), outcome="gave_up")
    }
    if run.default_queue:
        nodes["fault-voicemail"] = Voicemail(queue=run.default_queue, on_failure="fault-goodbye")
        nodes["fault-agent"] = Enqueue(
            queue=run.default_queue,
            prompt=_SORRY.get(language, _SORRY["en"]),
            otherwise="fault-voicemail",
        )
    return nodes


def _node(run: FlowRun) -> Node:
    node = _find(run, run.node)
    if node is None:
        raise KeyError(run.node)
    return node


def _find(run: FlowRun, name: str) -> Node | None:
    """A node by its name: one of the flow, a way out, or the voicemail of a queue."""
    if name.startswith(_MESSAGE_FOR):
        return Voicemail(queue=name.removeprefix(_MESSAGE_FOR))
    return run.emergency.get(name) or run.flow.nodes.get(name)


def _scene(run: FlowRun, now: datetime) -> Scene:
    return Scene(variables=run.variables, now=now, default_queue=run.default_queue)
