"""What becomes of a message after a try. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from centralita.channels.ledger import Again, Failed, Taken, Verdict
from centralita.channels.protocol import NotSent, Refused, Trouble, Unclear

PAUSES = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
)
"""After the first try, the second, and so on; the last one again and again."""
SERVER_PAUSES = (timedelta(seconds=30), timedelta(minutes=10))
"""The shortest and the longest pause while the server is in trouble, and not the message."""
GIVE_UP = timedelta(days=1)
"""So long after the first try a message has failed: what it says is probably true no more."""
TOLD_AFTER = timedelta(minutes=15)
"""A server in trouble for so long is told of."""


def after(
    taken: Taken, error: NotSent, now: datetime, *, repeatable: bool, in_trouble: timedelta
) -> Verdict:
    """What follows from a try that did not succeed. `in_trouble` is for how long the server has
    been known to be so."""
    if isinstance(error, Refused) or (isinstance(error, Unclear) and not repeatable):
        return Failed(trouble=error.trouble, answer=str(error))
    pause = PAUSES[min(taken.tries, len(PAUSES)) - 1]
    if error.trouble.of_server:
        pause = server_pause(in_trouble)
    if now + pause > taken.since + GIVE_UP:
        return Failed(trouble=error.trouble, answer=str(error))
    return Again(at=now + pause, trouble=error.trouble, answer=str(error))


def interrupted(taken: Taken, now: datetime, *, repeatable: bool) -> Verdict:
    """What becomes of a message that was being tried when the process died.

    It may have gone. Where the other end knows a repeated one it is sent again at once, so that it
    is never lost; where it does not, a person decides, so that it is never sent twice by itself.
    """
    answer = "the server stopped while this was being sent"
    if repeatable:
        return Again(at=now, trouble=Trouble.UNCLEAR, answer=answer)
    return Failed(trouble=Trouble.UNCLEAR, answer=answer)


def server_pause(in_trouble: timedelta) -> timedelta:
    """When a server in trouble is asked again: soon at first, and more seldom the longer it lasts,
    since some lock out whoever keeps coming with a wrong password."""
    shortest, longest = SERVER_PAUSES
    return min(max(in_trouble / 4, shortest), longest)
