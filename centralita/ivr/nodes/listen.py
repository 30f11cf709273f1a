"""listen: something said, from a closed list of phrases or freely."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.nodes.turn import (
    MAX_LISTENING_FAILURES,
    Answered,
    Ask,
    Retry,
    Turn,
    TurnState,
    advance,
    after,
    again,
    ask,
    no_match,
    turn_prompts,
)
from centralita.ivr.nodes.words import normalise


class Listen(Node, frozen=True, tag="listen"):
    """Put what the caller says into `variable`, and how sure we are into `confidence`.

    Keys are put into the variable too, for callers who cannot or will not speak.
    """

    waits = True

    prompt: Prompts
    variable: str
    next: str
    phrases: list[str] | None = None
    minimum_confidence: float = 0.3
    turn: Turn = Turn()
    on_failure: str = ""

    def enter(self, scene: Scene) -> Step:
        return ask(self.turn, self._question(), scene, TurnState())

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        assert isinstance(state, TurnState)
        match advance(self.turn, state, event, scene):
            case Answered() as answer:
                return after(answer.commands, self._judge(answer, scene))
            case Retry(state=failed) as retry:
                if failed.failures >= MAX_LISTENING_FAILURES:
                    if self.on_failure:
                        return Step(goto=self.on_failure, note="nobody listens")
                    return Step(fault="speech is needed here and nobody listens")
                return again(self.turn, retry, self._question(), scene, self.on_failure)
            case Step() as step:
                return step

    def _judge(self, answer: Answered, scene: Scene) -> Step:
        if answer.heard is None:
            return Step(goto=self.next, assign={self.variable: answer.key, "confidence": "1.00"})
        text = normalise(answer.heard.text)
        if text and answer.heard.confidence >= self.minimum_confidence:
            sure = f"{answer.heard.confidence:.2f}"
            assign = {self.variable: text, "heard": text, "confidence": sure}
            return Step(goto=self.next, assign=assign)
        retry = no_match(self.turn, answer.state, scene)
        return again(self.turn, retry, self._question(), scene, self.on_failure)

    def _question(self) -> Ask:
        phrases = None if self.phrases is None else tuple(map(normalise, self.phrases))
        return Ask(prompt=self.prompt, phrases=phrases)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next
        if self.on_failure:
            yield "on_failure", self.on_failure

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))
        yield from turn_prompts(self.turn)

    def writes(self) -> Iterator[str]:
        yield self.variable

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.phrases is not None and not any(map(normalise, self.phrases)):
            yield "phrases", "an empty list hears nothing; leave it out for free speech"
