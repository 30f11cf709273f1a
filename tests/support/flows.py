"""A caller's ride through a flow: the pure run, and what a driver would do for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import yaml

from centralita.core.events import Event
from centralita.ivr.flow import Flow
from centralita.ivr.loader import load, load_file
from centralita.ivr.run import FlowRun, begin, step
from centralita.ivr.signals import (
    CancelTimer,
    Command,
    EndCall,
    Enqueue,
    Failed,
    Heard,
    KeyPressed,
    ListeningFailed,
    PlayPrompts,
    PromptsEnded,
    QueueExit,
    QueueLeft,
    Quiet,
    SetTimer,
    SpeechBegan,
    StartListening,
    StopPrompts,
    TakeVoicemail,
    Timer,
    TimerFired,
    TransferCall,
    TransferFailed,
    VoicemailEnd,
    VoicemailEnded,
)

MONDAY = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def flow(nodes: str, *, language: str = "es", fault: str = "", name: str = "test") -> Flow:
    """A flow of these nodes (YAML); the first one is the start."""
    parsed = yaml.safe_load(dedent(nodes))
    document = {"flow": name, "language": language, "start": next(iter(parsed)), "nodes": parsed}
    return load(document | ({"fault": fault} if fault else {}))


def flow_file(folder: Path, text: str) -> Flow:
    """A flow from a file, as people write it."""
    path = folder / "flow.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_file(path)


class Ride:
    """Keeps what is under way: sound, ears, timers, and where the caller has been handed to."""

    def __init__(
        self,
        start: Flow,
        *others: Flow,
        now: datetime = MONDAY,
        default_queue: str = "office",
        **variables: str,
    ) -> None:
        self.now = now
        self.heard: list[str] = []
        self.playing = False
        self.phrases: tuple[str, ...] | None = ()
        self.listening = False
        self.timers: dict[Timer, timedelta] = {}
        self.queue = ""
        self.voicemail: TakeVoicemail | None = None
        self.transfer = ""
        self.outcome = ""
        library: Mapping[str, Flow] = {other.name: other for other in others}
        self.run, commands = begin(start, library, variables, now, default_queue=default_queue)
        self._obey(commands)

    # --- what the caller does -------------------------------------------------------------------

    def presses(self, keys: str) -> Ride:
        for key in keys:
            self.takes(KeyPressed(digit=key))
        return self

    def begins_to_speak(self) -> Ride:
        return self.takes(SpeechBegan())

    def says(self, text: str, confidence: float = 0.9) -> Ride:
        assert self.listening, "nobody listens"
        self.begins_to_speak()
        return self.takes(Heard(text=text, confidence=confidence))

    def hears_out(self) -> Ride:
        assert self.playing, "nothing plays"
        self.playing = False
        return self.takes(PromptsEnded())

    def is_silent(self) -> Ride:
        """The next timer runs out, whichever it is."""
        timer = min(self.timers, key=lambda timer: self.timers[timer])
        del self.timers[timer]
        return self.takes(TimerFired(timer=timer))

    # --- what happens around --------------------------------------------------------------------

    def loses_its_ears(self, *, busy: bool = False) -> Ride:
        self.listening = False
        return self.takes(ListeningFailed(reason="asr-1 ended", busy=busy))

    def leaves_the_queue(self, how: QueueExit) -> Ride:
        self.queue = ""
        return self.takes(QueueLeft(how=how))

    def ends_the_message(self, how: VoicemailEnd = VoicemailEnd.SAVED) -> Ride:
        self.voicemail = None
        return self.takes(VoicemailEnded(how=how))

    def reaches_nobody(self) -> Ride:
        self.transfer = ""
        return self.takes(TransferFailed(reason="busy"))

    def breaks(self) -> Ride:
        self.playing = False
        return self.takes(Failed(what="OSError: disk full"))

    def takes(self, event: Event) -> Ride:
        self.run, commands = step(self.run, event, self.now)
        self._obey(commands)
        return self

    # --- where it is ----------------------------------------------------------------------------

    @property
    def node(self) -> str:
        return "" if self.run.over else self.run.node

    @property
    def path(self) -> list[str]:
        return [past.node for past in self.run.path]

    @property
    def notes(self) -> list[str]:
        return [past.note for past in self.run.path if past.note]

    def __getitem__(self, variable: str) -> str:
        return self.run.variables[variable]

    @property
    def waits_for(self) -> list[str]:
        """What will bring the next event, the caller's own doing apart."""
        reasons = [timer.value for timer in self.timers]
        for name, under_way in (
            ("prompts", self.playing),
            ("queue", self.queue),
            ("voicemail", self.voicemail),
            ("transfer", self.transfer),
            ("end", self.outcome),
        ):
            if under_way:
                reasons.append(name)
        return reasons

    def _obey(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            assert not self.outcome, f"{command} after the end"
            match command:
                case PlayPrompts(prompts=prompts):
                    assert prompts
                    self.heard.append(" ".join(prompt.text or prompt.wav for prompt in prompts))
                    self.playing = True
                case StopPrompts():
                    self.playing = False
                case StartListening(phrases=phrases):
                    self.listening, self.phrases = True, phrases
                case SetTimer(timer=timer, after=after):
                    self.timers[timer] = after
                case CancelTimer(timer=timer):
                    self.timers.pop(timer, None)
                case Quiet():
                    self.playing = self.listening = False
                    self.timers.clear()
                case Enqueue(queue=queue):
                    self.queue = queue
                case TakeVoicemail():
                    self.voicemail = command
                case TransferCall(target=target):
                    self.transfer = target
                case EndCall(outcome=outcome):
                    self.outcome = outcome or "ended"
                case _:
                    raise AssertionError(f"a driver does not know {command}")


__all__ = ["MONDAY", "FlowRun", "Ride", "flow", "flow_file"]
