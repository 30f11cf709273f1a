"""`./dev bench first-call`: how long callers, agents and their screens wait, over many whole calls.

A server in its own process; scripted phones and the agents' live feeds in this one. Each call
enters by INVITE, presses a key, says a word into a prompt, waits for an agent, talks and ends.
Prompts are pure tones, so that the caller's phone knows to 20 ms which one it hears.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
import wave
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
import numpy as np

from centralita.core.clock import SteadyClock
from centralita.core.ids import AgentId, FlowId, QueueId
from centralita.core.tasks import Tasks
from centralita.core.wire import Plain
from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.prompts.espeak import EspeakVoice
from centralita.recordings.files import read_wav
from centralita.store.records import QueueRecord
from centralita.store.store import open_store
from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.server import ServerProcess

_RATE = 8000
_NUMBER = "500"
_TONES = {"first": 440, "second": 880, "third": 1320}
_CALLER_TONE, _AGENT_TONE = 600, 1000
_AGENTS = ("ana", "luis", "marta")
_EXTENSIONS = {"ana": "201", "luis": "202", "marta": "203"}
_FLOW: dict[str, Plain] = {
    "flow": "bench",
    "language": "es",
    "start": "first",
    "nodes": {
        "first": {
            "type": "menu",
            "prompt": {"wav": "first.wav"},
            "choices": [{"key": "1", "next": "second"}],
            "on_failure": "end",
        },
        "second": {
            "type": "menu",
            "prompt": {"wav": "second.wav"},
            "choices": [{"key": "2", "say": ["ventas"], "next": "third"}],
            "on_failure": "end",
        },
        "third": {"type": "play", "prompt": {"wav": "third.wav"}, "next": "wait"},
        "wait": {"type": "enqueue", "queue": "bench", "otherwise": "end"},
        "end": {"type": "hangup"},
    },
}


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure: its name, and the 95th percentile it should stay below, in milliseconds."""

    title: str
    p95_ms: float | None


GOALS = {
    "invite_to_200": Goal("INVITE to 200", None),
    "key_to_prompt": Goal("key to next prompt", 150),
    "speech_end_to_prompt": Goal("end of speech to next prompt", 900),
    "speech_start_to_silence": Goal("speech start to prompt silent", 250),
    "answer_to_audio": Goal("agent's answer to both hearing each other", 200),
    "offer_to_pop": Goal("offer to pop (live feed)", 300),
}


async def main(arguments: Sequence[str]) -> int:
    """Run the calls, print the table, write the JSON; 1 when a call failed."""
    parser = argparse.ArgumentParser(prog="./dev bench first-call", description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=2, help="calls at the same time, up to 3")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="centralita-bench-") as folder:
        server = ServerProcess(Path(folder))
        await server.prepare()
        await _prepare(server)
        await server.start()
        try:
            bench = _Bench(server, Path(folder))
            await bench.run(options.calls, min(options.at_once, len(_AGENTS)))
        finally:
            await server.stop()
    return bench.report(options.json)


async def _prepare(server: ServerProcess) -> None:
    """The bench's flow, queue and tones."""
    prompts = server.data / "prompts"
    await asyncio.to_thread(prompts.mkdir, parents=True, exist_ok=True)
    for name, hertz in _TONES.items():
        seconds = 0.2 if name == "third" else 20.0
        await asyncio.to_thread(_write_tone, prompts / f"{name}.wav", hertz, seconds)
    store = await open_store(server.config().database_url)
    await store.queues.put(
        QueueRecord(
            queue_id=QueueId("bench"),
            title="Bench",
            language="es",
            agents=tuple(AgentId(f"agent_{name}") for name in _AGENTS),
            settings={"wrap_up": "0s", "announce_recording": False, "exit_when_empty": False},
        )
    )
    flow = await store.flows.add_version(FlowId("bench"), _FLOW, at=SteadyClock().now())
    await store.flows.publish(FlowId("bench"), flow.version, numbers=(_NUMBER,))
    await store.close()


class _Bench:
    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self._server = server
        self._voices = PromptCache(EspeakVoice({"es": "es+f2"}), folder / "voices", folder / "no")
        self._figures: dict[str, list[float]] = defaultdict(list)
        self._failures: list[str] = []
        self._word: Samples = np.zeros(0, dtype=np.int16)
        self._talks: dict[str, asyncio.Queue[tuple[float, float]]] = defaultdict(asyncio.Queue)

    async def run(self, calls: int, at_once: int) -> None:
        """All calls, `at_once` at a time."""
        sound = read_wav(await self._voices.render("ventas", "es"))[0]
        self._word = _trimmed(np.array(sound))
        agents = [await self._server.agent_phone(_EXTENSIONS[name]) for name in _AGENTS]
        callers = [await self._server.caller(f"+3460000{index:04}") for index in range(at_once)]
        numbers = list(range(calls))
        background = Tasks("bench")
        async with contextlib.AsyncExitStack() as stack:
            for name in _AGENTS:
                api = await stack.enter_async_context(self._server.api(name))
                feed = await api.live()
                await _registered(feed)
                background.spawn(self._watch(feed), name=f"screen of {name}")
            for phone in agents:
                background.spawn(self._answer(phone), name=f"phone {phone.user}")
            await asyncio.gather(*(self._calls(caller, numbers, calls) for caller in callers))
            await background.close()
        for phone in (*agents, *callers):
            await phone.close()

    async def _calls(self, caller: Phone, numbers: list[int], total: int) -> None:
        while numbers:
            number = numbers.pop(0)
            try:
                async with asyncio.timeout(30):
                    await self._one(caller)
            except Exception as exc:  # a failed call is a figure, too
                self._failures.append(f"call {number + 1}: {type(exc).__name__} {exc}")
            if (number + 1) % 10 == 0:
                print(f"  {number + 1} of {total} calls", flush=True)

    async def _one(self, caller: Phone) -> None:
        call = await caller.call(_NUMBER)
        try:
            await call.wait_answered()
            self._note("invite_to_200", call.times["answered"] - call.times["invite"])
            await _hears(call, _TONES["first"])
            pressed = time.monotonic()
            call.audio.press("1")
            heard = await _hears(call, _TONES["second"])
            self._note("key_to_prompt", heard - pressed)
            await asyncio.sleep(0.4)  # people listen before they speak
            await self._speak(call)
            caller_hears = await _hears(call, _AGENT_TONE, within=15)
            accepted, agent_hears = await self._talks[caller.user].get()
            self._note("answer_to_audio", max(caller_hears, agent_hears) - accepted)
        finally:
            await call.hang_up()

    async def _speak(self, call: PhoneCall) -> None:
        began = time.monotonic()
        silent, prompt = await asyncio.gather(
            _silent_of(call, _TONES["second"]),
            self._say_and_hear(call),
        )
        self._note("speech_start_to_silence", silent - began)
        self._note("speech_end_to_prompt", prompt)

    async def _say_and_hear(self, call: PhoneCall) -> float:
        ended = await call.audio.say(self._word)
        heard = await _hears(call, _TONES["third"])
        # From now on the caller hums, for the agent's phone to hear.
        call.audio.hum(_tone(_CALLER_TONE, 1))
        return heard - ended

    async def _answer(self, phone: Phone) -> None:
        """Ana, Luis or Marta: picks up at once and hums until the caller has gone."""
        while True:
            call = await phone.incoming.get()
            call.audio.hum(_tone(_AGENT_TONE, 1))
            accepted = time.monotonic()
            call.accept()
            with contextlib.suppress(TimeoutError):
                heard = await _hears(call, _CALLER_TONE)
                self._talks[call.caller].put_nowait((accepted, heard))
            await call.ended.wait()

    async def _watch(self, feed: aiohttp.ClientWebSocketResponse) -> None:
        """An agent's screen: offers carry the time at which they were made."""
        async for message in feed:
            delta = json.loads(message.data)
            if delta["type"] == "offer":
                made = datetime.fromisoformat(delta["ringing_since"]).timestamp()
                self._note("offer_to_pop", time.time() - made)

    def _note(self, figure: str, seconds: float) -> None:
        self._figures[figure].append(seconds * 1000)

    def report(self, path: Path | None) -> int:
        """The table, and the JSON if a file is named."""
        rows = {}
        print(f"\n{'':45}{'calls':>6}{'p50 ms':>9}{'p95 ms':>9}{'goal p95':>10}")
        for name, goal in GOALS.items():
            values = self._figures[name]
            if not values:
                continue
            p50, p95 = (float(np.percentile(values, share)) for share in (50, 95))
            rows[name] = {
                "calls": len(values),
                "p50_ms": p50,
                "p95_ms": p95,
                "goal_p95_ms": goal.p95_ms,
            }
            wanted = f"{goal.p95_ms:.0f}" if goal.p95_ms is not None else "-"
            print(f"{goal.title:45}{len(values):>6}{p50:>9.1f}{p95:>9.1f}{wanted:>10}")
        for failure in self._failures[:20]:
            print(f"FAILED {failure}")
        print(f"{len(self._failures)} failed")
        if path is not None:
            path.write_text(json.dumps({"rows": rows, "failed": self._failures}, indent=2))
        return 1 if self._failures else 0


def _tone(hertz: int, seconds: float, loudness: float = 8000) -> Samples:
    count = int(_RATE * seconds)
    return (np.sin(2 * np.pi * hertz * np.arange(count) / _RATE) * loudness).astype(np.int16)


def _write_tone(path: Path, hertz: int, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(_tone(hertz, seconds).astype("<i2").tobytes())


def _trimmed(samples: Samples) -> Samples:
    """Without the silence around the word: what is measured begins and ends with sound."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 400)
    return samples[loud[0] : loud[-1] + 1]


async def _hears(call: PhoneCall, hertz: int, *, within: float = 10) -> float:
    """When the first frame of that tone came."""
    frame = await call.audio.until(lambda frame: frame.has_tone(hertz), within=within)
    return frame.at


async def _silent_of(call: PhoneCall, hertz: int) -> float:
    """When the first frame without that tone came."""
    frame = await call.audio.until(lambda frame: not frame.has_tone(hertz))
    return frame.at


async def _registered(feed: aiohttp.ClientWebSocketResponse) -> None:
    """Until the agents' phones are seen."""
    seen: set[str] = set()
    async with asyncio.timeout(15):
        while len(seen) < len(_AGENTS):
            message = json.loads((await feed.receive()).data)
            agents = message["agents"] if message["type"] == "snapshot" else [message]
            seen |= {agent["agent_id"] for agent in agents if agent.get("registered")}
