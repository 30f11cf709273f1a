"""The exchange: who has part in a conversation, and who hears whom. Pure.

`step` takes what was asked for or happened; what sounds follows from the state alone (`sound`), so
that it can be set up again at any time, also by a server that takes over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from centralita.core.errors import Conflict
from centralita.core.ids import AgentId, CallId, LegId, OfferId, QueueId
from centralita.core.refusals import Refusal


class Phase(StrEnum):
    """What the agent does with the caller."""

    TALKING = "talking"
    HELD = "held"
    CONSULTING = "consulting"
    CONFERENCE = "conference"


class Recorded(StrEnum):
    """Whether the conversation is being recorded."""

    ON = "on"
    PAUSED = "paused"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Third:
    """Whom the agent consults.

    `offer_id` and `agent_id` are there for an agent of ours; `queue_id` says that it could be any
    agent of that queue. `own_leg` is the second call of a phone that consults by itself: it then
    decides what it holds. With `early` the third's network is heard before the answer. `joined_at`
    is when the third was first heard by the caller. One for whom our number is `hidden` sees none.
    """

    leg_id: LegId
    label: str
    number: str
    since: datetime
    agent_id: AgentId | None = None
    offer_id: OfferId | None = None
    queue_id: QueueId | None = None
    own_leg: LegId | None = None
    answered: bool = False
    early: bool = False
    hidden: bool = False
    phone_holds: bool = False
    joined_at: datetime | None = None

    @property
    def kind(self) -> str:
        """What was asked for: queue, agent or number."""
        if self.queue_id is not None:
            return "queue"
        return "agent" if self.agent_id is not None else "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An agent's conversation as of now.

    `with_third` tells, while consulting, whom the agent talks to; the other one hears music.
    `phone_holds` is what the agent's phone says, `phase` what was asked of us. `direction` is the
    call's. `transferred_from` is who gave the caller to this agent. From the legs that are `silent`
    no sound comes any more: a phone, a line or a network has died.
    """

    call_id: CallId
    queue_id: QueueId
    caller_leg: LegId
    agent_id: AgentId
    agent_leg: LegId
    since: datetime
    phase: Phase = Phase.TALKING
    phone_holds: bool = False
    third: Third | None = None
    with_third: bool = False
    recording: Recorded = Recorded.OFF
    direction: str = "in"
    transferred_from: AgentId | None = None
    silent: frozenset[LegId] = frozenset()

    @property
    def legs(self) -> frozenset[LegId]:
        """All that are known."""
        third = self.third
        more = {third.leg_id, third.own_leg} if third is not None else set()
        return frozenset(leg for leg in (self.caller_leg, self.agent_leg, *more) if leg)

    @property
    def holds(self) -> bool:
        """Whether the caller hears music."""
        return self.caller_leg in sound(self).music

    @property
    def agent_away(self) -> bool:
        """The agent's phone holds, or nothing comes from it."""
        return self.phone_holds or self.agent_leg in self.silent


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """The agent wants the caller to wait."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The agent wants the caller back."""


@dataclass(frozen=True, slots=True)
class Consult:
    """The agent wants to talk with somebody else first, whose phone is being rung."""

    third: Third


@dataclass(frozen=True, slots=True)
class Swap:
    """The agent wants to talk to the other one of the two."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The agent wants the two to talk with each other."""


@dataclass(frozen=True, slots=True)
class Confer:
    """The agent wants everybody to hear everybody."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The agent wants to be alone with the caller again."""


@dataclass(frozen=True, slots=True)
class ThirdRings:
    """The third party is rung; `early` when its network sends sound of its own meanwhile."""

    early: bool


@dataclass(frozen=True, slots=True)
class ThirdAnswered:
    """The third party's phone was picked up."""


@dataclass(frozen=True, slots=True)
class ThirdGone:
    """The third party refused, hung up or was lost; or the phone's second call ended."""


@dataclass(frozen=True, slots=True)
class AgentGone:
    """The agent hung up, or the agent's phone was lost."""


@dataclass(frozen=True, slots=True)
class PhoneHolds:
    """One of the agent's phone's calls was put on hold, or taken back, by the phone."""

    leg_id: LegId
    held: bool


@dataclass(frozen=True, slots=True)
class FellSilent:
    """No sound comes from a leg any more, or it comes again."""

    leg_id: LegId
    silent: bool


Happening = (
    Hold
    | Resume
    | Consult
    | Swap
    | Complete
    | Confer
    | Cancel
    | ThirdRings
    | ThirdAnswered
    | ThirdGone
    | AgentGone
    | PhoneHolds
    | FellSilent
)


# --- what comes of it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LetGo:
    """The third party, and the phone's second call, have no purpose any more."""

    third: Third


@dataclass(frozen=True, slots=True)
class HandOver:
    """Caller and third go on without the agent, whose part is over."""

    third: Third


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """The conversation is over, and the caller is here."""


@dataclass(frozen=True, slots=True)
class ToPerson:
    """The agent left in mid-transfer: the caller waits for a person, before all others."""


Consequence = LetGo | HandOver | AgentLeft | ToPerson


def step(x: Exchange, event: Happening, now: datetime) -> tuple[Exchange, tuple[Consequence, ...]]:
    """Let something happen. Raises Conflict for what cannot be done as things stand.

    After HandOver, AgentLeft or ToPerson the exchange is over.
    """
    third = x.third
    match event:
        case Hold():
            if x.phase is Phase.HELD:
                return x, ()
            if x.phase is not Phase.TALKING or third is not None:
                raise Conflict("only who is alone with the caller can hold", code=Refusal.NOT_ALONE)
            return replace(x, phase=Phase.HELD, since=now), ()
        case Resume():
            if x.phase is Phase.TALKING:
                return x, ()
            if x.phase is not Phase.HELD:
                raise Conflict("the caller is not held; swap or cancel", code=Refusal.NOT_HELD)
            return replace(x, phase=Phase.TALKING, since=now), ()
        case Consult(third=wanted):
            if third is not None:
                raise Conflict("one consultation at a time", code=Refusal.ALREADY_CONSULTING)
            phase = x.phase if wanted.own_leg is not None else Phase.CONSULTING
            return replace(x, phase=phase, third=wanted, with_third=True, since=now), ()
        case ThirdRings(early=early) if third is not None and not third.answered:
            return replace(x, third=replace(third, early=early)), ()
        case ThirdAnswered() if third is not None and not third.answered:
            return replace(x, third=replace(third, answered=True, since=now), since=now), ()
        case ThirdGone() if third is not None:
            # Not back to the caller at once: the agent may be in the middle of a word.
            phase = Phase.HELD if x.phase is Phase.CONSULTING and x.with_third else Phase.TALKING
            if third.own_leg is not None:
                phase = x.phase
            return replace(x, phase=phase, third=None, with_third=False, since=now), (LetGo(third),)
        case Swap():
            _talked_with(x)
            if x.phase is not Phase.CONSULTING:
                raise Conflict("there is nobody to swap with", code=Refusal.IN_CONFERENCE)
            return replace(x, with_third=not x.with_third, since=now), ()
        case Complete():
            return x, (HandOver(_talked_with(x)),)
        case Confer():
            talked = _talked_with(x)
            if x.phase is Phase.CONFERENCE:
                return x, ()
            joined = replace(talked, joined_at=talked.joined_at or now)
            return replace(x, phase=Phase.CONFERENCE, third=joined, since=now), ()
        case Cancel():
            if third is None:
                raise Conflict("nobody is being consulted", code=Refusal.NO_CONSULTATION)
            back = replace(x, phase=Phase.TALKING, third=None, with_third=False, since=now)
            return back, (LetGo(third),)
        case AgentGone():
            if third is None:
                return x, (AgentLeft(),)
            if third.answered:  # as desk phones have it: who hangs up between two connects them
                return x, (HandOver(third),)
            return replace(x, third=None), (LetGo(third), ToPerson())
        case PhoneHolds(leg_id=leg_id, held=held):
            if leg_id == x.agent_leg and held is not x.phone_holds:
                return replace(x, phone_holds=held, since=now), ()
            if third is not None and leg_id == third.own_leg:
                return replace(x, third=replace(third, phone_holds=held), since=now), ()
            return x, ()
        case FellSilent(leg_id=leg_id, silent=silent) if leg_id in x.legs:
            return replace(x, silent=x.silent | {leg_id} if silent else x.silent - {leg_id}), ()
        case _:
            return x, ()  # late news


def _talked_with(x: Exchange) -> Third:
    if x.third is None:
        raise Conflict("nobody is being consulted", code=Refusal.NO_CONSULTATION)
    if not x.third.answered:
        raise Conflict("the third party has not answered yet", code=Refusal.THIRD_RINGS)
    return x.third


# --- who hears whom -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """`groups` hear each other; `music` and `ringing` hear that, and nobody. In `early` the first
    of each pair hears the network of the second, who has not answered."""

    groups: frozenset[frozenset[LegId]] = frozenset()
    music: frozenset[LegId] = frozenset()
    ringing: frozenset[LegId] = frozenset()
    early: frozenset[tuple[LegId, LegId]] = frozenset()

    @property
    def together(self) -> frozenset[LegId]:
        """Those who hear somebody."""
        return frozenset[LegId]().union(*self.groups)

    @property
    def everybody(self) -> frozenset[LegId]:
        """Those who hear anything."""
        return self.together | self.music | self.ringing | self.listeners

    @property
    def listeners(self) -> frozenset[LegId]:
        """Those who hear somebody who has not answered."""
        return frozenset(listener for listener, _ in self.early)


def sound(x: Exchange) -> Sound:
    """What each one hears."""
    third = x.third
    caller, agent = x.caller_leg, x.agent_leg
    if third is not None and third.own_leg is not None:
        groups, music = _pair(caller, agent, x.agent_away or x.phase is Phase.HELD)
        if third.answered:
            also, waits = _pair(
                third.leg_id, third.own_leg, third.phone_holds or third.own_leg in x.silent
            )
            groups, music = groups | also, music | waits
        early = frozenset({(third.own_leg, third.leg_id)} if _is_early(third) else ())
        return Sound(groups=groups, music=music, early=early)
    if x.phase is Phase.CONSULTING and third is not None:
        if not x.with_third:
            groups, music = _pair(caller, agent, x.agent_away)
            return Sound(groups=groups, music=music | {third.leg_id})
        if _is_early(third):
            return Sound(music=frozenset({caller}), early=frozenset({(agent, third.leg_id)}))
        if not third.answered:
            return Sound(music=frozenset({caller}), ringing=frozenset({agent}))
        groups, music = _pair(third.leg_id, agent, x.agent_away)
        return Sound(groups=groups, music=music | {caller})
    if x.phase is Phase.CONFERENCE and third is not None:
        everybody = {caller, third.leg_id} if x.agent_away else {caller, third.leg_id, agent}
        return Sound(groups=frozenset({frozenset(everybody)}))
    groups, music = _pair(caller, agent, x.agent_away or x.phase is Phase.HELD)
    return Sound(groups=groups, music=music)


def _is_early(third: Third) -> bool:
    return third.early and not third.answered


def _pair(
    other: LegId, agent: LegId, held: bool
) -> tuple[frozenset[frozenset[LegId]], frozenset[LegId]]:
    if held:
        return frozenset(), frozenset({other})
    return frozenset({frozenset({other, agent})}), frozenset()


def agent_listens(x: Exchange, leg_id: LegId) -> bool:
    """Whether the agent listens to that leg, which is somebody else's."""
    both = {leg_id, x.agent_leg}
    return len(both) == 2 and any(both <= group for group in sound(x).groups)
