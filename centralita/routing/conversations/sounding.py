"""Makes what an exchange wants to sound, sound: one thing after another for each call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from centralita.core.ids import CallId, LegId
from centralita.core.tasks import Tasks
from centralita.routing.conversations.exchange import Sound
from centralita.telephony.call import CallControl, TelephonyError


class Sounding:
    """Knows what sounds in each call, and changes no more than what differs."""

    def __init__(
        self,
        control: CallControl,
        tasks: Tasks,
        music: Callable[[], Awaitable[Path]],
        ringing: Callable[[], Awaitable[Path]],
    ) -> None:
        self._control = control
        self._tasks = tasks
        self._music = music
        self._ringing = ringing
        self._have: dict[CallId, Sound] = {}
        self._want: dict[CallId, Sound] = {}
        self._doubtful: dict[CallId, frozenset[LegId]] = {}
        self._busy: set[CallId] = set()
        self._parting: dict[CallId, asyncio.Task[None]] = {}

    def want(self, call_id: CallId, sound: Sound) -> None:
        """From now on it sounds like this; what was wanted before and is not done yet is not."""
        self._want[call_id] = sound
        if call_id not in self._busy:
            self._busy.add(call_id)
            self._tasks.spawn(self._work(call_id), name=f"sound of {call_id}")

    def begin(self, call_id: CallId, sound: Sound, legs: Iterable[LegId]) -> None:
        """As `want`, for these legs of which nobody knows what they hear."""
        self._have.pop(call_id, None)
        self._doubtful[call_id] = frozenset(legs)
        self.want(call_id, sound)

    def forget(self, call_id: CallId) -> None:
        """Others see to the call's sound from now on."""
        self._have.pop(call_id, None)
        self._want.pop(call_id, None)
        self._doubtful.pop(call_id, None)

    def part(self, call_id: CallId, leg_id: LegId) -> None:
        """The leg hears nothing until somebody sees to it."""
        task = self._tasks.spawn(self._part(leg_id), name=f"part {leg_id}")
        self._parting[call_id] = task
        task.add_done_callback(lambda _: self._parting.pop(call_id, None))

    async def parted(self, call_id: CallId) -> None:
        """Wait until `part` is done: what is played then stays."""
        task = self._parting.get(call_id)
        if task is not None:
            await asyncio.wait([task])

    def is_parting(self, call_id: CallId) -> bool:
        """Whether `parted` would wait."""
        return call_id in self._parting

    async def _work(self, call_id: CallId) -> None:
        try:
            while (want := self._want.get(call_id)) is not None:
                have = self._have.get(call_id)
                if want == have:
                    return
                for leg_id in self._doubtful.pop(call_id, frozenset()) - want.everybody:
                    await self._part(leg_id)
                await self._make(have or Sound(), want)
                if call_id in self._want:
                    self._have[call_id] = want
        finally:
            self._busy.discard(call_id)

    async def _make(self, have: Sound, want: Sound) -> None:
        together = want.together
        alone = (have.together | want.music | want.ringing) - together
        for leg_id in sorted(alone):
            await self._try(self._control.unbridge(leg_id))
        for leg_id in sorted((have.music | have.ringing) - want.music - want.ringing - together):
            await self._try(self._control.stop_playing(leg_id))
        for group in sorted(want.groups - have.groups, key=sorted):
            await self._try(self._control.join(sorted(group)))
        for leg_id in sorted(want.music - have.music):
            await self._try(self._control.play(leg_id, [await self._music()], loop=True))
        for leg_id in sorted(want.ringing - have.ringing):
            await self._try(self._control.play(leg_id, [await self._ringing()], loop=True))

    async def _part(self, leg_id: LegId) -> None:
        await self._try(self._control.stop_playing(leg_id))
        await self._try(self._control.unbridge(leg_id))

    @staticmethod
    async def _try(command: Awaitable[object]) -> None:
        """One of them has just hung up: that leg's end settles the rest."""
        with contextlib.suppress(TelephonyError):
            await command
