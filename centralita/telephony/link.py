"""The brain's side of the seam: `CallControl` over the sockets of the media workers."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path

from centralita.core.errors import InvalidInput
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId, PlaybackId, WorkerId, new_id
from centralita.core.process import ProcessSpec
from centralita.core.tasks import Tasks
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    DialError,
    EndReason,
    KeptLeg,
    LegEnded,
    LegEvent,
    NoSuchLeg,
    TelephonyError,
    WorkerLost,
    WorkerUp,
)
from centralita.telephony.protocol import (
    COMMANDS,
    EVENTS,
    Answer,
    Command,
    Deframer,
    Dial,
    Disconnect,
    Done,
    Drain,
    HangUp,
    HearEarly,
    HeldLegs,
    Hello,
    Join,
    Listen,
    PauseRecording,
    Ping,
    Play,
    Remember,
    ReportTransfer,
    Ring,
    RingAgain,
    SendDigits,
    StartRecording,
    StopListening,
    StopPlaying,
    StopRecording,
    Transfer,
    frame,
)
from centralita.telephony.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

_ERRORS = {DialError.code: DialError, NoSuchLeg.code: NoSuchLeg}
_RECONNECT = 0.05
# A worker answers in microseconds; one that needs seconds is hung.
_COMMAND_TIMEOUT = 5.0
_PING_EVERY = 2.0
# How long an operator is told of legs that only one side knew of, in seconds.
_LATELY = 300.0
# How long a worker that runs may take to greet us before its calls are given up, in seconds.
_GREETING = 3.0


class _Connection:
    """One live connection to one worker."""

    def __init__(self, worker_id: WorkerId, writer: asyncio.StreamWriter, hello: Hello) -> None:
        self.worker_id = worker_id
        self.hello = hello
        self.legs: dict[LegId, CallId] = {}
        self.differing: frozenset[LegId] = frozenset()
        self._writer = writer
        self._seq = 0
        self._out = bytearray()
        self._waiting: dict[int, asyncio.Future[Done]] = {}

    def next_seq(self) -> int:
        """The number of the next command."""
        self._seq += 1
        return self._seq

    def post(self, command: Command) -> None:
        """Send what is not answered."""
        if not self._out:
            # What one turn of the loop has to say goes in one write.
            asyncio.get_running_loop().call_soon(self._flush)
        self._out += frame(COMMANDS.encode(command))

    def _flush(self) -> None:
        out, self._out = self._out, bytearray()
        if not self._writer.is_closing():
            self._writer.write(out)

    async def send(self, command: Command) -> None:
        """Send and wait until the worker has accepted; raises what it answered."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting[command.seq] = answer
        self.post(command)
        try:
            done: Done = await asyncio.wait_for(answer, _COMMAND_TIMEOUT)
        except TimeoutError as exc:
            raise TelephonyError(
                f"worker {self.worker_id} does not answer to {type(command).__name__}"
            ) from exc
        finally:
            self._waiting.pop(command.seq, None)
        if done.error:
            raise _ERRORS.get(done.error, TelephonyError)(done.message, code=done.error)

    def settle(self, done: Done) -> None:
        """A command's outcome has come."""
        answer = self._waiting.get(done.seq)
        if answer is not None and not answer.done():
            answer.set_result(done)

    def fail(self) -> None:
        """The connection is gone: nobody waits for it any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoSuchLeg(f"worker {self.worker_id} was lost in mid-command"))
        self._flush()
        self._writer.close()


class WorkerLink:
    """Speaks with all media workers and hides which leg lives in which.

    Those that are `retiring` keep the calls they have, and are not started again.
    `on_hung` is called with the process's name when a worker does not answer any more; killing
    it ends its legs and lets it be started again.
    """

    def __init__(
        self,
        workers: Sequence[WorkerSettings],
        *,
        retiring: Sequence[WorkerSettings] = (),
        on_hung: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._on_hung = on_hung
        self._settings = {
            WorkerId(settings.worker_id): settings for settings in (*workers, *retiring)
        }
        self._retiring = {WorkerId(settings.worker_id) for settings in retiring}
        self._connections: dict[WorkerId, _Connection] = {}
        self._home: dict[LegId, _Connection] = {}
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks = Tasks("telephony link")
        self._up = asyncio.Event()
        self._greeting = asyncio.Event()
        self._kept: list[KeptLeg] = []
        self._taken_over = False
        self._closed = False
        # How many legs worker and brain did not agree about, since the start.
        self.legs_astray = 0
        self._astray: deque[float] = deque(maxlen=1000)

    def specs(self, folder: Path) -> list[ProcessSpec]:
        """The worker processes, whose settings files are written to `folder`."""
        specs = []
        for worker_id, settings in self._settings.items():
            if worker_id in self._retiring:
                continue
            path = folder / f"{worker_id}.json"
            settings.save(path)
            argv = (sys.executable, "-m", "centralita.telephony.worker", str(path))
            specs.append(ProcessSpec(name=process_name(worker_id), argv=argv))
        return specs

    def start(self) -> None:
        """Keep a connection to every worker from now on."""
        for worker_id, settings in self._settings.items():
            self._tasks.spawn(
                self._keep_connected(worker_id, settings), name=f"connection to {worker_id}"
            )
        self._tasks.spawn(self._watch(), name="watch of workers")

    async def ready(self) -> None:
        """Wait until at least one worker takes calls."""
        await self._up.wait()

    def running(self, alive: Callable[[str], bool]) -> list[WorkerId]:
        """The workers whose processes, by name, are alive."""
        return [worker_id for worker_id in self._settings if alive(process_name(worker_id))]

    async def take_over(self, running: Collection[WorkerId]) -> list[KeptLeg]:
        """What the workers that run already hold for us; asked once, before events are read.

        Legs that a worker tells of later are nobody's and are ended.
        """
        deadline = asyncio.get_running_loop().time() + _GREETING
        for worker_id in running:
            try:
                async with asyncio.timeout_at(deadline):
                    while worker_id not in self._connections:
                        self._greeting.clear()
                        await self._greeting.wait()
            except TimeoutError:
                log.error("media worker does not greet", extra={"worker": worker_id})
        self._taken_over = True
        kept, self._kept = self._kept, []
        return kept

    @property
    def workers(self) -> dict[WorkerId, Hello]:
        """The connected workers and what they can carry."""
        return {worker_id: conn.hello for worker_id, conn in self._connections.items()}

    @property
    def arriving(self) -> set[CallId]:
        """The calls of which the workers told, when they greeted, that they arrive (again)."""
        hellos = self.workers.values()
        return {arrived.call_id for hello in hellos for arrived in hello.arrivals}

    @property
    def leg_count(self) -> int:
        """How many legs are alive in all workers."""
        return len(self._home)

    async def drain(self, worker_id: WorkerId, *, leave: bool = False) -> None:
        """Let a worker take no new calls and, with `leave`, end with the last of the others.

        Raises TelephonyError when it is not connected or does not answer.
        """
        conn = self._connections.get(worker_id)
        if conn is None:
            raise TelephonyError(f"worker {worker_id} is not connected")
        await conn.send(Drain(seq=conn.next_seq(), leave=leave))

    @property
    def astray_lately(self) -> int:
        """How many of them in the last minutes."""
        since = asyncio.get_running_loop().time() - _LATELY
        return sum(at > since for at in self._astray)

    def legs_of(self, worker_id: WorkerId) -> int:
        """How many legs are alive in one worker."""
        conn = self._connections.get(worker_id)
        return len(conn.legs) if conn is not None else 0

    async def close(self) -> None:
        """Disconnect from the workers; their legs go on, and nothing more is told of them."""
        self._closed = True
        await self._tasks.close()
        for conn in self._connections.values():
            conn.fail()
        self._connections.clear()

    # --- CallControl ------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """All events in order; ends never, cancel the consumer."""
        while True:
            yield await self._events.get()

    def remember(self, leg_id: LegId, name: str, text: str) -> None:
        conn = self._home.get(leg_id)
        if conn is not None:
            conn.post(Remember(seq=conn.next_seq(), leg_id=leg_id, name=name, text=text))

    async def answer(self, leg_id: LegId, *, early: bool = False) -> None:
        conn = self._at(leg_id)
        await conn.send(Answer(seq=conn.next_seq(), leg_id=leg_id, early=early))

    async def ring(self, leg_id: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(Ring(seq=conn.next_seq(), leg_id=leg_id))

    async def play(self, leg_id: LegId, files: Sequence[Path], *, loop: bool = False) -> PlaybackId:
        conn = self._at(leg_id)
        playback_id = PlaybackId(new_id("play"))
        await conn.send(
            Play(
                seq=conn.next_seq(),
                leg_id=leg_id,
                playback_id=playback_id,
                files=tuple(str(file) for file in files),
                loop=loop,
            )
        )
        return playback_id

    async def stop_playing(self, leg_id: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(StopPlaying(seq=conn.next_seq(), leg_id=leg_id))

    async def listen(self, leg_id: LegId, sink: AudioSink) -> None:
        conn = self._at(leg_id)
        await conn.send(Listen(seq=conn.next_seq(), leg_id=leg_id, sink=sink))

    async def stop_listening(self, leg_id: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(StopListening(seq=conn.next_seq(), leg_id=leg_id))

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        conn = self._at(leg_id)
        await conn.send(SendDigits(seq=conn.next_seq(), leg_id=leg_id, digits=digits))

    async def start_recording(self, files: Mapping[LegId, Path]) -> None:
        conn = self._at(next(iter(files)))
        paths = {leg_id: str(path) for leg_id, path in files.items()}
        await conn.send(StartRecording(seq=conn.next_seq(), files=paths))

    async def pause_recording(self, leg_id: LegId, paused: bool) -> None:
        conn = self._at(leg_id)
        await conn.send(PauseRecording(seq=conn.next_seq(), leg_id=leg_id, paused=paused))

    async def stop_recording(self, leg_id: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(StopRecording(seq=conn.next_seq(), leg_id=leg_id))

    async def dial(
        self,
        call_id: CallId,
        leg_id: LegId,
        attempts: Sequence[Attempt],
        *,
        beside: LegId | None,
    ) -> None:
        conn = self._at(beside) if beside is not None else self._least_busy()
        first = attempts[0]
        self._adopt(conn, leg_id, call_id)
        try:
            await conn.send(
                Dial(
                    seq=conn.next_seq(),
                    call_id=call_id,
                    leg_id=leg_id,
                    target=first.uri,
                    caller=first.caller,
                    caller_name=first.caller_name,
                    headers=dict(first.headers),
                    peer=first.peer,
                    attempts=tuple(attempts),
                )
            )
        except TelephonyError:
            self._forget(leg_id)
            raise

    async def ring_again(
        self, leg_id: LegId, target: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        conn = self._at(leg_id)
        await conn.send(
            RingAgain(
                seq=conn.next_seq(), leg_id=leg_id, target=target, headers=dict(headers or {})
            )
        )

    async def bridge(self, leg_id: LegId, other: LegId) -> None:
        await self.join((leg_id, other))

    async def join(self, legs: Sequence[LegId]) -> None:
        conn = self._at(legs[0])
        await conn.send(Join(seq=conn.next_seq(), legs=tuple(legs)))

    async def hear_early(self, leg_id: LegId, other: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(HearEarly(seq=conn.next_seq(), leg_id=leg_id, other=other))

    async def unbridge(self, leg_id: LegId) -> None:
        conn = self._at(leg_id)
        await conn.send(Disconnect(seq=conn.next_seq(), leg_id=leg_id))

    async def transfer(self, leg_id: LegId, target: str) -> None:
        conn = self._at(leg_id)
        await conn.send(Transfer(seq=conn.next_seq(), leg_id=leg_id, target=target))

    async def report_transfer(self, leg_id: LegId, status: int) -> None:
        conn = self._at(leg_id)
        await conn.send(ReportTransfer(seq=conn.next_seq(), leg_id=leg_id, status=status))

    async def hang_up(self, leg_id: LegId, reason: EndReason) -> None:
        conn = self._at(leg_id)
        await conn.send(HangUp(seq=conn.next_seq(), leg_id=leg_id, reason=reason))

    # --- within -----------------------------------------------------------------------------

    def _at(self, leg_id: LegId) -> _Connection:
        conn = self._home.get(leg_id)
        if conn is None:
            raise NoSuchLeg(f"leg {leg_id} has ended or never was")
        return conn

    def _least_busy(self) -> _Connection:
        taking = [
            conn for worker_id, conn in self._connections.items() if worker_id not in self._retiring
        ]
        if not taking:
            raise DialError("no media worker takes calls")
        return min(taking, key=lambda conn: len(conn.legs))

    def _adopt(self, conn: _Connection, leg_id: LegId, call_id: CallId) -> None:
        conn.legs[leg_id] = call_id
        self._home[leg_id] = conn

    def _forget(self, leg_id: LegId) -> None:
        conn = self._home.pop(leg_id, None)
        if conn is not None:
            conn.legs.pop(leg_id, None)

    async def _keep_connected(self, worker_id: WorkerId, settings: WorkerSettings) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(settings.socket)
            except OSError:
                if worker_id in self._retiring:
                    return  # it has ended
                # The process is being started; its socket appears when it can take calls.
                await asyncio.sleep(_RECONNECT)
                continue
            try:
                await self._converse(worker_id, reader, writer)
            except (OSError, InvalidInput) as exc:
                log.error(
                    "connection to media worker broke",
                    extra={"worker": worker_id, "error": str(exc)},
                )
            finally:
                self._lost(worker_id)
            if worker_id in self._retiring:
                return

    async def _watch(self) -> None:
        """Ask each worker now and then whether it is alive; kill the one that is not."""
        while True:
            await asyncio.sleep(_PING_EVERY)
            for conn in tuple(self._connections.values()):
                self._tasks.spawn(self._ping(conn), name=f"ping {conn.worker_id}")

    async def _ping(self, conn: _Connection) -> None:
        try:
            await conn.send(Ping(seq=conn.next_seq()))
        except NoSuchLeg:
            pass  # the connection broke meanwhile: its end is dealt with where it is read
        except TelephonyError as exc:
            if self._connections.get(conn.worker_id) is conn:
                log.error("media worker hangs", extra={"worker": conn.worker_id, "why": str(exc)})
                self._on_hung(process_name(conn.worker_id))

    async def _converse(
        self, worker_id: WorkerId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        deframer = Deframer()
        conn: _Connection | None = None
        kept: list[KeptLeg] = []
        while data := await reader.read(65536):
            for body in deframer.push(data):
                message = EVENTS.decode(body)
                match message:
                    case KeptLeg():
                        kept.append(message)
                    case Hello():
                        conn = _Connection(worker_id, writer, message)
                        self._greeted(conn, kept)
                    case Done() if conn is not None:
                        conn.settle(message)
                    case HeldLegs() if conn is not None:
                        self._compare(conn, message)
                    case LegEvent() if conn is not None:
                        self._took_place(conn, message)
                    case _:
                        raise InvalidInput(f"{type(message).__name__} before Hello")

    def _greeted(self, conn: _Connection, kept: Sequence[KeptLeg]) -> None:
        self._connections[conn.worker_id] = conn
        self._up.set()
        self._greeting.set()
        for leg in kept:
            if leg.ended is not None:
                continue
            self._adopt(conn, leg.leg_id, leg.call_id)
            if self._taken_over:
                # Their end was told when the connection broke: nobody serves them any more.
                conn.post(
                    HangUp(seq=conn.next_seq(), leg_id=leg.leg_id, reason=EndReason.WORKER_LOST)
                )
        if not self._taken_over:
            self._kept += kept
        log.info(
            "media worker is up",
            extra={"worker": conn.worker_id, "max_calls": conn.hello.max_calls},
        )
        self._events.put_nowait(
            WorkerUp(
                worker_id=conn.worker_id,
                max_calls=conn.hello.max_calls,
                version=conn.hello.version,
            )
        )
        for arrived in conn.hello.arrivals:
            self._took_place(conn, arrived)

    def _took_place(self, conn: _Connection, event: LegEvent) -> None:
        if isinstance(event, CallArrived):
            self._adopt(conn, event.leg_id, event.call_id)
        elif isinstance(event, LegEnded):
            self._forget(event.leg_id)
        self._events.put_nowait(event)

    def _compare(self, conn: _Connection, held: HeldLegs) -> None:
        """End what one of us holds without the other.

        For a moment that is normal, while news is on its way: only what differed at the question
        before, too, is a fault.
        """
        differing = conn.legs.keys() ^ set(held.legs)
        for leg_id in differing & conn.differing:
            self.legs_astray += 1
            self._astray.append(asyncio.get_running_loop().time())
            call_id = conn.legs.get(leg_id)
            log.error(
                "leg is unknown to its media worker, it is over"
                if call_id is not None
                else "media worker has a leg that nobody serves, it is ended",
                extra={"worker": conn.worker_id, "leg_id": leg_id},
            )
            if call_id is None:
                conn.post(HangUp(seq=conn.next_seq(), leg_id=leg_id, reason=EndReason.FAULT))
            else:
                self._took_place(
                    conn, LegEnded(leg_id=leg_id, call_id=call_id, reason=EndReason.FAULT)
                )
        conn.differing = frozenset(differing)

    def _lost(self, worker_id: WorkerId) -> None:
        conn = self._connections.pop(worker_id, None)
        if not self._connections:
            self._up.clear()
        if conn is None:
            return
        conn.fail()
        if self._closed:
            return
        if worker_id in self._retiring and not conn.legs:
            log.info("media worker has retired", extra={"worker": worker_id})
            return
        self._events.put_nowait(WorkerLost(worker_id=worker_id))
        for leg_id, call_id in tuple(conn.legs.items()):
            self._forget(leg_id)
            self._events.put_nowait(
                LegEnded(leg_id=leg_id, call_id=call_id, reason=EndReason.WORKER_LOST)
            )


def process_name(worker_id: WorkerId) -> str:
    """The name under which a worker's process is kept."""
    return f"media {worker_id}"
