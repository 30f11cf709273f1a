"""From a document (YAML as people write it, JSON as the store keeps it) to a checked Flow."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from centralita.core.errors import InvalidInput
from centralita.ivr.documents import read_document
from centralita.ivr.flow import BUILT_IN, HEADER_PREFIX, Duration, Flow, Node
from centralita.ivr.loops import in_a_loop, leading_to
from centralita.ivr.nodes import NODE_TYPES
from centralita.ivr.problems import BadFlow, Hints, Problem, shown

__all__ = ["BadFlow", "Problem", "check", "load", "load_file"]

# A large house has some hundred.
MOST_NODES = 5000

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}$")
_FIELDS = ("flow", "title", "language", "start", "fault", "variables", "nodes")
_LANGUAGES = ("es", "en")
_AT = " - at `$"


def load_file(
    path: Path,
    *,
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Flow:
    """Read a YAML file. `flows` and `queues` that exist, when known, are checked against."""
    return load(read_document(path), place=str(path), flows=flows, queues=queues)


def load(
    document: object,
    *,
    version: int = 0,
    place: str = "",
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Flow:
    """Check a document and make a Flow of it; raises BadFlow with what is wrong.

    Its time grows with the document's length only, but not for the loop: 0.1 s for 100 kB.
    """
    if not isinstance(document, dict):
        problem = Problem(node="", field="", reason="a flow is a mapping with flow, start, nodes")
        raise BadFlow([problem], place=place)
    hints = Hints()
    problems = list(_header_problems(document, hints))
    nodes: dict[str, Node] = {}
    raw_nodes = document.get("nodes")
    if not isinstance(raw_nodes, dict) or not raw_nodes:
        problems.append(Problem(node="", field="nodes", reason="a flow needs nodes by name"))
        raise BadFlow(problems, place=place)
    if len(raw_nodes) > MOST_NODES:
        reason = f"{len(raw_nodes)} nodes are more than {MOST_NODES}; make several flows of it"
        raise BadFlow([Problem(node="", field="nodes", reason=reason)], place=place)
    for name, raw in raw_nodes.items():
        node = _node(str(name), raw, problems, hints)
        if node is not None:
            nodes[str(name)] = node
    if problems:
        raise BadFlow(problems, place=place)
    flow = Flow(
        name=document["flow"],
        version=version,
        title=str(document.get("title") or document["flow"]),
        language=document.get("language", "es"),
        start=document["start"],
        nodes=nodes,
        variables={key: str(value) for key, value in document.get("variables", {}).items()},
        fault=document.get("fault", ""),
    )
    found = check(flow, flows=flows, queues=queues)
    first = next(found, None)
    if first is not None:
        raise BadFlow(itertools.chain((first,), found), place=place)
    return flow


def check(
    flow: Flow,
    *,
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Iterator[Problem]:
    """Everything wrong with the flow as a whole."""
    hints = Hints()
    yield from _target_problems(flow, flows, queues, hints)
    reached = _reachable(flow)
    for name in flow.nodes:
        if name not in reached:
            yield Problem(node=name, field="", reason="no other node leads here; remove or link it")
    yield from _variable_problems(flow, hints)
    yield from _endless_loops(flow)


def _header_problems(document: Mapping[object, object], hints: Hints) -> Iterator[Problem]:
    for key in document:
        if key not in _FIELDS:
            reason = f"unknown field{hints(str(key), _FIELDS)}"
            yield Problem(node="", field=str(key), reason=reason)
    for key in ("flow", "start"):
        if not isinstance(document.get(key), str):
            yield Problem(node="", field=key, reason="is missing")
    if not isinstance(document.get("fault", ""), str):
        yield Problem(node="", field="fault", reason="write the name of a node")
    name = document.get("flow")
    if isinstance(name, str) and not _NAME.match(name):
        yield Problem(node="", field="flow", reason=f'"{shown(name)}": use a-z, 0-9, - and _')
    if document.get("language", "es") not in _LANGUAGES:
        yield Problem(node="", field="language", reason='write "es" or "en"')
    variables = document.get("variables", {})
    if not isinstance(variables, dict):
        yield Problem(node="", field="variables", reason="write names and first values")


def _node(name: str, raw: object, problems: list[Problem], hints: Hints) -> Node | None:
    if not isinstance(raw, dict):
        problems.append(Problem(node=name, field="", reason="a node is a mapping with a type"))
        return None
    kind = raw.get("type")
    node_type = NODE_TYPES.get(str(kind))
    if node_type is None:
        reason = (
            f'"{shown(kind)}" is no type of node{hints(str(kind), NODE_TYPES)}'
            if kind
            else "is missing"
        )
        problems.append(Problem(node=name, field="type", reason=reason))
        return None
    try:
        node: Node = msgspec.convert(raw, node_type, dec_hook=_from_text)
    except msgspec.ValidationError as exc:
        reason, _, at = str(exc).rpartition(_AT)
        if not reason:
            reason, at = at, ""
        field = at.removesuffix("`").removeprefix(".")
        unknown = re.search(r"unknown field `([^`]+)`", reason)
        missing = re.search(r"missing required field `([^`]+)`", reason)
        if unknown:
            field = f"{field}.{unknown[1]}".lstrip(".")
            reason = f"unknown field{hints(unknown[1], node_type.__struct_fields__)}"
        elif missing:
            field, reason = f"{field}.{missing[1]}".lstrip("."), "is missing"
        problems.append(Problem(node=name, field=field, reason=shown(reason, 300)))
        return None
    problems.extend(
        Problem(node=name, field=field, reason=reason) for field, reason in node.problems()
    )
    return node


def _from_text(kind: type, value: object) -> object:
    if kind is Duration:
        if not isinstance(value, str):
            raise ValueError(f'{shown(repr(value))} is not a duration; write "5s"')
        try:
            return Duration.parse(value)
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc
    raise NotImplementedError(kind)


def _target_problems(
    flow: Flow, flows: Collection[str] | None, queues: Collection[str] | None, hints: Hints
) -> Iterator[Problem]:
    if flow.start not in flow.nodes:
        reason = f'there is no node "{shown(flow.start)}"{hints(flow.start, flow.nodes)}'
        yield Problem(node="", field="start", reason=reason)
    if flow.fault and flow.fault not in flow.nodes:
        reason = f'there is no node "{shown(flow.fault)}"{hints(flow.fault, flow.nodes)}'
        yield Problem(node="", field="fault", reason=reason)
    for name, node in flow.nodes.items():
        for field, target in node.exits():
            if target not in flow.nodes:
                reason = f'there is no node "{shown(target)}"{hints(target, flow.nodes)}'
                yield Problem(node=name, field=field, reason=reason)
        for field, called in node.flows():
            if flows is not None and called not in flows:
                reason = f'there is no flow "{shown(called)}"{hints(called, flows)}'
                yield Problem(node=name, field=field, reason=reason)
        for field, queue in node.queues():
            if queues is not None and queue not in queues:
                reason = f'there is no queue "{shown(queue)}"{hints(queue, queues)}'
                yield Problem(node=name, field=field, reason=reason)


def _reachable(flow: Flow) -> set[str]:
    reached: set[str] = set()
    waiting = [flow.start, flow.fault]
    while waiting:
        name = waiting.pop()
        if name in flow.nodes and name not in reached:
            reached.add(name)
            waiting.extend(target for _, target in flow.nodes[name].exits())
    return reached


def _variable_problems(flow: Flow, hints: Hints) -> Iterator[Problem]:
    known = BUILT_IN | set(flow.variables)
    for node in flow.nodes.values():
        known |= set(node.writes())
    # A sub-flow may set what its caller declares; whoever enters one takes its variables on trust.
    if any(True for node in flow.nodes.values() for _ in node.flows()):
        return
    for name, node in flow.nodes.items():
        for field, variable in node.reads():
            if variable not in known and not variable.startswith(HEADER_PREFIX):
                reason = f'unknown variable "{shown(variable)}"{hints(variable, known)}'
                yield Problem(node=name, field=field, reason=reason)


def _endless_loops(flow: Flow) -> Iterator[Problem]:
    """Cycles with nothing in them that waits for the caller, and nodes with no way to an end."""
    exits = {name: [target for _, target in node.exits()] for name, node in flow.nodes.items()}
    quick = {
        name: exits[name]
        for name, node in flow.nodes.items()
        if not node.waits and not any(node.flows())
    }
    looping = in_a_loop(quick)
    for name in quick:
        if name in looping:
            yield Problem(node=name, field="", reason="a loop that never waits for the caller")
    finishing = leading_to(exits, (name for name, node in flow.nodes.items() if _can_end(node)))
    for name in flow.nodes:
        if name not in finishing:
            yield Problem(node=name, field="", reason="a loop without a way out of the call")


def _can_end(node: Node) -> bool:
    """Whether the caller can leave the flow here: conversation, message, transfer, end."""
    kind = type(node).__struct_config__.tag
    return kind in ("hangup", "return", "transfer", "enqueue", "voicemail")
