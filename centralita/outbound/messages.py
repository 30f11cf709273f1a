"""`decide_message`: whether a message to the outside may be written. Pure.

The countries and premium rates are those of calls: whoever may not be called is not written to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from centralita.core.errors import Conflict, InvalidInput, Values
from centralita.core.refusals import Refusal
from centralita.outbound.numbers import read_number
from centralita.outbound.rules import Barred, Rules, barred


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """The most messages of one day: of one agent, and of the whole house."""

    agent_sms: int = 100
    sms: int = 500
    agent_emails: int = 300
    emails: int = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How many messages of that channel were written this day: by the same writer, and by all."""

    own: int = 0
    all: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """It may not be written. `values` are what words of another language need."""

    reason: Refusal
    message: str
    values: Values = field(default_factory=dict)

    def error(self) -> Conflict:
        """As whoever asked for it hears it."""
        why = self.reason
        return Conflict(self.message, code=why, values=self.values)


def decide_message(
    rules: Rules, limits: MessageLimits, *, sms: bool, to: str, written: Written
) -> MessageRefused | None:
    """Why this message may not be written now; None when it may."""
    if sms and (refused := _refused_number(rules, to)) is not None:
        return refused
    own, whole = (limits.agent_sms, limits.sms) if sms else (limits.agent_emails, limits.emails)
    kind = "sms" if sms else "emails"
    if written.own >= own:
        return MessageRefused(
            reason=Refusal.MESSAGES_OF_WRITER,
            message=f"{written.own} messages were written today; see [outbound] agent_{kind}",
            values={"messages": written.own, "rule": f"agent_{kind}"},
        )
    if written.all >= whole:
        return MessageRefused(
            reason=Refusal.MESSAGES_OF_ALL,
            message=f"all together wrote {written.all} messages today; see [outbound] {kind}",
            values={"messages": written.all, "rule": kind},
        )
    return None


def _refused_number(rules: Rules, to: str) -> MessageRefused | None:
    try:
        number = read_number(to, rules.region, rules.emergency)
    except InvalidInput as exc:
        return MessageRefused(
            reason=Refusal.OUT_NOT_A_NUMBER, message=exc.reason, values={"number": to}
        )
    match barred(rules, number):
        case Barred(rule="costly"):
            return MessageRefused(
                reason=Refusal.OUT_COSTLY,
                message=f"{number.text} may cost any price; see [outbound] costly",
                values={"number": number.text},
            )
        case Barred(rule=rule):
            return MessageRefused(
                reason=Refusal.MESSAGE_NOT_ALLOWED,
                message=f"SMS to {number.text} are not allowed; see [outbound] {rule}",
                values={"number": number.text},
            )
        case None:
            return None
