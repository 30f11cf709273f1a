"""An office at work: a server, a supervisor who watches, two agents' phones, a number outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from centralita.telephony.phone.g711 import Samples
from centralita.telephony.phone.phone import Phone, PhoneCall
from tests.support.hearing import ANA, CALLER, hears, steadily
from tests.support.server import ServerProcess
from tests.support.story import Watcher, set_queues, watcher
from tests.support.telephony import tone

OUTSIDE_NUMBER = "+34911234567"
SHOWN = "+34910000001"


@dataclass
class Office:
    """The server, the supervisor and the phones; `outside` is whoever is called by the trunk."""

    server: ServerProcess
    sofia: Watcher
    ana: Phone
    luis: Phone
    outside: Phone

    @asynccontextmanager
    async def talking(self, number: str) -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
        """A caller and Ana, who hear each other's tones; Luis is free by then."""
        async with self.connected(number, tone(CALLER, 1), tone(ANA, 1)) as (caller, ana):
            await steadily(caller, hears(ANA))
            await steadily(ana, hears(CALLER))
            yield caller, ana

    @asynccontextmanager
    async def connected(
        self, number: str, *hums: Samples
    ) -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
        """A caller and Ana, who are silent unless they hum; Luis is free by then."""
        await self.sofia.agent_becomes("luis", state="idle")
        status, _ = await self.sofia.api.post(
            "/agents/agent_luis/status", {"status": "on_break", "reason": "rest"}
        )
        assert status == 200
        await self.sofia.frees("ana")
        await self.sofia.ready("ana")
        # An offer that was withdrawn when the last test was over is nobody's call.
        for agent in (self.ana, self.luis):
            while not agent.incoming.empty():
                agent.incoming.get_nowait()
        # From the trunk's address: whoever calls from another one is a phone of the house.
        phone = await Phone(number, self.server.sip, host="127.0.0.2", domain="centralita").start()
        caller = await phone.call("110")
        if hums:
            caller.audio.hum(hums[0])
        await caller.wait_answered()
        ana = await asyncio.wait_for(self.ana.incoming.get(), 10)
        if hums:
            ana.audio.hum(hums[1])
        ana.accept()
        await ana.wait_answered()
        await self.sofia.frees("luis")
        try:
            yield caller, ana
        finally:
            for each in (caller, ana):
                if not each.ended.is_set():
                    await each.hang_up()
            await phone.close()


@asynccontextmanager
async def open_office(
    folder: Path, *, media: str = "", extra: str = "", live_transcript: bool = False
) -> AsyncIterator[Office]:
    """An office whose agents have no wrap-up; its server must end without a fault."""
    server = ServerProcess(folder, media=media, trunk="127.0.0.2")
    outside = await server.caller(OUTSIDE_NUMBER)
    server.extra = f"[trunk:world]\naddresses = 127.0.0.9\nproxy = {outside.address}\n{extra}"
    await server.prepare()
    await set_queues(
        server, wrap_up="0s", announce_recording=False, announce_outgoing=False, caller_id=SHOWN,
        live_transcript=live_transcript,
    )  # fmt: skip
    await server.start()
    async with watcher(server) as sofia:
        ana, luis = await server.agent_phone("201"), await server.agent_phone("202")
        yield Office(server, sofia, ana, luis, outside)
        for phone in (ana, luis, outside):
            await phone.close()
    assert await server.stop() == 0
