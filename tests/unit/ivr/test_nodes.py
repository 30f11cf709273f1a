"""Each kind of node, as callers meet it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.ivr.nodes.turn import TurnState
from centralita.ivr.nodes.words import normalise, spoken_digits
from centralita.ivr.signals import QueueExit, Timer, VoicemailEnd
from tests.support.flows import Ride, flow

END = "bye: {type: hangup, prompt: Adiós}\n"

MENU = flow(
    """
    menu:
      type: menu
      prompt: ¿Qué desea?
      choices:
        - {key: "1", say: [ventas], next: bye, set: {topic: ventas}}
        - {key: "2", say: [ventas internacionales], next: abroad}
      turn: {tries: 3, timeout: 5s, reprompt: Pulse uno o diga ventas}
      on_failure: operator
    bye: {type: hangup}
    abroad: {type: hangup, outcome: refused}
    operator: {type: hangup, outcome: gave_up}
    """
)


def test_a_key_cuts_the_prompt_and_chooses() -> None:
    ride = Ride(MENU).presses("1")
    assert not ride.playing
    assert ride["topic"] == "ventas"
    assert ride.outcome == "self_service"
    assert ride.notes == ["key 1", "self_service"]


def test_speech_is_listened_for_while_the_prompt_plays() -> None:
    ride = Ride(MENU)
    assert (ride.playing, ride.listening) == (True, True)
    assert ride.phrases == ("ventas", "ventas internacionales")
    ride.begins_to_speak()
    assert not ride.playing
    assert list(ride.timers) == [Timer.MAX_SPEECH]


def test_the_longest_phrase_that_was_said_counts() -> None:
    assert Ride(MENU).says("quiero Ventas, por favor").path[-1] == "bye"
    assert Ride(MENU).says("ventas internacionales").path[-1] == "abroad"


def test_what_the_recogniser_doubts_is_not_taken_for_an_answer() -> None:
    ride = Ride(MENU).says("ventas", confidence=0.3)
    assert ride.node == "menu"
    assert ride.heard[-1] == "Perdón, no le he entendido. Pulse uno o diga ventas"


def test_silence_is_told_from_misunderstanding_and_tries_end() -> None:
    ride = Ride(MENU).hears_out()
    assert ride.timers == {Timer.NO_INPUT: timedelta(seconds=5)}
    ride.is_silent()
    assert ride.heard[-1] == "No he oído nada. Pulse uno o diga ventas"
    ride.presses("7")
    assert ride.heard[-1].startswith("Perdón")
    ride.hears_out().is_silent()
    assert ride.outcome == "gave_up"
    assert ride.notes == ["no_input", "gave_up"]


def test_who_never_stops_talking_is_asked_again() -> None:
    ride = Ride(MENU).begins_to_speak().is_silent()
    assert ride.heard[-1].startswith("Perdón")


def test_no_timer_of_one_try_ends_the_next() -> None:
    ride = Ride(MENU).says("jirafa")
    assert ride.timers == {}
    ride.hears_out()
    assert list(ride.timers) == [Timer.NO_INPUT]


def test_two_failures_of_the_ears_leave_the_keys_and_cost_no_try() -> None:
    ride = Ride(MENU).loses_its_ears()
    assert ride.listening
    ride.loses_its_ears()
    assert not ride.listening
    assert ride.heard[-1].startswith("Ahora mismo no puedo escucharle")
    assert isinstance(ride.run.node_state, TurnState)
    assert ride.run.node_state.tries == 1
    assert ride.presses("1").outcome == "self_service"


def test_where_too_many_speak_a_caller_is_told_to_use_the_keys_at_once() -> None:
    ride = Ride(MENU).loses_its_ears(busy=True)
    assert not ride.listening
    assert ride.heard[-1].startswith("Ahora mismo no puedo escucharle")
    assert ride.presses("1").outcome == "self_service"


def test_without_barge_in_the_prompt_is_heard_out() -> None:
    ride = Ride(
        flow(
            """
            menu:
              type: menu
              prompt: Aviso legal
              choices: [{key: "1", next: bye}]
              turn: {barge_in: false}
            bye: {type: hangup}
            """
        )
    )
    ride.presses("1").begins_to_speak()
    assert ride.playing
    assert ride.hears_out().presses("1").outcome == "self_service"


def test_an_empty_prompt_waits_at_once() -> None:
    ride = Ride(flow('menu: {type: menu, prompt: "", choices: [{key: "1", next: bye}]}\n' + END))
    assert ride.waits_for == ["no_input"]


# --- gather ---------------------------------------------------------------------------------------


def gather(more: str = "") -> Ride:
    node = (
        f"prompt: Su pedido, variable: order, next: bye, on_failure: lost, {more or 'minimum: 4'}"
    )
    lost = "lost: {type: hangup, outcome: gave_up}\n"
    return Ride(flow(f"ask: {{type: gather, {node}}}\n" + END + lost))


def test_the_terminator_ends_the_number_and_is_not_part_of_it() -> None:
    assert gather().presses("12345#")["order"] == "12345"


def test_the_longest_number_ends_by_itself() -> None:
    ride = gather("minimum: 4, maximum: 4").presses("1234")
    assert (ride["order"], ride.node) == ("1234", "bye")


def test_a_pause_between_keys_ends_the_number() -> None:
    ride = gather().presses("1234")
    assert ride.timers == {Timer.INTER_DIGIT: timedelta(seconds=3)}
    assert ride.is_silent()["order"] == "1234"


def test_too_few_digits_are_asked_for_again_from_the_start() -> None:
    ride = gather().presses("12#")
    assert ride.heard[-1].startswith("Perdón")
    assert ride.timers == {}
    assert ride.presses("5678#")["order"] == "5678"


def test_a_number_that_never_comes_leaves_by_its_exit() -> None:
    ride = gather()
    for _ in range(3):
        ride.hears_out().is_silent()
    assert ride.outcome == "gave_up"


def test_spoken_digits_count_and_may_come_in_two_breaths() -> None:
    ride = gather("minimum: 4, speech: true")
    ride.says("uno dos")
    assert list(ride.timers) == [Timer.INTER_DIGIT]
    ride.begins_to_speak()
    assert list(ride.timers) == [Timer.MAX_SPEECH]
    assert ride.says("tres cuatro")["order"] == "1234"


# --- listen and confirm ---------------------------------------------------------------------------

LISTEN = """
ask: {type: listen, prompt: "¿Ciudad?", variable: city, phrases: [Lugo, Vigo], next: sure}
sure:
  type: confirm
  prompt: "¿Ha dicho {city}?"
  next: bye
  retry: ask
  turn: {tries: 2}
  on_failure: lost
lost: {type: hangup, outcome: gave_up}
"""


@pytest.mark.parametrize(
    ("confidence", "node"), [(0.95, "bye"), (0.85, "bye"), (0.84, "sure"), (0.35, "sure")]
)
def test_confidence_decides_whether_to_ask_back(confidence: float, node: str) -> None:
    ride = Ride(flow(LISTEN + END)).says("Vigo", confidence)
    assert (ride["city"], ride.node) == ("vigo", node)


def test_too_unsure_is_asked_anew_at_once() -> None:
    ride = Ride(flow(LISTEN + END)).says("Vigo", 0.34)
    assert ride.path == ["ask", "sure", "ask"]


@pytest.mark.parametrize(
    ("answer", "path"),
    [("sí", "bye"), ("no", "ask"), ("correcto gracias", "bye")],
)
def test_yes_and_no_are_understood(answer: str, path: str) -> None:
    ride = Ride(flow(LISTEN + END)).says("Vigo", 0.6)
    assert ride.heard[-1] == "¿Ha dicho vigo?"
    assert ride.says(answer).path[-1] == path


@pytest.mark.parametrize(("key", "node"), [("1", "bye"), ("2", "ask"), ("7", "sure")])
def test_keys_stand_for_yes_and_no(key: str, node: str) -> None:
    assert Ride(flow(LISTEN + END)).says("Vigo", 0.6).presses(key).node == node


def test_a_key_may_answer_what_was_to_be_said() -> None:
    ride = Ride(flow(LISTEN + END)).presses("3")
    assert (ride["city"], ride["confidence"]) == ("3", "1.00")


def test_a_listening_node_without_ears_takes_the_fault_exit() -> None:
    ride = Ride(flow(LISTEN + END)).loses_its_ears().loses_its_ears()
    assert ride.node == "fault-agent"


# --- hours ----------------------------------------------------------------------------------------

HOURS = flow(
    """
    hours:
      type: hours
      week: {mon-fri: ["09:00-14:00", "16:00-24:00"], sat: ["00:00-02:00"]}
      holidays: ["12-25", "2026-01-06"]
      open: open
      closed: closed
    open: {type: hangup, outcome: self_service}
    closed: {type: hangup, outcome: refused}
    """
)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-05T08:00", "self_service"),  # Monday, 9:00 in Madrid
        ("2026-01-05T07:59", "refused"),
        ("2026-01-05T12:59", "self_service"),
        ("2026-01-05T13:00", "refused"),
        ("2026-01-05T22:59", "self_service"),  # 23:59
        ("2026-01-05T23:00", "refused"),  # Tuesday, midnight
        ("2026-01-09T23:30", "self_service"),  # Saturday, half past midnight
        ("2026-01-10T01:00", "refused"),
        ("2026-01-06T10:00", "refused"),  # a holiday of this year
        ("2030-12-25T10:00", "refused"),  # a holiday of every year
        ("2026-07-06T07:00", "self_service"),  # summer time: 9:00
        ("2026-07-06T06:59", "refused"),
    ],
)
def test_open_hours_are_those_of_the_place(moment: str, expected: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert Ride(HOURS, now=now).outcome == expected


# --- the others -----------------------------------------------------------------------------------


def test_play_says_and_goes_on_and_a_key_skips_it() -> None:
    played = flow("hello: {type: play, prompt: [Hola, {wav: jingle.wav}], next: bye}\n" + END)
    ride = Ride(played)
    assert ride.heard == ["Hola jingle.wav"]
    assert ride.hears_out().node == "bye"
    skipped = Ride(played).presses("5")
    assert skipped.node == "bye"
    assert skipped.notes == ["skipped"]


@pytest.mark.parametrize(
    ("segment", "target"), [("gold", "a"), ("silver", "b"), ("brass", "c"), ("", "d"), ("x", "e")]
)
def test_the_first_case_that_holds_decides(segment: str, target: str) -> None:
    ends = "".join(f"{name}: {{type: hangup}}\n" for name in "abcde")
    ride = Ride(
        flow(
            """
branch:
  type: branch
  cases:
    - {variable: customer_segment, equals: gold, next: a}
    - {variable: customer_segment, one_of: [silver, tin], next: b}
    - {variable: customer_segment, starts_with: bra, next: c}
    - {variable: customer_segment, is_set: false, next: d}
  otherwise: e
"""
            + ends
        ),
        customer_segment=segment,
    )
    assert ride.path[-1] == target


def test_set_fills_in_variables_and_switches_the_language() -> None:
    ride = Ride(
        flow(
            """
            set: {type: set, values: {language: en, who: "{caller}-{dialled}"}, next: menu}
            menu: {type: menu, prompt: Hello, choices: [{key: "1", next: bye}]}
            bye: {type: hangup}
            """
        ),
        caller="600",
        dialled="100",
    )
    assert ride["who"] == "600-100"
    assert ride.hears_out().is_silent().heard[-1] == "I did not hear anything. Hello"


QUEUE = """
    sales:
      type: enqueue
      queue: sales
      prompt: Un momento
      otherwise: message
      key: bye
      skills: {german: 2}
    message: {type: voicemail, queue: sales, on_failure: bye}
    bye: {type: hangup, outcome: gave_up}
"""


@pytest.mark.parametrize(
    ("how", "node"),
    [
        (QueueExit.MAX_WAIT, "message"),
        (QueueExit.EMPTY, "message"),
        (QueueExit.UNAVAILABLE, "message"),
        (QueueExit.KEY, ""),
    ],
)
def test_who_leaves_the_queue_is_not_left_alone(how: QueueExit, node: str) -> None:
    ride = Ride(flow(QUEUE)).hears_out()
    assert ride.queue == "sales"
    assert ride.leaves_the_queue(how).node == node


def test_after_the_conversation_the_call_is_over() -> None:
    ride = Ride(flow(QUEUE)).hears_out().leaves_the_queue(QueueExit.CONVERSATION_ENDED)
    assert ride.outcome == "served"


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        (VoicemailEnd.NOTHING_SAID, "nothing said"),
        (VoicemailEnd.FAILED, "gave_up"),
    ],
)
def test_a_message_that_is_none_ends_as_such(how: VoicemailEnd, outcome: str) -> None:
    ride = Ride(flow(QUEUE)).hears_out().leaves_the_queue(QueueExit.EMPTY).hears_out()
    assert ride.ends_the_message(how).outcome == outcome


def test_a_message_is_thanked_for_and_a_key_skips_the_greeting() -> None:
    ride = Ride(flow(QUEUE)).hears_out().leaves_the_queue(QueueExit.EMPTY).presses("1")
    assert ride.voicemail is not None
    assert (ride.voicemail.queue, ride.voicemail.language) == ("sales", "es")
    ride.ends_the_message().hears_out()
    assert ride.outcome == "saved"


def test_a_transfer_that_fails_goes_on() -> None:
    ride = Ride(
        flow(
            """
            away: {type: transfer, target: "{caller}", prompt: Le paso, on_failure: bye}
            bye: {type: hangup}
            """
        ),
        caller="+34600111222",
    ).hears_out()
    assert ride.transfer == "+34600111222"
    assert ride.reaches_nobody().notes[-2:] == ["busy", "self_service"]


def test_a_sub_flow_returns_to_where_it_was_called() -> None:
    outer = flow("a: {type: subflow, flow: inner, next: bye}\n" + END)
    inner = flow(
        """
        hello: {type: play, prompt: Dentro, next: set}
        set: {type: set, values: {found: "yes"}, next: back}
        back: {type: return}
        """,
        name="inner",
    )
    ride = Ride(outer, inner)
    assert ride.heard == ["Dentro"]
    ride.hears_out()
    assert (ride.node, ride["found"]) == ("bye", "yes")


def test_a_flow_that_does_not_exist_leads_to_a_person() -> None:
    ride = Ride(flow("a: {type: subflow, flow: nowhere, next: bye}\n" + END))
    assert ride.node == "fault-agent"


# --- words ----------------------------------------------------------------------------------------


def test_words_are_compared_as_recognisers_write_them() -> None:
    assert normalise("  ¡Sí,  Señor!  ") == "sí señor"
    assert normalise("don't") == "don't"


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("uno dos [unk] tres", "123"),
        ("Zero oh nine", "009"),
        ("nada", ""),
        ("cero, nueve", "09"),
    ],
)
def test_spoken_digits_are_read(said: str, digits: str) -> None:
    assert spoken_digits(said) == digits


@given(st.text())
def test_any_text_can_be_normalised_once_and_for_all(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_the_path_remembers_the_question_and_the_words_of_the_answer() -> None:
    ride = Ride(MENU).says("ventas", confidence=0.3).says("quiero ventas")
    asked = ride.run.path[0]
    assert (asked.said, asked.heard, asked.note) == (
        "¿Qué desea?", "quiero ventas", "speech",
    )  # fmt: skip


def test_a_long_announcement_is_remembered_by_its_beginning() -> None:
    ride = Ride(flow(f"long: {{type: hangup, prompt: '{'palabra ' * 100}'}}"))
    said = ride.run.path[0].said
    assert len(said) <= 300 and said.endswith("palabra…")


@pytest.mark.parametrize(("variable", "heard"), [("order", "48"), ("_pin", "")])
def test_what_was_keyed_in_is_in_the_path_unless_it_is_the_flows_own(
    variable: str, heard: str
) -> None:
    nodes = f"""
        ask: {{type: gather, prompt: n, variable: {variable}, maximum: 2, next: bye}}
        bye: {{type: hangup, prompt: Adiós}}
        """
    ride = Ride(flow(nodes)).presses("48")
    step = ride.run.path[0]
    assert (step.note, step.heard) == ("digits", heard)
