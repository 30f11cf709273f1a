"""`centralita keys`: the keys that recordings are encrypted with."""

from __future__ import annotations

import argparse
import asyncio
import sys

from centralita.audit.entry import Action
from centralita.core.clock import SteadyClock
from centralita.core.errors import Conflict
from centralita.recordings.rewrap import keys_in_use, rewrap
from centralita.server.auditing import audit_head, audit_log, operator
from centralita.server.commands import open_data
from centralita.server.config import Config
from centralita.vault.keyring import Key, Keyring


async def show(config: Config, options: argparse.Namespace) -> int:
    """Each key, and how many recordings need it."""
    keyring = Keyring(config.keys_dir)
    counts, problems = await asyncio.to_thread(keys_in_use, config.recordings_dir)
    keys = await asyncio.to_thread(keyring.all)
    for key in keys:
        use = "in use" if key == keys[-1] else "older"
        print(f"{key.key_id}  {key.created_at:%Y-%m-%d %H:%M}  {use}, opens {_files(counts, key)}")
    missing = set(counts) - {key.key_id for key in keys}
    for key_id in sorted(missing):
        print(
            f"{key_id}  MISSING, and {counts[key_id]} recordings need it; bring it back from your "
            f"copy of the keys to {keyring.folder}",
            file=sys.stderr,
        )
    return _told(problems) or bool(missing)


async def rotate(config: Config, options: argparse.Namespace) -> int:
    """Make a new key, and let it open what there is. A running server takes it by itself."""
    keyring = Keyring(config.keys_dir)
    async with open_data(config) as store:
        key = await asyncio.to_thread(keyring.rotate)
        await audit_log(config, store, SteadyClock()).write(
            operator(), Action.KEY_ROTATED, key.key_id
        )
    print(f"{key.key_id} is the key for what is written from now on")
    return await _wrap(config, keyring, key)


async def wrap(config: Config, options: argparse.Namespace) -> int:
    """What `rotate` did not come to do."""
    keyring = Keyring(config.keys_dir)
    return await _wrap(config, keyring, await asyncio.to_thread(keyring.current))


async def retire(config: Config, options: argparse.Namespace) -> int:
    """Take a key out of use that nothing needs any more."""
    keyring = Keyring(config.keys_dir)
    counts, _ = await asyncio.to_thread(keys_in_use, config.recordings_dir)
    if counts[options.key]:
        raise Conflict(
            f"{counts[options.key]} recordings still need the key {options.key}; "
            "give them the new one first: centralita keys wrap"
        )
    if await asyncio.to_thread(audit_head(config).key_id) == options.key:
        raise Conflict(
            f"the audit log is anchored with the key {options.key}; "
            "give it the new one first: centralita keys wrap"
        )
    async with open_data(config) as store:
        await audit_log(config, store, SteadyClock()).write(
            operator(), Action.KEY_RETIRED, options.key
        )
    place = await asyncio.to_thread(keyring.retire, options.key)
    print(f"{options.key} lies in {place} now; backups of recordings made before may need it")
    return 0


async def _wrap(config: Config, keyring: Keyring, key: Key) -> int:
    done = await asyncio.to_thread(rewrap, config.recordings_dir, keyring, key)
    print(f"{done.changed} recordings were given this key, {done.as_before} had it")
    await asyncio.to_thread(audit_head(config).renew)
    return _told(done.problems)


def _files(counts: dict[str, int], key: Key) -> str:
    return f"{counts[key.key_id]} recordings"


def _told(problems: tuple[str, ...]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0
