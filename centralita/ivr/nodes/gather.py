"""gather: a number, digit by digit, by keys or by voice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from centralita.ivr.flow import Duration, Scene, Step
from centralita.ivr.nodes.turn import Answered, Ask, Asking, between_digits
from centralita.ivr.nodes.words import DIGITS, spoken_digits


class Gather(Asking, frozen=True, tag="gather", kw_only=True):
    """Collect `minimum` to `maximum` digits into `variable`."""

    takes_ahead = True

    variable: str
    next: str
    minimum: int = 1
    maximum: int = 16
    terminator: str = "#"
    inter_digit: Duration = Duration(seconds=3)
    speech: bool = False

    def judge(self, answer: Answered, scene: Scene) -> Step:
        digits = answer.state.digits
        if answer.heard is not None:
            digits += spoken_digits(answer.heard.text)
            # People pause between digits: what is too short may still go on.
            complete = not 0 < len(digits) < self.minimum
        elif answer.key and answer.key == self.terminator:
            digits, complete = digits[:-1], True
        else:
            complete = answer.timed_out or len(digits) >= self.maximum
        if not complete:
            waiting = replace(answer.state, digits=digits)
            return Step(state=waiting, commands=(between_digits(self.inter_digit),))
        if self.minimum <= len(digits) <= self.maximum:
            # A variable that is the flow's own (a card's number, a PIN) is kept nowhere.
            heard = "" if self.variable.startswith("_") else digits
            return Step(goto=self.next, assign={self.variable: digits}, note="digits", heard=heard)
        return self.not_understood(answer, scene)

    def question(self, scene: Scene) -> Ask:
        phrases = tuple(DIGITS.get(scene.language, ())) if self.speech else Ask.SILENT
        return Ask(prompt=self.prompt, phrases=phrases)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next
        yield from Asking.exits(self)

    def writes(self) -> Iterator[str]:
        yield self.variable

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from Asking.problems(self)
        if not 1 <= self.minimum <= self.maximum <= 64:
            yield "minimum", "write 1 ≤ minimum ≤ maximum ≤ 64"
        if len(self.terminator) > 1 or self.terminator not in "0123456789*#ABCD":
            yield "terminator", f'"{self.terminator}" is not one key; write "#" or ""'
