"""`centralita demo`: a whole call on this machine, through real SIP and RTP, step by step."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from centralita.api.live_messages import OfferMade, Snapshot
from centralita.api.watcher import Viewer, Watcher
from centralita.core.clock import SteadyClock
from centralita.core.errors import CentralitaError
from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.espeak import EspeakVoice
from centralita.recordings.files import read_wav
from centralita.routing.events import AgentChanged
from centralita.server.config import Config, Overrides, load_config
from centralita.server.demo.company import demo_config, found_company
from centralita.server.transcriber import TranscriptMade
from centralita.server.values import PortRange
from centralita.server.wiring import House, open_house
from centralita.store.store import open_store
from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.timeline.identity import normal_identity
from centralita.timeline.model import Interaction
from centralita.timeline.repositories import CallFilter

T = TypeVar("T")

CALLER = "+34600111222"
_LINES = (
    ("caller", "Hola, llamo por mi pedido."),
    ("agent", "Hola Carmen, lo veo. Sale hoy."),
    ("caller", "Gracias, adiós."),
)


class StepFailed(CentralitaError):
    """A step of the demonstration did not happen."""

    code = "demo_step_failed"


class Narrator:
    """Says what happens, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """One step."""
        print(f"{time.monotonic() - self._began:7.2f} s  {text}", flush=True)


def free_port() -> int:
    """A port that nobody uses at this moment, for UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = int(tcp.getsockname()[1])
        udp.bind(("127.0.0.1", port))
        return port


def loopback_config(data: Path) -> Config:
    """A configuration that meets nobody outside this machine."""
    config = load_config(None, Overrides(data=data))
    sip = replace(
        config.sip,
        address="127.0.0.1",
        port=free_port(),
        tls_port=free_port(),
        worker_port=free_port(),
    )
    first = 30000 + (free_port() % 200) * 100
    media = replace(config.media, address="127.0.0.1", rtp_ports=PortRange(first, first + 1999))
    http = replace(config.http, port=free_port())
    return demo_config(replace(config, sip=sip, media=media, http=http))


async def demo_call(web_dir: Path | None) -> int:
    """Make the call; 1 and the step's name when one fails."""
    folder = Path(tempfile.mkdtemp(prefix="centralita-demo-"))
    narrator = Narrator()
    try:
        config = loopback_config(folder)
        store = await open_store(config.database_url)
        credentials = await found_company(store, config, SteadyClock())
        await store.close()
        narrator.say("a small company is founded: 3 agents, 20 customers, 5 numbers")
        house = await open_house(config, web_dir=web_dir)
        try:
            narrator.say("the server is up: edge, media worker, recogniser, page")
            await _Demo(house, credentials["phones"]["201"], narrator.say).run()
        finally:
            await house.close(grace=0)
    except (CentralitaError, TimeoutError) as exc:
        print(f"FAILED: {str(exc) or type(exc).__name__}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


class _Demo:
    def __init__(self, house: House, password: str, say: Callable[[str], None]) -> None:
        self._house = house
        self._say = say
        config = house.config
        self._server = (config.sip.address, config.sip.port)
        self._domain = config.sip.domain
        self._agent = Phone("201", self._server, password=password, domain=self._domain)
        self._caller = Phone(CALLER, self._server, domain=self._domain)
        voices = {"caller": "es+f3", "agent": "es+m3"}
        folder = config.data / "demo-voices"
        self._voices = {
            who: PromptCache(EspeakVoice({"es": voice}), folder / who, folder / "none")
            for who, voice in voices.items()
        }

    async def run(self) -> None:
        """All steps in order."""
        await self._agent.start()
        await self._caller.start()
        try:
            await self._step("the agent's phone registers", self._agent.register())
            await self._step("the agent is free", self._agent_free())
            screen = self._house.hub.watch(Viewer("agent_ana", sees_all=False))
            call = await self._caller.call("100")
            await self._step("the call is answered", call.wait_answered())
            took = (call.times["answered"] - call.times["invite"]) * 1000
            self._say(f"  INVITE to 200: {took:.0f} ms")
            await self._step("the caller hears the menu", call.audio.sound())
            await self._speak("caller", call, "ventas", "the caller says «ventas»")
            agent_call = await self._step(
                "Ana's phone rings", asyncio.wait_for(self._agent.incoming.get(), 15)
            )
            await self._step("  and only Ana's screen shows who is calling", self._pop(screen))
            agent_call.accept()
            await self._step("Ana answers", agent_call.wait_answered())
            await self._talk(call, agent_call)
            written = asyncio.Event()
            self._house.bus.subscribe(TranscriptMade, lambda _: written.set())
            await call.hang_up()
            self._say("the caller hangs up")
            await self._step("Ana's phone is free again", agent_call.wait_ended())
            await self._step("the recording is transcribed", asyncio.wait_for(written.wait(), 20))
            await self._print_timeline()
        finally:
            await self._caller.close()
            await self._agent.close()

    async def _talk(self, call: PhoneCall, agent_call: PhoneCall) -> None:
        for who, text in _LINES:
            speaker, listener = (call, agent_call) if who == "caller" else (agent_call, call)
            frames = len(listener.audio.frames)
            await self._speak(who, speaker, text, f"{who}: «{text}»")
            loudest = max((frame.rms for frame in listener.audio.frames[frames:]), default=0)
            if loudest < 200:
                raise StepFailed(f"the other side did not hear the {who}")
            self._say("  heard on the other side")

    async def _speak(self, who: str, call: PhoneCall, text: str, title: str) -> None:
        path = await self._voices[who].render(text, "es")
        samples: Samples = np.array((await asyncio.to_thread(read_wav, path))[0])
        self._say(title)
        await call.audio.say(samples)

    async def _step(self, title: str, work: Awaitable[T]) -> T:
        try:
            result = await work
        except CentralitaError as exc:
            raise StepFailed(f"{title}: {exc}") from exc
        except TimeoutError as exc:
            raise StepFailed(f"{title}: did not happen in time") from exc
        self._say(title)
        return result

    async def _pop(self, ana: Watcher) -> None:
        """Ana's live feed names the caller; Luis's, as he would open it now, shows no offer."""
        async with asyncio.timeout(5):
            while not isinstance(message := await ana.next(), OfferMade):
                pass
        if message.customer is None or message.caller != CALLER:
            raise StepFailed("Ana's screen does not say who is calling")
        snapshot = await self._house.hub.watch(Viewer("agent_luis", sees_all=False)).next()
        if not isinstance(snapshot, Snapshot) or snapshot.offers:
            raise StepFailed("Luis's screen shows an offer that is Ana's")

    async def _agent_free(self) -> None:
        """Until the board has heard of the registration."""
        free = asyncio.Event()

        def look(event: AgentChanged) -> None:
            if event.agent.free:
                free.set()

        stop = self._house.bus.subscribe(AgentChanged, look)
        try:
            if not any(agent.free for agent in self._house.board.agents.values()):
                await asyncio.wait_for(free.wait(), 10)
        finally:
            stop()

    async def _entry(self) -> Interaction | None:
        """The newest call."""
        part = await self._house.store.interactions.calls(CallFilter(), limit=1)
        return part.items[0] if part.items else None

    async def _print_timeline(self) -> None:
        store = self._house.store
        kind, value = normal_identity(CALLER, self._house.config.sip.region)
        (customer,) = await store.customers.by_identity(kind, value)
        print(f"\nThe timeline of {customer.name}, newest first:")
        part = await store.interactions.timeline(customer.id, limit=10)
        for past in part.items:
            print(f"  {past.started_at:%Y-%m-%d %H:%M}  {past.channel:<6} {_summary(past)}")
        entry = await self._entry()
        if entry is None or entry.call is None:
            raise StepFailed("the call is not in the timeline")
        print("\nThe call's path:")
        for step in entry.call.path:
            print(f"  {step.at:%H:%M:%S.%f}  {step.kind:<8} {step.node_id} {step.result}")
        for recording in await store.recordings.of_call(entry.call.call_id):
            seconds = recording.duration.total_seconds()
            print(f"\nRecording: {recording.path}, {recording.channels} channels, {seconds:.1f} s")
        for transcript in await store.recordings.transcripts_of_call(entry.call.call_id):
            print("Transcript (the small model knows only its short word list):")
            for channel in transcript.channels:
                print(f"  {channel.speaker}: {channel.text}")


def _summary(entry: Interaction) -> str:
    """One line about an entry."""
    if entry.call is None:
        return entry.subject or entry.body
    outcome = entry.call.outcome.value if entry.call.outcome is not None else "going on"
    talked = sum((talk.talked.total_seconds() for talk in entry.call.talks), 0.0)
    agents = ", ".join(talk.agent_id for talk in entry.call.talks) or (entry.agent_id or "")
    return f"{outcome}, {agents}, {talked:.1f} s of talk"
