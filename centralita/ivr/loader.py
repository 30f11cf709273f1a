"""From a document (YAML as people write it, JSON as the store keeps it) to a checked Flow."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from centralita.core.errors import InvalidInput
from centralita.ivr.flow import BUILT_IN, HEADER_PREFIX, Duration, Flow, Node
from centralita.ivr.nodes import NODE_TYPES

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}$")
_FIELDS = ("flow", "title", "language", "start", "fault", "variables", "nodes")
_LANGUAGES = ("es", "en")
_TRUE_OR_FALSE = re.compile(r"(?:true|false)$", re.IGNORECASE)
_AT = re.compile(r" - at `\$\.?(.*)`$")


class _PlainYaml(yaml.SafeLoader):
    """YAML without its traps: `yes` and `no` are words that callers say, and a date is text."""


_PlainYaml.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainYaml.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUE_OR_FALSE, list("tTfF"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a flow."""

    node: str
    field: str
    reason: str

    def __str__(self) -> str:
        place = f'node "{self.node}"' if self.node else "flow"
        return (
            f'{place}, field "{self.field}": {self.reason}'
            if self.field
            else (f"{place}: {self.reason}")
        )


class BadFlow(InvalidInput):
    """A flow that cannot be run; `problems` lists all that was found."""

    code = "bad_flow"

    def __init__(self, problems: list[Problem], *, place: str = "") -> None:
        self.problems = problems
        prefix = f"{place}: " if place else ""
        super().__init__("\n".join(f"{prefix}{problem}" for problem in problems))
        self.place = place


def load_file(
    path: Path,
    *,
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Flow:
    """Read a YAML file. `flows` and `queues` that exist, when known, are checked against."""
    try:
        # A SafeLoader, so nothing in the file is executed.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainYaml)
    except OSError as exc:
        raise InvalidInput(f"cannot be read: {exc.strerror}", place=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput("is not UTF-8 text", place=str(path)) from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(exc, "problem", None) or "not YAML"
        raise InvalidInput(f"not valid YAML: {reason}", place=f"{path}{line}") from exc
    return load(document, place=str(path), flows=flows, queues=queues)


def load(
    document: object,
    *,
    version: int = 0,
    place: str = "",
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Flow:
    """Check a document and make a Flow of it; raises BadFlow with everything that is wrong."""
    if not isinstance(document, dict):
        problem = Problem(node="", field="", reason="a flow is a mapping with flow, start, nodes")
        raise BadFlow([problem], place=place)
    problems = list(_header_problems(document))
    nodes: dict[str, Node] = {}
    raw_nodes = document.get("nodes")
    if not isinstance(raw_nodes, dict) or not raw_nodes:
        problems.append(Problem(node="", field="nodes", reason="a flow needs nodes by name"))
        raise BadFlow(problems, place=place)
    for name, raw in raw_nodes.items():
        node = _node(str(name), raw, problems)
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
    problems = list(check(flow, flows=flows, queues=queues))
    if problems:
        raise BadFlow(problems, place=place)
    return flow


def check(
    flow: Flow,
    *,
    flows: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Iterator[Problem]:
    """Everything wrong with the flow as a whole."""
    yield from _target_problems(flow, flows, queues)
    reached = _reachable(flow)
    for name in flow.nodes:
        if name not in reached:
            yield Problem(node=name, field="", reason="no other node leads here; remove or link it")
    yield from _variable_problems(flow)
    yield from _endless_loops(flow)


def _header_problems(document: Mapping[object, object]) -> Iterator[Problem]:
    for key in document:
        if key not in _FIELDS:
            reason = f"unknown field{_did_you_mean(str(key), _FIELDS)}"
            yield Problem(node="", field=str(key), reason=reason)
    for key in ("flow", "start"):
        if not isinstance(document.get(key), str):
            yield Problem(node="", field=key, reason="is missing")
    if not isinstance(document.get("fault", ""), str):
        yield Problem(node="", field="fault", reason="write the name of a node")
    name = document.get("flow")
    if isinstance(name, str) and not _NAME.match(name):
        yield Problem(node="", field="flow", reason=f'"{name}": use a-z, 0-9, - and _')
    if document.get("language", "es") not in _LANGUAGES:
        yield Problem(node="", field="language", reason='write "es" or "en"')
    variables = document.get("variables", {})
    if not isinstance(variables, dict):
        yield Problem(node="", field="variables", reason="write names and first values")


def _node(name: str, raw: object, problems: list[Problem]) -> Node | None:
    if not isinstance(raw, dict):
        problems.append(Problem(node=name, field="", reason="a node is a mapping with a type"))
        return None
    kind = raw.get("type")
    node_type = NODE_TYPES.get(str(kind))
    if node_type is None:
        reason = (
            f'"{kind}" is no type of node{_did_you_mean(str(kind), NODE_TYPES)}'
            if kind
            else "is missing"
        )
        problems.append(Problem(node=name, field="type", reason=reason))
        return None
    try:
        node: Node = msgspec.convert(raw, node_type, dec_hook=_from_text)
    except msgspec.ValidationError as exc:
        text = str(exc)
        match = _AT.search(text)
        field = match[1] if match else ""
        reason = text[: match.start()] if match else text
        unknown = re.search(r"unknown field `([^`]+)`", reason)
        missing = re.search(r"missing required field `([^`]+)`", reason)
        if unknown:
            field = f"{field}.{unknown[1]}".lstrip(".")
            reason = f"unknown field{_did_you_mean(unknown[1], node_type.__struct_fields__)}"
        elif missing:
            field, reason = f"{field}.{missing[1]}".lstrip("."), "is missing"
        problems.append(Problem(node=name, field=field, reason=reason))
        return None
    problems.extend(
        Problem(node=name, field=field, reason=reason) for field, reason in node.problems()
    )
    return node


def _from_text(kind: type, value: object) -> object:
    if kind is Duration:
        if not isinstance(value, str):
            raise ValueError(f'{value!r} is not a duration; write "5s"')
        try:
            return Duration.parse(value)
        except InvalidInput as exc:
            raise ValueError(str(exc)) from exc
    raise NotImplementedError(kind)


def _target_problems(
    flow: Flow, flows: Collection[str] | None, queues: Collection[str] | None
) -> Iterator[Problem]:
    if flow.start not in flow.nodes:
        reason = f'there is no node "{flow.start}"{_did_you_mean(flow.start, flow.nodes)}'
        yield Problem(node="", field="start", reason=reason)
    if flow.fault and flow.fault not in flow.nodes:
        reason = f'there is no node "{flow.fault}"{_did_you_mean(flow.fault, flow.nodes)}'
        yield Problem(node="", field="fault", reason=reason)
    for name, node in flow.nodes.items():
        for field, target in node.exits():
            if target not in flow.nodes:
                reason = f'there is no node "{target}"{_did_you_mean(target, flow.nodes)}'
                yield Problem(node=name, field=field, reason=reason)
        for field, called in node.flows():
            if flows is not None and called not in flows:
                reason = f'there is no flow "{called}"{_did_you_mean(called, flows)}'
                yield Problem(node=name, field=field, reason=reason)
        for field, queue in node.queues():
            if queues is not None and queue not in queues:
                reason = f'there is no queue "{queue}"{_did_you_mean(queue, queues)}'
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


def _variable_problems(flow: Flow) -> Iterator[Problem]:
    known = BUILT_IN | set(flow.variables)
    for node in flow.nodes.values():
        known |= set(node.writes())
    # A sub-flow may set what its caller declares; whoever enters one takes its variables on trust.
    if any(True for node in flow.nodes.values() for _ in node.flows()):
        return
    for name, node in flow.nodes.items():
        for field, variable in node.reads():
            if variable not in known and not variable.startswith(HEADER_PREFIX):
                reason = f'unknown variable "{variable}"{_did_you_mean(variable, known)}'
                yield Problem(node=name, field=field, reason=reason)


def _endless_loops(flow: Flow) -> Iterator[Problem]:
    """Cycles with nothing in them that waits for the caller, and nodes with no way to an end."""
    quick = {name for name, node in flow.nodes.items() if not node.waits and not any(node.flows())}
    for name in quick:
        seen: set[str] = set()
        waiting = [target for _, target in flow.nodes[name].exits() if target in quick]
        while waiting:
            target = waiting.pop()
            if target == name:
                yield Problem(node=name, field="", reason="a loop that never waits for the caller")
                break
            if target not in seen:
                seen.add(target)
                waiting.extend(t for _, t in flow.nodes[target].exits() if t in quick)
    finishing = {name for name, node in flow.nodes.items() if _can_end(node)}
    grown = True
    while grown:
        more = {
            name
            for name, node in flow.nodes.items()
            if name not in finishing and any(target in finishing for _, target in node.exits())
        }
        finishing |= more
        grown = bool(more)
    for name in flow.nodes:
        if name not in finishing:
            yield Problem(node=name, field="", reason="a loop without a way out of the call")


def _can_end(node: Node) -> bool:
    """Whether the caller can leave the flow here: conversation, message, transfer, end."""
    kind = type(node).__struct_config__.tag
    return kind in ("hangup", "return", "transfer", "enqueue", "voicemail")


def _did_you_mean(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
