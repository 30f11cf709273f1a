"""`centralita audit`: whether the log is what was written."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys

from centralita.audit.entry import Tip
from centralita.core.clock import SteadyClock
from centralita.core.errors import InvalidInput
from centralita.server.auditing import audit_log
from centralita.server.commands import open_data
from centralita.server.config import Config
from centralita.server.outward import disguised
from centralita.vault.keyring import Keyring


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


async def number(config: Config, options: argparse.Namespace) -> int:
    """How entries name this number, a line for each way."""
    keys = await asyncio.to_thread(Keyring(config.keys_dir).all)
    for key in reversed(keys):
        print(f"{disguised(options.number, key)}  by the key {key.key_id}")
    bare = hashlib.sha256(options.number.encode()).hexdigest()[:16]
    print(f"number:{bare}  in entries of before there was a key")
    print(f"{options.number}  in the first ones")
    return 0


def _tip(text: str) -> Tip:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise InvalidInput(f'"{text}" is not NUMBER:HASH as audit verify prints it')
    return Tip(int(number), digest)
