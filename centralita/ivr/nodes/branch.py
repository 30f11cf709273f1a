"""branch and set: look at variables, change variables."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from centralita.ivr.flow import Node, Scene, Step, references


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One condition on one variable. Give exactly one of the tests."""

    variable: str
    next: str
    equals: str | None = None
    one_of: list[str] | None = None
    starts_with: str | None = None
    is_set: bool | None = None

    def holds(self, value: str) -> bool:
        """Whether the test is true of `value`."""
        if self.equals is not None:
            return value == self.equals
        if self.one_of is not None:
            return value in self.one_of
        if self.starts_with is not None:
            return value.startswith(self.starts_with)
        return bool(value) is self.is_set


class Branch(Node, frozen=True, tag="branch"):
    """The first case that holds decides."""

    cases: list[Case]
    otherwise: str

    def enter(self, scene: Scene) -> Step:
        for case in self.cases:
            if case.holds(scene.variables.get(case.variable, "")):
                return Step(goto=case.next)
        return Step(goto=self.otherwise)

    def exits(self) -> Iterator[tuple[str, str]]:
        for index, case in enumerate(self.cases):
            yield f"cases[{index}].next", case.next
        yield "otherwise", self.otherwise

    def reads(self) -> Iterator[tuple[str, str]]:
        for index, case in enumerate(self.cases):
            yield f"cases[{index}].variable", case.variable

    def problems(self) -> Iterator[tuple[str, str]]:
        for index, case in enumerate(self.cases):
            tests = (case.equals, case.one_of, case.starts_with, case.is_set)
            if sum(test is not None for test in tests) != 1:
                yield (
                    f"cases[{index}]",
                    "give exactly one of equals, one_of, starts_with, is_set",
                )


class Set(Node, frozen=True, tag="set"):
    """Assign variables; values may mention others in braces. `language` changes the language."""

    values: dict[str, str]
    next: str

    def enter(self, scene: Scene) -> Step:
        assign = {name: scene.fill(value) for name, value in self.values.items()}
        return Step(goto=self.next, assign=assign)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next

    def reads(self) -> Iterator[tuple[str, str]]:
        for name, value in self.values.items():
            for variable in references(value):
                yield f"values.{name}", variable

    def writes(self) -> Iterator[str]:
        yield from self.values
