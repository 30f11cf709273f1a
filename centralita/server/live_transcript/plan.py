"""Who is listened to in a conversation as it stands. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from centralita.core.ids import LegId
from centralita.routing.conversations.exchange import Exchange, Recorded, sound
from centralita.server.live_transcript.events import Hearing, Speaker

# What the page says of several ears is what it must say of the worst of them.
_WORST_FIRST = (Hearing.BUSY, Hearing.INTERRUPTED, Hearing.STARTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to listen to; `silent` says why nobody, and is None otherwise."""

    ears: Mapping[LegId, Speaker] = field(default_factory=dict)
    silent: Hearing | None = None

    @property
    def secret(self) -> bool:
        """Whether even what has been said a moment ago must not be shown."""
        return self.silent in (Hearing.PAUSED, Hearing.NOT_RECORDED)


def plan_for(x: Exchange) -> Plan:
    """The caller and whoever the caller hears, while that is being recorded.

    A consultation without the caller is nobody's but the two agents'. What must not be recorded
    must not be shown, either, and the pause of the recording is how agents say so.
    """
    if x.recording is Recorded.PAUSED:
        return Plan(silent=Hearing.PAUSED)
    if x.recording is Recorded.OFF:
        return Plan(silent=Hearing.NOT_RECORDED)
    for group in sound(x).groups:
        if x.caller_leg in group:
            speakers = {x.caller_leg: Speaker.CALLER}
            for leg_id in sorted(group - {x.caller_leg}):
                speakers[leg_id] = Speaker.AGENT if leg_id == x.agent_leg else Speaker.THIRD
            return Plan(ears=speakers)
    return Plan(silent=Hearing.WAITING)


def hearing(plan: Plan, ears: Collection[Hearing]) -> Hearing:
    """What to say of the conversation, from what its ears say."""
    if plan.silent is not None:
        return plan.silent
    return next((state for state in _WORST_FIRST if state in ears), Hearing.LISTENING)
