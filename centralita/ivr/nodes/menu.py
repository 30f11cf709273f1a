"""menu: one of several choices, by key or by voice at once."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from centralita.ivr.flow import Scene, Step
from centralita.ivr.nodes.turn import Answered, Ask, Asking
from centralita.ivr.nodes.words import normalise


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way out of a menu: a key, what may be said for it, where it leads, what to note."""

    next: str
    key: str = ""
    say: list[str] = []
    set: dict[str, str] = {}


class Menu(Asking, frozen=True, tag="menu", kw_only=True):
    """Ask for a choice. `minimum_confidence` is below which words count as not understood."""

    takes_ahead = True

    choices: list[Choice]
    speech: bool = True
    minimum_confidence: float = 0.5

    def question(self, scene: Scene) -> Ask:
        phrases = tuple(normalise(words) for choice in self.choices for words in choice.say)
        return Ask(prompt=self.prompt, phrases=phrases if self.speech else Ask.SILENT)

    def judge(self, answer: Answered, scene: Scene) -> Step:
        choice = self._chosen(answer)
        if choice is None:
            return self.not_understood(answer, scene)
        assign = dict(choice.set)
        if answer.heard is not None:
            assign["heard"] = answer.heard.text
            assign["confidence"] = f"{answer.heard.confidence:.2f}"
        note = f"key {choice.key}" if answer.key else "speech"
        return Step(goto=choice.next, assign=assign, note=note)

    def _chosen(self, answer: Answered) -> Choice | None:
        if answer.heard is None:
            return next((choice for choice in self.choices if choice.key == answer.key), None)
        if answer.heard.confidence < self.minimum_confidence:
            return None
        heard = f" {normalise(answer.heard.text)} "
        # A phrase may come with others around it ("quiero ventas, por favor"); the longest counts.
        candidates = [
            (len(words), choice)
            for choice in self.choices
            for words in map(normalise, choice.say)
            if f" {words} " in heard
        ]
        return max(candidates, key=lambda candidate: candidate[0])[1] if candidates else None

    def exits(self) -> Iterator[tuple[str, str]]:
        for index, choice in enumerate(self.choices):
            yield f"choices[{index}].next", choice.next
        yield from Asking.exits(self)

    def writes(self) -> Iterator[str]:
        for choice in self.choices:
            yield from choice.set

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from Asking.problems(self)
        keys = [choice.key for choice in self.choices if choice.key]
        if not self.choices:
            yield "choices", "a menu needs at least one choice"
        for index, choice in enumerate(self.choices):
            if len(choice.key) > 1 or choice.key not in "0123456789*#ABCD":
                yield f"choices[{index}].key", f'"{choice.key}" is not one key of 0-9, * and #'
            if not choice.key and not choice.say:
                yield f"choices[{index}]", "give a key, or words to say, or both"
            if choice.key and keys.count(choice.key) > 1:
                yield f"choices[{index}].key", f"key {choice.key} is used twice"
