"""What sounds in a call is changed by one conversation after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from centralita.core.ids import CallId, LegId
from centralita.core.tasks import Tasks
from centralita.routing.conversations.exchange import Sound
from centralita.routing.conversations.sounding import Sounding
from centralita.telephony.attempts import Attempt
from centralita.telephony.fake import FakeCallControl


class SlowControl(FakeCallControl):
    """Each command is carried out as late as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def _later(self) -> None:
        """Until the test gives way to this command."""
        let = asyncio.Event()
        await self.waiting.put(let)
        await let.wait()

    async def stop_playing(self, leg_id: LegId) -> None:
        await self._later()
        await super().stop_playing(leg_id)

    async def unbridge(self, leg_id: LegId) -> None:
        await self._later()
        await super().unbridge(leg_id)

    async def join(self, legs: Sequence[LegId]) -> None:
        await self._later()
        await super().join(legs)

    async def does_all(self) -> None:
        """Carry out whatever is asked, one after the other, until nothing more comes."""
        with pytest.raises(TimeoutError):
            while True:
                async with asyncio.timeout(0.1):
                    (await self.waiting.get()).set()


async def _music() -> Path:
    return Path("music.wav")


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks("sounds")
    yield tasks
    await tasks.close()


def _together(*legs: LegId) -> Sound:
    return Sound(groups=frozenset({frozenset(legs)}))


@pytest.mark.parametrize("begun", [False, True], ids=["parted first", "still being joined"])
async def test_the_end_of_one_conversation_does_not_part_the_next(
    tasks: Tasks, begun: bool
) -> None:
    control = SlowControl()
    caller = control.arrives("100")
    for name in ("first", "second"):
        await control.dial(
            caller.call_id, LegId(name), [Attempt(uri=f"sip:{name}@a")], beside=caller.leg_id
        )
    first, second = await control.next_dialled(), await control.next_dialled()
    sounding = Sounding(control, tasks, _music, _music)
    call = CallId(caller.call_id)

    sounding.begin(call, _together(caller.leg_id, first.leg_id), [caller.leg_id, first.leg_id])
    if begun:
        command = await control.waiting.get()
    else:
        (await control.waiting.get()).set()
    # The first agent drops the call, and the second one has answered before all that is done.
    sounding.forget(call)
    sounding.part(call, caller.leg_id)
    sounding.begin(call, _together(caller.leg_id, second.leg_id), [caller.leg_id, second.leg_id])
    if begun:
        command.set()
    await control.does_all()
    assert caller.peers == {second.leg_id}
    assert second.peers == {caller.leg_id}
