"""A flow: a versioned document of nodes, and the protocol that every node type implements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from centralita.core.events import Event
from centralita.core.wire import parse_duration
from centralita.ivr.signals import Command, Prompt

Variables = Mapping[str, str]
_REFERENCE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")

# What every run knows from the start; flows may read them without declaring them.
BUILT_IN = frozenset(
    {
        "caller",
        "dialled",
        "trunk",
        "diversion",
        "customer_id",
        "customer_name",
        "customer_known",
        "customer_segment",
        "language",
        "heard",
        "confidence",
    }
)
# Headers of the INVITE, as variables: only the call itself shows which there are.
HEADER_PREFIX = "header_"


class Duration(timedelta):
    """A time span written as `30s`, `500ms`, `2m`, `1h`."""

    @staticmethod
    def parse(text: str) -> Duration:
        """Raises InvalidInput with the right way to write it."""
        return Duration(seconds=parse_duration(text).total_seconds())


class PromptSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A prompt as flows write it: `text` (with {variables}) or `wav`, and its language."""

    text: str = ""
    wav: str = ""
    language: str = ""


Prompts = str | PromptSpec | list[str | PromptSpec]


def prompt_specs(prompts: Prompts | None) -> list[PromptSpec]:
    """The prompts one by one, a bare string being text."""
    if prompts is None or prompts == "":
        return []
    items = prompts if isinstance(prompts, list) else [prompts]
    return [PromptSpec(text=item) if isinstance(item, str) else item for item in items]


def references(text: str) -> set[str]:
    """The variables that `text` mentions in braces."""
    return set(_REFERENCE.findall(text))


def learned(variables: Variables) -> dict[str, str]:
    """What of a flow's variables people are told: those that have a value, but not those whose
    names begin with `_`, which are the flow's own."""
    return {name: value for name, value in variables.items() if value and not name.startswith("_")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a node may look at when it decides."""

    variables: Variables
    now: datetime
    default_queue: str = ""

    @property
    def language(self) -> str:
        """The language of the call at this moment."""
        return self.variables["language"]

    def fill(self, text: str) -> str:
        """`text` with {variables} replaced; unknown ones by nothing."""
        return _REFERENCE.sub(lambda match: self.variables.get(match[1], ""), text)

    def prompts(self, prompts: Prompts | None) -> tuple[Prompt, ...]:
        """Prompts ready to be spoken."""
        return tuple(
            Prompt(text=self.fill(spec.text), wav=spec.wav, language=spec.language or self.language)
            for spec in prompt_specs(prompts)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a node decided: stay with `state`, or go on to the node `goto`.

    `call` enters the flow of that name first and goes on to `goto` when it returns. `returns`
    ends the current (sub-)flow. `fault` leads to the fault exit. `note` is kept in the path. `met`
    says whether the caller has got here what was wanted, or made a choice: False for a way in vain.
    `ahead` are keys that belong to the next question.
    `heard` is what the caller has answered by keys, for the path.
    """

    commands: tuple[Command, ...] = ()
    state: object = None
    goto: str = ""
    assign: Variables = field(default_factory=dict)
    call: str = ""
    returns: bool = False
    ended: bool = False
    fault: str = ""
    note: str = ""
    met: bool | None = None
    ahead: str = ""
    heard: str = ""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """The protocol of node types: one module each in `nodes/`, a frozen value without I/O."""

    # Whether a caller can be kept here for ever by the node's own doing is excluded by the
    # loader: a cycle must contain a node that waits for the caller or counts tries.
    waits: ClassVar[bool] = False

    def enter(self, scene: Scene) -> Step:
        """The run arrives at the node."""
        raise NotImplementedError

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        """Something happened while the run stands here. Events that don't matter: stay."""
        return Step(state=state)

    def left_by_caller(self) -> str:
        """What the call was when its caller hangs up here; empty when that is for others to say."""
        return ""

    def exits(self) -> Iterator[tuple[str, str]]:
        """Each exit as (field, target node)."""
        yield from ()

    def flows(self) -> Iterator[tuple[str, str]]:
        """Each flow this node enters, as (field, flow name)."""
        yield from ()

    def queues(self) -> Iterator[tuple[str, str]]:
        """Each queue this node names, as (field, queue)."""
        yield from ()

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        """Each prompt, as (field, prompt)."""
        yield from ()

    def reads(self) -> Iterator[tuple[str, str]]:
        """Each variable read, as (field, name)."""
        for name, spec in self.prompts_used():
            for variable in references(spec.text):
                yield name, variable

    def writes(self) -> Iterator[str]:
        """Each variable written."""
        yield from ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """What types cannot express, as (field, what is wrong and what would be right)."""
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One version of a flow. Values only: a running call keeps the version it began with."""

    name: str
    version: int
    title: str
    language: str
    start: str
    nodes: Mapping[str, Node]
    variables: Variables = field(default_factory=dict)
    fault: str = ""
