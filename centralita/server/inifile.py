"""Reads the text of a sip.conf: sections, keys and values, each with the line it stands on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from centralita.core.errors import InvalidInput

_SECTION = re.compile(r"\[\s*(?P<kind>[a-z_]+)\s*(?::\s*(?P<name>[^\]]*?)\s*)?\]")
_ENTRY = re.compile(r"(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<value>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `key = value`."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One `[kind]` or `[kind:name]` with its entries by key."""

    kind: str
    name: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The heading as written: `http` or `trunk:acme`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a mistyped word: the nearest of `known`, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(names)}"


def read_sections(text: str, filename: str) -> tuple[list[Section], list[InvalidInput]]:
    """The sections of `text` in their order, and what is wrong with its form.

    A comment is a line that starts with `#` or `;`. There are no comments behind a value, since
    passwords and addresses may contain both signs.
    """
    sections: list[Section] = []
    problems: list[InvalidInput] = []
    seen: dict[tuple[str, str], Section] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("\ufeff")
        place = f"{filename}:{number}"
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            heading = _SECTION.fullmatch(line)
            if heading is None:
                problems.append(
                    InvalidInput(
                        f'"{line}" is not a section; write [name] or [kind:name]', place=place
                    )
                )
                continue
            section = Section(kind=heading["kind"], name=heading["name"] or "", line=number)
            earlier = seen.get((section.kind, section.name))
            if earlier is not None:
                problems.append(
                    InvalidInput(
                        f"this section stands twice; join it with line {earlier.line}",
                        place=f"{place} [{section.title}]",
                    )
                )
            seen.setdefault((section.kind, section.name), section)
            sections.append(section)
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            problems.append(
                InvalidInput(f'"{line}" is not a setting; write key = value', place=place)
            )
        elif not sections:
            problems.append(
                InvalidInput(
                    f'"{entry["key"]}" stands before the first section; '
                    "put it below a heading such as [sip]",
                    place=place,
                )
            )
        elif entry["key"] in sections[-1].entries:
            problems.append(
                InvalidInput(
                    f"this setting stands twice; the first is in line "
                    f"{sections[-1].entries[entry['key']].line}",
                    place=f"{place} [{sections[-1].title}] {entry['key']}",
                )
            )
        else:
            sections[-1].entries[entry["key"]] = Entry(
                key=entry["key"], value=entry["value"].strip(), line=number
            )
    return sections, problems
