"""`centralita audit`: whether the log is what was written."""

from __future__ import annotations

import argparse
import sys

from centralita.audit.entry import Tip
from centralita.core.clock import SteadyClock
from centralita.core.errors import InvalidInput
from centralita.server.auditing import audit_log
from centralita.server.commands import open_data
from centralita.server.config import Config


async def verify(config: Config, options: argparse.Namespace) -> int:
    """Says the first entry that is wrong, and what about it; 1 if there is one."""
    known = tuple(_tip(text) for text in options.known)
    async with open_data(config) as store:
        result = await audit_log(config, store, SteadyClock()).verify(*known)
    for remark in result.remarks:
        print(f"remark: {remark}", file=sys.stderr)
    if result.broken is not None:
        print(f"the audit log is broken: {result.broken}", file=sys.stderr)
        return 1
    print(f"{result.tip.seq} entries, each as it was written. The log ends with")
    print(f"  {result.tip.seq}:{result.tip.hash}")
    print("Note that elsewhere: audit verify --known 'NUMBER:HASH' compares it later.")
    return 0


def _tip(text: str) -> Tip:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise InvalidInput(f'"{text}" is not NUMBER:HASH as audit verify prints it')
    return Tip(int(number), digest)
