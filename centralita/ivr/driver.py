"""The driver: one task per call that lets a FlowRun act through telephony, speech and queues."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from centralita.core.errors import CentralitaError, NotFound
from centralita.core.events import Event
from centralita.core.ids import AgentId, LegId, PlaybackId, new_id
from centralita.core.tasks import Tasks
from centralita.ivr.events import FlowEnded, FlowResumed, HeardInCall, NodeEntered
from centralita.ivr.flow import Flow
from centralita.ivr.listening import Listening, Overheard
from centralita.ivr.ports import IvrPorts
from centralita.ivr.resume import NOTE, FlowNote, describe, reenter
from centralita.ivr.run import FlowRun, begin, jump, step, take_message
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
    Onward,
    PlayPrompts,
    Prompt,
    PromptsEnded,
    QueueExit,
    QueueLeft,
    Quiet,
    SetTimer,
    StartListening,
    StayWith,
    StopPrompts,
    TakeVoicemail,
    Timer,
    TimerFired,
    TransferCall,
    TransferFailed,
    VoicemailEnd,
    VoicemailEnded,
)
from centralita.ivr.transfer import AGENT_TRANSFER, Transfer
from centralita.ivr.voicemail import VoicemailSession
from centralita.telephony.call import (
    CallArrived,
    DigitReceived,
    EndReason,
    KeptLeg,
    LegEnded,
    LegEvent,
    NoSuchLeg,
    PlaybackEnd,
    PlaybackEnded,
    TelephonyError,
)

log = logging.getLogger(__name__)


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


class CallDriver:
    """One call, from the answer to the end of its caller's leg.

    `lookup` is asked after the answer, and adds to the variables what is known of the caller.
    """

    def __init__(
        self,
        arrived: CallArrived,
        flow: Flow,
        library: Mapping[str, Flow],
        variables: Mapping[str, str],
        ports: IvrPorts,
        *,
        default_queue: str,
        lookup: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        self.arrived = arrived
        self._lookup = lookup
        self._flow = flow
        self._library = library
        self.variables = variables
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
        self._listening = Listening(
            arrived,
            ports.control,
            ports.recognizer,
            self._events.put_nowait,
            flow=flow.name,
        )
        self._voicemail: VoicemailSession | None = None
        self._transfer = Transfer(arrived, ports, flow=flow.name)
        self._hung_up = False
        self._stop = ports.bus.subscribe(LegEvent, self._on_leg, call_id=arrived.call_id)

    async def run(self) -> None:
        """Serve the call until the caller's leg has ended."""
        try:
            if self._run is None:
                await self._ports.control.answer(self.arrived.leg_id)
                if self._lookup is not None:
                    self.variables = {**self.variables, **await self._lookup()}
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
            self._transfer.take_over(note.transfer_leg, answered=note.transfer_answered)
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
        if event.leg_id in (self.arrived.leg_id, self._transfer.leg_id):
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
        transfer = self._transfer
        noted = (run, state, transfer.leg_id, transfer.answered)
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
        text = describe(self.arrived, run, transfer.leg_id, transfer_answered=transfer.answered)
        self._ports.control.remember(self.arrived.leg_id, NOTE, text)

    async def _handle(self, event: Event) -> None:
        match event:
            case _Answered():
                self._run, commands = begin(
                    self._flow,
                    self._library,
                    self.variables,
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
            case Overheard(turn=turn, event=heard):
                if self._listening.lasts(turn):
                    await self._feed(heard)
            case LegEvent(leg_id=leg_id) if leg_id == self._transfer.leg_id:
                await self._transferred(await self._transfer.take(event))
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
                await self._listening.stop()
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
            await self._transferred("interrupted")
        elif other is not None:
            if not self._transfer.answered:  # whether it has been meanwhile is told by its event
                self._transfer.limit(other.leg_id)
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
                    self._listening.begin(language, phrases)
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
                    await self._transferred(await self._transfer.start(command))
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
        await self._listening.stop()
        await self._stop_prompts()

    def _cancel(self, timer: Timer) -> None:
        running = self._timers.pop(timer, None)
        if running is not None:
            running[1].cancel()

    def _left_queue(self, how: QueueExit, onward: Onward | None) -> None:
        if isinstance(onward, StayWith):
            # At once: the end of that leg must not pass unheard.
            self._transfer.stay_with(onward)
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
                order = TransferCall(target=target, timeout=AGENT_TRANSFER)
                agent = AgentId(agent_id) if agent_id else None
                await self._transferred(await self._transfer.start(order, agent, by_agent=True))
            case StayWith(leg_id=leg_id):
                self._transfer.tell_answered(leg_id)
            case LeaveMessage(queue=queue) if run is not None:
                self._run, commands = take_message(run, queue, now)
                await self._carry_out(commands)
            case EnterFlow(flow=name, node=node) if run is not None:
                flow = self._library.get(name)
                if flow is None:
                    raise NotFound(f"there is no flow {name}")
                self._run, commands = jump(run, flow, node, now)
                await self._carry_out(commands)

    async def _transferred(self, failure: str) -> None:
        """How a transfer went; with a `failure` the caller is the flow's again."""
        if not failure:
            return
        self._transfer.forget()
        await self._ports.control.stop_playing(self.arrived.leg_id)
        run = self._run
        waiting = run is not None and run.node_state == "transferring"
        await self._feed(TransferFailed(reason=failure) if waiting else Failed(what=failure))

    async def _take_voicemail(self, order: TakeVoicemail) -> None:
        self._voicemail = VoicemailSession(
            self.arrived.call_id,
            self.arrived.leg_id,
            order,
            control=self._ports.control,
            recorder=self._ports.messages,
            listen=lambda: self._listening.begin(order.language, None),
            settle=self._events.put_nowait,
        )
        await self._voicemail.start(await self._ports.prompts.beep())

    async def _hang_up(self, reason: EndReason) -> None:
        with contextlib.suppress(TelephonyError):
            await self._ports.control.hang_up(self.arrived.leg_id, reason)

    # --- the end ------------------------------------------------------------------------------

    async def _clean_up(self) -> None:
        self._stop()
        for timer in tuple(self._timers):
            self._cancel(timer)
        run, transferred = self._run, self._transfer.leg_id is not None and self._transfer.answered
        if self._voicemail is not None:
            how = await self._voicemail.finish()
            if run is not None and how is VoicemailEnd.SAVED:
                run = replace(run, in_vain=False)
        await self._transfer.close()
        await self._listening.close()
        await self._tasks.close()
        outcome = run.outcome if run is not None else "hung_up"
        self._ports.bus.publish(
            FlowEnded(
                call_id=self.arrived.call_id,
                flow=self._flow.name,
                version=self._flow.version,
                outcome="transferred" if transferred else outcome,
                path=run.path if run is not None else (),
                variables=dict(run.variables) if run is not None else dict(self.variables),
                in_vain=run is not None and run.in_vain and not transferred,
                queue=(run.sought if run is not None else "") or self._default_queue,
            )
        )
