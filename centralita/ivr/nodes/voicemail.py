"""voicemail: a message after the beep."""

from __future__ import annotations

from collections.abc import Iterator

from centralita.core.events import Event
from centralita.ivr.flow import Duration, Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.signals import (
    KeyPressed,
    PlayPrompts,
    PromptsEnded,
    StopPrompts,
    TakeVoicemail,
    VoicemailEnd,
    VoicemailEnded,
)

GREETING = {
    "es": "Por favor, deje su mensaje después de la señal.",
    "en": "Please leave your message after the tone.",
}
THANKS = {"es": "Gracias. Hemos guardado su mensaje.", "en": "Thank you. Your message is saved."}


class Voicemail(Node, frozen=True, tag="voicemail"):
    """Greeting, beep, record until silence, a key or the maximum; a task for `queue`."""

    waits = True

    queue: str
    next: str = ""
    greeting: Prompts | None = None
    max_length: Duration = Duration(seconds=120)
    silence: Duration = Duration(seconds=4)
    stop_keys: str = "#"
    on_failure: str = ""

    def enter(self, scene: Scene) -> Step:
        words = self.greeting or GREETING.get(scene.language, GREETING["en"])
        commands = (PlayPrompts(prompts=scene.prompts(words)),)
        return Step(commands=commands, state="greeting", met=False)

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        match state, event:
            case "greeting", PromptsEnded():
                return self._record(scene)
            case "greeting", KeyPressed():
                step = self._record(scene)
                return Step(commands=(StopPrompts(), *step.commands), state=step.state)
            case "recording", VoicemailEnded(how=VoicemailEnd.SAVED):
                thanks = scene.prompts(THANKS.get(scene.language, THANKS["en"]))
                return Step(commands=(PlayPrompts(prompts=thanks),), state="saved", met=True)
            case "recording", VoicemailEnded(how=VoicemailEnd.NOTHING_SAID):
                return self._leave(note="nothing said")
            case "recording", VoicemailEnded():
                if self.on_failure:
                    return Step(goto=self.on_failure, note="voicemail failed")
                return Step(fault="voicemail could not be recorded")
            case "saved", PromptsEnded():
                return self._leave(note="saved")
            case _:
                return Step(state=state)

    def _record(self, scene: Scene) -> Step:
        command = TakeVoicemail(
            queue=self.queue,
            language=scene.language,
            max_length=self.max_length,
            silence=self.silence,
            stop_keys=self.stop_keys,
        )
        return Step(commands=(command,), state="recording")

    def _leave(self, note: str) -> Step:
        return Step(goto=self.next, note=note) if self.next else Step(ended=True, note=note)

    def exits(self) -> Iterator[tuple[str, str]]:
        if self.next:
            yield "next", self.next
        if self.on_failure:
            yield "on_failure", self.on_failure

    def queues(self) -> Iterator[tuple[str, str]]:
        yield "queue", self.queue

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        yield from (("greeting", spec) for spec in prompt_specs(self.greeting))
