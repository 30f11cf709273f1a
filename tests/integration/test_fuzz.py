"""Twenty thousand mutations of SIP messages against a running server, while people talk.

CENTRALITA_MUTANTS and CENTRALITA_FUZZ_SEED make it longer, and other; CENTRALITA_LIVE_MUTANTS is
for those that know a live dialog.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice

import psutil
import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import PhoneCall
from tests.support.fuzz import Fuzzer, Mutant
from tests.support.live_fuzz import LiveFuzzer
from tests.support.phones import tone
from tests.support.server import ServerProcess, lives
from tests.support.story import publish_flow, set_queues, watcher
from tests.support.wire import status_of, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUTANTS = int(os.environ.get("CENTRALITA_MUTANTS", "20000"))
LIVE_MUTANTS = int(os.environ.get("CENTRALITA_LIVE_MUTANTS", "1200"))
SEED = int(os.environ.get("CENTRALITA_FUZZ_SEED", "4475"))
_BATCH = 50
_LIVE_BATCH = 25
# Each request within a dialog is a transaction, which is kept for 32 s with a buffer of 20 kB and
# more: a run of less than a minute only grows. 100,000 that leak a kilobyte each are 100 MB.
_LIVE_GROWTH = 48 << 20
# What a process may hold more at the end than after the first quarter, in bytes: pools that grow to
# their largest use are no leak, and 15,000 messages that leak one kilobyte each are 15 MB.
_GROWTH = 12 << 20
_HUM = 700.0
_SHORT = "998"
# Ends by itself soon: whoever loses a call does not fill the house with it.
_SHORT_CALL = """
flow: short
language: es
start: wait
nodes:
  wait: {type: gather, prompt: "¿Sí?", variable: d, turn: {timeout: 2s, tries: 1}, next: bye,
         on_failure: bye}
  bye: {type: hangup}
"""
_TRUNK, _STRANGER = "127.0.0.2", "127.0.0.77"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(
        tmp_path_factory.mktemp("fuzz"),
        trunk=f"127.0.0.1, {_TRUNK}",
        extra=f"[limits]\nexempt = {_STRANGER}\nstop_grace = 2s\n",
    )
    await running.prepare()
    await set_queues(running, wrap_up="0s", announce_recording=False, record=False)
    await publish_flow(running, _SHORT, _SHORT_CALL)
    await running.start()
    before = lives(running)
    yield running
    assert lives(running) == before, running.tail()
    assert await running.stop() == 0


@asynccontextmanager
async def _conversation(server: ServerProcess) -> AsyncIterator[PhoneCall]:
    """A caller hums to an agent all the time; yields the agent's end."""
    async with watcher(server) as sofia:
        agent, caller = await server.agent_phone("201"), await server.caller("+34600777001")
        try:
            await sofia.frees("ana")
            await sofia.ready("ana")
            call = await caller.call("100")
            await call.wait_answered()
            await call.audio.sound()
            call.audio.press("1")
            talk = await agent.incoming.get()
            talk.accept()
            await talk.wait_answered()
            call.audio.hum(tone(_HUM, 0.4))
            await talk.audio.until(lambda frame: frame.has_tone(_HUM))
            yield talk
            assert not call.ended.is_set()
            await call.hang_up()
        finally:
            await caller.close()
            await agent.close()


async def _new_call_works(server: ServerProcess) -> None:
    phone = await server.caller("+34600777002")
    call = await phone.call("100")
    await call.wait_answered()
    await call.audio.sound()
    await call.hang_up()
    await phone.close()


def _memory(server: ServerProcess) -> dict[str, int]:
    """What is held by Kamailio's processes together, and by each media worker."""
    found: Counter[str] = Counter()
    for child in psutil.Process(server.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(child.cmdline())
            for name in ("telephony.worker", "sbin/kamailio"):
                if name in command and "launcher" not in command:
                    found[name] += child.memory_full_info().pss
    return dict(found)


class _Attack:
    """Sends mutants from one address by one transport, and watches for successes."""

    def __init__(self, target: tuple[str, int], transport: str, local: str, seed: int) -> None:
        self._target, self._transport, self._local = target, transport, local
        self._mutants: Iterator[Mutant] = iter(
            Fuzzer(seed, number="999000", port=5099, transport=transport.upper())
        )
        self.answers: Counter[int] = Counter()
        self.succeeded: list[Mutant] = []

    async def batch(self, size: int) -> None:
        """So many mutants; those that must not succeed on wires of their own."""
        mutants = list(islice(self._mutants, size))
        for broken in (False, True):
            sent = [mutant for mutant in mutants if mutant.broken is broken]
            # What cannot be told apart ends a stream, and with it what follows.
            at_once = size if self._transport == "udp" else 1 if broken else 4
            for start in range(0, len(sent), at_once):
                await self._send(sent[start : start + at_once])

    async def _send(self, mutants: list[Mutant]) -> None:
        async with wire(self._target, self._transport, local=self._local) as attacker:
            for mutant in mutants:
                attacker.send(mutant.data)
            await attacker.served()
            self.answers.update(map(status_of, attacker.answers))
        if any(200 <= status < 300 for status in attacker.statuses):
            self.succeeded.extend(mutant for mutant in mutants if mutant.broken)


async def test_nothing_dies_and_people_talk_while_messages_are_mutated(
    server: ServerProcess,
) -> None:
    attacks = [
        _Attack(server.sip, transport, local, SEED + number)
        for number, (transport, local) in enumerate(
            [("udp", _TRUNK), ("udp", _STRANGER), ("tcp", _TRUNK), ("tcp", _STRANGER)]
        )
    ]
    before = lives(server)
    began = time.monotonic()
    memory: dict[str, int] = {}
    rounds = MUTANTS // _BATCH
    async with _conversation(server) as talk:
        first = len(talk.audio.frames)
        for number in range(rounds):
            # Three of four go by UDP.
            await attacks[(number // 4) % 2 if number % 4 else 2 + number // 4 % 2].batch(_BATCH)
            if number % (rounds // 8) == 0:
                await _new_call_works(server)
                assert lives(server) == before, server.tail()
            if number == rounds // 4:
                memory = _memory(server)
        grown = {name: now - memory[name] for name, now in _memory(server).items()}
        heard = talk.audio.frames[first:]
        clear = sum(frame.has_tone(_HUM) for frame in heard) / len(heard)
    took = time.monotonic() - began
    print(f"{rounds * _BATCH} mutants, seed {SEED}, {took:.0f} s; {clear:.1%} of audio clear")
    print("grown (KiB):", {name: size >> 10 for name, size in grown.items()})
    for attack in attacks:
        print(dict(attack.answers))
        assert not attack.succeeded, [mutant.data for mutant in attack.succeeded[:3]]
        assert any(400 <= status < 500 for status in attack.answers)  # it is heard at all
    # Without a pause that a person would call one; a busy machine loses a packet now and then.
    assert clear > 0.75
    assert all(size < _GROWTH for size in grown.values()), grown


async def test_a_media_worker_bears_what_the_edge_would_keep_away(server: ServerProcess) -> None:
    before, memory = lives(server), _memory(server)
    worker = ("127.0.0.1", server.config().sip.worker_port)
    attack = _Attack(worker, "udp", "127.0.0.1", SEED + 100)
    for _ in range(MUTANTS // 10 // _BATCH):
        await attack.batch(_BATCH)
    await _new_call_works(server)
    print(dict(attack.answers))
    # Some of it succeeds here: pjsip does not look at everything that the edge looks at.
    assert lives(server) == before, server.tail()
    assert any(400 <= status < 500 for status in attack.answers)
    grown = {name: now - memory[name] for name, now in _memory(server).items()}
    assert all(size < _GROWTH for size in grown.values()), grown


@pytest.mark.parametrize("where", ["edge", "worker"])
async def test_nobody_is_confused_by_requests_that_know_a_live_dialog(
    server: ServerProcess, where: str
) -> None:
    """Replaces, Join, REFER, re-INVITE, UPDATE, CANCEL and BYE with right and nearly right tags."""
    target = server.sip
    if where == "worker":
        target = ("127.0.0.1", server.config().sip.worker_port)
    before = lives(server)
    memory: dict[str, int] = {}
    rounds = LIVE_MUTANTS // _LIVE_BATCH
    began = called = time.monotonic()
    async with wire(target, local=_TRUNK if where == "edge" else "127.0.0.1") as line:
        fuzzer = LiveFuzzer(line, SEED + len(where), dialled=_SHORT)
        for number in range(rounds):
            await fuzzer.batch(_LIVE_BATCH)
            if time.monotonic() - called > 10 or number % (rounds // 4) == 0:
                called = time.monotonic()
                await _new_call_works(server)
                assert lives(server) == before, server.tail()
            if number == rounds // 2:
                memory = _memory(server)
        await fuzzer.leave()
    await _new_call_works(server)
    grown = {name: now - memory[name] for name, now in _memory(server).items()}
    took = time.monotonic() - began
    print(f"{rounds * _LIVE_BATCH} requests, seed {SEED}, {took:.0f} s: {dict(fuzzer.sent)}")
    print("grown (KiB):", {name: size >> 10 for name, size in grown.items()})
    assert lives(server) == before, server.tail()
    assert all(size < _LIVE_GROWTH for size in grown.values()), grown
    said = server.log.read_text(errors="replace")
    assert "nobody serves" not in said and "Traceback" not in said
