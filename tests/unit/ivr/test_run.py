"""FlowRun when things go wrong: the caller never hears silence and is never dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centralita.core.events import Event
from centralita.ivr.flow import Flow, Node, Scene, Step
from centralita.ivr.signals import (
    Failed,
    Heard,
    KeyPressed,
    ListeningFailed,
    PromptsEnded,
    QueueExit,
    QueueLeft,
    SpeechBegan,
    Timer,
    TimerFired,
    TransferFailed,
    VoicemailEnd,
    VoicemailEnded,
)
from tests.support.flows import Ride, flow

SIMPLE = flow(
    """
    menu: {type: menu, prompt: Hola, choices: [{key: "1", next: bye}]}
    bye: {type: hangup, prompt: Adiós}
    """
)


class Broken(Node, frozen=True, tag="broken"):
    """A node that raises as soon as it is looked at."""

    def enter(self, scene: Scene) -> Step:
        raise ZeroDivisionError("division by zero")


class Fragile(Node, frozen=True, tag="fragile"):
    """A node that raises on the first event."""

    waits = True

    def enter(self, scene: Scene) -> Step:
        return Step(state="standing")

    def react(self, state: object, event: Event, scene: Scene) -> Step:
        raise KeyError("nothing")


def with_node(node: Node) -> Flow:
    return Flow(name="bad", version=1, title="Bad", language="es", start="bad", nodes={"bad": node})


def test_a_fault_leads_to_a_person_then_a_message_then_good_bye() -> None:
    ride = Ride(SIMPLE).breaks()
    assert ride.node == "fault-agent"
    assert ride.heard[-1].startswith("Disculpe, ha habido un problema")
    ride.hears_out()
    assert ride.queue == "office"
    ride.leaves_the_queue(QueueExit.EMPTY)
    assert ride.node == "fault-voicemail"
    ride.hears_out()
    assert ride.voicemail is not None
    ride.ends_the_message(VoicemailEnd.FAILED)
    assert ride.node == "fault-goodbye"
    assert ride.heard[-1].startswith("Lo sentimos")
    assert ride.hears_out().outcome == "gave_up"


def test_the_flows_own_fault_exit_comes_first_and_once() -> None:
    own = flow(
        """
        menu: {type: menu, prompt: Hola, choices: [{key: "1", next: bye}]}
        bye: {type: hangup}
        sorry: {type: play, prompt: Un problema, next: menu}
        """,
        fault="sorry",
    )
    ride = Ride(own).breaks()
    assert ride.node == "sorry"
    assert ride.hears_out().node == "menu"
    assert ride.breaks().node == "fault-agent"


def test_a_fault_of_the_fault_exit_itself_goes_on_to_a_person() -> None:
    own = flow(
        """
        menu: {type: menu, prompt: Hola, choices: [{key: "1", next: bye}]}
        bye: {type: hangup}
        sorry: {type: play, prompt: Un problema, next: menu}
        """,
        fault="sorry",
    )
    assert Ride(own).breaks().breaks().node == "fault-agent"


def test_without_a_queue_there_is_still_a_good_bye() -> None:
    ride = Ride(SIMPLE, default_queue="").breaks()
    assert ride.node == "fault-goodbye"
    assert ride.hears_out().outcome == "gave_up"


def test_faults_without_end_end_the_call() -> None:
    ride = Ride(SIMPLE)
    for _ in range(20):
        if not ride.outcome:
            ride.breaks()
    assert ride.outcome == "fault"


@pytest.mark.parametrize(
    ("node", "reason"),
    [(Broken(), "ZeroDivisionError: division by zero"), (Fragile(), "KeyError: 'nothing'")],
)
def test_a_node_that_raises_does_not_cost_the_call(node: Node, reason: str) -> None:
    ride = Ride(with_node(node)).presses("1")
    assert ride.node == "fault-agent"
    assert reason in ride.notes


def test_a_loop_that_the_loader_could_not_see_is_left() -> None:
    outer = flow("a: {type: subflow, flow: inner, next: a2}\na2: {type: hangup}")
    inner = flow("b: {type: subflow, flow: inner, next: end}\nend: {type: return}", name="inner")
    ride = Ride(outer, inner)
    assert ride.node == "fault-agent"
    assert "the flow goes round in circles" in ride.notes


def test_late_events_change_nothing() -> None:
    ride = Ride(SIMPLE).presses("1").hears_out()
    assert ride.outcome == "self_service"
    path = ride.path
    ride.presses("1").takes(PromptsEnded()).takes(Failed(what="late"))
    assert ride.path == path


# --- whatever happens -----------------------------------------------------------------------------

EVERYTHING = flow(
    """
    open: {type: hours, week: {mon-sun: ["00:00-24:00"]}, open: hello, closed: message}
    hello: {type: play, prompt: Hola, next: menu}
    menu:
      type: menu
      prompt: Diga
      choices:
        - {key: "1", say: [ventas], next: queue}
        - {key: "2", say: [pedido], next: order}
        - {key: "3", say: [ciudad], next: city}
        - {key: "4", next: sub}
        - {key: "5", next: away}
        - {key: "6", next: message}
      on_failure: queue
    order:
      type: gather
      prompt: Número
      variable: order
      minimum: 2
      maximum: 4
      speech: true
      next: check
    check:
      type: branch
      cases: [{variable: order, starts_with: "9", next: english}]
      otherwise: menu
    english: {type: set, values: {language: en}, next: menu}
    city: {type: listen, prompt: Ciudad, variable: city, next: sure, turn: {barge_in: false}}
    sure: {type: confirm, prompt: "¿{city}?", next: menu, retry: city, on_failure: menu}
    sub: {type: subflow, flow: inner, next: menu}
    away: {type: transfer, target: "201", prompt: Le paso, on_failure: menu}
    queue: {type: enqueue, queue: sales, prompt: Espere, otherwise: message, after: survey}
    survey: {type: menu, prompt: "", choices: [{key: "1", next: bye}], on_failure: bye}
    message: {type: voicemail, queue: sales, next: bye}
    bye: {type: hangup, prompt: Adiós}
    """,
    fault="queue",
)
INNER = flow(
    """
    ask: {type: gather, prompt: Dentro, variable: x, next: back, on_failure: back}
    back: {type: return}
    """,
    name="inner",
)

EVENTS: list[st.SearchStrategy[Event]] = [
    st.builds(KeyPressed, digit=st.sampled_from("0123456789*#")),
    st.builds(PromptsEnded),
    st.builds(SpeechBegan),
    st.builds(
        Heard,
        text=st.sampled_from(["ventas", "pedido", "ciudad", "uno dos", "sí", "no", ""]),
        confidence=st.floats(0, 1),
    ),
    st.builds(ListeningFailed, reason=st.just("gone")),
    st.builds(TimerFired, timer=st.sampled_from(Timer)),
    st.builds(QueueLeft, how=st.sampled_from(QueueExit)),
    st.builds(VoicemailEnded, how=st.sampled_from(VoicemailEnd)),
    st.builds(TransferFailed, reason=st.just("busy")),
    st.builds(Failed, what=st.just("OSError")),
]


@given(st.lists(st.one_of(EVENTS), max_size=40))
def test_no_sequence_of_events_raises(events: list[Event]) -> None:
    ride = Ride(EVERYTHING, INNER)
    for event in events:
        if not ride.outcome:
            ride.takes(event)
    assert not any("Error" in note and note != "OSError" for note in ride.notes), ride.notes


CALLER: list[Callable[[Ride], object]] = [
    *[lambda ride, key=key: ride.presses(key) for key in "123456*#"],
    lambda ride: ride.begins_to_speak() if ride.listening else None,
    *[
        lambda ride, text=text: ride.says(text) if ride.listening else None
        for text in ("ventas", "pedido", "ciudad", "nueve uno", "sí", "no", "")
    ],
    lambda ride: ride.loses_its_ears() if ride.listening else None,
    lambda ride: ride.hears_out() if ride.playing else None,
    lambda ride: ride.hears_out() if ride.playing else None,
    lambda ride: ride.is_silent() if ride.timers else None,
    lambda ride: ride.breaks(),
    *[
        lambda ride, how=how: ride.leaves_the_queue(how) if ride.queue else None
        for how in QueueExit
    ],
    *[
        lambda ride, how=how: ride.ends_the_message(how) if ride.voicemail else None
        for how in VoicemailEnd
    ],
    lambda ride: ride.reaches_nobody() if ride.transfer else None,
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(CALLER), max_size=60))
def test_something_is_always_under_way(deeds: list[Callable[[Ride], object]]) -> None:
    """Whatever the caller does: a prompt, a timer, a queue or the end, but never dead air."""
    ride = Ride(EVERYTHING, INNER)
    for deed in deeds:
        assert ride.waits_for, f"nothing will ever happen at {ride.path}"
        if ride.outcome:
            break
        deed(ride)
    assert ride.waits_for


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(CALLER), max_size=30))
def test_a_caller_who_falls_silent_reaches_an_end(deeds: list[Callable[[Ride], object]]) -> None:
    ride = Ride(EVERYTHING, INNER)
    for deed in deeds:
        if not ride.outcome:
            deed(ride)
    for _ in range(200):
        if ride.outcome:
            break
        if ride.queue:
            ride.leaves_the_queue(QueueExit.MAX_WAIT)
        elif ride.voicemail:
            ride.ends_the_message(VoicemailEnd.NOTHING_SAID)
        elif ride.transfer:
            ride.reaches_nobody()
        elif ride.playing:
            ride.hears_out()
        else:
            ride.is_silent()
    assert ride.outcome, f"still here: {ride.path[-20:]}"
