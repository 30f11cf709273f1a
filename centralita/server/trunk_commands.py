"""`centralita trunk`: how the lines to the telephone network are."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import datetime

import msgspec

from centralita.server.config import Config
from centralita.server.control import ask_trunks
from centralita.telephony.edge.trunk_state import Condition, TrunkState


async def status(config: Config, options: argparse.Namespace) -> int:
    """A line for each trunk, or JSON; 1 when one is down."""
    states = await ask_trunks(config.run_dir)
    if options.json:
        print(json.dumps(msgspec.to_builtins(list(states)), indent=2, ensure_ascii=False))
    else:
        print("\n".join(table(states)) or "no trunks: [trunk:NAME] in sip.conf")
    return 1 if any(state.condition is Condition.DOWN for state in states) else 0


def table(states: Iterable[TrunkState]) -> list[str]:
    """The lines, for people; what is wrong stands below the trunk."""
    rows = [
        (
            state.name,
            state.condition.value,
            f"{state.since:%F %T}",
            {True: "yes", False: "no", None: "-"}[state.answers],
            str(state.calls_in),
            str(state.calls_out),
            _registration(state),
        )
        for state in states
    ]
    if not rows:
        return []
    rows.insert(0, ("TRUNK", "STATE", "SINCE (UTC)", "ANSWERS", "IN", "OUT", "REGISTRATION"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    explained = [lines[0]]
    for line, state in zip(lines[1:], states, strict=True):
        explained.append(line)
        if state.message:
            explained.append(f"    {state.message}")
    return explained


def _registration(state: TrunkState) -> str:
    words = "-" if state.registration.value == "none" else state.registration.value
    return f"{words}, until {_time(state.expires_at)}" if state.expires_at is not None else words


def _time(at: datetime) -> str:
    return f"{at:%T}"
