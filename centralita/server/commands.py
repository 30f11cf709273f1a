"""What the commands of the command line do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from centralita.asr.vosk.models import get_model, list_models
from centralita.audit.entry import Action, Outcome
from centralita.core.clock import SteadyClock
from centralita.core.errors import InvalidInput
from centralita.core.ids import FlowId, QueueId
from centralita.core.wire import Plain, to_plain
from centralita.ivr.documents import read_document
from centralita.ivr.loader import BadFlow, load_file
from centralita.server.auditing import audit_log, operator
from centralita.server.bans import Bans
from centralita.server.center import ANY_NUMBER, queue_config
from centralita.server.config import Config
from centralita.server.control import tell_server
from centralita.server.demo.call import demo_call
from centralita.server.demo.company import NUMBERS, demo_config, found_company
from centralita.server.keeper_link import KeeperLink
from centralita.server.supervision import KEEPER_SOCKET
from centralita.server.telephony import edge_config, worker_settings
from centralita.server.wiring import House, open_house
from centralita.store.records import QueueRecord
from centralita.store.store import Store, open_store
from centralita.telephony.edge.control import EdgeControl
from centralita.timeline.importers import Importer
from centralita.timeline.rehearsal import (
    CustomersToImport,
    EntriesToImport,
    RehearsedCustomers,
    RehearsedEntries,
)

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]


def web_folder() -> Path | None:
    """The built page, if it has been built."""
    dist = ROOT / "web" / "dist"
    return dist if dist.is_dir() else None


async def serve(config: Config, options: argparse.Namespace) -> int:
    """The brain, below its keeper: run until SIGTERM or Ctrl-C; drain, and end with 0."""
    # A descriptor for each page; the usual 1024 are fewer than the web's door lets in.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    stop = asyncio.Event()
    left_to_the_next = False
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def leave() -> None:
        nonlocal left_to_the_next
        left_to_the_next = True
        stop.set()

    credentials: dict[str, dict[str, str]] = {}
    if options.demo:
        config = demo_config(config)
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = not (config.data / "demo-credentials.json").exists()
    async with open_data(config) as store:
        if options.demo:
            left: list[str] = []
            credentials = await found_company(store, config, SteadyClock(), left)
            if left:
                print(f"Was here before and is left as it was: {', '.join(left)}.", flush=True)
        elif not await store.flows.all():
            await _publish(store, Path(__file__).with_name("welcome.yaml"), (ANY_NUMBER,))
    supervisor = await KeeperLink.connect(Path(os.environ[KEEPER_SOCKET]))
    house = await open_house(config, supervisor=supervisor, web_dir=web_folder())
    loop.add_signal_handler(signal.SIGHUP, _reload, house)
    loop.add_signal_handler(signal.SIGUSR2, leave)
    # After the handlers: from now on the keeper passes signals on, which would end us before.
    supervisor.serving()
    # Into a terminal only: what a service prints is kept in the journal of the machine.
    shown = credentials if fresh and sys.stdout.isatty() else {}
    _announce(config, shown, demo=options.demo)
    await stop.wait()
    if left_to_the_next:
        await house.leave()
        # What serves calls is still here, and must not do what it does at the end of a call.
        logging.shutdown()
        os._exit(0)
    print("Stopping: no new calls, waiting for those that are left.", flush=True)
    await house.close(grace=config.limits.stop_grace.total_seconds())
    print("Stopped.", flush=True)
    return 0


async def check(config: Config, options: argparse.Namespace) -> int:
    """Say that `serve` could be started with this configuration; what is wrong has been said."""
    worker_settings(config)
    if config.sip.edge == "kamailio":
        edge_config(config)
    print(f"{config.source or 'the configuration without a file'} is in order")
    return 0


def _reload(house: House) -> None:
    house.reload_soon()


def _announce(config: Config, credentials: dict[str, dict[str, str]], *, demo: bool) -> None:
    """In plain words: where to call and which page to open."""
    host = "127.0.0.1" if config.sip.address in ("0.0.0.0", "::") else config.sip.address
    lines = ["", "Centralita takes calls."]
    if demo:
        numbers = ", ".join(
            f"{number} ({flow})" for flow, many in NUMBERS.items() for number in many
        )
        lines.append(f"  Call  sip:100@{host}:{config.sip.port}  from this machine, no password.")
        lines.append(f"  Numbers: {numbers}.")
    elif config.sip.edge == "none":
        lines.append(f"  Call  sip:100@{host}:{config.sip.port}  (any number, from anywhere)")
    else:
        names = ", ".join(trunk.name for trunk in config.trunks)
        trunks = names or "none yet: [trunk:…] in sip.conf"
        lines += [
            f"  Calls come from trunks ({trunks}) and from phones that have registered.",
            "  A first phone:  centralita user add NAME --role admin --extension 201"
            f" --data {config.data}",
        ]
    lines.append(f"  Open  http://{config.http.host}:{config.http.port}/")
    if config.sip.edge == "kamailio":
        lines.append(
            f"  Agents' phones register at {host}:{config.sip.port}, "
            f"domain {config.sip.domain}, as their extension."
        )
    if credentials:
        lines.append("  Passwords, shown once; they are kept in demo-credentials.json:")
        for kind, entries in credentials.items():
            lines += [f"    {kind[:-1]} {name}: {password}" for name, password in entries.items()]
    elif demo:
        lines.append(f"  Passwords: {config.data / 'demo-credentials.json'}")
    print("\n".join(lines), flush=True)


async def demo(config: Config, options: argparse.Namespace) -> int:
    """A whole call, narrated."""
    return await demo_call(web_folder())


async def flow_check(config: Config, options: argparse.Namespace) -> int:
    """Each problem on a line; 1 if there is any."""
    failed = False
    names = set()
    for path in options.file:
        with contextlib.suppress(Exception):
            names.add(str(cast(dict[str, Plain], read_document(path)).get("flow")))
    for path in options.file:
        try:
            flow = load_file(path, flows=names if len(options.file) > 1 else None)
        except InvalidInput as exc:
            failed = True
            print(exc, file=sys.stderr)
        else:
            print(f"{path}: flow {flow.name} is sound, {len(flow.nodes)} nodes")
    return 1 if failed else 0


async def flow_publish(config: Config, options: argparse.Namespace) -> int:
    """Store a new version and let it answer, in a running server, too."""
    async with open_data(config) as store:
        queues = {queue.queue_id for queue in await store.queues.all()}
        flows = {flow.flow_id for flow in await store.flows.all()}
        try:
            flow = load_file(options.file, queues=queues, flows=flows)
        except BadFlow as exc:
            print(exc, file=sys.stderr)
            return 1
        numbers = tuple(options.number) or None
        await enter(config, store, Action.FLOW_PUBLISHED, flow.name, numbers=numbers)
        version = await _publish(store, options.file, numbers)
    print(f"published as version {version}")
    print(await tell_server(config.run_dir))
    return 0


async def _publish(store: Store, path: Path, numbers: tuple[str, ...] | None) -> int:
    document = cast(dict[str, Plain], await asyncio.to_thread(read_document, path))
    flow_id = FlowId(str(document["flow"]))
    record = await store.flows.add_version(flow_id, document, at=SteadyClock().now(), by="cli")
    await store.flows.publish(flow_id, record.version, numbers=numbers)
    return record.version


async def models_list(config: Config, options: argparse.Namespace) -> int:
    """Which model serves which language."""
    configured = {"es": config.asr.model_es, "en": config.asr.model_en}
    for model in list_models(
        config.data, {language: path for language, path in configured.items() if path}
    ):
        print(f"{model.language}: {model.describe()}")
    return 0


async def models_get(config: Config, options: argparse.Namespace) -> int:
    """Download, unpack, say where it is."""
    model = await asyncio.to_thread(get_model, options.language, config.data, progress=print)
    print(f"{model.language}: {model.describe()}; used from the next start on")
    return 0


async def import_file(config: Config, options: argparse.Namespace) -> int:
    """Customers or messages; what was imported before is left as it is.

    0 when all of the file is there now, 1 when something was refused, 2 when the database went away
    in the middle.
    """
    async with open_data(config) as store:
        customers: CustomersToImport = store.customers
        entries: EntriesToImport = store.interactions
        if options.dry_run:
            customers = RehearsedCustomers(store.customers)
            entries = RehearsedEntries(store.interactions)
        else:
            await enter(config, store, Action.IMPORTED, options.file.name, kind=options.kind)
        importer = Importer(customers, entries, SteadyClock(), region=config.sip.region)
        if options.kind == "customers":
            result = await importer.customers_csv(options.file)
        elif options.kind == "messages":
            result = await importer.messages_csv(options.file)
        else:
            result = await importer.mbox(options.file, ours=frozenset(options.ours))
    for problem in result.problems:
        print(problem, file=sys.stderr)
    refused = f"{result.known} unchanged, {len(result.problems)} refused"
    if options.dry_run:
        print(f"{result.added} would be added, {refused}; nothing has been written")
    else:
        print(f"{result.added} added, {refused}")
    return 2 if result.stopped else 1 if result.problems else 0


async def enter(
    config: Config, store: Store, action: Action, object: str, **details: object
) -> None:
    """Into the audit log, in the name of whoever gave the command."""
    plain = {name: to_plain(value) for name, value in details.items()}
    await audit_log(config, store, SteadyClock()).write(
        operator(), action, object, Outcome.DONE, **plain
    )


async def ban_list(config: Config, options: argparse.Namespace) -> int:
    """A line for each address, the latest first."""
    for ban in await _bans(config).all():
        why = "guessing passwords" if ban.reason == "guesses" else "too many requests"
        print(f"{ban.address}: {why}, from {ban.since:%F %T} to {ban.until:%F %T} UTC")
    return 0


async def ban_lift(config: Config, options: argparse.Namespace) -> int:
    """A running server listens to the address again."""
    async with open_data(config) as store:
        await enter(config, store, Action.BAN_LIFTED, options.address)
    await _bans(config).lift(options.address, "cli")
    print(f"{options.address} is listened to again")
    return 0


def _bans(config: Config) -> Bans:
    return Bans(EdgeControl(edge_config(config).control_pipe), config.limits.ban)


async def queue_add(config: Config, options: argparse.Namespace) -> int:
    """Make a queue, or change the settings that are given."""
    queue_id = QueueId(options.queue)
    async with open_data(config) as store:
        queue = await store.queues.get(queue_id) or QueueRecord(queue_id=queue_id, title="")
        settings = dict(queue.settings)
        for pair in options.set:
            name, equals, value = pair.partition("=")
            if not equals:
                raise InvalidInput(f'"{pair}": write NAME=VALUE, for instance wrap_up=30s')
            try:
                settings[name] = json.loads(value)
            except ValueError:
                settings[name] = value
        queue = replace(
            queue,
            title=options.title or queue.title or options.queue,
            language=options.language or queue.language or "es",
            settings=settings,
        )
        queue_config(queue)
        await enter(config, store, Action.QUEUE_PUT, queue_id, settings=options.set)
        await store.queues.put(queue)
    print(f"queue {queue_id}")
    print(await tell_server(config.run_dir))
    return 0


@contextlib.asynccontextmanager
async def open_data(config: Config) -> AsyncIterator[Store]:
    """The store of this data folder, closed again in the end."""
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = await open_store(config.database_url)
    try:
        yield store
    finally:
        await store.close()
