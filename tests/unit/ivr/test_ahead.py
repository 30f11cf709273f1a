"""Who knows the way types ahead: keys pressed in an announcement are for the question behind it."""

from __future__ import annotations

import pytest

from tests.support.flows import Ride, flow

NODES = """
    welcome: {{type: play, prompt: "Bienvenido.", next: news}}
    news: {{type: play, prompt: "Hoy cerramos antes.", next: menu}}
    menu:
      type: menu
      prompt: "Pedidos, uno."
      turn: {{tries: 2{turn}}}
      choices:
        - {{key: "1", say: [pedidos], next: before}}
        - {{key: "2", say: [nada], next: bye}}
      on_failure: lost
    before: {{type: set, values: {{topic: orders}}, next: number}}
    number:
      type: gather
      prompt: "Su número de pedido."
      variable: order
      minimum: 4
      maximum: 4
      next: bye
      on_failure: lost
    bye: {{type: hangup, prompt: "Adiós.", outcome: self_service}}
    lost: {{type: hangup, outcome: gave_up}}
"""


def _ride(turn: str = "") -> Ride:
    return Ride(flow(NODES.format(turn=turn)))


def test_what_is_typed_in_announcements_answers_the_questions_behind_them() -> None:
    ride = _ride().presses("14711")
    # The first two keys skipped two announcements; none of them was lost.
    assert (ride.node, ride["order"]) == ("bye", "4711")
    assert ride.heard == ["Bienvenido.", "Hoy cerramos antes.", "Adiós."]


def test_a_question_that_has_been_answered_is_not_asked_aloud() -> None:
    ride = _ride().presses("14")
    assert ride.node == "number" and "Pedidos, uno." not in ride.heard
    # The first of four digits is there, and the next ones are waited for in silence.
    assert not ride.playing and ride.waits_for == ["inter_digit"]
    assert ride.presses("711")["order"] == "4711"


@pytest.mark.parametrize("keys", ["99", "#0", "*1"])
def test_a_key_that_was_only_meant_to_skip_costs_no_try(keys: str) -> None:
    ride = _ride().presses(keys)
    assert ride.node == "menu" and ride.playing and ride.heard[-1] == "Pedidos, uno."
    assert ride.presses("9").node == "menu"  # the first try of two
    assert ride.presses("1").node == "number"


def test_a_question_may_take_none() -> None:
    for turn in (", type_ahead: false", ", barge_in: false"):
        ride = _ride(turn).presses("11")
        assert ride.node == "menu" and ride.playing


def test_keys_are_old_once_something_else_was_waited_for() -> None:
    ride = Ride(
        flow("""
    hello: {type: play, prompt: "Hola.", next: name}
    name: {type: listen, prompt: "¿Su nombre?", variable: name, next: menu, on_failure: menu}
    menu:
      type: menu
      prompt: "Uno."
      choices: [{key: "1", next: bye}]
      on_failure: bye
    bye: {type: hangup, outcome: self_service}
""")
    ).presses("1")
    assert ride.node == "name" and ride.playing  # a name is not typed ahead
    assert ride.says("Ana").node == "menu"
    assert ride.playing


def test_nobody_types_without_end() -> None:
    nodes = "\n".join(
        f'    say{n}: {{type: play, prompt: "{n}", next: say{n + 1}}}' for n in range(100)
    )
    ride = Ride(
        flow(f"""
{nodes}
    say100: {{type: gather, prompt: "?", variable: d, maximum: 64, next: bye, on_failure: bye}}
    bye: {{type: hangup, outcome: self_service}}
""")
    ).presses("7" * 100)
    assert ride.node == "say100"
    assert ride.is_silent()["d"] == "7" * 32
