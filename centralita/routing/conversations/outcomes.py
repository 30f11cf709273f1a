"""Why somebody whom an agent called was not reached, in the words of the API."""

from __future__ import annotations

from centralita.telephony.call import EndReason

_OUTCOMES = {
    EndReason.BUSY: "busy",
    EndReason.DECLINED: "busy",
    EndReason.NO_ANSWER: "no_answer",
    EndReason.UNREACHABLE: "unavailable",
    EndReason.NO_SUCH_NUMBER: "no_such_number",
    EndReason.LINE_DOWN: "line_down",
    EndReason.LINE_REFUSED: "line_refused",
}


def outcome(reason: EndReason) -> str:
    """What the end of a leg that nobody answered means to who called."""
    return _OUTCOMES.get(reason, "failed")
