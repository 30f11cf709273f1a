"""Whether a trunk can be reached and takes our registration: a decision without I/O.

`Opinion.look` takes what the edge knows and what time it is, and returns the new opinion and
whether the trunk is to be asked again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus


class Condition(StrEnum):
    """UNKNOWN is not bad: nobody has found out yet, or the trunk is one that only calls us."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Enrolment(StrEnum):
    """How our registration at a trunk is. NONE: it wants none."""

    NONE = "none"
    TRYING = "trying"
    REGISTERED = "registered"
    REFUSED = "refused"


class Trouble(StrEnum):
    """Why a trunk is down."""

    NO_ANSWER = "no_answer"
    PASSWORD = "password"
    REFUSED = "refused"
    NAME = "name"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkState:
    """What is known of a trunk, for those who ask.

    `answers` is whether it answers OPTIONS or REGISTER; None as long as nobody knows. `code` is
    its answer to the latest REGISTER, `expires_at` until when it keeps the registration. When it
    is down, `trouble` says why and `message` also what to do about it. `calls_in` have come by it
    and `calls_out` were tried by it since the edge was started.
    """

    name: str
    condition: Condition = Condition.UNKNOWN
    since: datetime
    answers: bool | None = None
    registration: Enrolment = Enrolment.NONE
    code: int = 0
    expires_at: datetime | None = None
    trouble: Trouble | None = None
    message: str = ""
    calls_in: int = 0
    calls_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the edge knows of a trunk at one moment.

    `sent` and `answered` are the numbers of the latest questions. `register` is the latest
    REGISTER: the answer's code (0: none yet), whether it went out with our credentials, and when
    (the edge's clock, in seconds). `expires` is in seconds from now. `calls` have come by it and
    gone by it since the edge was started.
    """

    sent: str = ""
    answered: str = ""
    register: tuple[int, bool, int] | None = None
    online: bool = False
    expires: int = 0
    calls: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """In seconds: how often the edge is looked at; a trunk that answers is asked `every` so often
    and one that doesn't `again`. A question has `patience`; a registration that is gone has
    `grace` to come back, for it is renewed in that way, too."""

    look: float = 1.0
    every: float = 30.0
    again: float = 10.0
    patience: float = 8.0
    grace: float = 45.0


# A lost packet is nobody's fault; and a question is repeated by the edge within itself.
_FAILURES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What is thought of a trunk. `asks` is whether it is asked at all, `registers` whether we
    have an account there. Times are those of the loop's clock."""

    asks: bool
    registers: bool
    number: int = 0
    asked_at: float | None = None
    ask_at: float = 0.0
    failures: int = 0
    answers: bool | None = None
    answers_questions: bool = False
    register: tuple[int, bool, int] | None = None
    registered: bool | None = None
    refused: bool = False
    gone_at: float | None = None

    @property
    def condition(self) -> Condition:
        if self.answers is False or self.registered is False:
            return Condition.DOWN
        if self.registers and self.registered is None:
            return Condition.UNKNOWN
        return Condition.UP if self.answers else Condition.UNKNOWN

    @property
    def enrolment(self) -> Enrolment:
        if not self.registers:
            return Enrolment.NONE
        if self.registered:
            return Enrolment.REGISTERED
        return Enrolment.REFUSED if self.refused else Enrolment.TRYING

    @property
    def trouble(self) -> Trouble | None:
        """Why it is down, as far as that can be told from here."""
        if self.condition is not Condition.DOWN:
            return None
        if self.refused and self.register is not None:
            return Trouble.PASSWORD if self.register[0] in {401, 407} else Trouble.REFUSED
        return Trouble.NO_ANSWER

    @property
    def code(self) -> int:
        return self.register[0] if self.register is not None else 0

    def look(self, facts: Facts, now: float, pace: Pace) -> tuple[Opinion, bool]:
        """The opinion now, and whether the question `number` is to be asked at this moment."""
        seen = self._registration(facts, now, pace)._answer(facts, now, pace)
        if not seen.asks or seen.asked_at is not None or now < seen.ask_at:
            return seen, False
        return replace(seen, number=seen.number + 1, asked_at=now), True

    def not_asked(self) -> Opinion:
        """The question could not be put: the edge is not there."""
        return replace(self, asked_at=None)

    def _answer(self, facts: Facts, now: float, pace: Pace) -> Opinion:
        if self.asked_at is None:
            return self
        if facts.answered == str(self.number):
            return replace(
                self,
                asked_at=None,
                ask_at=now + pace.every,
                failures=0,
                answers=True,
                answers_questions=True,
            )
        if now - self.asked_at < pace.patience:
            return self
        if facts.sent != str(self.number):
            # The edge was started anew, and has forgotten what it was to ask.
            return replace(self, asked_at=None, ask_at=now)
        failures = self.failures + 1
        settled = failures >= _FAILURES
        # One that answers REGISTER and has never answered OPTIONS does not care for OPTIONS.
        deaf = self.register is not None and self.register[0] > 0 and not self.answers_questions
        return replace(
            self,
            asked_at=None,
            ask_at=now + pace.again if settled else now,
            failures=failures,
            answers=False if settled and not deaf else self.answers,
        )

    def _registration(self, facts: Facts, now: float, pace: Pace) -> Opinion:
        if not self.registers:
            return self
        seen = self
        if facts.register is not None and facts.register != self.register:
            # Between a question and its answer the last answer stays.
            if facts.register[0]:
                seen = replace(seen, register=facts.register, answers=True, failures=0)
                if self.answers is False:
                    seen = replace(seen, answers_questions=False)
            elif self.register is None:
                seen = replace(seen, register=facts.register)
        if facts.online:
            return replace(seen, registered=True, refused=False, gone_at=None)
        gone_at = now if seen.gone_at is None else seen.gone_at
        refused = facts.register is not None and _refuses(*facts.register[:2])
        lasts = now - gone_at >= pace.grace
        # What was registered is renewed by way of a challenge: only what stays so is bad.
        if lasts or (refused and not seen.registered):
            return replace(seen, registered=False, refused=refused or seen.refused, gone_at=gone_at)
        return replace(seen, gone_at=gone_at)


def _refuses(code: int, proven: bool) -> bool:
    """Whether that answer to a REGISTER is a no. A challenge is one when we have answered it."""
    if code in {401, 407}:
        return proven
    return code >= 300 and code != 423  # 423: it wants a longer time, and gets it


def refusal(code: int) -> str:
    """An answer's code in words, as far as it has common ones."""
    names = {423: "Interval Too Brief", 480: "Temporarily Unavailable", 606: "Not Acceptable"}
    try:
        return f"{code} {names.get(code) or HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
