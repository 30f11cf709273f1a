"""The command line: `centralita serve`, `demo`, `flow`, `models`, `import`, `user`, `agent`..."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from centralita import __version__
from centralita.core.errors import CentralitaError, InvalidInput
from centralita.core.landlock import gain_nothing, keep_memory_private
from centralita.server.config import Config, Overrides, load_config
from centralita.server.keeper import INHERITANCE, run_keeper
from centralita.server.log import set_up_log
from centralita.server.supervision import KEEPER_SOCKET

# Those that hear strangers.
_SERVING = ("serve", "demo")
# Those that leave nothing in the data folder, or are told as whom to run.
_FOR_ANYBODY = (*_SERVING, "check")

Command = Callable[[Config, argparse.Namespace], Coroutine[object, object, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what was asked, 1 when not, 2 for a wrong command line."""
    options = parser().parse_args(arguments)
    # Whatever we and our children write is for our user alone, folders above it that we make, too.
    os.umask(0o077)
    try:
        if options.run not in _FOR_ANYBODY:
            _become_owner(options.data)
        overrides = Overrides(
            data=options.data,
            sip_port=getattr(options, "sip_port", None),
            http_port=getattr(options, "http_port", None),
            http_host=getattr(options, "http_host", None),
        )
        config = load_config(options.config, overrides)
        set_up_log(config.log)
        if options.run in _SERVING and not (options.allow_root or _may_serve()):
            raise InvalidInput(
                "refuses to run as root: whoever takes it over would own the machine. Run it as a "
                "user of its own, as deploy/systemd/centralita.service does, and ./dev serve by "
                "itself; or, where root is nobody, as in some containers, with --allow-root"
            )
        if options.run == "serve":
            gain_nothing()
            keep_memory_private()
        if options.run == "serve" and KEEPER_SOCKET not in os.environ:
            given = sys.argv[1:] if arguments is None else arguments
            config.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            grace = config.limits.stop_grace
            return asyncio.run(run_keeper(config.run_dir, given, grace=grace))
        # Here, so that the keeper stays small: it needs none of what the brain is made of.
        name = getattr(options, "module", "commands")
        module = importlib.import_module(f"centralita.server.{name}")
        command: Command = getattr(module, options.run)
        result = asyncio.run(command(config, options))
        sys.stdout.flush()
        return result
    except BrokenPipeError:
        # Whoever read what we print has seen enough: `centralita user list | head`. Python would
        # stumble over the rest once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except CentralitaError as exc:
        print(f"centralita: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _may_serve() -> bool:
    """Not as root; but what was started goes on, or its calls would end."""
    return os.geteuid() != 0 or KEEPER_SOCKET in os.environ or INHERITANCE in os.environ


def _become_owner(data: Path | None) -> None:
    """As root, be the user whose data folder it is: that user could not use what root makes."""
    try:
        owner = (data or Path("data")).stat()
    except OSError:
        return
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="centralita", description=__doc__)
    top.add_argument("--version", action="version", version=f"centralita {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, help="sip.conf; see sip.conf.example")
    common.add_argument("--data", type=Path, help="the folder for everything that is kept")
    verbs = top.add_subparsers(required=True, metavar="COMMAND")

    serving = argparse.ArgumentParser(add_help=False, parents=[common])
    serving.add_argument("--demo", action="store_true", help="with a small company to try out")
    serving.add_argument("--sip-port", type=int, help="where phones and trunks call (5060)")
    serving.add_argument("--http-port", type=int, help="the page and the API (8080)")
    serving.add_argument("--http-host", help="the address they listen on (127.0.0.1)")
    _add_root(serving)
    serve = verbs.add_parser("serve", parents=[serving], help="run the server in the foreground")
    serve.set_defaults(run="serve")
    rehearse = verbs.add_parser("check", parents=[serving], help="say what is wrong with sip.conf")
    rehearse.set_defaults(run="check")

    demo = verbs.add_parser("demo", parents=[common], help="make a whole call on this machine")
    _add_root(demo)
    demo.set_defaults(run="demo")

    flow = verbs.add_parser("flow", help="check and publish flows").add_subparsers(required=True)
    check = flow.add_parser("check", parents=[common], help="say what is wrong with a flow file")
    check.add_argument("file", type=Path, nargs="+")
    check.set_defaults(run="flow_check")
    publish = flow.add_parser("publish", parents=[common], help="let a flow answer numbers")
    publish.add_argument("file", type=Path)
    publish.add_argument("--number", action="append", default=[], help="a number; * for any other")
    publish.set_defaults(run="flow_publish")

    models = verbs.add_parser("models", help="speech models").add_subparsers(required=True)
    listing = models.add_parser("list", parents=[common], help="which model serves which language")
    listing.set_defaults(run="models_list")
    get = models.add_parser("get", parents=[common], help="download the official model")
    get.add_argument("language", choices=("es", "en"))
    get.set_defaults(run="models_get")

    imports = verbs.add_parser(
        "import", parents=[common], help="customers and messages, from files"
    )
    imports.add_argument("kind", choices=("customers", "messages", "mbox"))
    imports.add_argument("file", type=Path)
    imports.add_argument("--ours", action="append", default=[], help="mbox: an address of ours")
    imports.add_argument(
        "--dry-run", action="store_true", help="only say what would come in and what would not"
    )
    imports.set_defaults(run="import_file")

    user = verbs.add_parser(
        "user", help="people who sign in: add, list, disable, enable, passwords, role, move"
    ).add_subparsers(required=True)
    add_user = user.add_parser("add", parents=[common], help="prints a new password")
    add_user.add_argument("username")
    add_user.add_argument("--name", default="")
    add_user.add_argument("--role", choices=("agent", "supervisor", "admin"), default="agent")
    add_user.add_argument("--extension", help="the phone of an agent; prints its password, too")
    add_user.add_argument("--queue", action="append", default=[], help="a queue the agent serves")
    add_user.add_argument("--skill", action="append", default=[], help="german or german:3")
    add_user.set_defaults(run="user_add", module="account_commands")
    _add_accounts(user, common)

    ban = verbs.add_parser("ban", help="addresses that a running server ignores").add_subparsers(
        required=True
    )
    list_bans = ban.add_parser("list", parents=[common], help="since when, and why")
    list_bans.set_defaults(run="ban_list")
    lift_ban = ban.add_parser("lift", parents=[common], help="listen to an address again")
    lift_ban.add_argument("address")
    lift_ban.set_defaults(run="ban_lift")

    trunk = verbs.add_parser(
        "trunk", help="how the lines to the telephone network are"
    ).add_subparsers(required=True)
    status = trunk.add_parser(
        "status", parents=[common], help="of a running server; ends with 1 when one is down"
    )
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run="status", module="trunk_commands")

    queue = verbs.add_parser("queue", help="queues").add_subparsers(required=True)
    add_queue = queue.add_parser("add", parents=[common], help="make or change a queue")
    add_queue.add_argument("queue")
    add_queue.add_argument("--title", default="")
    add_queue.add_argument("--language", choices=("es", "en"), help="es unless told")
    add_queue.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    add_queue.set_defaults(run="queue_add")
    _add_keys(verbs.add_parser("keys", help="the keys of recordings"), common)
    audit = verbs.add_parser("audit", help="the audit log").add_subparsers(required=True)
    verify = audit.add_parser("verify", parents=[common], help="is it what was written?")
    verify.add_argument(
        "--known", action="append", default=[], metavar="NUMBER:HASH",
        help="an entry that was noted elsewhere",
    )  # fmt: skip
    verify.set_defaults(run="verify", module="audit_commands")
    number = audit.add_parser("number", parents=[common], help="how entries name a number")
    number.add_argument("number", help="as it was dialled; +34600111222")
    number.set_defaults(run="number", module="audit_commands")
    return top


def _add_root(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--allow-root", action="store_true", help="serve even as root")


def _add_accounts(
    user: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    verbs = {}
    for name, text in (
        ("list", "who there is, with role, phone and queues"),
        ("disable", "lock somebody out, at once; a conversation goes on"),
        ("enable", "let them in again"),
        ("set-password", "prints a new password and signs the user out everywhere"),
        ("phone-password", "prints a new password for the phone"),
        ("role", "another role"),
        ("move", "to another extension, to and from queues"),
    ):
        verb = verbs[name] = user.add_parser(name, parents=[common], help=text)
        verb.set_defaults(run=f"user_{name.replace('-', '_')}", module="account_commands")
        if name != "list":
            verb.add_argument("username")
    verbs["role"].add_argument("role", choices=("agent", "supervisor", "admin"))
    move = verbs["move"]
    move.add_argument("--extension", help="the new one; prints a new password for the phone")
    for name, text in (("--to", "a queue to serve as well"), ("--from", "one to serve no more")):
        move.add_argument(name, action="append", default=[], metavar="QUEUE", help=text)


def _add_keys(keys: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = keys.add_subparsers(required=True)
    for run, name, text in (
        ("show", "list", "each key, and how many recordings need it"),
        ("rotate", "rotate", "make a new key, and give it to the recordings there are"),
        ("wrap", "wrap", "finish a rotation that was interrupted"),
        ("retire", "retire", "put a key away that nothing needs any more"),
    ):
        verb = verbs.add_parser(name, parents=[common], help=text)
        verb.set_defaults(run=run, module="key_commands")
        if run == "retire":
            verb.add_argument("key", help="its id; see: centralita keys list")


if __name__ == "__main__":
    sys.exit(main())
