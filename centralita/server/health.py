"""How the house is: /healthz and /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from centralita import __version__
from centralita.api import schemas as s
from centralita.asr.vosk.models import ModelInfo
from centralita.asr.vosk.pool import VoskPool
from centralita.channels.postman import Postman
from centralita.core.bus import Bus
from centralita.core.events import Event
from centralita.core.landlock import landlock_version
from centralita.outbound.gate import Gate
from centralita.recordings.recorder import Recorder
from centralita.server.call_log import CallLog
from centralita.server.confinement import Confinement
from centralita.server.message_alert import MessageAlert
from centralita.server.supervision import ProcessKeeper
from centralita.server.trunks import Trunks
from centralita.store.store import Store
from centralita.telephony.edge.watch import RegistrationWatch
from centralita.telephony.link import WorkerLink
from centralita.timeline.model import Channel

# The desktop build of pjsua2; what it is good for is a first look.
_TOO_FEW_CALLS = 10


class HealthCheck:
    """`HealthReport` for the API."""

    def __init__(
        self,
        link: WorkerLink,
        pool: VoskPool,
        models: Iterable[ModelInfo],
        watch: RegistrationWatch | None,
        store: Store,
        calls: CallLog,
        recorder: Recorder,
        outbound: Gate,
        postman: Postman,
        confinement: Confinement,
        message_alert: MessageAlert,
        trunks: Trunks,
    ) -> None:
        self._message_alert = message_alert
        self._confinement = confinement
        self._trunks = trunks
        self._link = link
        self._pool = pool
        self._models = tuple(models)
        self._watch = watch
        self._store = store
        self._calls = calls
        self._recorder = recorder
        self._outbound = outbound
        self._postman = postman
        self.draining = False

    async def report(self) -> s.Health:
        """As of now."""
        worker, asr, edge, database = (
            self._worker(),
            self._asr(),
            self._edge(),
            await self._database(),
        )
        takes_calls = bool(self._link.workers) and edge.ok and not self.draining
        recordings, outbound = self._recordings(), self._calls_out()
        messages = messages_out(self._postman, self._message_alert)
        trunks = self._trunks.part()
        good = (
            takes_calls
            and worker.ok
            and asr.ok
            and database.ok
            and recordings.ok
            and outbound.ok
            and messages.ok
            and trunks.ok
            and worker.max_calls >= _TOO_FEW_CALLS
        )
        return s.Health(
            status="ok" if good else "degraded" if takes_calls else "down",
            version=__version__,
            worker=worker,
            asr=asr,
            edge=edge,
            database=database,
            recordings=recordings,
            outbound=outbound,
            messages=messages,
            sandbox=self._sandbox(),
            trunks=trunks,
        )

    def _sandbox(self) -> s.Part:
        """Calls can be taken without: it is told, and no alarm."""
        return s.Part(
            ok=True,
            message=self._confinement.trouble,
            detail={"landlock": landlock_version()},
        )

    def _calls_out(self) -> s.Part:
        gate = self._outbound
        return s.Part(
            ok=not gate.overspent,
            message=f"calls to the outside cost {gate.spent} today, more than "
            f"{gate.rules.alert_at}; see [outbound] alert_at"
            if gate.overspent
            else "",
            detail={"running": gate.running, "spent": str(gate.spent)},
        )

    def _recordings(self) -> s.Part:
        halted, refused = self._recorder.halted, self._calls.disk_refuses
        reason = f"nothing is recorded: {halted}" if halted else refused
        return s.Part(ok=not reason, message=reason, detail={"active": self._recorder.active})

    def _worker(self) -> s.WorkerPart:
        workers = self._link.workers
        capacity = sum(hello.max_calls for hello in workers.values())
        message = "" if workers else "no media worker is connected"
        if workers and capacity < _TOO_FEW_CALLS:
            message = f"pjsua2 is the ready-made wheel, limited to {capacity} calls"
        astray = self._link.astray_lately
        if workers and astray:
            message = (
                f"{astray} legs were known to a media worker or to the brain alone, and ended; "
                "the log names them"
            )
        return s.WorkerPart(
            ok=bool(workers) and not astray,
            message=message,
            max_calls=capacity,
            calls=self._link.leg_count,
            version=", ".join(sorted({hello.version for hello in workers.values()})),
        )

    def _asr(self) -> s.Part:
        statuses = self._pool.status()
        up = [status for status in statuses if status.up]
        return s.Part(
            ok=bool(up),
            message="" if up else "no recogniser is connected; callers are served by keys",
            detail={
                "streams": sum(status.streams for status in up),
                "models": {model.language: model.describe() for model in self._models},
            },
        )

    def _edge(self) -> s.Part:
        if self._watch is None:
            return s.Part(ok=True, message="no edge: phones cannot register")
        answering = self._watch.answering
        return s.Part(
            ok=answering,
            message="" if answering else "Kamailio does not answer",
            detail={"registered": len(self._watch.registered)},
        )

    async def _database(self) -> s.Part:
        try:
            async with asyncio.timeout(0.8):
                await self._store.ping()
        except Exception as exc:
            return s.Part(
                ok=False,
                message=f"{type(exc).__name__}: {exc}; calls go on, and are stored later",
                detail={"pending": self._calls.pending},
            )
        pending = self._calls.pending
        away = self._calls.store_is_away
        return s.Part(
            ok=not away,
            message=f"{away}; calls go on, and are stored later" if away else "",
            detail={"pending": pending},
        )


def messages_out(postman: Postman, alert: MessageAlert | None = None) -> s.Part:
    """Whether what agents write goes out, on the channels that have a server; and whether it is
    more than anybody expects."""
    troubles = [
        f"no {channel} has gone since {one.since.isoformat(timespec='seconds')} "
        f"({one.trouble.value}); see [{channel}]"
        for channel, one in sorted(postman.troubles.items())
    ]
    many = [
        f"{written} messages by {channel.value} were written today, more than are expected; "
        f"see [outbound] {'sms' if channel is Channel.SMS else 'emails'}_alert_at"
        for channel, written in (alert.over if alert is not None else {}).items()
    ]
    return s.Part(
        ok=not troubles and not many,
        message="; ".join(troubles + many),
        detail={"sends": [name for name in ("email", "sms") if postman.sends(name)]},
    )


class HouseMetrics(Collector):
    """Figures for Prometheus, read when they are asked for."""

    def __init__(
        self,
        link: WorkerLink,
        pool: VoskPool,
        calls: CallLog,
        supervisor: ProcessKeeper,
        bus: Bus,
        outbound: Gate,
        postman: Postman,
        trunks: Trunks,
    ) -> None:
        self._trunks = trunks
        self._postman = postman
        self._outbound = outbound
        self._link = link
        self._pool = pool
        self._calls = calls
        self._supervisor = supervisor
        self._events: dict[str, int] = {}
        bus.subscribe(Event, self._count)

    def _count(self, event: Event) -> None:
        name = type(event).__name__
        self._events[name] = self._events.get(name, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield _gauge("centralita_legs", "SIP dialogs alive", self._link.leg_count)
        legs = GaugeMetricFamily(
            "centralita_worker_legs", "SIP dialogs alive in a media worker", labels=["worker"]
        )
        for worker_id in self._link.workers:
            legs.add_metric([worker_id], self._link.legs_of(worker_id))
        yield legs
        yield CounterMetricFamily(
            "centralita_legs_astray",
            "legs that a media worker or the brain alone knew of",
            value=self._link.legs_astray,
        )
        yield _gauge("centralita_calls", "calls in the house", len(self._calls.calls))
        yield _gauge("centralita_journal_pending", "lines to be written", self._calls.pending)
        streams = sum(status.streams for status in self._pool.status())
        yield _gauge("centralita_asr_streams", "callers being listened to", streams)
        gate = self._outbound
        yield _gauge("centralita_outbound_calls", "calls to the outside alive", gate.running)
        yield _gauge("centralita_outbound_spent", "what they cost today", float(gate.spent))
        refused = CounterMetricFamily(
            "centralita_outbound_refused", "calls to the outside refused", labels=["reason"]
        )
        for reason, count in sorted(gate.refused.items()):
            refused.add_metric([reason.value], count)
        yield refused
        messages = CounterMetricFamily(
            "centralita_messages", "tries to send messages", labels=["channel", "result"]
        )
        for (channel, result), count in sorted(self._postman.results.items()):
            messages.add_metric([channel, result], count)
        yield messages
        yield from self._trunks.metrics()
        events = CounterMetricFamily("centralita_events", "events by type", labels=["event"])
        for name, count in sorted(self._events.items()):
            events.add_metric([name], count)
        yield events
        restarts = CounterMetricFamily(
            "centralita_process_restarts", "child processes that died", labels=["process"]
        )
        for name in self._supervisor.names():
            restarts.add_metric([name], self._supervisor.restarts(name))
        yield restarts


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
