"""`decide`: whether a call to the outside may be made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from centralita.core.errors import InvalidInput, Values
from centralita.outbound.numbers import Number, longest, read_number


class Reason(StrEnum):
    """Why a call was refused. Stable: metrics and the audit log know these."""

    NOT_A_NUMBER = "not_a_number"
    NOT_ALLOWED = "not_allowed"
    COSTLY = "costly"
    NIGHT = "night"
    NOT_SIGNED_IN = "not_signed_in"
    CALLS_OF_CALLER = "calls_of_caller"
    TIME_OF_CALLER = "time_of_caller"
    CALLS = "calls"
    TIME = "time"
    CONCURRENT = "concurrent"
    UNAVAILABLE = "unavailable"


class Kind(StrEnum):
    """Who makes a call."""

    AGENT = "agent"
    FLOW = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Originator:
    """On whose account a call goes. `signed_in` counts for agents."""

    kind: Kind
    ident: str
    signed_in: bool = True

    @property
    def key(self) -> str:
        """`agent:agent_ana`, `flow:main`."""
        return f"{self.kind.value}:{self.ident}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most of one day, and at once."""

    agent_calls: int = 100
    agent_time: timedelta = timedelta(hours=5)
    flow_calls: int = 300
    flow_time: timedelta = timedelta(hours=20)
    calls: int = 500
    time: timedelta = timedelta(hours=40)
    concurrent: int = 20

    def calls_of(self, kind: Kind) -> int:
        """The most calls a day of one originator."""
        return self.agent_calls if kind is Kind.AGENT else self.flow_calls

    def time_of(self, kind: Kind) -> timedelta:
        """The most time a day of one originator."""
        return self.agent_time if kind is Kind.AGENT else self.flow_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the house allows.

    `allow` and `deny` are prefixes in E.164 (`+34`, `+3491`) or short numbers (`1004`), of which
    the longest that fits decides; with an empty `allow` the whole own region is allowed. `costly`
    are the prefixes that may be called although they are premium rates or in no numbering plan.
    Between the times of `night`, only `night_allow`. Prices are per minute, by prefix.
    """

    region: str
    zone: tzinfo | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    costly: tuple[str, ...] = ()
    emergency: tuple[str, ...] = ()
    night: tuple[time, time] | None = None
    night_allow: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    alert_at: Decimal | None = None

    def day_of(self, now: datetime) -> datetime:
        """When the present day began, where the house is."""
        return now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def is_night(self, now: datetime) -> bool:
        """Whether the rules of the night hold."""
        if self.night is None:
            return False
        begins, ends = self.night
        local = now.astimezone(self.zone).time()
        if begins <= ends:
            return begins <= local < ends
        return local >= begins or local < ends

    def price_of(self, number: Number) -> Decimal:
        """Per minute."""
        return self.prices.get(longest(self.prices, number.text), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What has been called this day: by the originator, by all, and how many calls go on now.

    A call that goes on counts with the time that it has lasted.
    """

    own_calls: int = 0
    own_time: timedelta = timedelta()
    calls: int = 0
    time: timedelta = timedelta()
    running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The call may be made, to `number` as it is written here, at this price per minute."""

    number: Number
    price: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It may not be made. `message` is for the person who must mend it or give up; `values` are
    what words of another language need: the number, the rule or the limit."""

    reason: Reason
    message: str
    values: Values = field(default_factory=dict)


Verdict = Allowed | Refused


def decide(rules: Rules, dialled: str, who: Originator, usage: Usage, now: datetime) -> Verdict:
    """Whether `who` may call `dialled` now. Emergency calls of agents always may."""
    try:
        number = read_number(dialled, rules.region, rules.emergency)
    except InvalidInput as exc:
        return Refused(reason=Reason.NOT_A_NUMBER, message=exc.reason, values={"number": dialled})
    allowed = Allowed(number=number, price=rules.price_of(number))
    if number.emergency and who.kind is Kind.AGENT:
        return allowed
    return (
        _refused_caller(who)
        or _refused_number(rules, number, now)
        or _refused_amount(rules, who, usage)
        or allowed
    )


def _refused_caller(who: Originator) -> Refused | None:
    if who.kind is Kind.AGENT and not who.signed_in:
        return Refused(
            reason=Reason.NOT_SIGNED_IN,
            message="sign in first: calls to the outside are for agents at work",
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Nothing may go to a number: `number` is it, or the prefix that is denied, and `rule` the
    setting that says so."""

    number: str
    rule: Literal["deny", "allow", "costly"]


def barred(rules: Rules, number: Number) -> Barred | None:
    """Why neither calls nor messages go to that number; None when they may. What is named in
    `costly` need not be in `allow`, and a short number in `allow` not in `costly`."""
    allow, deny = longest(rules.allow, number.text), longest(rules.deny, number.text)
    own = not rules.allow and not number.is_short and number.region == rules.region
    costly = longest(rules.costly, number.text)
    if deny and len(deny) >= len(allow):
        return Barred(number=deny, rule="deny")
    if not (allow or own or costly):
        return Barred(number=number.text, rule="allow")
    if number.costly and not costly and not (number.is_short and allow):
        return Barred(number=number.text, rule="costly")
    return None


def _refused_number(rules: Rules, number: Number, now: datetime) -> Refused | None:
    match barred(rules, number):
        case Barred(number=text, rule="costly"):
            return Refused(
                reason=Reason.COSTLY,
                message=f"{text} may cost any price; see [outbound] costly",
                values={"number": text},
            )
        case Barred(number=text, rule=rule):
            return Refused(
                reason=Reason.NOT_ALLOWED,
                message=f"calls to {text} are not allowed; see [outbound] {rule}",
                values={"number": text, "rule": rule},
            )
        case None:
            pass
    if rules.is_night(now) and not longest(rules.night_allow, number.text):
        return Refused(
            reason=Reason.NIGHT,
            message=f"calls to {number.text} are not allowed at this hour; "
            "see [outbound] night_allow",
            values={"number": number.text},
        )
    return None


def _refused_amount(rules: Rules, who: Originator, usage: Usage) -> Refused | None:
    limits = rules.limits
    kind = who.kind.value
    own, whole = _minutes(usage.own_time), _minutes(usage.time)
    for over, reason, values, message in (
        (usage.running >= limits.concurrent, Reason.CONCURRENT, {"calls": usage.running},
         f"{usage.running} calls to the outside go on; see [outbound] concurrent"),
        (usage.own_calls >= limits.calls_of(who.kind), Reason.CALLS_OF_CALLER,
         {"calls": usage.own_calls},
         f"{who.ident} has made {usage.own_calls} calls today; see [outbound] {kind}_calls"),
        (usage.own_time >= limits.time_of(who.kind), Reason.TIME_OF_CALLER, {"minutes": own},
         f"{who.ident} has called for {own} minutes today; see [outbound] {kind}_time"),
        (usage.calls >= limits.calls, Reason.CALLS, {"calls": usage.calls},
         f"{usage.calls} calls have been made today; see [outbound] calls"),
        (usage.time >= limits.time, Reason.TIME, {"minutes": whole},
         f"calls of today lasted {whole} minutes; see [outbound] time"),
    ):  # fmt: skip
        if over:
            return Refused(reason=reason, message=message, values=values)
    return None


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


def time_left(rules: Rules, who: Originator, usage: Usage) -> timedelta:
    """Until a running call of `who` must end, if it went on alone; not below zero."""
    left = min(rules.limits.time_of(who.kind) - usage.own_time, rules.limits.time - usage.time)
    return max(left, timedelta())
