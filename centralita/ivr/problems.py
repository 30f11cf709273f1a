"""What is wrong with a flow: the first problems in full, the rest counted."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from centralita.core.errors import InvalidInput

# More at once help nobody.
MOST = 20
# To find a similar name takes longer than all else: for the first problems, among so many names.
_HINTS = 5
_NAMES = 200
_LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a flow."""

    node: str
    field: str
    reason: str

    def __str__(self) -> str:
        place = f'node "{shown(self.node)}"' if self.node else "flow"
        return (
            f'{place}, field "{shown(self.field)}": {self.reason}'
            if self.field
            else (f"{place}: {self.reason}")
        )


class BadFlow(InvalidInput):
    """A flow that cannot be run; `problems` lists what was found, and `more` says how many other
    problems there are."""

    code = "bad_flow"

    def __init__(self, problems: Iterable[Problem], *, place: str = "") -> None:
        rest = iter(problems)
        self.problems = list(itertools.islice(rest, MOST))
        self.more = sum(1 for _ in rest)
        prefix = f"{place}: " if place else ""
        lines = [f"{prefix}{problem}" for problem in self.problems]
        if self.more:
            lines.append(f"{prefix}and {self.more} more problems")
        super().__init__("\n".join(lines))
        self.place = place


class Hints:
    """Names that are similar to what was written, as long as it is worth looking for them."""

    def __init__(self) -> None:
        self._left = _HINTS

    def __call__(self, word: str, known: Collection[str]) -> str:
        """`; did you mean "…"?`, or nothing."""
        if self._left <= 0 or len(word) > _LONGEST:
            return ""
        self._left -= 1
        names = (name for name in known if len(name) <= _LONGEST)
        close = difflib.get_close_matches(word, list(itertools.islice(names, _NAMES)), n=1)
        return f'; did you mean "{close[0]}"?' if close else ""


def shown(text: object, most: int = _LONGEST) -> str:
    """What was written, cut where it is long."""
    written = str(text)
    return written if len(written) <= most else f"{written[:most]}…"
