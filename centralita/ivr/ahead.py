"""Keys that were pressed in an announcement: they belong to the question behind it. Pure."""

from __future__ import annotations

from dataclasses import replace

from centralita.ivr.flow import Node, Scene, Step
from centralita.ivr.nodes import Play
from centralita.ivr.nodes.turn import Asking, TurnState
from centralita.ivr.signals import KeyPressed, PlayPrompts, StopPrompts

# Nobody knows a longer way by heart; a phone that sends keys for ever fills nothing.
_MOST = 32


def kept(keys: str, more: str) -> str:
    """The keys with some more, as far as there is room."""
    return (keys + more)[:_MOST]


def taken(node: Node, entered: Step, keys: str, scene: Scene) -> tuple[Step, str]:
    """What comes of entering a node for a caller who has pressed keys before, and those left.

    A question takes what it can use as if it were pressed now, and says nothing of what has been
    answered. If what was pressed is no answer to it, it was meant for something else: it is
    forgotten, and the question is put. Other nodes at which callers wait make it old.
    """
    if not keys or not node.waits or isinstance(node, Play):
        return entered, keys
    if not (isinstance(node, Asking) and node.takes_ahead and entered.state is not None):
        return entered, ""
    if not (node.turn.type_ahead and node.turn.barge_in):
        return entered, ""
    now = entered
    for place, key in enumerate(keys):
        pressed = node.react(now.state, KeyPressed(digit=key), scene)
        if _is_no_answer(now.state, pressed):
            return entered, ""
        if pressed.goto:
            return replace(pressed, commands=()), keys[place + 1 :]
        now = replace(pressed, commands=now.commands + pressed.commands)
    spoken = tuple(one for one in now.commands if not isinstance(one, PlayPrompts | StopPrompts))
    return replace(now, commands=spoken), ""


def _is_no_answer(before: object, pressed: Step) -> bool:
    if pressed.fault or pressed.note in ("no_input", "no_match"):
        return True
    after = pressed.state
    return (
        isinstance(before, TurnState)
        and isinstance(after, TurnState)
        and after.tries != before.tries
    )
