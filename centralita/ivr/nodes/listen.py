"""listen: something said, from a closed list of phrases or freely."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.ivr.flow import Scene, Step
from centralita.ivr.nodes.turn import Answered, Ask, Asking, Retry
from centralita.ivr.nodes.words import normalise


class Listen(Asking, frozen=True, tag="listen", kw_only=True):
    """Put what the caller says into `variable`, and how sure we are into `confidence`.

    Keys are put into the variable too, for callers who cannot or will not speak.
    """

    variable: str
    next: str
    phrases: list[str] | None = None
    minimum_confidence: float = 0.3

    def judge(self, answer: Answered, scene: Scene) -> Step:
        if answer.heard is None:
            assign = {self.variable: answer.key, "confidence": "1.00"}
            return Step(goto=self.next, assign=assign, note=f"key {answer.key}")
        text = normalise(answer.heard.text)
        if text and answer.heard.confidence >= self.minimum_confidence:
            sure = f"{answer.heard.confidence:.2f}"
            assign = {self.variable: text, "heard": text, "confidence": sure}
            return Step(goto=self.next, assign=assign)
        return self.not_understood(answer, scene)

    def unheard(self, retry: Retry) -> Step | None:
        if self.on_failure:
            return Step(goto=self.on_failure, note="nobody listens", met=False)
        return Step(fault="speech is needed here and nobody listens")

    def question(self, scene: Scene) -> Ask:
        phrases = None if self.phrases is None else tuple(map(normalise, self.phrases))
        return Ask(prompt=self.prompt, phrases=phrases)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next
        yield from Asking.exits(self)

    def writes(self) -> Iterator[str]:
        yield self.variable

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from Asking.problems(self)
        if self.phrases is not None and not any(map(normalise, self.phrases)):
            yield "phrases", "an empty list hears nothing; leave it out for free speech"
