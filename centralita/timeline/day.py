"""What an agent did in a day: the figures, and what each is made of. Pure.

As everywhere: handling is talk (with hold) and wrap-up, by conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from centralita.core.ids import CallId
from centralita.core.wire import Plain

_ENDED, _SETTLED = "conversation_ended", "offer_settled"
_WRAP_UP, _WRAPPED_UP = "wrap_up_started", "wrap_up_ended"
_EXTENDED = "wrap_up_extended"
HowMissed = Literal["no_answer", "declined", "unreachable"]
# The lines of a journal that count.
MATTER = (_ENDED, _SETTLED, _WRAP_UP, _EXTENDED, _WRAPPED_UP)
# An offer that the caller or another agent ended was not missed.
_MISSED: Mapping[str, HowMissed] = {
    "no_answer": "no_answer",
    "declined": "declined",
    "unreachable": "unreachable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a call's journal that is about the agent."""

    call_id: CallId
    at: datetime
    type: str
    data: Mapping[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOfDay:
    """Whose call it was."""

    interaction_id: str
    caller: str
    customer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation that ended, with the wrap-up after it. `talked` includes hold."""

    call_id: CallId
    ended_at: datetime
    talked: timedelta
    wrapped_up: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedOffer:
    """A phone that rang without being answered: `no_answer`, `declined` or `unreachable`."""

    call_id: CallId
    at: datetime
    how: HowMissed


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The lists behind the figures, newest first."""

    conversations: tuple[Conversation, ...] = ()
    missed: tuple[MissedOffer, ...] = ()
    wrapped_up: timedelta = field(default=timedelta(0))

    @property
    def talked(self) -> timedelta:
        """The time in conversations."""
        return sum((one.talked for one in self.conversations), timedelta(0))


def day_of(lines: Iterable[Line], now: datetime) -> Day:
    """The day that some lines tell of, in their order. Wrap-up that goes on counts up to `now`.

    None lasts longer than the agent was given for it: its end may have been lost with the server.
    """
    conversations: list[Conversation] = []
    missed: list[MissedOffer] = []
    spans: dict[CallId, timedelta] = {}
    since: dict[CallId, datetime] = {}
    until: dict[CallId, datetime] = {}
    for line in lines:
        match line.type:
            case "conversation_ended":
                talked = timedelta(seconds=_seconds(line.data.get("talked")))
                conversations.append(
                    Conversation(call_id=line.call_id, ended_at=line.at, talked=talked)
                )
            case "offer_settled":
                how = _MISSED.get(str(line.data.get("state")))
                if how is not None:
                    missed.append(MissedOffer(call_id=line.call_id, at=line.at, how=how))
            case "wrap_up_started":
                since[line.call_id] = line.at
                until[line.call_id] = _time(line.data.get("until"), now)
            case "wrap_up_extended":
                until[line.call_id] = _time(line.data.get("until"), now)
            case "wrap_up_ended" if line.call_id in since:
                span = line.at - since.pop(line.call_id)
                spans[line.call_id] = spans.get(line.call_id, timedelta(0)) + span
            case _:
                pass
    for call_id, began in since.items():
        span = max(min(now, until[call_id]) - began, timedelta(0))
        spans[call_id] = spans.get(call_id, timedelta(0)) + span
    # A call that came back to the agent has several conversations: its wrap-up counts once.
    left = dict(spans)
    told = [
        Conversation(
            call_id=one.call_id,
            ended_at=one.ended_at,
            talked=one.talked,
            wrapped_up=left.pop(one.call_id, timedelta(0)),
        )
        for one in reversed(conversations)
    ]
    return Day(
        conversations=tuple(told),
        missed=tuple(reversed(missed)),
        wrapped_up=sum(spans.values(), timedelta(0)),
    )


def _time(value: Plain, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else otherwise
    except ValueError:
        return otherwise


def _seconds(value: Plain) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
