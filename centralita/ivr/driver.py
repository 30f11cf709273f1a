"""The driver: one task per call that lets a FlowRun act through telephony, speech and queues."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from centralita.asr.recognizer import (
    GrammarError,
    Recognition,
    RecognitionFailed,
    Recognizer,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
)
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, CallId, LegId, PlaybackId, new_id
from centralita.core.tasks import Tasks
from centralita.ivr.flow import Flow
from centralita.ivr.resume import FlowNote, describe, reenter
from centralita.ivr.run import FlowRun, PathStep, begin, jump, step, take_message
from centralita.ivr.signals import (
    CallNumber,
    CancelTimer,
    Command,
    EndCall,
    Enqueue,
    EnterFlow,
    Failed,
    Heard,
    KeyPressed,
    LeaveMessage,
    ListeningFailed,
    Onward,
    PlayPrompts,
    Prompt,
    PromptsEnded,
    QueueExit,
    QueueLeft,
    Quiet,
    SetTimer,
    SpeechBegan,
    StartListening,
    StayWith,
    StopPrompts,
    TakeVoicemail,
    Timer,
    TimerFired,
    TransferCall,
    TransferFailed,
    VoicemailEnded,
)
from centralita.ivr.voicemail import MessageRecorder, VoicemailSession
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    CallControl,
    DigitReceived,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegEnded,
    LegEvent,
    NoSuchLeg,
    PlaybackEnd,
    PlaybackEnded,
    TelephonyError,
)

log = logging.getLogger(__name__)

# How long the phone that an agent transferred to may ring.
_AGENT_TRANSFER = timedelta(seconds=30)

# A third party that hangs up so soon after the agent has left has not talked with the caller.
_CROSSING = timedelta(seconds=1)

NOTE = "flow"
"""The name under which a driver leaves `resume.FlowNote` with the caller's leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEnded(Event):
    """The caller's way through the house is over; the leg is being ended or has ended."""

    call_id: CallId
    flow: str
    version: int
    outcome: str
    path: tuple[PathStep, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntered(Event):
    """The flow moved on. `learned` is what it knows by now."""

    call_id: CallId
    step: PathStep
    learned: Mapping[str, str]
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResumed(Event):
    """The flow goes on after the server's decisions were interrupted."""

    call_id: CallId
    node: str
    learned: Mapping[str, str]
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAnswered(Event):
    """The caller talks with whom an agent has transferred the call to; nobody of ours does."""

    call_id: CallId
    caller_leg: LegId
    leg_id: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardInCall(Event):
    """What a caller said to the flow."""

    call_id: CallId
    pii_text: str
    confidence: float


class PromptMaker(Protocol):
    """Makes sound files of prompts; raises CentralitaError when one cannot be made."""

    async def files(self, prompts: Sequence[Prompt]) -> list[Path]: ...

    async def beep(self) -> Path: ...

    async def ringing(self) -> Path: ...


class OnLeft(Protocol):
    """Hears how a caller left the queue, and where an agent has sent the caller, if anywhere."""

    def __call__(self, how: QueueExit, onward: Onward | None) -> None: ...


class QueueGateway(Protocol):
    """The way into the queues; raises CentralitaError when the queue does not exist."""

    def enqueue(
        self,
        arrived: CallArrived,
        order: Enqueue,
        on_left: OnLeft,
    ) -> None:
        """`on_left` is called once, with the exit and where an agent has sent the caller."""
        ...

    def rejoin(self, call_id: CallId, on_left: OnLeft) -> bool:
        """As `enqueue` for a caller whom the queues have taken over; False if they have not."""
        ...


class Targets(Protocol):
    """Where a transfer goes, if it may."""

    async def open(
        self,
        target: str,
        *,
        arrived: CallArrived,
        leg_id: LegId,
        flow: str,
        agent_id: AgentId | None,
    ) -> tuple[str, str]:
        """SIP URI of the target and, if known, the IP address behind it. `agent_id` is the agent
        who asked for the transfer; without one the flow did. Raises CentralitaError when it may
        not be called; what may is counted, and must be dialled as `leg_id`."""
        ...

    def withdraw(self, leg_id: LegId) -> None:
        """The leg could not be started after all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IvrPorts:
    """Everything a call needs."""

    control: CallControl
    recognizer: Recognizer
    prompts: PromptMaker
    queues: QueueGateway
    messages: MessageRecorder
    targets: Targets
    bus: Bus
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _SentOn(Event):
    """An agent has sent the caller there."""

    onward: Onward


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered(Event):
    """The call is up: the flow begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TakenOver(Event):
    """The call was up before this driver; `other` is the leg of the transfer, if it is known."""

    note: FlowNote
    other: KeptLeg | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due(Event):
    """A timer ran out; it counts only while `number` is that timer's latest setting."""

    timer: Timer
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overheard(Event):
    """What the recogniser said; it counts only while that turn of listening lasts."""

    turn: int
    event: Event


class CallDriver:
    """One call, from the answer to the end of its caller's leg."""

    def __init__(
        self,
        arrived: CallArrived,
        flow: Flow,
        library: Mapping[str, Flow],
        variables: Mapping[str, str],
        ports: IvrPorts,
        *,
        default_queue: str,
    ) -> None:
        self.arrived = arrived
        self._flow = flow
        self._library = library
        self.variables = self._variables = variables
        self._ports = ports
        self._default_queue = default_queue
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks = Tasks(f"call {arrived.call_id}")
        self._run: FlowRun | None = None
        self._reported = 0
        self._noted: tuple[FlowRun | None, object, LegId | None, bool] = (None, None, None, False)
        self._queued = False
        self._playback: PlaybackId | None = None
        self._timers: dict[Timer, tuple[int, asyncio.TimerHandle]] = {}
        self._timers_set = 0
        self._recognition: Recognition | None = None
        self._listening = 0
        self._voicemail: VoicemailSession | None = None
        self._transfer_leg: LegId | None = None
        self._transfer_answered = False
        self._by_agent = False
        self._left_alone_at: datetime | None = None
        self._transfer_timer: asyncio.TimerHandle | None = None
        self._hung_up = False
        self._stop = ports.bus.subscribe(LegEvent, self._on_leg, call_id=arrived.call_id)

    async def run(self) -> None:
        """Serve the call until the caller's leg has ended."""
        try:
            if self._run is None:
                await self._ports.control.answer(self.arrived.leg_id)
                await self._take(_Answered())
            while not self._hung_up:
                await self._take(await self._events.get())
        except NoSuchLeg:
            log.info("caller hung up at once", extra={"call_id": self.arrived.call_id})
        except TelephonyError as exc:
            log.error(
                "call could not be answered",
                extra={"call_id": self.arrived.call_id, "error": str(exc)},
            )
            await self._hang_up(EndReason.FLOW_ENDED)
        finally:
            await self._clean_up()

    def take_over(
        self, run: FlowRun, note: FlowNote, leg: KeptLeg, transfer: KeptLeg | None
    ) -> None:
        """Go on with a call that a driver before this one served; `run` comes next.

        `leg` is the caller's, as its worker kept it, and `transfer` the one of `note`, if known.
        """
        self._run, self._reported = run, len(run.path)
        if note.transfer_leg is not None and transfer is not None:
            self._transfer_leg, self._transfer_answered = note.transfer_leg, note.transfer_answered
        elif run.node_state == "waiting":
            self._queued = self._ports.queues.rejoin(self.arrived.call_id, self._left_queue)
        self._ports.bus.publish(
            FlowResumed(
                call_id=self.arrived.call_id,
                node=run.node,
                learned=run.variables,
                path=run.path,
            )
        )
        self._events.put_nowait(leg.ended or _TakenOver(note=note, other=transfer))

    @property
    def language(self) -> str:
        """In which the flow speaks where it begins."""
        return self._flow.language

    def end(self, reason: EndReason) -> None:
        """End the call from outside (shutdown)."""
        self._tasks.spawn(self._hang_up(reason), name="hang up")

    def caller_gone(self) -> None:
        """The caller's leg ended before this driver could hear of it."""
        self._events.put_nowait(
            LegEnded(
                leg_id=self.arrived.leg_id,
                call_id=self.arrived.call_id,
                reason=EndReason.CANCELLED,
            )
        )

    # --- what happens -------------------------------------------------------------------------

    def _on_leg(self, event: LegEvent) -> None:
        if event.leg_id in (self.arrived.leg_id, self._transfer_leg):
            self._events.put_nowait(event)

    async def _take(self, event: Event) -> None:
        """One event, in its turn. What fails becomes the flow's fault, never a dead call."""
        try:
            await self._handle(event)
        except NoSuchLeg:
            pass  # the caller's LegEnded is on its way
        except Exception as exc:
            log.exception(
                "call step failed, taking the fault exit",
                extra={"call_id": self.arrived.call_id, "event": type(event).__name__},
            )
            if self._run is None or self._run.over:
                await self._hang_up(EndReason.FLOW_ENDED)
            else:  # also when a way out failed: each fault goes one further, down to the end
                self._events.put_nowait(Failed(what=f"{type(exc).__name__}: {exc}"))
        self._remember()

    def _remember(self) -> None:
        """Leave with the leg where the caller is, should another driver have to go on."""
        run = self._run
        if run is None or run.over or self._hung_up:
            return
        state = run.node_state if isinstance(run.node_state, str) else ""
        noted = (run, state, self._transfer_leg, self._transfer_answered)
        before = self._noted[0]
        if (
            before is not None
            # Paths and variables are new objects whenever they change.
            and before.path is run.path
            and before.variables is run.variables
            and noted[1:] == self._noted[1:]
        ):
            return
        self._noted = noted
        text = describe(
            self.arrived, run, self._transfer_leg, transfer_answered=self._transfer_answered
        )
        self._ports.control.remember(self.arrived.leg_id, NOTE, text)

    async def _handle(self, event: Event) -> None:
        match event:
            case _Answered():
                self._run, commands = begin(
                    self._flow,
                    self._library,
                    self._variables,
                    self._ports.clock.now(),
                    default_queue=self._default_queue,
                )
                await self._carry_out(commands)
            case _TakenOver(note=note, other=other):
                await self._go_on(note, other)
            case LegEnded(leg_id=leg_id) if leg_id == self.arrived.leg_id:
                self._hung_up = True
            case _Due(timer=timer, number=number):
                if self._timers.get(timer, (0, None))[0] == number:
                    del self._timers[timer]
                    await self._feed(TimerFired(timer=timer))
            case _Overheard(turn=turn, event=heard):
                if turn == self._listening:
                    await self._feed(heard)
            case LegEvent(leg_id=leg_id) if leg_id == self._transfer_leg:
                await self._transfer_event(event)
            case DigitReceived(digit=digit):
                await self._feed(KeyPressed(digit=digit))
            case PlaybackEnded(playback_id=playback_id, how=how):
                if self._voicemail is not None and not self._voicemail.done:
                    await self._voicemail.beeped(playback_id)
                elif playback_id == self._playback and how is not PlaybackEnd.STOPPED:
                    self._playback = None
                    await self._feed(PromptsEnded())
            case VoicemailEnded() if self._voicemail is not None:
                how_it_went = await self._voicemail.finish()
                self._voicemail = None
                await self._stop_listening()
                await self._feed(VoicemailEnded(how=how_it_went))
            case _SentOn(onward=onward):
                await self._go_onward(onward)
            case LegEvent():
                pass
            case _:
                await self._feed(event)

    async def _go_on(self, note: FlowNote, other: KeptLeg | None) -> None:
        """Pick up a call taken over: where it waits it goes on, anything else begins its node."""
        if note.transfer_leg is not None and other is None:
            await self._transfer_failed("interrupted")
        elif other is not None:
            if not self._transfer_answered:  # whether it has been meanwhile is told by its event
                self._limit_transfer(other.leg_id, _AGENT_TRANSFER)
            elif other.ended is None and other.other != self.arrived.leg_id:
                await self._ports.control.bridge(self.arrived.leg_id, other.leg_id)
        elif self._run is not None and not self._queued:
            for quiet in (self._ports.control.stop_listening, self._ports.control.stop_playing):
                with contextlib.suppress(TelephonyError):
                    await quiet(self.arrived.leg_id)
            self._run, commands = reenter(self._run, self._ports.clock.now())
            await self._carry_out(commands)

    async def _feed(self, event: Event) -> None:
        """Let the flow react, unless a message is being taken."""
        if self._voicemail is not None:
            if not isinstance(event, Failed):
                self._voicemail.react(event)
                return
            await self._voicemail.finish()
            self._voicemail = None
        if self._run is None:
            return
        if isinstance(event, Heard):
            self._ports.bus.publish(
                HeardInCall(
                    call_id=self.arrived.call_id,
                    pii_text=event.text,
                    confidence=event.confidence,
                )
            )
        self._run, commands = step(self._run, event, self._ports.clock.now())
        self._report()
        await self._carry_out(commands)

    def _report(self) -> None:
        """Tell the others of nodes entered since the last time."""
        run = self._run
        if run is None:
            return
        for past in run.path[self._reported :]:
            self._ports.bus.publish(
                NodeEntered(
                    call_id=self.arrived.call_id, step=past, learned=run.variables, path=run.path
                )
            )
        self._reported = len(run.path)

    # --- what the flow wants ------------------------------------------------------------------

    async def _carry_out(self, commands: Sequence[Command]) -> None:
        self._report()
        for command in commands:
            match command:
                case PlayPrompts(prompts=prompts):
                    await self._play(prompts)
                case StopPrompts():
                    await self._stop_prompts()
                case StartListening(language=language, phrases=phrases):
                    self._listen(language, phrases)
                case SetTimer(timer=timer, after=after):
                    self._set_timer(timer, after)
                case CancelTimer(timer=timer):
                    self._cancel(timer)
                case Quiet():
                    await self._quiet()
                case Enqueue():
                    self._ports.queues.enqueue(self.arrived, command, self._left_queue)
                case TakeVoicemail():
                    await self._take_voicemail(command)
                case TransferCall():
                    await self._start_transfer(command)
                case EndCall():
                    await self._hang_up(EndReason.FLOW_ENDED)

    async def _play(self, prompts: Sequence[Prompt]) -> None:
        try:
            files = await self._ports.prompts.files(prompts)
            self._playback = await self._ports.control.play(self.arrived.leg_id, files)
        except NoSuchLeg:
            raise
        except CentralitaError as exc:
            if self._run is None or not self._run.faults:
                raise
            # On the way out of a fault, the way to a person counts more than the words.
            log.error(
                "prompt cannot be played, going on without it",
                extra={"call_id": self.arrived.call_id, "error": str(exc)},
            )
            self._playback = PlaybackId(new_id("play"))
            self._events.put_nowait(
                PlaybackEnded(
                    leg_id=self.arrived.leg_id,
                    call_id=self.arrived.call_id,
                    playback_id=self._playback,
                    how=PlaybackEnd.FAILED,
                )
            )

    def _set_timer(self, timer: Timer, after: timedelta) -> None:
        self._cancel(timer)
        self._timers_set += 1
        due = _Due(timer=timer, number=self._timers_set)
        handle = asyncio.get_running_loop().call_later(
            after.total_seconds(), self._events.put_nowait, due
        )
        self._timers[timer] = (self._timers_set, handle)

    async def _stop_prompts(self) -> None:
        if self._playback is not None:
            self._playback = None
            await self._ports.control.stop_playing(self.arrived.leg_id)

    async def _quiet(self) -> None:
        for timer in tuple(self._timers):
            self._cancel(timer)
        await self._stop_listening()
        await self._stop_prompts()

    def _cancel(self, timer: Timer) -> None:
        running = self._timers.pop(timer, None)
        if running is not None:
            running[1].cancel()

    def _left_queue(self, how: QueueExit, onward: Onward | None) -> None:
        if isinstance(onward, StayWith):
            # At once: the end of that leg must not pass unheard.
            self._transfer_leg, self._transfer_answered = onward.leg_id, True
            self._left_alone_at = None if onward.acquainted else self._ports.clock.now()
            self._ports.control.remember(onward.leg_id, NOTE, self.arrived.leg_id)
        if onward is not None:
            self._events.put_nowait(_SentOn(onward=onward))
        else:
            self._events.put_nowait(QueueLeft(how=how))

    async def _go_onward(self, onward: Onward) -> None:
        """An agent has sent the caller somewhere."""
        now = self._ports.clock.now()
        run = self._run
        match onward:
            case CallNumber(target=target, by=agent_id):
                self._by_agent = True
                order = TransferCall(target=target, timeout=_AGENT_TRANSFER)
                await self._start_transfer(order, AgentId(agent_id) if agent_id else None)
            case StayWith(leg_id=leg_id):
                self._tell_answered(leg_id)
            case LeaveMessage(queue=queue) if run is not None:
                self._run, commands = take_message(run, queue, now)
                await self._carry_out(commands)
            case EnterFlow(flow=name, node=node) if run is not None:
                flow = self._library.get(name)
                if flow is None:
                    raise NotFound(f"there is no flow {name}")
                self._run, commands = jump(run, flow, node, now)
                await self._carry_out(commands)

    def _tell_answered(self, leg_id: LegId) -> None:
        self._ports.bus.publish(
            TransferAnswered(
                call_id=self.arrived.call_id, caller_leg=self.arrived.leg_id, leg_id=leg_id
            )
        )

    async def _hang_up(self, reason: EndReason) -> None:
        with contextlib.suppress(TelephonyError):
            await self._ports.control.hang_up(self.arrived.leg_id, reason)

    # --- listening ----------------------------------------------------------------------------

    def _listen(self, language: str, phrases: tuple[str, ...] | None) -> None:
        """Begin in a task of its own: the prompt need not wait for the recogniser."""
        self._listening += 1
        self._tasks.spawn(
            self._recognise(self._listening, language, phrases), name=f"listen {self._listening}"
        )

    async def _recognise(self, turn: int, language: str, phrases: tuple[str, ...] | None) -> None:
        recognition: Recognition | None = None
        try:
            await self._close_recognition()
            recognition = await self._start(language, phrases)
            if turn != self._listening:
                return
            self._recognition = recognition
            sink = AudioSink(path=recognition.sink_path, stream=recognition.stream)
            await self._ports.control.listen(self.arrived.leg_id, sink)
            async for event in recognition.events():
                if turn != self._listening:
                    return
                match event:
                    case SpeechStarted():
                        self._overhear(turn, SpeechBegan())
                    case Utterance(text=text, confidence=confidence):
                        self._overhear(turn, Heard(text=text, confidence=confidence))
                    case RecognitionFailed(reason=reason):
                        self._overhear(turn, ListeningFailed(reason=reason))
                    case _:
                        pass
        except NoSuchLeg:
            pass  # the caller has hung up
        except (RecognizerError, TelephonyError) as exc:
            log.warning(
                "cannot listen to the caller",
                extra={"call_id": self.arrived.call_id, "error": str(exc)},
            )
            busy = isinstance(exc, RecognizerBusy)
            self._overhear(turn, ListeningFailed(reason=str(exc), busy=busy))
        finally:
            if recognition is not None:
                await recognition.close()

    async def _start(self, language: str, phrases: tuple[str, ...] | None) -> Recognition:
        """A stream for these phrases; words that the model lacks cost only their own phrase."""
        try:
            return await self._ports.recognizer.start(language, phrases)
        except GrammarError as exc:
            known = await self._ports.recognizer.known_phrases(language, phrases or ())
            if not known:
                raise
            log.warning(
                "some phrases cannot be recognised",
                extra={"flow": self._flow.name, "language": language, "error": str(exc)},
            )
            return await self._ports.recognizer.start(language, known)

    def _overhear(self, turn: int, event: Event) -> None:
        self._events.put_nowait(_Overheard(turn=turn, event=event))

    async def _stop_listening(self) -> None:
        self._listening += 1
        if self._recognition is not None:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.stop_listening(self.arrived.leg_id)
            await self._close_recognition()

    async def _close_recognition(self) -> None:
        recognition, self._recognition = self._recognition, None
        if recognition is not None:
            await recognition.close()

    # --- messages and transfers ---------------------------------------------------------------

    async def _take_voicemail(self, order: TakeVoicemail) -> None:
        self._voicemail = VoicemailSession(
            self.arrived.call_id,
            self.arrived.leg_id,
            order,
            control=self._ports.control,
            recorder=self._ports.messages,
            listen=lambda: self._listen(order.language, None),
            settle=self._events.put_nowait,
        )
        await self._voicemail.start(await self._ports.prompts.beep())

    async def _start_transfer(self, command: TransferCall, agent_id: AgentId | None = None) -> None:
        leg_id = LegId(new_id("leg"))
        self._transfer_leg, self._transfer_answered = leg_id, False
        try:
            uri, peer = await self._ports.targets.open(
                command.target,
                arrived=self.arrived,
                leg_id=leg_id,
                flow=self._flow.name,
                agent_id=agent_id,
            )
        except CentralitaError as exc:
            await self._transfer_failed(str(exc))
            return
        try:
            ringing = await self._ports.prompts.ringing()
            await self._ports.control.play(self.arrived.leg_id, [ringing], loop=True)
            await self._ports.control.dial(
                self.arrived.call_id,
                leg_id,
                uri,
                beside=self.arrived.leg_id,
                caller=self.arrived.caller,
                caller_name=self.arrived.caller_name,
                peer=peer,
            )
        except BaseException as exc:
            self._ports.targets.withdraw(leg_id)
            if isinstance(exc, NoSuchLeg) or not isinstance(exc, CentralitaError):
                raise
            await self._transfer_failed(str(exc))
            return
        self._ports.control.remember(leg_id, NOTE, self.arrived.leg_id)
        self._limit_transfer(leg_id, command.timeout)

    def _limit_transfer(self, leg_id: LegId, after: timedelta) -> None:
        self._transfer_timer = asyncio.get_running_loop().call_later(
            after.total_seconds(),
            lambda: self._tasks.spawn(self._give_up_transfer(leg_id), name="transfer timeout"),
        )

    async def _give_up_transfer(self, leg_id: LegId) -> None:
        if not self._transfer_answered:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.hang_up(leg_id, EndReason.NO_ANSWER)

    async def _transfer_event(self, event: LegEvent) -> None:
        match event:
            case LegAnswered(leg_id=leg_id):
                self._transfer_answered = True
                await self._ports.control.bridge(self.arrived.leg_id, leg_id)
                if self._by_agent:
                    self._tell_answered(leg_id)
            case LegEnded(reason=reason) if self._just_left():
                # It hung up in the instant in which the agent left the two alone.
                await self._transfer_failed(reason.value)
            case LegEnded() if self._transfer_answered:
                await self._hang_up(EndReason.CONVERSATION_ENDED)
            case LegEnded(reason=reason):
                await self._transfer_failed(reason.value)
            case _:
                pass

    def _just_left(self) -> bool:
        at = self._left_alone_at
        return at is not None and self._ports.clock.now() - at < _CROSSING

    async def _transfer_failed(self, reason: str) -> None:
        self._transfer_leg = self._left_alone_at = None
        await self._ports.control.stop_playing(self.arrived.leg_id)
        run = self._run
        waiting = run is not None and run.node_state == "transferring"
        await self._feed(TransferFailed(reason=reason) if waiting else Failed(what=reason))

    # --- the end ------------------------------------------------------------------------------

    async def _clean_up(self) -> None:
        self._stop()
        for timer in tuple(self._timers):
            self._cancel(timer)
        if self._transfer_timer is not None:
            self._transfer_timer.cancel()
        self._listening += 1
        if self._voicemail is not None:
            await self._voicemail.finish()
        if self._transfer_leg is not None:
            with contextlib.suppress(TelephonyError):
                await self._ports.control.hang_up(self._transfer_leg, EndReason.CONVERSATION_ENDED)
        await self._close_recognition()
        await self._tasks.close()
        run = self._run
        self._ports.bus.publish(
            FlowEnded(
                call_id=self.arrived.call_id,
                flow=self._flow.name,
                version=self._flow.version,
                outcome=(run.path[-1].note if run is not None and run.over and run.path else "")
                or ("ended" if run is not None and run.over else "hung_up"),
                path=run.path if run is not None else (),
                variables=dict(run.variables) if run is not None else dict(self._variables),
            )
        )
