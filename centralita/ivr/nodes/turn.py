"""The turn: ask, wait for keys or speech, ask again, give up. VoiceXML's form item, as a value.

Menu, gather, listen and confirm are turns with different ideas of what an answer is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

import msgspec

from centralita.core.events import Event
from centralita.ivr.flow import Duration, Node, Prompts, PromptSpec, Scene, Step, prompt_specs
from centralita.ivr.signals import (
    CancelTimer,
    Command,
    Heard,
    KeyPressed,
    ListeningFailed,
    PlayPrompts,
    PromptsEnded,
    SetTimer,
    SpeechBegan,
    StartListening,
    StopPrompts,
    Timer,
    TimerFired,
)

SORRY_NOT_UNDERSTOOD = {
    "es": "Perdón, no le he entendido.",
    "en": "Sorry, I did not understand.",
}
SORRY_NOTHING_HEARD = {"es": "No he oído nada.", "en": "I did not hear anything."}
USE_THE_KEYS = {
    "es": "Ahora mismo no puedo escucharle. Por favor, use las teclas.",
    "en": "I cannot listen right now. Please use the keys.",
}
# One failure may be a recogniser that is being restarted; after two, speech is given up here.
MAX_LISTENING_FAILURES = 2


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often and how long to ask; part of every asking node.

    `reprompt` is said instead of the node's prompt from the second try on. With `type_ahead`,
    keys that were pressed in an announcement before count.
    """

    tries: int = 3
    timeout: Duration = Duration(seconds=5)
    max_speech: Duration = Duration(seconds=12)
    barge_in: bool = True
    type_ahead: bool = True
    noinput: Prompts | None = None
    nomatch: Prompts | None = None
    reprompt: Prompts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnState:
    """Where the turn is. `tries` counts questions asked, the first included."""

    tries: int = 1
    prompting: bool = True
    speaking: bool = False
    digits: str = ""
    failures: int = 0
    pending: str = ""
    no_inputs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The question of a turn, made by the node for each try."""

    prompt: Prompts | None
    phrases: tuple[str, ...] | None = ()
    """What may be said; None is anything, an empty tuple is: do not listen."""

    SILENT: ClassVar[tuple[str, ...]] = ()


def ask(
    turn: Turn, question: Ask, scene: Scene, state: TurnState, before: Prompts | None = None
) -> Step:
    """Put the question, after a word of apology on later tries."""
    commands: list[Command] = []
    if question.phrases != Ask.SILENT and state.failures < MAX_LISTENING_FAILURES:
        commands.append(StartListening(language=scene.language, phrases=question.phrases))
    prompt = turn.reprompt if turn.reprompt and state.tries > 1 else question.prompt
    spoken = scene.prompts(before) + scene.prompts(prompt)
    state = replace(state, prompting=bool(spoken), speaking=False, digits="")
    if spoken:
        commands.append(PlayPrompts(prompts=spoken))
    else:
        commands.append(SetTimer(timer=Timer.NO_INPUT, after=turn.timeout))
    return Step(commands=tuple(commands), state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The turn has got input for the node to judge: keys so far, or words."""

    state: TurnState
    commands: tuple[Command, ...] = ()
    key: str = ""
    heard: Heard | None = None
    timed_out: bool = False
    """No key came for the inter-digit time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Nothing usable came: ask again with this apology, or give up."""

    state: TurnState
    before: Prompts | None
    no_input: bool


def advance(turn: Turn, state: TurnState, event: Event, scene: Scene) -> Step | Answered | Retry:
    """What an event means for a turn: wait on, judge an answer, or ask again."""
    match event:
        case PromptsEnded():
            state = replace(state, prompting=False)
            if state.speaking or state.digits:
                return Step(state=state)
            wait = SetTimer(timer=Timer.NO_INPUT, after=turn.timeout)
            return Step(state=state, commands=(wait,))
        case KeyPressed(digit=digit):
            if state.prompting and not turn.barge_in:
                return Step(state=state)
            commands: tuple[Command, ...] = (
                CancelTimer(timer=Timer.NO_INPUT),
                CancelTimer(timer=Timer.MAX_SPEECH),
            )
            if state.prompting:
                commands = (StopPrompts(), *commands)
            state = replace(state, prompting=False, digits=state.digits + digit)
            return Answered(state=state, commands=commands, key=digit)
        case SpeechBegan():
            if state.prompting and not turn.barge_in:
                return Step(state=state)
            commands = (
                CancelTimer(timer=Timer.NO_INPUT),
                CancelTimer(timer=Timer.INTER_DIGIT),
                SetTimer(timer=Timer.MAX_SPEECH, after=turn.max_speech),
            )
            if state.prompting:
                commands = (StopPrompts(), *commands)
            return Step(state=replace(state, prompting=False, speaking=True), commands=commands)
        case Heard():
            if state.prompting and not turn.barge_in:
                return Step(state=state)
            commands = (
                CancelTimer(timer=Timer.NO_INPUT),
                CancelTimer(timer=Timer.MAX_SPEECH),
            )
            return Answered(state=replace(state, speaking=False), commands=commands, heard=event)
        case TimerFired(timer=Timer.INTER_DIGIT):
            return Answered(state=state, timed_out=True)
        case TimerFired(timer=Timer.NO_INPUT):
            return Retry(
                state=replace(state, no_inputs=state.no_inputs + 1),
                before=turn.noinput or SORRY_NOTHING_HEARD.get(scene.language, ""),
                no_input=True,
            )
        case TimerFired(timer=Timer.MAX_SPEECH):
            return no_match(turn, state, scene)
        case ListeningFailed(busy=busy):
            failures = MAX_LISTENING_FAILURES if busy else state.failures + 1
            given_up = failures >= MAX_LISTENING_FAILURES
            words = USE_THE_KEYS if given_up else SORRY_NOT_UNDERSTOOD
            # The caller is not to blame: this question does not count as a try.
            return Retry(
                state=replace(state, failures=failures, tries=state.tries - 1, speaking=False),
                before=words.get(scene.language, ""),
                no_input=False,
            )
        case _:
            return Step(state=state)


def no_match(turn: Turn, state: TurnState, scene: Scene) -> Retry:
    """What came is no answer to this question."""
    return Retry(
        state=replace(state, speaking=False),
        before=turn.nomatch or SORRY_NOT_UNDERSTOOD.get(scene.language, ""),
        no_input=False,
    )


def again(turn: Turn, retry: Retry, question: Ask, scene: Scene, give_up: str) -> Step:
    """Ask once more, or leave by `give_up` (a node, or the fault exit when empty)."""
    state = retry.state
    if state.tries >= turn.tries:
        why = "no_input" if retry.no_input else "no_match"
        if give_up:
            return Step(goto=give_up, note=why, met=False)
        return Step(fault=f"no usable answer after {state.tries} tries ({why})")
    step = ask(turn, question, scene, replace(state, tries=state.tries + 1), retry.before)
    # A timer of the last try must not end this one.
    stale = tuple(CancelTimer(timer=timer) for timer in Timer)
    return replace(step, commands=stale + step.commands)


def between_digits(after: timedelta) -> Command:
    """Wait for the next key."""
    return SetTimer(timer=Timer.INTER_DIGIT, after=after)


class Asking(Node, frozen=True, kw_only=True):
    """The base of nodes that ask: what differs is the question and what counts as an answer."""

    waits = True
    # Whether keys that were pressed before the question can be an answer.
    takes_ahead: ClassVar[bool] = False

    prompt: Prompts
    turn: Turn = Turn()
    on_failure: str = ""

    def question(self, scene: Scene) -> Ask:
        """What is asked, and what may be said."""
        raise NotImplementedError

    def judge(self, answer: Answered, scene: Scene) -> Step:
        """What an answer leads to."""
        raise NotImplementedError

    def unheard(self, retry: Retry) -> Step | None:
        """What to do instead of asking again when nobody can listen any more."""
        return None

    def enter(self, scene: Scene) -> Step:
        return ask(self.turn, self.question(scene), scene, TurnState())

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        assert isinstance(state, TurnState)
        match advance(self.turn, state, event, scene):
            case Answered() as answer:
                step = self.judge(answer, scene)
                chose = True if step.goto and step.met is None else step.met
                return replace(step, commands=answer.commands + step.commands, met=chose)
            case Retry() as retry:
                given_up = retry.state.failures >= MAX_LISTENING_FAILURES
                way_out = self.unheard(retry) if given_up else None
                return self.ask_again(retry, scene) if way_out is None else way_out
            case Step() as step:
                return step

    def not_understood(self, answer: Answered, scene: Scene) -> Step:
        """Ask again, or give up: what came is no answer."""
        return self.ask_again(no_match(self.turn, answer.state, scene), scene)

    def ask_again(self, retry: Retry, scene: Scene) -> Step:
        """Ask once more, or leave by `on_failure`."""
        return again(self.turn, retry, self.question(scene), scene, self.on_failure)

    def exits(self) -> Iterator[tuple[str, str]]:
        if self.on_failure:
            yield "on_failure", self.on_failure

    def prompts_used(self) -> Iterator[tuple[str, PromptSpec]]:
        turn = self.turn
        for name, prompts in (
            ("prompt", self.prompt),
            ("turn.noinput", turn.noinput),
            ("turn.nomatch", turn.nomatch),
            ("turn.reprompt", turn.reprompt),
        ):
            yield from ((name, spec) for spec in prompt_specs(prompts))

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.turn.tries < 1:
            yield "turn.tries", "ask at least once: 1 or more"
