"""confirm: believe, ask back or ask anew, by how sure the recogniser was."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.ivr.flow import Scene, Step
from centralita.ivr.nodes.turn import Answered, Ask, Asking, TurnState, ask
from centralita.ivr.nodes.words import NO, YES, normalise


class Confirm(Asking, frozen=True, tag="confirm", kw_only=True):
    """The confidence of the last answer decides.

    From `accept` on: `next` without a question. Below `reject`: `retry` at once. Between: ask
    `prompt` (yes or 1, no or 2).
    """

    next: str
    retry: str
    accept: float = 0.85
    reject: float = 0.35

    def enter(self, scene: Scene) -> Step:
        try:
            confidence = float(scene.variables.get("confidence") or 0)
        except ValueError:
            confidence = 0.0
        if confidence >= self.accept:
            return Step(goto=self.next, note="sure enough")
        if confidence < self.reject:
            return Step(goto=self.retry, note="too unsure")
        return ask(self.turn, self.question(scene), scene, TurnState())

    def judge(self, answer: Answered, scene: Scene) -> Step:
        said = set(normalise(answer.heard.text).split()) if answer.heard else set()
        if answer.key == "1" or said & set(YES.get(scene.language, ())):
            return Step(goto=self.next, note="yes")
        if answer.key == "2" or said & set(NO.get(scene.language, ())):
            return Step(goto=self.retry, note="no")
        return self.not_understood(answer, scene)

    def question(self, scene: Scene) -> Ask:
        phrases = YES.get(scene.language, ()) + NO.get(scene.language, ())
        return Ask(prompt=self.prompt, phrases=phrases)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next
        yield "retry", self.retry
        yield from Asking.exits(self)

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from Asking.problems(self)
        if not 0 <= self.reject <= self.accept <= 1:
            yield "accept", "write 0 ≤ reject ≤ accept ≤ 1"
