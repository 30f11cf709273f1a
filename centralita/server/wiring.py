"""The wiring: the only place where objects meet."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from centralita.api.eviction import Eviction
from centralita.api.live import LiveHub
from centralita.api.ports import ApiPorts
from centralita.asr.vosk.models import resolve_models
from centralita.asr.vosk.pool import PoolSettings, VoskPool
from centralita.audit.entry import SERVER, Action
from centralita.channels.postman import Postman
from centralita.core.bus import Bus
from centralita.core.clock import SteadyClock
from centralita.core.errors import CentralitaError, Unavailable
from centralita.core.ids import QueueId
from centralita.core.tasks import Tasks
from centralita.ivr.ports import IvrPorts
from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.espeak import EspeakVoice
from centralita.journal.journal import Journal
from centralita.outbound.gate import Gate
from centralita.outbound.numbers import is_emergency
from centralita.recordings.recorder import Recorder
from centralita.routing.board import Board
from centralita.routing.dispatcher import Dispatcher
from centralita.server.adapters import (
    FlowPrompts,
    Messages,
    Phones,
    QueueAnnouncer,
    Queues,
)
from centralita.server.agents import Agents
from centralita.server.auditing import audit_log
from centralita.server.bans import Bans
from centralita.server.call_log import CallLog
from centralita.server.center import Center
from centralita.server.common_time import follow_time, leave_time
from centralita.server.config import Config, read_secret
from centralita.server.confinement import Confinement
from centralita.server.control import ControlSocket
from centralita.server.conversations import Conversations
from centralita.server.disk_watch import DiskWatch
from centralita.server.farewell import SpokenFarewell
from centralita.server.health import HealthCheck, HouseMetrics
from centralita.server.house_edge import HouseEdge
from centralita.server.inside import Inside
from centralita.server.live_feed import LiveFeed
from centralita.server.live_transcript.transcripts import LiveTranscripts
from centralita.server.media_workers import MediaWorkers, retiring_workers
from centralita.server.message_alert import MessageAlert
from centralita.server.outgoing import Outgoing, OutgoingPorts
from centralita.server.outward import AgentLines, AuditWitness, Beeper, Outward, outbound_rules
from centralita.server.page_phones import PagePhones
from centralita.server.post import senders
from centralita.server.recording import Recordings
from centralita.server.retention import Retention
from centralita.server.silent_phones import SilentPhones
from centralita.server.supervision import ProcessKeeper
from centralita.server.supervisor import Supervisor
from centralita.server.switch import Switch
from centralita.server.takeover import TakeOver
from centralita.server.telephony import edge_config, worker_settings
from centralita.server.transcriber import Transcriber
from centralita.server.trunks import Trunks
from centralita.server.website import Website, api_settings
from centralita.store.store import Store, open_store
from centralita.telephony.call import KeptLeg
from centralita.telephony.edge.control import Registration
from centralita.telephony.link import WorkerLink
from centralita.timeline.directory import Directory
from centralita.vault.keyring import Keyring

log = logging.getLogger(__name__)

_START_WITHIN = 30.0
# How often we look whether somebody is here who must not be any more, in seconds.
_LOOK_EVERY = 30.0
# How long the next brain waits for a message that is just being sent, in seconds.
_LAST_LETTER = 1.0


class House:
    """The whole server of one machine. `await open_house(config)`, then `close`."""

    def __init__(
        self, config: Config, store: Store, supervisor: ProcessKeeper, web_dir: Path | None
    ) -> None:
        self.config = config
        self.store = store
        self.bus = Bus()
        self.clock = SteadyClock()
        self.supervisor = supervisor
        self.center = Center(config, store)
        self.confinement = Confinement(config)
        self.hub = LiveHub()
        self.models = resolve_models(config.data, _configured_models(config))
        self.pool = VoskPool(
            {language: model.path for language, model in self.models.items()},
            config.run_dir,
            PoolSettings(workers=config.asr.workers, max_streams=config.asr.max_streams),
            on_hung=self.supervisor.kill,
        )
        workers, retiring = worker_settings(config), retiring_workers(config, supervisor)
        self.link = WorkerLink(workers, retiring=retiring, on_hung=self.supervisor.kill)
        self.edge = (
            HouseEdge(
                edge_config(config, retiring),
                supervisor,
                self.bus.publish,
                confine=self.confinement.edge,
                clock=self.clock,
            )
            if config.sip.edge == "kamailio"
            else None
        )
        edge_control = self.edge.control if self.edge is not None else None
        self.trunks = Trunks(self.edge.trunks if self.edge is not None else None)
        self.media_workers = MediaWorkers(
            workers, retiring, self.link, supervisor, edge_control, self.bus
        )
        voices = {"es": config.tts.voice_es, "en": config.tts.voice_en}
        self.prompts = PromptCache(
            EspeakVoice(voices, words_per_minute=config.tts.rate),
            config.data / "cache" / "prompts",
            config.data / "prompts",
            rate=config.media.clock_rate,
        )
        calls_for_help = partial(
            is_emergency, region=config.sip.region, emergency=config.outbound.emergency
        )
        self.directory = Directory(
            store.customers,
            self.clock,
            region=config.sip.region,
            calls_for_help=calls_for_help,
        )
        journal = Journal(config.data / "journal")
        self.calls = CallLog(
            journal,
            store,
            self.directory,
            self.bus,
            self.clock,
            default_queue=lambda: self.center.default_queue,
        )
        self.keyring = Keyring(config.keys_dir)
        self.recorder = Recorder(
            self.link,
            self.bus,
            self.clock,
            config.recordings_dir,
            keyring=self.keyring if config.recordings.encrypt else None,
            written_down=self.calls.written_down,
        )
        self.feed = LiveFeed(self.hub, self.bus, self.clock, store, self.calls, self._queue_title)
        self.transcriber = Transcriber(
            self.pool, store, self.bus, config.recordings_dir, self.keyring
        )
        self.audit = audit_log(config, store, self.clock)
        self.retention = Retention(config, store, self.clock, self.audit)
        self.disk = DiskWatch(
            config.recordings_dir, self.recorder, keep_free=config.recordings.keep_free_mb << 20
        )
        self.phones = Phones(config, self._registered, self.trunks.usable)
        self.board = Board([], [])
        self.outbound = Gate(
            outbound_rules(config),
            store.outbound,
            self.link,
            self.bus,
            self.clock,
            AuditWitness(self.audit, self.keyring),
            warn=Beeper(self.link, self.prompts),
        )
        self.outward = Outward(self.phones, self.outbound, self.board, self.center.answers)
        lines = AgentLines(self.outward, self.center.flows)
        announcer = QueueAnnouncer(self.prompts)
        self.dispatcher = Dispatcher(
            self.board,
            self.link,
            self.bus,
            self.clock,
            announcer,
            lines,
        )
        self.transcripts = LiveTranscripts(
            self.pool,
            self.link,
            self.board,
            self.bus,
            self.clock,
            reserve=config.asr.transcript_reserve,
        )
        self.agents = Agents(self.dispatcher, store, self.bus, phone_grace=config.sip.phone_grace)
        self.page_phones = PagePhones(
            config, edge_control, self._registered, self.link, self.bus, self.clock
        )
        self.silent_phones = SilentPhones(self.link, self.bus, self.dispatcher.is_agents)
        ports = IvrPorts(
            control=self.link,
            recognizer=self.pool,
            prompts=FlowPrompts(self.prompts, config.data / "prompts"),
            queues=Queues(self.dispatcher, self.clock),
            messages=Messages(self.recorder),
            targets=self.outward,
            bus=self.bus,
            clock=self.clock,
        )
        self.switch = Switch(
            self.link,
            ports,
            self.center,
            self.directory,
            self.calls,
            self.bus,
            SpokenFarewell(self.link, self.bus, self.prompts),
            regions={trunk.name: trunk.region for trunk in config.trunks if trunk.region},
            accounts={trunk.name: trunk.username for trunk in config.trunks if trunk.username},
        )
        self.outgoing = Outgoing(
            OutgoingPorts(
                control=self.link,
                dispatcher=self.dispatcher,
                lines=lines,
                announcer=announcer,
                calls=self.calls,
                directory=self.directory,
                conversing=self.switch,
                bus=self.bus,
                clock=self.clock,
                calls_for_help=calls_for_help,
            )
        )
        self.inside = self.switch.inside = Inside(
            self.link, self.dispatcher, lines, self.outgoing, self.bus, self.clock
        )
        self.conversations = Conversations(self.dispatcher.desk, self.recorder, self.outgoing)
        self.postman = Postman(
            senders(config.email, config.sms, read_secret), store.outbox, self.bus, self.clock
        )
        self.message_alert = MessageAlert(
            config.outbound, outbound_rules(config), store.outbox, self.clock
        )
        self.health = HealthCheck(
            self.link,
            self.pool,
            self.models.values(),
            self.edge.watch if self.edge is not None else None,
            store,
            self.calls,
            self.recorder,
            self.outbound,
            self.postman,
            self.confinement,
            self.message_alert,
            self.trunks,
        )
        self.settings = api_settings(config, web_dir)
        self.eviction = Eviction(store, self.hub, self.page_phones, self.clock, self.settings)
        # The directory is read as a whole, by one at a time.
        self._changing = asyncio.Lock()
        self._commands = ControlSocket(config.run_dir, self.reload, lambda: self.trunks.states)
        self._bans = Bans(edge_control, config.limits.ban)
        self._website: Website | None = None
        self._tasks = Tasks("house")
        self.recordings = Recordings(self.recorder, self.dispatcher.desk, self.bus, self._tasks)

    # --- life -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything; returns when calls can be taken. Raises Unavailable when they can't."""
        await self.audit.write(SERVER, Action.SERVER_STARTED, configuration=self._fingerprint())
        if self.confinement.trouble:
            log.warning("children are not confined", extra={"why": self.confinement.trouble})
        media, sip = self.config.media, self.config.sip
        if media.srtp == "mandatory" and media.srtp_keys == "any" and sip.transports != ("tls",):
            log.warning("keys of audio go in the clear where SIP does, see [media] srtp_keys")
        self.recorder.open()
        # Before the directory is read: a command that changes it finds us, or we read its change.
        async with self._changing:
            await self._commands.open()
            await self._open()

    async def _open(self) -> None:
        began = time.monotonic()
        await self.center.load()
        self.board.configure(self.center.queues.values(), self.center.profiles(), self.clock.now())
        await self.calls.open()
        kept = await self._find_calls()
        time_file = self.config.run_dir / "time.json"
        if kept:
            follow_time(self.clock, time_file)
        leave_time(self.clock, time_file)
        closed = await self.calls.recover({leg.call_id for leg in kept} | self.link.arriving)
        if closed:
            log.warning("calls of the last run were closed", extra={"calls": closed})
        await self.outbound.open({leg.leg_id for leg in kept if leg.ended is None})
        self.transcriber.start()
        await self.transcriber.catch_up()
        writing = {leg.recording for leg in kept if leg.recording and leg.ended is None}
        recovered = await self.recorder.recover(writing)
        if recovered:
            log.warning("recordings of the last run are recovered", extra={"count": recovered})
        await self._start_processes()
        self.dispatcher.start()
        for event in self.board.snapshot():
            self.bus.publish(event)
        await self.agents.restore()
        await self.feed.open()
        if kept:
            await self._take_over(kept)
        self.page_phones.start(kept)
        self.silent_phones.start(kept)
        self.switch.start()
        self.retention.start()
        self.postman.start()
        self.message_alert.start()
        self.disk.start()
        self.prompts.start()
        self._website = Website(self.config, self._api_ports())
        await self._website.open()
        await self._wait_until_ready()
        self._tasks.spawn(self._warm_prompts(), name="warm prompts")
        self._tasks.keep(self._look_around, name="look who is here")
        log.info("ready for calls", extra={"seconds": round(time.monotonic() - began, 2)})

    async def close(self, grace: float = 30.0) -> None:
        """Take no new calls, let the others finish within `grace`, then stop everything."""
        self.health.draining = True
        await self._commands.close()
        await self.switch.drain(grace)
        await self.recorder.close()
        await self.calls.close()
        await self.transcriber.close()
        if self._website is not None:
            await self._website.close()
        if self.edge is not None:
            await self.edge.close()
        await self.inside.close()
        await self.outgoing.close()
        await self.page_phones.close()
        await self.silent_phones.close()
        await self.dispatcher.close()
        await self.outbound.close()
        await self.agents.close()
        await self.transcripts.close()
        await self.feed.close()
        await self.retention.close()
        await self.postman.close()
        await self.message_alert.close()
        await self.disk.close()
        await self._tasks.close()
        await self.media_workers.close()
        await self.switch.close()
        self.supervisor.expect_ends()
        await self.link.close()
        await self.pool.close()
        await self.prompts.close()
        await self.supervisor.close()
        await self.store.close()

    async def leave(self) -> None:
        """Write down what is pending and let go of all calls as they are: another brain follows.

        The process must end at once, without a word of farewell to anything.
        """
        await self._commands.close()
        await self.link.close()
        if self._website is not None:
            await self._website.close()
        await self.postman.close(within=_LAST_LETTER)
        await self.agents.close()
        await self.outbound.close()
        await self.calls.close()
        log.info("calls are left to the next brain", extra={"calls": len(self.switch.drivers)})

    async def reload(self) -> None:
        """Take a changed directory of agents, queues and flows; no call notices."""
        await self.take_changes()
        await self.audit.write(SERVER, Action.SERVER_RELOADED)

    async def take_changes(self) -> None:
        """`HouseControl`: as `reload`, for a change that is an entry of the audit log itself."""
        async with self._changing:
            await self.center.load()
            actions = self.board.configure(
                self.center.queues.values(), self.center.profiles(), self.clock.now()
            )
            self.dispatcher.carry_out(actions)
            await self.show_out()
            if self.edge is not None:
                await self.edge.change_phones(self.center.agents)

    async def show_out(self) -> None:
        """`HouseControl`: end what sessions and tokens left open that are good no more."""
        try:
            await self.eviction.look()
        except CentralitaError as exc:
            log.warning("who must leave is looked for again", extra={"error": str(exc)})

    async def _look_around(self) -> None:
        """The second wall: whoever changed accounts, and however, it is in force before long."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                if await self.center.agents_changed():
                    await self.take_changes()
                else:
                    await self.show_out()
            except CentralitaError as exc:
                log.warning("changes are looked for again", extra={"error": str(exc)})

    def reload_soon(self) -> None:
        """As `reload`, from a signal handler."""
        self._tasks.spawn(self.reload(), name="reload")

    def _fingerprint(self) -> str:
        """The SHA-256 of sip.conf: two starts with the same one had the same configuration."""
        source = self.config.source
        return hashlib.sha256(source.read_bytes()).hexdigest() if source is not None else ""

    # --- parts ------------------------------------------------------------------------------

    async def _find_calls(self) -> list[KeptLeg]:
        """Start the media workers, or find them at work; returns the legs of the last run."""
        running = self.link.running(lambda name: self.supervisor.pid(name) is not None)
        for spec in self.link.specs(self.config.run_dir):
            self.supervisor.keep(self.confinement.media_worker(spec))
        self.link.start()
        return await self.link.take_over(running)

    async def _start_processes(self) -> None:
        models = [model.path for model in self.models.values()]
        for spec in self.pool.specs():
            self.supervisor.keep(self.confinement.recogniser(spec, models))
        if self.edge is not None:
            await self.edge.start(self.center.agents)
        await self.pool.start_pool()
        if self.edge is not None:
            self.edge.look()

    async def _take_over(self, kept: Sequence[KeptLeg]) -> None:
        if self.edge is not None:
            # Agents whose phones seem to be away would leave their queues empty.
            await self.edge.looked()
        await TakeOver(
            kept,
            control=self.link,
            calls=self.calls,
            center=self.center,
            dispatcher=self.dispatcher,
            switch=self.switch,
            bus=self.bus,
        ).run()
        await self.recordings.take_over(self.board)

    def _api_ports(self) -> ApiPorts:
        metrics = CollectorRegistry()
        metrics.register(
            HouseMetrics(
                self.link,
                self.pool,
                self.calls,
                self.supervisor,
                self.bus,
                self.outbound,
                self.postman,
                self.trunks,
            )
        )
        return ApiPorts(
            settings=self.settings,
            store=self.store,
            clock=self.clock,
            directory=self.directory,
            hub=self.hub,
            agents=self.agents,
            conversations=self.conversations,
            health=self.health,
            flows=self.center,
            bans=self._bans,
            trunks=self.trunks,
            phones=self.page_phones,
            house=self,
            post=self.postman,
            metrics=metrics,
            keyring=self.keyring,
            audit=self.audit,
        )

    async def _wait_until_ready(self) -> None:
        """Until calls can be taken; says what is missing when that takes too long."""
        deadline = time.monotonic() + _START_WITHIN
        report = await self.health.report()
        while report.status == "down" or not report.asr.ok:
            if time.monotonic() > deadline:
                if report.status != "down":
                    return
                reasons = [part.message for part in (report.worker, report.edge) if not part.ok]
                words = [
                    f"{name}: {said}"
                    for name in self.supervisor.names()
                    if (said := self.supervisor.last_words(name))
                ]
                raise Unavailable("; ".join(reasons + words))
            await asyncio.sleep(0.05)  # parts report when they are asked, not by themselves
            report = await self.health.report()

    async def _warm_prompts(self) -> None:
        """Render what flows say, so that the first caller does not wait for it."""
        for text, language in self._lasting_prompts():
            await self.prompts.render(text, language)
        for make in (self.prompts.music_on_hold, self.prompts.beep):
            await make()

    def _lasting_prompts(self) -> list[tuple[str, str]]:
        """What flows say to everybody alike, each text with its language."""
        return [
            (spec.text, spec.language or flow.language)
            for flow in self.center.flows.values()
            for node in flow.nodes.values()
            for _, spec in node.prompts_used()
            if spec.text and "{" not in spec.text
        ]

    async def forget_spoken(self) -> None:
        """What was said to single callers is said nowhere any more."""
        await self.prompts.forget_spoken(self._lasting_prompts())

    def _registered(self) -> dict[str, Registration]:
        return dict(self.edge.watch.registered) if self.edge is not None else {}

    def _queue_title(self, queue_id: QueueId) -> str:
        queue = self.center.queues.get(queue_id)
        return queue.title if queue is not None else queue_id


async def open_house(
    config: Config, *, supervisor: ProcessKeeper | None = None, web_dir: Path | None = None
) -> House:
    """Open the store and start everything. What was started is stopped when a part fails.

    Without a `supervisor` the processes are children of this one.
    """
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = await open_store(config.database_url)
    house = House(config, store, supervisor or Supervisor(), web_dir)
    try:
        await house.open()
    except BaseException:
        await house.close(grace=0)
        raise
    return house


def _configured_models(config: Config) -> dict[str, Path]:
    models = {"es": config.asr.model_es, "en": config.asr.model_en}
    return {language: path for language, path in models.items() if path is not None}
