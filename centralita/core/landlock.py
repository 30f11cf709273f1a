"""Landlock: a process gives up most of the file system, for itself and all that it starts.

A rule set is made in the parent and taken on in the child, between fork and exec, so that there is
no moment without it. The kernel knows it from 5.13 on; what a kernel does not know is left out. See
https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from centralita.core.process import Sandbox

# The same numbers on all architectures that we know.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR = 1 << 4, 1 << 5, 1 << 7
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO = 1 << 8, 1 << 9, 1 << 10
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1

_READ = _READ_FILE | _READ_DIR
_RUN = _READ | _EXECUTE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_WRITE = (
    _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _MAKE_SOCK | _MAKE_FIFO
    | _REMOVE_FILE | _REMOVE_DIR | _REFER
)  # fmt: skip
_DROP = _WRITE_FILE | _TRUNCATE | _MAKE_REG
_SOCKETS = _MAKE_SOCK | _REMOVE_FILE

# What programs need of any machine. Of /etc only what says nothing of the house.
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
_FACTS = (
    "/proc", "/sys/devices/system", "/sys/fs/cgroup",
    *(f"/etc/{name}" for name in (
        "alternatives", "ca-certificates", "gai.conf", "group", "host.conf", "hosts", "ld.so.cache",
        "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "nsswitch.conf", "passwd",
        "pki", "protocols", "resolv.conf", "services", "ssl", "timezone",
    )),
    "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

# What a program of root's may keep (capabilities(7)): modes of files do not bind it, signals, ports
# below 1024, locked memory, priority, limits. All others lead out of a sandbox, or may one day.
_KEPT_CAPABILITIES = frozenset((1, 3, 5, 10, 14, 23, 24))
_CAPABILITIES = range(64)

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    wide = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "landlock")
    return result


@functools.cache
def landlock_version() -> int:
    """Which Landlock this kernel has; 0 when it has none, or keeps it from us."""
    try:
        return _syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def gain_nothing() -> None:
    """From now on no program that is started gains rights by being started (setuid)."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def keep_memory_private() -> None:
    """Other processes of our user cannot read our memory, and no core dump is written."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def rule_set(sandbox: Sandbox) -> int | None:
    """A descriptor of the rules, for `enter` in a child; None when the kernel has no Landlock.

    What does not exist now, or cannot be reached by us, will not be there for the child either.
    """
    version = landlock_version()
    if not version:
        return None
    known = (_REFER << 1) - 1 if version >= 2 else _REFER - 1
    if version >= 3:
        known |= _TRUNCATE
    attributes = struct.pack("Q", known)
    if version >= 4:
        attributes += struct.pack("Q", 0 if sandbox.tcp else _BIND_TCP | _CONNECT_TCP)
    if version >= 6:
        attributes += struct.pack("Q", _ABSTRACT_SOCKETS | (0 if sandbox.signals else _SIGNALS))
    rules = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for rights, paths in (
            (_RUN, (*_PROGRAMS, *_python())),
            (_READ, _FACTS),
            (_READ_FILE | _WRITE_FILE, _DEVICES),
            (_READ, sandbox.reads),
            (_WRITE, sandbox.writes),
            (_DROP, sandbox.drops),
            (_SOCKETS, sandbox.sockets),
        ):
            _allow(rules, rights & known, paths)
    except BaseException:
        os.close(rules)
        raise
    return rules


def enter(rules: int) -> None:
    """Take the rules on, for good, before the program is started. Runs in the child."""
    for capability in _CAPABILITIES:
        if capability not in _KEPT_CAPABILITIES:
            # Fails for those who have none to lose.
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    gain_nothing()
    _syscall(_RESTRICT_SELF, rules, 0)


def _allow(rules: int, rights: int, paths: Iterable[str]) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
            # Nobody makes anything in a file, and a rule that allows nothing is refused.
            if here := rights if is_folder else rights & _OF_FILES:
                rule = struct.pack("=Qi", here, place)
                _syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0)
        except OSError as exc:
            if exc.errno != errno.EBADFD:  # what has no place in a file system is not restricted
                raise
        finally:
            os.close(place)


def _python() -> set[str]:
    """This Python with its libraries, and our own modules: not what lies beside them."""
    ours = str(Path(__file__).resolve().parents[1])
    return {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, ours}
