"""gather: a number, digit by digit, by keys or by voice."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import Duration, Node, Prompts, PromptSpec, Scene, Step, prompt_specs
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
    between_digits,
    no_match,
    turn_prompts,
)
from centralita.ivr.nodes.words import DIGITS, spoken_digits


class Gather(Node, frozen=True, tag="gather"):
    """Collect `minimum` to `maximum` digits into `variable`."""

    waits = True

    prompt: Prompts
    variable: str
    next: str
    minimum: int = 1
    maximum: int = 16
    terminator: str = "#"
    inter_digit: Duration = Duration(seconds=3)
    turn: Turn = Turn()
    speech: bool = False
    on_failure: str = ""

    def enter(self, scene: Scene) -> Step:
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
        digits = answer.state.digits
        if answer.heard is not None:
            digits += spoken_digits(answer.heard.text)
            complete = True
        elif answer.key and answer.key == self.terminator:
            digits, complete = digits[:-1], True
        else:
            complete = answer.timed_out or len(digits) >= self.maximum
        if not complete:
            return Step(state=answer.state, commands=(between_digits(self.inter_digit),))
        if self.minimum <= len(digits) <= self.maximum:
            return Step(goto=self.next, assign={self.variable: digits})
        retry = no_match(self.turn, answer.state, scene)
        return again(self.turn, retry, self._question(scene), scene, self.on_failure)

    def _question(self, scene: Scene) -> Ask:
        phrases = tuple(DIGITS.get(scene.language, ())) if self.speech else Ask.SILENT
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
        if not 1 <= self.minimum <= self.maximum <= 64:
            yield "minimum", "write 1 ≤ minimum ≤ maximum ≤ 64"
        if len(self.terminator) > 1 or self.terminator not in "0123456789*#ABCD":
            yield "terminator", f'"{self.terminator}" is not one key; write "#" or ""'
