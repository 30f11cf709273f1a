"""The audit log of this data folder, and who is at the command line."""

from __future__ import annotations

import getpass

from centralita.audit.entry import Actor
from centralita.audit.head import Head
from centralita.audit.log import AuditLog
from centralita.core.clock import Clock
from centralita.server.config import Config
from centralita.store.store import Store
from centralita.vault.keyring import Keyring


def audit_log(config: Config, store: Store, clock: Clock) -> AuditLog:
    """Over the store, anchored in the data folder."""
    return AuditLog(store.audit, audit_head(config), clock)


def audit_head(config: Config) -> Head:
    """The head file."""
    return Head(config.audit_dir, Keyring(config.keys_dir))


def operator() -> Actor:
    """Whoever gives a command on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        name = "unknown"
    return Actor(who=f"cli:{name}", name=name)
