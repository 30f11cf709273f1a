"""The brain of a house on scripted telephony and speech, with a real store: what a call leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import yaml

from centralita.api.live import LiveHub
from centralita.api.watcher import Viewer, Watcher
from centralita.asr.fake import FakeRecognizer
from centralita.core.bus import Bus
from centralita.core.clock import SteadyClock
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, FlowId, LegId, QueueId
from centralita.core.tasks import Tasks
from centralita.ivr.events import FlowEnded
from centralita.ivr.ports import IvrPorts
from centralita.journal.journal import Journal
from centralita.outbound.numbers import is_emergency
from centralita.recordings.recorder import Recorder
from centralita.routing.board import Board
from centralita.routing.dispatcher import Dispatcher
from centralita.server.adapters import Messages, Queues
from centralita.server.agents import Agents
from centralita.server.call_log import CallLog
from centralita.server.center import Center
from centralita.server.config import Config, Overrides, load_config
from centralita.server.conversations import Conversations
from centralita.server.inside import Inside
from centralita.server.live_feed import LiveFeed
from centralita.server.live_transcript.transcripts import LiveTranscripts
from centralita.server.outgoing import Outgoing, OutgoingPorts
from centralita.server.recording import Recordings
from centralita.server.switch import Switch
from centralita.server.transcriber import Transcriber
from centralita.store.records import AgentRecord, QueueRecord
from centralita.store.store import Store, open_store
from centralita.telephony.call import EndReason
from centralita.telephony.edge.events import PhoneRegistered
from centralita.telephony.fake import FakeCallControl, FakeLeg
from centralita.timeline.directory import Directory
from centralita.timeline.model import CallEvent, Interaction, Task
from centralita.vault.keyring import Keyring
from tests.support.center import Announcements, Phones
from tests.support.line import Numbers, Voice
from tests.support.telephony import tone, write_wav

M = TypeVar("M")
E = TypeVar("E", bound=Event)
ANA = AgentId("agent_ana")
SALES = QueueId("sales")

FLOW = """
flow: main
language: es
start: menu
nodes:
  menu:
    type: menu
    prompt: "menu"
    speech: false
    choices:
      - {key: "1", next: queue, set: {topic: blue, _hint: own}}
      - {key: "2", next: message}
      - {key: "3", next: bye}
      - {key: "4", next: outside}
      - {key: "5", next: away}
    on_failure: bye
  queue: {type: enqueue, queue: sales, otherwise: message, empty: queue_empty}
  queue_empty: {type: hangup, prompt: "nobody", outcome: gave_up}
  message: {type: voicemail, queue: sales, next: bye}
  outside: {type: transfer, target: "999", on_failure: bye}
  away: {type: hangup, prompt: "no", outcome: refused}
  bye: {type: hangup, prompt: "bye"}
"""


class Farewells:
    """A good-bye whose words are a file that need not be there."""

    def __init__(self, control: FakeCallControl) -> None:
        self._control = control

    async def say(self, call_id: CallId, leg_id: LegId, language: str) -> None:
        await self._control.play(leg_id, [Path(f"closing-{language}.wav")])


class House:
    """The parts of the server that keep no process, wired as the server wires them."""

    def __init__(self, store: Store, config: Config) -> None:
        self.store = store
        self.config = config
        self.clock = SteadyClock()
        self.bus = Bus()
        self.told: list[Event] = []
        self.control = FakeCallControl(prompts_end_at_once=True)
        self.recognizer = FakeRecognizer()
        self.hub = LiveHub()
        self.center = Center(config, store)
        calls_for_help = partial(is_emergency, region="ES")
        self.directory = Directory(
            store.customers, self.clock, region="ES", calls_for_help=calls_for_help
        )
        self.log_files = Journal(config.data / "journal")
        self.calls = CallLog(
            self.log_files,
            store,
            self.directory,
            self.bus,
            self.clock,
            default_queue=lambda: self.center.default_queue,
        )
        self.recorder = Recorder(
            self.control,
            self.bus,
            self.clock,
            config.recordings_dir,
            keyring=Keyring(config.keys_dir),
            written_down=self.calls.written_down,
        )
        self.feed = LiveFeed(self.hub, self.bus, self.clock, store, self.calls, str)
        self.transcriber = Transcriber(
            self.recognizer, store, self.bus, config.recordings_dir, Keyring(config.keys_dir)
        )
        self.board = Board([], [])
        self.dispatcher = Dispatcher(
            self.board, self.control, self.bus, self.clock, Announcements(), Phones()
        )
        self.transcripts = LiveTranscripts(
            self.recognizer,
            self.control,
            self.board,
            self.bus,
            self.clock,
            reserve=config.asr.transcript_reserve,
        )
        self.agents = Agents(self.dispatcher, store, self.bus, phone_grace=config.sip.phone_grace)
        self._tasks = Tasks("house under test")
        self.recordings = Recordings(self.recorder, self.dispatcher.desk, self.bus, self._tasks)
        ports = IvrPorts(
            control=self.control,
            recognizer=self.recognizer,
            prompts=Voice(),
            queues=Queues(self.dispatcher, self.clock),
            messages=Messages(self.recorder),
            targets=Numbers(),
            bus=self.bus,
            clock=self.clock,
        )
        self.switch = Switch(
            self.control,
            ports,
            self.center,
            self.directory,
            self.calls,
            self.bus,
            Farewells(self.control),
            regions={"paris": "FR"},
            accounts={"paris": "cuenta77"},
        )
        self.outgoing = Outgoing(
            OutgoingPorts(
                control=self.control,
                dispatcher=self.dispatcher,
                lines=Phones(),
                announcer=Announcements(),
                calls=self.calls,
                directory=self.directory,
                conversing=self.switch,
                bus=self.bus,
                clock=self.clock,
                calls_for_help=calls_for_help,
            )
        )
        self.inside = self.switch.inside = Inside(
            self.control, self.dispatcher, Phones(), self.outgoing, self.bus, self.clock
        )
        self.conversations = Conversations(self.dispatcher.desk, self.recorder, self.outgoing)
        self._news = asyncio.Event()
        self._killed = False
        self.bus.subscribe(Event, self._note)

    def _note(self, event: Event) -> None:
        self.told.append(event)
        self._news.set()

    async def open(self, held: Collection[CallId] = ()) -> None:
        self.recorder.open()
        await self.center.load()
        self.board.configure(self.center.queues.values(), self.center.profiles(), self.clock.now())
        await self.calls.open()
        await self.calls.recover(held)
        self.transcriber.start()
        self.switch.start()
        self.dispatcher.start()
        await self.agents.restore()

    def is_killed(self) -> None:
        """From now on nothing more is written: what is closed is what a kill leaves."""
        self._killed = True

    async def close(self) -> None:
        if self._killed:
            await self.log_files.close()
            await self.calls.close()
        await self.switch.close()
        await self.recorder.close()
        await self.calls.close()
        await self.transcriber.close()
        await self._tasks.close()
        await self.inside.close()
        await self.outgoing.close()
        await self.dispatcher.close()
        await self.agents.close()
        await self.transcripts.close()
        await self.feed.close()

    # --- what people do -------------------------------------------------------------------------

    async def reads_directory(self) -> None:
        """Agents and queues are as they are in the store now."""
        await self.center.load()
        self.dispatcher.carry_out(
            self.board.configure(
                self.center.queues.values(), self.center.profiles(), self.clock.now()
            )
        )

    async def ana_is_available(self) -> None:
        self.bus.publish(PhoneRegistered(extension="201", user_agent="desk"))
        await self.agents.set_status(ANA, "available", "")

    async def calls_in(self, *, caller: str = "600111222", trunk: str = "test") -> FakeLeg:
        """A caller whom the flow serves."""
        leg = self.control.arrives("100", caller=caller, trunk=trunk)
        await self.until(lambda: leg.answered)
        await self.until(lambda: self.calls.calls[leg.call_id].place != "")
        return leg

    async def talks_to_ana(self) -> tuple[FakeLeg, FakeLeg]:
        """Caller and agent, who hear each other."""
        caller = await self.calls_in()
        self.control.presses(caller, "1")
        phone = await asyncio.wait_for(self.control.next_dialled(), 5)
        self.control.rings(phone)
        self.control.answers(phone)
        await self.until(lambda: caller.other == phone.leg_id)
        return caller, phone

    async def leaves_a_message(self) -> FakeLeg:
        """A caller who speaks after the beep, and has not hung up yet."""
        caller = await self.calls_in()
        self.control.presses(caller, "2")
        await self.until(lambda: caller.recording is not None)
        assert caller.recording is not None
        write_wav(caller.recording, tone(440, 2.0))
        ear = await asyncio.wait_for(self.recognizer.next_stream(0), 5)
        await self.until(lambda: caller.sink is not None)
        ear.says("llámeme mañana")
        for _ in range(10):  # the words pass from task to task, each in a turn of the loop
            await asyncio.sleep(0)
        return caller

    # --- what can be seen -----------------------------------------------------------------------

    async def until(self, holds: Callable[[], bool], within: float = 5.0) -> None:
        """Wait until something is so, woken by every event."""
        async with asyncio.timeout(within):
            while not holds():
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.02)
                except TimeoutError:
                    continue

    async def hears_of(self, kind: type[E]) -> E:
        """The first event of a kind, waited for."""
        await self.until(lambda: bool(self.of(kind)))
        return self.of(kind)[0]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    def end_of(self, leg_id: LegId) -> EndReason | None:
        return self.control.ended.get(leg_id)

    async def is_over(self, leg: FakeLeg) -> Interaction:
        """The finished entry of a call, once its flow has ended and all of it is written."""
        await self.until(lambda: any(end.call_id == leg.call_id for end in self.of(FlowEnded)))
        return await self.entry_of(leg)

    async def entry_of(self, leg: FakeLeg) -> Interaction:
        """The entry of a call as of now."""
        await asyncio.wait_for(self.calls.written(), 5)
        entry = await self.store.interactions.by_call(leg.call_id)
        assert entry is not None
        return entry

    async def journal(self, leg: FakeLeg) -> tuple[CallEvent, ...]:
        return await self.store.call_events.of_call(leg.call_id)

    async def tasks(self) -> tuple[Task, ...]:
        return (await self.store.tasks.list(limit=10)).items

    def supervisor(self) -> Watcher:
        return self.hub.watch(Viewer(agent_id=None, sees_all=True, user="user_sofia"))


async def shown(watcher: Watcher, kind: type[M], count: int = 1) -> list[M]:
    """The next `count` messages of a kind that this page gets."""
    found: list[M] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            message = await watcher.next()
            if isinstance(message, kind):
                found.append(message)
    return found


async def furnish(store: Store) -> None:
    """The queue `sales`, whose agent is Ana at 201, and the flow for every number but 404."""
    await store.agents.put(AgentRecord(agent_id=ANA, name="Ana", extension="201"))
    await store.queues.put(
        QueueRecord(
            queue_id=SALES, title="Sales", language="es", agents=(ANA,),
            settings={"announce_recording": False, "wrap_up": "30s"},
        )
    )  # fmt: skip
    record = await store.flows.add_version(
        FlowId("main"), yaml.safe_load(FLOW), at=SteadyClock().now(), by="test"
    )
    await store.flows.publish(FlowId("main"), record.version, numbers=("100",))


def house_config(folder: Path) -> Config:
    """The defaults, in that folder."""
    return replace(load_config(None, Overrides(data=folder)), data=folder)


@asynccontextmanager
async def open_center_house(
    folder: Path, held: Collection[CallId] = (), *, phone_grace: timedelta | None = None
) -> AsyncIterator[House]:
    """A house with its center furnished; opened again over the same folder, it remembers.

    `held` are calls of the last run that a media worker kept."""
    config = house_config(folder)
    if phone_grace is not None:
        config = replace(config, sip=replace(config.sip, phone_grace=phone_grace))
    store = await open_store(config.database_url)
    try:
        if not await store.queues.all():
            await furnish(store)
        house = House(store, config)
        await house.open(held)
        try:
            yield house
        finally:
            await house.close()
    finally:
        await store.close()
