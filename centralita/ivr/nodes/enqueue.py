"""enqueue: wait for an agent."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from centralita.core.events import Event
from centralita.ivr.flow import Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.signals import Enqueue as EnqueueCommand
from centralita.ivr.signals import PlayPrompts, PromptsEnded, QueueExit, QueueLeft


class Enqueue(Node, frozen=True, tag="enqueue"):
    """Say `prompt`, then wait in `queue`.

    `max_wait` and `empty` (nobody signed in) are exits; left out, they lead to `otherwise`, which
    is usually a voicemail. After a conversation the call goes to `after`, or ends.
    """

    waits = True

    queue: str
    otherwise: str
    prompt: Prompts | None = None
    priority: int = 0
    skills: dict[str, int] = msgspec.field(default_factory=dict)
    max_wait: str = ""
    empty: str = ""
    key: str = ""
    after: str = ""

    def enter(self, scene: Scene) -> Step:
        prompts = scene.prompts(self.prompt)
        if prompts:
            return Step(commands=(PlayPrompts(prompts=prompts),), state="announcing", met=False)
        return self._wait(scene)

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        match event:
            case PromptsEnded() if state == "announcing":
                return self._wait(scene)
            case QueueLeft(how=QueueExit.CONVERSATION_ENDED):
                if self.after:
                    return Step(goto=self.after, met=True)
                return Step(ended=True, note="served", met=True)
            case QueueLeft(how=how):
                target = {
                    QueueExit.MAX_WAIT: self.max_wait,
                    QueueExit.EMPTY: self.empty,
                    QueueExit.KEY: self.key,
                }.get(how, "")
                return Step(goto=target or self.otherwise, note=how.value, met=False)
            case _:
                return Step(state=state)

    def _wait(self, scene: Scene) -> Step:
        command = EnqueueCommand(
            queue=self.queue,
            priority=self.priority,
            skills=self.skills,
            language=scene.language,
        )
        return Step(commands=(command,), state="waiting", met=False)

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "otherwise", self.otherwise
        for name in ("max_wait", "empty", "key", "after"):
            target = getattr(self, name)
            if target:
                yield name, target

    def queues(self) -> Iterator[tuple[str, str]]:
        yield "queue", self.queue

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("prompt", spec) for spec in prompt_specs(self.prompt))

    def problems(self) -> Iterator[tuple[str, str]]:
        if not -100 <= self.priority <= 100:
            yield "priority", "write a number from -100 to 100; more is earlier"
