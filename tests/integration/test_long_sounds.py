"""What plays for long goes on until it is over: music and ringing tones, for forty seconds each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from centralita.telephony.phone.phone import Phone, PhoneCall
from centralita.telephony.phone.rtp import RATE, HeardFrame
from tests.support.hearing import music
from tests.support.office import OUTSIDE_NUMBER, Office, open_office

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = float(os.environ.get("CENTRALITA_LONG_SOUND_S", "40"))
_RING, _RING_PAUSE, _MUSIC_PAUSE = 425.0, 3.0, 0.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with open_office(tmp_path_factory.mktemp("long")) as opened:
        yield opened


def ringing(frame: HeardFrame) -> bool:
    return frame.has_tone(_RING)


async def _goes_on(
    who: str, call: PhoneCall, wanted: Callable[[HeardFrame], bool], pause: float
) -> str:
    """The longest pause in what is heard; raises AssertionError when it is too long."""
    first = await call.audio.until(wanted, within=15)
    last, longest = first.start, 0

    def over(frame: HeardFrame) -> bool:
        nonlocal last, longest
        longest = max(longest, frame.start - last)
        if wanted(frame):
            last = frame.start
        return frame.start - first.start > SECONDS * RATE

    await call.audio.until(over, within=SECONDS + 20)
    said = f"{who}: longest pause {longest / RATE:.2f} s in {SECONDS:.0f} s"
    assert longest / RATE < pause + 0.6, said
    return said


async def test_music_and_ringing_go_on_in_every_place(office: Office) -> None:
    server = office.server
    async with office.talking("+34600556001") as (held, ana), server.api("luis") as luis_page:
        # Ana's phone holds her caller; Luis calls somebody who does not pick up; a third one
        # waits in the queue meanwhile, and a fourth is parked.
        await ana.hold(True)
        status, _ = await luis_page.post("/calls", {"to": OUTSIDE_NUMBER, "queue_id": "sales"})
        assert status == 201
        luis = await asyncio.wait_for(office.luis.incoming.get(), 10)
        luis.accept()
        await luis.wait_answered()
        outside = await asyncio.wait_for(office.outside.incoming.get(), 10)
        outside.ring()
        phone = await Phone("+34600556003", server.sip, host="127.0.0.2").start()
        waiting = await phone.call("110")
        await waiting.wait_answered()
        for said in await asyncio.gather(
            _goes_on("held by the phone", held, music, _MUSIC_PAUSE),
            _goes_on("who dials", luis, ringing, _RING_PAUSE),
            _goes_on("who waits", waiting, music, _MUSIC_PAUSE),
        ):
            print(said)
        await waiting.hang_up()
        await luis.hang_up()
        await phone.close()


async def test_music_and_ringing_go_on_in_a_consultation(office: Office) -> None:
    server = office.server
    async with office.talking("+34600556011") as (held, ana), server.api("ana") as page:
        call = await office.sofia.call_of("+34600556011", state="live")
        target = {"to": {"kind": "number", "number": OUTSIDE_NUMBER}}
        status, answer = await page.post(f"/calls/{call['id']}/consult", target)
        assert status == 204, answer
        outside = await asyncio.wait_for(office.outside.incoming.get(), 10)
        outside.ring()
        for said in await asyncio.gather(
            _goes_on("whose agent consults", held, music, _MUSIC_PAUSE),
            _goes_on("who consults", ana, ringing, _RING_PAUSE),
        ):
            print(said)
        status, answer = await page.post(f"/calls/{call['id']}/consult/cancel", {})
        assert status == 204, answer
