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
        # One task at a time sees to a call: the last words to a conversation would else part the
        # one that follows it at once.
        self._busy: set[CallId] = set()
        self._leaving: dict[CallId, list[LegId]] = {}
        self._parted: dict[CallId, asyncio.Event] = {}

    def want(self, call_id: CallId, sound: Sound) -> None:
        """From now on it sounds like this; what was wanted before and is not done yet is not."""
        self._want[call_id] = sound
        self._see_to(call_id)

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
        self._leaving.setdefault(call_id, []).append(leg_id)
        self._parted.setdefault(call_id, asyncio.Event())
        self._see_to(call_id)

    async def parted(self, call_id: CallId) -> None:
        """Wait until `part` is done: what is played then stays."""
        done = self._parted.get(call_id)
        if done is not None:
            await done.wait()

    def is_parting(self, call_id: CallId) -> bool:
        """Whether `parted` would wait."""
        return call_id in self._parted

    def _see_to(self, call_id: CallId) -> None:
        if call_id not in self._busy:
            self._busy.add(call_id)
            self._tasks.spawn(self._work(call_id), name=f"sound of {call_id}")

    async def _work(self, call_id: CallId) -> None:
        try:
            while await self._part_those(call_id) or await self._make_wanted(call_id):
                pass
        finally:
            self._busy.discard(call_id)
            self._is_parted(call_id)

    async def _part_those(self, call_id: CallId) -> bool:
        """Part whoever is to hear nothing; whether there was anybody."""
        leaving = self._leaving.pop(call_id, [])
        for leg_id in leaving:
            await self._part(leg_id)
        if call_id not in self._leaving:
            self._is_parted(call_id)
        return bool(leaving)

    def _is_parted(self, call_id: CallId) -> None:
        done = self._parted.pop(call_id, None)
        if done is not None:
            done.set()

    async def _make_wanted(self, call_id: CallId) -> bool:
        """Make what is wanted now; whether there was anything to do."""
        want, have = self._want.get(call_id), self._have.get(call_id)
        if want is None or want == have:
            return False
        for leg_id in self._doubtful.pop(call_id, frozenset()) - want.everybody:
            await self._part(leg_id)
        await self._make(have or Sound(), want)
        # Unless another conversation has begun meanwhile, of which nobody knows.
        if call_id in self._want and call_id not in self._doubtful:
            self._have[call_id] = want
        return True

    async def _make(self, have: Sound, want: Sound) -> None:
        together = want.together
        alone = (have.together | want.music | want.ringing) - together
        alone |= have.listeners - want.listeners - together
        for leg_id in sorted(alone):
            await self._try(self._control.unbridge(leg_id))
        heard = want.music | want.ringing | want.listeners | together
        for leg_id in sorted((have.music | have.ringing) - heard):
            await self._try(self._control.stop_playing(leg_id))
        for group in sorted(want.groups - have.groups, key=sorted):
            await self._try(self._control.join(sorted(group)))
        for leg_id in sorted(want.music - have.music):
            await self._try(self._control.play(leg_id, [await self._music()], loop=True))
        for listener, source in sorted(want.early - have.early):
            await self._try(self._control.hear_early(listener, source))
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
