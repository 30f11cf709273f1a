"""play: say something and go on."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.signals import KeyPressed, PlayPrompts, PromptsEnded, StopPrompts


class Play(Node, frozen=True, tag="play"):
    """Play prompts; with `barge_in`, any key skips them, and belongs to the next question."""

    waits = True

    prompt: Prompts
    next: str
    barge_in: bool = True

    def enter(self, scene: Scene) -> Step:
        prompts = scene.prompts(self.prompt)
        if not prompts:
            return Step(goto=self.next)
        return Step(commands=(PlayPrompts(prompts=prompts),), state="playing")

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        match event:
            case PromptsEnded():
                return Step(goto=self.next)
            case KeyPressed(digit=digit) if self.barge_in:
                return Step(commands=(StopPrompts(),), goto=self.next, note="skipped", ahead=digit)
            case _:
                return Step(state=state)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))
