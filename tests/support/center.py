"""A contact center of one queue or more, on scripted telephony: callers, agents, time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from centralita.core.bus import Bus
from centralita.core.errors import Conflict, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, QueueId
from centralita.core.refusals import Refusal
from centralita.core.tasks import Tasks
from centralita.ivr.prompts.synthesizer import PromptError
from centralita.routing.agent import Agent, AgentProfile, AgentState, AgentStatus
from centralita.routing.board import Board
from centralita.routing.dispatcher import Dispatcher, Returned
from centralita.routing.queue import QueueConfig, QueuedCall
from centralita.telephony.attempts import Attempt, CallingParty
from centralita.telephony.call import CallArrived, EndReason
from centralita.telephony.fake import FakeCallControl, FakeLeg
from tests.support.virtual_time import LoopClock

E = TypeVar("E", bound=Event)
MUSIC = Path("music.wav")
RINGING = Path("ringing.wav")
NOTICE = Path("notice.wav")


class Announcements:
    """What the waiting hear, by name."""

    def __init__(self) -> None:
        self.broken = False

    async def music(self) -> Path:
        return MUSIC

    async def ringing(self) -> Path:
        return RINGING

    async def unheard(self, language: str) -> Path:
        return Path("unheard.wav")

    async def recording_notice(self, language: str) -> Path:
        if self.broken:
            raise PromptError("the synthesizer is gone")
        return NOTICE

    async def position(self, position: int, language: str) -> Sequence[Path]:
        if self.broken:
            raise PromptError("the synthesizer is gone")
        return [Path(f"position-{position}.wav")]


class Phones:
    """Every extension is a phone."""

    def find(self, extension: str) -> Sequence[Attempt]:
        return (Attempt(uri=f"sip:{extension}@phones"),)

    async def foresee(self, number: str, *, call_id: CallId, agent_id: AgentId) -> None:
        if "666" in number:
            raise Conflict("numbers with 666 are not allowed", code=Refusal.OUT_NOT_ALLOWED)

    async def open(
        self,
        number: str,
        *,
        call_id: CallId,
        leg_id: LegId,
        agent_id: AgentId,
        party: CallingParty,
    ) -> Sequence[Attempt]:
        await self.foresee(number, call_id=call_id, agent_id=agent_id)
        shown = party.number or party.caller
        return (Attempt(uri=f"sip:{number}@outside", caller=shown, way="trunk"),)

    def withdraw(self, leg_id: LegId) -> None:
        pass

    def check_flow(self, flow_id: str, node: str) -> None:
        if flow_id != "main":
            raise NotFound(f"there is no flow {flow_id}")


class Caller:
    """Somebody on the phone."""

    def __init__(self, center: Center, leg: FakeLeg) -> None:
        self._center = center
        self.leg = leg
        self.returned: list[Returned] = []

    def hangs_up(self) -> None:
        self._center.control.hangs_up(self.leg)

    def presses(self, digits: str) -> None:
        self._center.control.presses(self.leg, digits)

    @property
    def hears(self) -> str:
        """The file that plays, or those whose legs are joined with this one."""
        return self._center.heard_by(self.leg)

    def moved_to(self, center: Center) -> None:
        """Another brain serves this caller now."""
        self._center = center

    @property
    def call_id(self) -> CallId:
        return self.leg.call_id

    async def is_back(self) -> Returned:
        """Wait until the flow has the caller again."""
        await self._center.until(lambda: bool(self.returned))
        (returned,) = self.returned
        return returned


class Desk:
    """An agent with a phone."""

    def __init__(self, center: Center, name: str) -> None:
        self._center = center
        self.name = name
        self.agent_id = AgentId(name)

    @property
    def now(self) -> Agent:
        return self._center.board.agents[self.agent_id]

    @property
    def extension(self) -> str:
        return self.now.profile.extension

    def signs_in(self) -> None:
        self._center.dispatcher.registration(self.extension, True)
        self.chooses(AgentStatus.AVAILABLE)

    def chooses(self, status: AgentStatus, reason: str = "") -> None:
        self._center.dispatcher.choose_status(self.agent_id, status, reason)

    async def rings(self) -> FakeLeg:
        """Wait until the phone rings."""

        def ringing() -> list[FakeLeg]:
            return [
                leg
                for leg in self._center.control.legs.values()
                if leg.target == f"sip:{self.extension}@phones" and not leg.answered
            ]

        await self._center.until(lambda: bool(ringing()))
        (leg,) = ringing()
        return leg

    def hears(self, leg: FakeLeg) -> str:
        """What is heard at the desk."""
        return self._center.heard_by(leg)

    async def answers(self) -> FakeLeg:
        """Pick up the ringing phone."""
        leg = await self.rings()
        self._center.control.answers(leg)
        await self.becomes(AgentState.IN_CALL)
        return leg

    async def becomes(self, state: AgentState) -> None:
        await self._center.until(lambda: self.now.state is state)


class Center:
    """Board, dispatcher and telephony, joined as the server joins them."""

    def __init__(self, queues: Sequence[QueueConfig], agents: Sequence[AgentProfile]) -> None:
        self.control = FakeCallControl()
        self.bus = Bus()
        self.clock = LoopClock()
        self.announcements = Announcements()
        self.board = Board(queues, agents)
        self.dispatcher = Dispatcher(
            self.board, self.control, self.bus, self.clock, self.announcements, Phones()
        )
        self.told: list[Event] = []
        self._news = asyncio.Event()
        self._tasks = Tasks("center")
        self.bus.subscribe(Event, self._hear)

    def rewire(self) -> None:
        """Take another dispatcher, on the telephony that is there now."""
        self.dispatcher = Dispatcher(
            self.board, self.control, self.bus, self.clock, self.announcements, Phones()
        )

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self._news.set()

    async def pump(self) -> None:
        """Telephony's events reach everybody, as the switch does it."""
        async for event in self.control.events():
            self.bus.publish(event)
            self._news.set()

    def start(self) -> None:
        self.dispatcher.start()
        self._tasks.spawn(self.pump(), name="pump")

    async def close(self) -> None:
        await self.dispatcher.close()
        await self._tasks.close()

    def agent(self, name: str) -> Desk:
        return Desk(self, name)

    def heard_by(self, leg: FakeLeg) -> str:
        """What a leg hears: people by name, a file, or silence."""
        if leg.peers:
            return " ".join(sorted(self.owner_of(peer) for peer in leg.peers))
        return leg.playing[0].name if leg.playing else "silence"

    def owner_of(self, leg_id: str) -> str:
        """The agent whose phone a leg is, or the number outside, or "caller"."""
        leg = next(leg for leg in self.control.history if leg.leg_id == leg_id)
        if leg.arrived is not None:
            extension = leg.arrived.extension
            return f"phone {extension}" if extension else "caller"
        for agent in self.board.agents.values():
            if f"sip:{agent.profile.extension}@phones" == leg.target:
                return agent.profile.name
        return leg.target.removeprefix("sip:").partition("@")[0]

    async def dial(self, queue: str = "sales", *, caller: str = "+34600111222") -> Caller:
        """A caller whom the flow has sent to a queue."""
        leg = self.control.arrives("100")
        await self.until(
            lambda: any(isinstance(e, CallArrived) and e.leg_id == leg.leg_id for e in self.told)
        )
        await self.control.answer(leg.leg_id)
        calls = Caller(self, leg)
        config = self.board.queues.get(QueueId(queue))
        now = self.clock.now()
        call = QueuedCall(
            call_id=leg.call_id,
            leg_id=leg.leg_id,
            queue_id=QueueId(queue),
            queued_at=now,
            give_up_at=now + (config.max_wait if config else timedelta(0)),
            caller=caller,
        )
        self.dispatcher.enqueue(call, calls.returned.append)
        return calls

    async def passes(self, seconds: float) -> None:
        """Time goes by; it takes none."""
        await asyncio.sleep(seconds)

    async def until(self, holds: Callable[[], bool], within: float = 0.19) -> None:
        """Wait until something is so: within 200 ms, for nobody shall wait longer."""
        deadline = asyncio.get_running_loop().time() + within
        while not holds():
            if asyncio.get_running_loop().time() > deadline:
                names = [type(event).__name__ for event in self.told]
                raise AssertionError(f"did not come about within {within} s: {names}")
            await asyncio.sleep(0.01)

    def of(self, kind: type[E]) -> list[E]:
        """What was told of one kind."""
        return [event for event in self.told if isinstance(event, kind)]

    def end_of(self, leg: FakeLeg) -> EndReason | None:
        """Why a leg ended, None while it is up."""
        return self.control.ended.get(leg.leg_id)


@asynccontextmanager
async def open_center(
    queues: Sequence[QueueConfig], agents: Sequence[AgentProfile]
) -> AsyncIterator[Center]:
    """A center that is closed again."""
    center = Center(queues, agents)
    center.start()
    try:
        yield center
    finally:
        await center.close()
