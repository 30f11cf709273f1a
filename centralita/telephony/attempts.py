"""How a leg is dialled: attempts, one after another, and when the next one is made. Pure.

Each attempt is one INVITE. An answer that means "not by this way" leads to the next; what a person
or the number itself says (busy, declined, no such number) is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

PATIENCE = 4.0
"""How long a trunk may take to show that it is there, in seconds. By UDP it is asked four times."""

# The way is closed: overload, a gateway's fault, no answer at all, an account that is not taken.
_CLOSED = frozenset({401, 403, 407, 408, *range(500, 600)})
# The media that we offered is not wanted: with the other kind of audio it may be.
_OTHER_MEDIA = frozenset({488, 606})
# That one, too, is about this way only, unless it goes for all (RFC 3261 21.6).
_MEDIA_HERE = frozenset({488})


class Srtp(StrEnum):
    """Whether those whom we call are offered encrypted audio; optional is to try both at 488."""

    OFF = "off"
    OPTIONAL = "optional"
    MANDATORY = "mandatory"

    def offers(self, *, secret: bool) -> tuple[bool, ...]:
        """With SRTP or without, in the order in which to try. `secret` is whether the keys would
        be: in a message that is not encrypted anybody can read them, and plain audio comes first.
        """
        match self:
            case Srtp.OFF:
                return (False,)
            case Srtp.MANDATORY:
                return (True,)
            case Srtp.OPTIONAL:
                return (True, False) if secret else (False, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One INVITE, to `uri`; `to` is what stands in To, when that is another one.

    `caller` is the user of From, at `domain` (ours, if empty); without one we are anonymous.
    `peer` is the IP address the phone is known to be at, if any: the offer then names the address
    of ours that it can reach. A URI may stand for several phones (`worker.targets`): all ring.

    Attempts of one `way` (a trunk) differ in their media only. `encrypted` is whether SRTP is
    offered; None is as the worker is set. When nothing at all is heard for `patience` seconds, the
    way is closed; 0 is to wait as long as SIP does.
    """

    uri: str
    to: str = ""
    caller: str = ""
    caller_name: str = ""
    domain: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    way: str = ""
    encrypted: bool | None = None
    patience: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingParty:
    """Who calls the outside, as the house sees it; a trunk says it in its own way.

    `number` is the one that the house wants shown, empty for the trunk's own; `hidden` is to show
    none. When a caller is sent on, `caller` and `caller_name` are the caller's, and `dialled` is
    what the caller had dialled; `forwarded` is that the house itself has nobody on the line.
    """

    number: str = ""
    hidden: bool = False
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    forwarded: bool = False


def to_phone(
    attempts: Sequence[Attempt],
    *,
    caller: str,
    caller_name: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[Attempt, ...]:
    """The attempts to reach a phone of the house, for this caller."""
    return tuple(
        replace(attempt, caller=caller, caller_name=caller_name, headers=dict(headers or {}))
        for attempt in attempts
    )


def following(attempts: Sequence[Attempt], tried: int, sip_code: int, *, rang: bool) -> int | None:
    """Which attempt comes after `tried`, that ended with `sip_code`; None if that is the answer."""
    if rang or tried >= len(attempts):
        return None
    here = attempts[tried]
    later = range(tried + 1, len(attempts))
    if sip_code in _OTHER_MEDIA:
        for index in later:
            same_way = attempts[index].way == here.way
            if same_way and attempts[index].encrypted is not here.encrypted:
                return index
    if sip_code in _CLOSED | _MEDIA_HERE:
        tried_ways = {attempt.way for attempt in attempts[: tried + 1]}
        return next((index for index in later if attempts[index].way not in tried_ways), None)
    return None
