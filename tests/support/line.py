"""One caller and the driver that serves the call, on scripted telephony and speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from centralita.asr.fake import FakeRecognition, FakeRecognizer
from centralita.core.bus import Bus
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, RecordingId, new_id
from centralita.core.tasks import Tasks
from centralita.ivr.driver import CallDriver
from centralita.ivr.events import FlowEnded, NodeEntered
from centralita.ivr.flow import Flow
from centralita.ivr.ports import IvrPorts, OnLeft
from centralita.ivr.prompts.synthesizer import PromptError
from centralita.ivr.resume import NOTE, FlowVersion, read_note, restore
from centralita.ivr.signals import Enqueue, Prompt
from centralita.recordings.files import RecordingError
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import CallArrived, EndReason, KeptLeg
from centralita.telephony.fake import FakeCallControl, FakeLeg
from tests.support.virtual_time import LoopClock

E = TypeVar("E", bound=Event)


class Voice:
    """Prompts are files named by their text."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.dumb = False

    async def files(self, prompts: Sequence[Prompt]) -> list[Path]:
        for prompt in prompts:
            if self.dumb or prompt.text in self.broken:
                raise PromptError(f'"{prompt.text}" cannot be spoken')
        return [Path(prompt.text or prompt.wav) for prompt in prompts]

    async def beep(self) -> Path:
        if self.dumb:
            raise PromptError("no beep")
        return Path("beep")

    async def ringing(self) -> Path:
        return Path("ringing")


class OneQueue:
    """The queue `sales`, and `office` for emergencies; the test says when a caller leaves."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.leave: OnLeft = lambda how, onward: None

    def enqueue(
        self,
        arrived: CallArrived,
        order: Enqueue,
        on_left: OnLeft,
    ) -> None:
        if order.queue not in ("sales", "office"):
            raise NotFound(f"there is no queue {order.queue}")
        self.waiting.append(order.queue)
        self.leave = on_left

    def rejoin(self, call_id: CallId, on_left: OnLeft) -> bool:
        self.leave = on_left
        return bool(self.waiting)


class Tapes:
    """What happened to messages."""

    def __init__(self) -> None:
        self.kept: list[RecordingId] = []
        self.forgotten: list[RecordingId] = []
        self.broken = False
        self.running: RecordingId | None = None

    async def start(
        self, call_id: CallId, leg_id: LegId, *, language: str, queue: str
    ) -> RecordingId:
        if self.broken:
            raise RecordingError("the disk is full")
        self.running = RecordingId(new_id("rec"))
        return self.running

    async def finish(self, call_id: CallId, recording_id: RecordingId) -> None:
        self.kept.append(recording_id)

    async def discard(self, recording_id: RecordingId) -> None:
        self.forgotten.append(recording_id)


class Numbers:
    """Every number can be called but 666."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, AgentId | None]] = []
        self.withdrawn: list[LegId] = []

    async def open(
        self,
        target: str,
        *,
        arrived: CallArrived,
        leg_id: LegId,
        flow: str,
        agent_id: AgentId | None,
    ) -> Sequence[Attempt]:
        self.asked.append((target, flow, agent_id))
        if "666" in target:
            raise InvalidInput(f"{target} cannot be called")
        uri = target if target.startswith("sip:") else f"sip:{target}@outside"
        return (Attempt(uri=uri, caller=arrived.caller),)

    def withdraw(self, leg_id: LegId) -> None:
        self.withdrawn.append(leg_id)


class Line:
    """A call in progress."""

    def __init__(self, flow: Flow, library: Sequence[Flow]) -> None:
        self.control = FakeCallControl()
        self.recognizer = FakeRecognizer()
        self.targets = Numbers()
        self.voice = Voice()
        self.queue = OneQueue()
        self.tapes = Tapes()
        self.bus = Bus()
        self.told: list[Event] = []
        self.bus.subscribe(Event, self.told.append)
        self.leg: FakeLeg = self.control.arrives("100")
        self._flow, self._library = flow, {other.name: other for other in library}
        self.driver = self._new_driver()
        self._tasks = Tasks("line")

    def start(self) -> None:
        self._tasks.spawn(self._pump(), name="pump")
        self._tasks.spawn(self.driver.run(), name="driver")

    async def close(self) -> None:
        await self._tasks.close()

    def _new_driver(self) -> CallDriver:
        return CallDriver(
            CallArrived(
                leg_id=self.leg.leg_id,
                call_id=self.leg.call_id,
                sip_call_id="1",
                caller="+34600111222",
                caller_name="",
                dialled="100",
            ),
            self._flow,
            self._library,
            {"caller": "+34600111222"},
            IvrPorts(
                control=self.control,
                recognizer=self.recognizer,
                prompts=self.voice,
                queues=self.queue,
                messages=self.tapes,
                targets=self.targets,
                bus=self.bus,
                clock=LoopClock(),
            ),
            default_queue="office",
        )

    async def is_killed(self) -> list[KeptLeg]:
        """The driver's process is gone, without a word; returns what the worker keeps."""

        async def nothing() -> None:
            return None

        setattr(self.driver, "_clean_up", nothing)  # noqa: B010 - who is killed does not clean up
        await self._tasks.close()
        await self.driver._tasks.close()
        self.driver._stop()
        return self.control.new_brain()

    def is_taken_over(self, kept: Sequence[KeptLeg]) -> None:
        """Another driver goes on with the call, as the server would have it."""
        leg = next(leg for leg in kept if leg.leg_id == self.leg.leg_id)
        note = read_note(leg.notes[NOTE])
        flows = {
            FlowVersion(name=flow.name, version=flow.version): flow
            for flow in (self._flow, *self._library.values())
        }
        transfer = next((leg for leg in kept if leg.leg_id == note.transfer_leg), None)
        self.driver = self._new_driver()
        self.driver.take_over(restore(note, flows, self._library), note, leg, transfer)
        self.start()

    async def _pump(self) -> None:
        async for event in self.control.events():
            self.bus.publish(event)

    # --- the caller -----------------------------------------------------------------------------

    async def hears(self, prompt: str) -> None:
        """Wait until a file of that beginning plays."""
        await self.until(
            lambda: bool(self.leg.playing) and str(self.leg.playing[-1]).startswith(prompt),
            f'"{prompt}" is not heard but {self.leg.playing}',
        )

    async def hears_out(self, prompt: str) -> None:
        await self.hears(prompt)
        self.control.hears_out(self.leg)

    def presses(self, keys: str) -> None:
        self.control.presses(self.leg, keys)

    async def says(self, text: str, *, question: int = 0) -> None:
        """Answer the question of that number."""
        (await self.ear(question)).says(text)

    async def ear(self, question: int) -> FakeRecognition:
        """The recogniser's stream for that question, connected to the caller."""
        stream = await asyncio.wait_for(self.recognizer.next_stream(question), 5)
        await self.until(lambda: self.leg.sink is not None, "nobody listens")
        return stream

    def hangs_up(self) -> None:
        self.control.hangs_up(self.leg)

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, holds: Callable[[], bool], otherwise: str = "never") -> None:
        """Wait until something is so, for at most 200 ms of the caller's time."""
        for _ in range(20):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{otherwise} after {self.path}")

    # --- what can be seen -----------------------------------------------------------------------

    @property
    def path(self) -> list[str]:
        return [event.step.node for event in self.told if isinstance(event, NodeEntered)]

    @property
    def end(self) -> EndReason | None:
        return self.control.ended.get(self.leg.leg_id)

    async def is_over(self) -> FlowEnded:
        """Wait until the driver has let go."""
        await self.until(
            lambda: any(isinstance(event, FlowEnded) for event in self.told), "not over"
        )
        return next(event for event in self.told if isinstance(event, FlowEnded))


@asynccontextmanager
async def on_the_line(flow: Flow, *library: Flow, dumb: bool = False) -> AsyncIterator[Line]:
    """A caller who has just called a number that this flow answers."""
    line = Line(flow, library)
    line.voice.dumb = dumb
    line.start()
    try:
        yield line
    finally:
        await line.close()
