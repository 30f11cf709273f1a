"""confirm: believe, ask back or ask anew, by how sure the recogniser was."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.nodes.turn import (
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
from centralita.ivr.nodes.words import NO, YES, normalise


class Confirm(Node, frozen=True, tag="confirm"):
    """The confidence of the last answer decides.

    From `accept` on: `next` without a question. Below `reject`: `retry` at once. Between: ask
    `prompt` (yes or 1, no or 2).
    """

    waits = True

    prompt: Prompts
    next: str
    retry: str
    accept: float = 0.85
    reject: float = 0.35
    turn: Turn = Turn()
    on_failure: str = ""

    def enter(self, scene: Scene) -> Step:
        try:
            confidence = float(scene.variables.get("confidence") or 0)
        except ValueError:
            confidence = 0.0
        if confidence >= self.accept:
            return Step(goto=self.next, note="sure enough")
        if confidence < self.reject:
            return Step(goto=self.retry, note="too unsure")
        return ask(self.turn, self._question(scene), scene, TurnState())

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        assert isinstance(state, TurnState)
        match advance(self.turn, state, event, scene):
            case Answered() as answer:
                return after(answer.commands, self._judge(answer, scene))
            case Retry() as retry:
                return again(self.turn, retry, self._question(scene), scene, self.on_failure)
            case Step() as step:
                return step

    def _judge(self, answer: Answered, scene: Scene) -> Step:
        said = set(normalise(answer.heard.text).split()) if answer.heard else set()
        if answer.key == "1" or said & set(YES.get(scene.language, ())):
            return Step(goto=self.next, note="yes")
        if answer.key == "2" or said & set(NO.get(scene.language, ())):
            return Step(goto=self.retry, note="no")
        retry = no_match(self.turn, answer.state, scene)
        return again(self.turn, retry, self._question(scene), scene, self.on_failure)

    def _question(self, scene: Scene) -> Ask:
        phrases = YES.get(scene.language, ()) + NO.get(scene.language, ())
        return Ask(prompt=self.prompt, phrases=phrases)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next
        yield "retry", self.retry
        if self.on_failure:
            yield "on_failure", self.on_failure

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))
        yield from turn_prompts(self.turn)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.reject <= self.accept <= 1:
            yield "accept", "write 0 ≤ reject ≤ accept ≤ 1"
