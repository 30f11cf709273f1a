"""transfer, subflow, return and hangup: ways out of a flow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import (
    Duration,
    Node,
    Prompts,
    PromptSpec,
    Scene,
    Step,
    prompt_specs,
    references,
)
from centralita.ivr.signals import PlayPrompts, PromptsEnded, TransferCall, TransferFailed

_TARGET = re.compile(r"(sips?:[^\s@]+@\S+|tel:\+?[\d-]+|\+?\d{2,20}|\{[a-z_][a-z0-9_]*\})$")


class Transfer(Node, frozen=True, tag="transfer"):
    """Connect the caller to `target`: an extension, a number, or a SIP or tel URI."""

    waits = True

    target: str
    on_failure: str
    prompt: Prompts | None = None
    timeout: Duration = Duration(seconds=30)

    def enter(self, scene: Scene) -> Step:
        prompts = scene.prompts(self.prompt)
        if prompts:
            return Step(commands=(PlayPrompts(prompts=prompts),), state="announcing", met=False)
        return self._transfer(scene)

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        match event:
            case PromptsEnded() if state == "announcing":
                return self._transfer(scene)
            case TransferFailed(reason=reason):
                return Step(goto=self.on_failure, note=reason, met=False)
            case _:
                return Step(state=state)

    def _transfer(self, scene: Scene) -> Step:
        command = TransferCall(target=scene.fill(self.target), timeout=self.timeout)
        return Step(commands=(command,), state="transferring", met=False)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "on_failure", self.on_failure

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))

    def reads(self) -> Iterator[tuple[str, str]]:
        yield from (("target", variable) for variable in references(self.target))
        yield from Node.reads(self)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not _TARGET.match(self.target):
            yield (
                "target",
                f'"{self.target}" cannot be called; write "201", "+34911234567" or "sip:…@…"',
            )


class Subflow(Node, frozen=True, tag="subflow"):
    """Run another flow; when it returns, go on to `next`."""

    flow: str
    next: str

    def enter(self, scene: Scene) -> Step:
        return Step(call=self.flow, goto=self.next)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "next", self.next

    def flows(self) -> Iterator[tuple[str, str]]:
        yield "flow", self.flow


class Return(Node, frozen=True, tag="return"):
    """End of a sub-flow; in a main flow, the end of the call."""

    def enter(self, scene: Scene) -> Step:
        return Step(returns=True)


class HangUp(Node, frozen=True, tag="hangup"):
    """Say good-bye and hang up. `outcome` tells whether the caller's purpose was served.

    It is the same when the caller does not hear the good-bye out. Who comes from a queue, a
    voicemail or a question in vain was not served, whatever the good-bye says.
    """

    waits = True

    prompt: Prompts | None = None
    outcome: str = "self_service"

    def enter(self, scene: Scene) -> Step:
        prompts = scene.prompts(self.prompt)
        if not prompts:
            return Step(ended=True, note=self.outcome)
        return Step(commands=(PlayPrompts(prompts=prompts),), state="good-bye")

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        if isinstance(event, PromptsEnded):
            return Step(ended=True, note=self.outcome)
        return Step(state=state)

    def left_by_caller(self) -> str:
        return self.outcome

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.outcome not in ("self_service", "gave_up", "refused"):
            yield "outcome", f'"{self.outcome}": write self_service, gave_up or refused'
