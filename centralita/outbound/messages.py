"""`decide_message`: whether a message to the outside may be written. Pure.

The countries and premium rates are those of calls: whoever may not be called is not written to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from centralita.core.errors import Conflict, InvalidInput, Values
from centralita.core.refusals import Refusal
from centralita.outbound.numbers import longest, read_number
from centralita.outbound.rules import Rules


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
        number = read_number(to, rules.region)
    except InvalidInput as exc:
        return MessageRefused(
            reason=Refusal.OUT_NOT_A_NUMBER, message=exc.reason, values={"number": to}
        )
    allow, deny = longest(rules.allow, number.text), longest(rules.deny, number.text)
    own = not rules.allow and not number.is_short and number.region == rules.region
    if deny and len(deny) >= len(allow):
        allow, own = "", False
    if not (allow or own):
        return MessageRefused(
            reason=Refusal.MESSAGE_NOT_ALLOWED,
            message=f"SMS to {number.text} are not allowed; see [outbound] allow and deny",
            values={"number": number.text},
        )
    if number.costly and not longest(rules.costly, number.text):
        return MessageRefused(
            reason=Refusal.OUT_COSTLY,
            message=f"{number.text} may cost any price; see [outbound] costly",
            values={"number": number.text},
        )
    return None
