"""When a trunk is said to be down, and when not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from centralita.telephony.edge.trunk_state import (
    Condition,
    Enrolment,
    Facts,
    Opinion,
    Pace,
    Trouble,
)

PACE = Pace()


@dataclass
class Line:
    """A trunk that is looked at once a second, as by the watch."""

    opinion: Opinion
    answers: bool = True
    facts: Facts = field(default_factory=Facts)
    now: float = 1000.0
    asked: int = 0

    def passes(self, seconds: float) -> Condition:
        for _ in range(round(seconds)):
            self.now += 1
            self.opinion, ask = self.opinion.look(self.facts, self.now, PACE)
            if ask:
                self.asked += 1
                number = str(self.opinion.number)
                self.facts = replace(self.facts, sent=number)
                if self.answers:
                    self.facts = replace(self.facts, answered=number)
        return self.opinion.condition

    def registers(self, code: int, *, proven: bool = True) -> None:
        """The registrar's answer to a REGISTER at this moment."""
        online = code == 200
        register = (code, proven, round(self.now))
        self.facts = replace(self.facts, register=register, online=online, expires=600)


def by_address(*, answers: bool = True) -> Line:
    return Line(Opinion(asks=True, registers=False), answers=answers)


def with_account() -> Line:
    return Line(Opinion(asks=True, registers=True))


def test_nothing_is_bad_before_anything_is_known() -> None:
    line = by_address(answers=False)
    assert line.passes(1) is Condition.UNKNOWN
    assert line.opinion.trouble is None


def test_one_that_only_calls_us_is_never_asked_and_never_down() -> None:
    line = Line(Opinion(asks=False, registers=False), answers=False)
    assert line.passes(600) is Condition.UNKNOWN
    assert line.asked == 0


def test_one_that_answers_is_up_and_is_asked_twice_a_minute() -> None:
    line = by_address()
    assert line.passes(2) is Condition.UP
    line.passes(600)
    assert 18 <= line.asked <= 21


def test_a_question_that_is_lost_is_asked_again_before_anything_is_said() -> None:
    line = by_address()
    line.passes(2)
    line.answers = False
    assert line.passes(30 + PACE.patience) is Condition.UP
    line.answers = True
    assert line.passes(30) is Condition.UP


def test_one_that_is_silent_is_down_within_a_minute_and_up_at_its_first_answer() -> None:
    line = by_address()
    line.passes(2)
    line.answers = False
    assert line.passes(50) is Condition.DOWN
    assert line.opinion.trouble is Trouble.NO_ANSWER
    asked = line.asked
    line.passes(180)
    assert line.asked - asked <= 18
    line.answers = True
    assert line.passes(20) is Condition.UP
    assert line.opinion.trouble is None


def test_an_edge_that_is_started_anew_does_not_make_trunks_silent() -> None:
    line = by_address()
    line.passes(2)
    for _ in range(20):
        line.passes(9)
        line.facts = Facts()
    assert line.opinion.condition is Condition.UP


@pytest.mark.parametrize(
    ("code", "proven", "trouble"),
    [
        (401, True, Trouble.PASSWORD),
        (407, True, Trouble.PASSWORD),
        (403, True, Trouble.REFUSED),
        (404, False, Trouble.REFUSED),
        (500, False, Trouble.REFUSED),
    ],
)
def test_a_registrar_that_says_no_at_first_is_told_of_at_once(
    code: int, proven: bool, trouble: Trouble
) -> None:
    line = with_account()
    line.registers(code, proven=proven)
    assert line.passes(2) is Condition.DOWN
    assert (line.opinion.trouble, line.opinion.code) == (trouble, code)
    assert line.opinion.enrolment is Enrolment.REFUSED
    line.registers(200)
    assert line.passes(1) is Condition.UP


@pytest.mark.parametrize(("code", "proven"), [(401, False), (407, False), (423, True)])
def test_a_challenge_is_not_a_no(code: int, proven: bool) -> None:
    line = with_account()
    line.registers(code, proven=proven)
    assert line.passes(20) is Condition.UNKNOWN
    assert line.opinion.enrolment is Enrolment.TRYING


def test_a_registration_that_is_renewed_stays_and_one_that_is_lost_goes() -> None:
    line = with_account()
    line.registers(200)
    line.passes(5)
    line.registers(401)  # its nonce was too old: it is tried again after half a minute
    assert line.passes(35) is Condition.UP
    line.registers(200)
    assert line.passes(100) is Condition.UP
    line.registers(403)
    assert line.passes(60) is Condition.DOWN
    assert line.opinion.trouble is Trouble.REFUSED


def test_a_registrar_that_is_silent_is_down() -> None:
    line = Line(Opinion(asks=False, registers=True))
    line.facts = Facts(register=(0, False, 1000))
    assert line.passes(30) is Condition.UNKNOWN
    assert line.passes(30) is Condition.DOWN
    assert line.opinion.trouble is Trouble.NO_ANSWER
    assert line.opinion.enrolment is Enrolment.TRYING


def test_a_registrar_that_does_not_care_for_options_is_up() -> None:
    line = with_account()
    line.answers = False
    line.registers(200)
    assert line.passes(300) is Condition.UP
    assert line.asked <= 30


def test_a_registrar_that_has_answered_options_is_down_when_it_is_silent() -> None:
    line = with_account()
    line.registers(200)
    line.passes(5)
    line.answers = False
    assert line.passes(60) is Condition.DOWN
    line.registers(200)  # later, by another REGISTER
    assert line.passes(1) is Condition.UP
