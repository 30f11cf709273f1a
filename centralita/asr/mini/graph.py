"""The word graphs: `HCLr.fst` (phones to words) and `Gr.fst` (words after words) by OpenFst."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from centralita.asr.mini.export import enter, stay
from centralita.asr.mini.lexicon import BLANK, Lexicon
from centralita.asr.mini.words import WORDS

UNKNOWN = "[unk]"

# What it costs to hear "something else" instead of a word: to begin, and for each of its phones.
_UNKNOWN_ENTRY = 10.0
_UNKNOWN_PHONE = 6.0
_UNKNOWN_IN_FREE_SPEECH = 2.0


@dataclass(slots=True)
class _Arcs:
    """Arcs of a graph that is growing. State 0 is the start and the end."""

    arcs: list[tuple[int, int, int, int, float]] = field(default_factory=list)
    states: int = 1

    def state(self) -> int:
        self.states += 1
        return self.states - 1

    def add(self, source: int, target: int, heard: int, word: int = 0, cost: float = 0.0) -> None:
        self.arcs.append((source, target, heard, word, cost))

    def text(self) -> str:
        ordered = sorted(self.arcs, key=lambda arc: (arc[0] != 0, arc[0]))
        lines = (f"{a} {b} {heard} {word} {cost:g}\n" for a, b, heard, word, cost in ordered)
        return "".join(lines) + "0 0\n"


def write_graph(folder: Path, language: str, lexicon: Lexicon) -> None:
    """Write `graph/` for the words of one language."""
    numbers = {word: number for number, word in enumerate(WORDS[language], 1)}
    numbers[UNKNOWN] = len(numbers) + 1
    arcs = _Arcs()
    arcs.add(0, 0, enter(BLANK))
    for word in WORDS[language]:
        for phones in lexicon.pronunciations(language, word):
            _add_word(arcs, [lexicon.number(phone) for phone in phones], numbers[word])
    _add_unknown(arcs, len(lexicon.phones), numbers[UNKNOWN])
    graph = folder / "graph"
    graph.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        relabelled = _compile(Path(work), graph, arcs.text(), _any_word(numbers))
    names = sorted((relabelled[number], word) for word, number in numbers.items())
    lines = ["<eps> 0", *(f"{word} {number}" for number, word in names)]
    (graph / "words.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (graph / "disambig_tid.int").write_text(f"{enter(len(lexicon.phones)) + 1}\n")


def _add_word(arcs: _Arcs, classes: list[int], word: int) -> None:
    """The phones in order, each as long as it lasts, with an optional blank between any two."""
    before, blank = 0, -1
    for position, phone in enumerate(classes):
        here = arcs.state()
        if position == 0:
            arcs.add(before, here, enter(phone), word)
        else:
            if classes[position - 1] != phone:  # CTC writes a repeated phone with a blank between
                arcs.add(before, here, enter(phone))
            arcs.add(blank, here, enter(phone))
        arcs.add(here, here, stay(phone))
        before = here
        if position < len(classes) - 1:
            blank = arcs.state()
            arcs.add(here, blank, enter(BLANK))
            arcs.add(blank, blank, enter(BLANK))
    arcs.add(before, 0, 0)


def _add_unknown(arcs: _Arcs, phones: int, word: int) -> None:
    """Any phones at a price, so that what is no word of ours need not be heard as one."""
    sound, blank = arcs.state(), arcs.state()
    for phone in range(1, phones + 1):
        arcs.add(0, sound, enter(phone), word, _UNKNOWN_ENTRY)
        arcs.add(sound, sound, enter(phone), 0, _UNKNOWN_PHONE)
        arcs.add(sound, sound, stay(phone), 0, 0.5)
        arcs.add(blank, sound, enter(phone), 0, _UNKNOWN_PHONE)
    arcs.add(sound, blank, enter(BLANK))
    arcs.add(blank, blank, enter(BLANK))
    arcs.add(sound, 0, 0)


def _any_word(numbers: dict[str, int]) -> str:
    cost = math.log(len(numbers))
    lines = []
    for word, number in numbers.items():
        extra = _UNKNOWN_IN_FREE_SPEECH if word == UNKNOWN else 0.0
        lines.append(f"0 0 {number} {number} {cost + extra:g}\n")
    return "".join(lines) + "0\n"


def _compile(work: Path, graph: Path, words_of_phones: str, words: str) -> dict[int, int]:
    """Compile both graphs for lookahead composition; returns how it renumbered the words."""
    # fstconvert looks for its graph types as plug-ins of this name; Debian ships only the library.
    library = next(Path("/usr/lib").glob("*/libfstlookahead.so.*"), None)
    if library is None:
        raise SystemExit("libfstlookahead is missing: apt install libfst-tools")
    (work / "olabel_lookahead-fst.so").symlink_to(library)
    env = dict(os.environ, LD_LIBRARY_PATH=str(work))

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True, env=env, cwd=work)

    (work / "hcl.txt").write_text(words_of_phones)
    run("fstcompile", "hcl.txt", "hcl.raw")
    run("fstarcsort", "--sort_type=olabel", "hcl.raw", "hcl.fst")
    run(
        "fstconvert",
        "--fst_type=olabel_lookahead",
        "--save_relabel_opairs=relabel.txt",
        *("hcl.fst", str(graph / "HCLr.fst")),
    )
    pairs = [line.split() for line in (work / "relabel.txt").read_text().splitlines()]
    (work / "g.txt").write_text(words)
    run("fstcompile", "g.txt", "g.raw")
    both = ("--relabel_ipairs=relabel.txt", "--relabel_opairs=relabel.txt")
    run("fstrelabel", *both, "g.raw", "g.relabelled")
    run("fstarcsort", "--sort_type=ilabel", "g.relabelled", "g.sorted")
    run("fstconvert", "--fst_type=const", "g.sorted", str(graph / "Gr.fst"))
    return {int(old): int(new) for old, new in pairs}
