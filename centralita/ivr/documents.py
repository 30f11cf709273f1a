"""Flow documents as people write them: YAML without its traps, within bounds."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from centralita.core.errors import InvalidInput

# A flow of a hundred nodes has some 30 kB, and is about ten deep.
LARGEST = 1024 * 1024
DEEPEST = 64
# Keys and values, with what an anchor holds counted wherever it is named.
MOST_VALUES = 100_000

_TRUE_OR_FALSE = re.compile(r"(?:true|false)$", re.IGNORECASE)


class _PlainYaml(yaml.SafeLoader):
    """YAML without its traps: `yes` and `no` are words that callers say, and a date is text."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As its base, but not to the end of the stack."""
        if self._depth >= DEEPEST:
            raise InvalidInput(f"is nested more than {DEEPEST} deep")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


_PlainYaml.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainYaml.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUE_OR_FALSE, list("tTfF"))


def read_document(path: Path) -> object:
    """What a YAML file says; raises InvalidInput with its place. Nothing in it is executed."""
    place = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise InvalidInput(f"is larger than {LARGEST // 1024} kB", place=place)
        return _parsed(raw.decode("utf-8"))
    except InvalidInput as exc:
        raise InvalidInput(exc.reason, place=place) from exc
    except OSError as exc:
        raise InvalidInput(f"cannot be read: {exc.strerror}", place=place) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput("is not UTF-8 text", place=place) from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(exc, "problem", None) or "not YAML"
        raise InvalidInput(f"not valid YAML: {reason}", place=f"{path}{line}") from exc
    except (ValueError, LookupError, AttributeError, TypeError) as exc:  # a tag that does not fit
        raise InvalidInput(f"not valid YAML: {exc}", place=place) from exc


def _parsed(text: str) -> object:
    loader = _PlainYaml(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        # Before it is made: what is merged and named again is multiplied in the making.
        _measure(node, 1, {})
        document: object = loader.construct_document(node)
        return document
    finally:
        loader.dispose()


def _measure(node: yaml.Node, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node has and how deep it is. Each is measured once, by its identity."""
    if depth > DEEPEST:
        raise InvalidInput(f"is nested more than {DEEPEST} deep, or an anchor holds itself")
    measured = known.get(id(node))
    if measured is None:
        values, height = 1, 1
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        for part in parts:
            below, deep = _measure(part, depth + 1, known)
            values, height = values + below, max(height, deep + 1)
        measured = known[id(node)] = values, height
    if depth + measured[1] - 1 > DEEPEST:
        raise InvalidInput(f"is nested more than {DEEPEST} deep")
    if measured[0] > MOST_VALUES:
        raise InvalidInput(f"has more than {MOST_VALUES} values, its anchors counted in full")
    return measured
