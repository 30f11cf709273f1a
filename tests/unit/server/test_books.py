"""A day's books: what the store says of an agent is what has happened, to the second."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from centralita.core.events import Event
from centralita.core.ids import CallId
from centralita.routing.agent import AgentState
from centralita.routing.conversations.events import CallHeld
from centralita.routing.events import (
    ConversationEnded,
    OfferSettled,
    WrapUpEnded,
    WrapUpStarted,
)
from centralita.telephony.call import EndReason
from centralita.telephony.fake import FakeLeg
from tests.support.house import ANA, SALES, House, open_center_house

_NEAR = timedelta(seconds=1)


class Ledger:
    """The day as whoever watches the house would write it down."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.rang = self.talked = self.held = self.wrapped_up = timedelta(0)
        self.talks: Counter[CallId] = Counter()
        self.settled: Counter[str] = Counter()
        self._since: dict[str, datetime] = {}
        house.bus.subscribe(Event, self._note)

    def _note(self, event: Event) -> None:
        now = self._house.clock.now()
        match event:
            case OfferSettled(rang=rang, state=state):
                self.rang += rang
                self.settled[state.value] += 1
            case ConversationEnded(call_id=call_id, talked=talked):
                self.talked += talked
                self.talks[call_id] += 1
                self._stop("hold", now)
            case CallHeld(held=True):
                self._since.setdefault("hold", now)
            case CallHeld():
                self._stop("hold", now)
            case WrapUpStarted():
                self._since["wrap-up"] = now
            case WrapUpEnded():
                self._stop("wrap-up", now)
            case _:
                pass

    def _stop(self, what: str, now: datetime) -> None:
        since = self._since.pop(what, None)
        if since is not None and what == "hold":
            self.held += now - since
        elif since is not None:
            self.wrapped_up += now - since


class Day:
    """What Ana and her callers do, one call after the other."""

    def __init__(self, house: House, dice: random.Random) -> None:
        self.house = house
        self.dice = dice
        self.number = 0

    def passes(self, longest: int) -> None:
        mark = self.house.clock.mark
        later = timedelta(seconds=self.dice.randint(1, longest))
        self.house.clock.follow(replace(mark, wall=mark.wall + later))

    async def caller(self) -> tuple[FakeLeg, FakeLeg]:
        """Somebody who waits, and Ana's phone that rings for it."""
        self.number += 1
        caller = await self.house.calls_in(caller=f"6001{self.number:05}")
        self.house.control.presses(caller, "1")
        phone = await asyncio.wait_for(self.house.control.next_dialled(), 5)
        self.house.control.rings(phone)
        self.passes(15)
        return caller, phone

    async def talks(self) -> None:
        house = self.house
        caller, phone = await self.caller()
        house.control.answers(phone)
        await house.until(lambda: caller.other == phone.leg_id)
        self.passes(600)
        for _ in range(self.dice.randrange(3)):
            await house.conversations.hold(caller.call_id)
            self.passes(90)
            await house.conversations.resume(caller.call_id)
            self.passes(90)
        house.control.hangs_up(self.dice.choice((caller, phone)))
        await self.is_written_up()
        await house.is_over(caller)

    async def hangs_up(self) -> None:
        caller, _ = await self.caller()
        self.house.control.hangs_up(caller)
        await self.house.is_over(caller)

    async def is_declined(self) -> None:
        caller, phone = await self.caller()
        self.house.control.refuses(phone, EndReason.DECLINED)
        await self.house.is_over(caller)
        await self.house.agents.set_status(ANA, "available", "")

    async def calls_in_vain(self) -> None:
        house = self.house
        self.number += 1
        await house.outgoing.call(ANA, f"6002{self.number:05}", SALES, None)
        phone = await asyncio.wait_for(house.control.next_dialled(), 5)
        house.control.answers(phone)
        outside = await asyncio.wait_for(house.control.next_dialled(), 5)
        self.passes(20)
        house.control.refuses(outside, EndReason.BUSY)
        await self.is_written_up()

    async def is_written_up(self) -> None:
        """The call is over by now, and Ana is not."""
        house = self.house
        await house.until(lambda: house.board.agents[ANA].state is AgentState.WRAP_UP)
        await house.until(lambda: not house.calls.calls)
        if self.dice.random() < 0.3:
            await house.agents.extend_wrap_up(ANA, timedelta(seconds=60))
        self.passes(25)
        await house.agents.finish_wrap_up(ANA)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_books_of_a_day_are_what_has_happened(tmp_path: Path, seed: int) -> None:
    async with open_center_house(tmp_path) as house:
        ledger, began = Ledger(house), house.clock.now()
        await house.ana_is_available()
        day = Day(house, random.Random(seed))
        ways: tuple[Callable[[], Awaitable[None]], ...] = (
            day.talks, day.talks, day.hangs_up, day.is_declined, day.calls_in_vain,
        )  # fmt: skip
        for way in (*ways, *day.dice.choices(ways, k=6)):
            await way()
            day.passes(300)
        await asyncio.wait_for(house.calls.written(), 5)
        # A day later nothing has grown since.
        until = house.clock.now() + timedelta(days=1)
        book, of_calls = await house.store.days.of(ANA, began, until)

        assert abs(book.wrapped_up - ledger.wrapped_up) < _NEAR
        assert abs(book.talked - ledger.talked) < _NEAR
        assert Counter(one.call_id for one in book.conversations) == ledger.talks
        assert len(book.missed) == ledger.settled["declined"]

        rang = held = talked = timedelta(0)
        open_wrap_ups: dict[str, int] = defaultdict(int)
        for call_id in of_calls:
            entry = await house.store.interactions.by_call(call_id)
            assert entry is not None and entry.call is not None and entry.ended_at is not None
            for talk in entry.call.talks:
                assert timedelta(0) <= talk.held <= talk.talked
                held, talked = held + talk.held, talked + talk.talked
            for line in await house.store.call_events.of_call(call_id):
                if line.type == "offer_settled":
                    seconds = line.data["rang"]
                    assert isinstance(seconds, int | float) and seconds >= 0
                    rang += timedelta(seconds=seconds)
                open_wrap_ups[call_id] += {"wrap_up_started": 1, "wrap_up_ended": -1}.get(
                    line.type, 0
                )
        assert abs(rang - ledger.rang) < _NEAR
        assert abs(held - ledger.held) < _NEAR
        assert abs(talked - ledger.talked) < _NEAR
        assert not any(open_wrap_ups.values())


async def test_a_wrap_up_whose_end_is_lost_with_the_server_ends_when_it_was_to(
    tmp_path: Path,
) -> None:
    async with open_center_house(tmp_path) as house:
        began = house.clock.now()
        await house.ana_is_available()
        caller, _ = await house.talks_to_ana()
        house.control.hangs_up(caller)
        await house.until(lambda: house.board.agents[ANA].state is AgentState.WRAP_UP)
        await house.is_over(caller)
        await house.agents.extend_wrap_up(ANA, timedelta(seconds=60))
        await asyncio.wait_for(house.calls.written(), 5)
        book, _ = await house.store.days.of(ANA, began, began + timedelta(days=1))
        assert abs(book.wrapped_up - timedelta(seconds=90)) < _NEAR


async def test_nothing_is_written_of_calls_that_were_never_ours(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        house.bus.publish(WrapUpEnded(agent_id=ANA, call_id=CallId("call_of_nobody")))
        await asyncio.wait_for(house.calls.written(), 5)
        assert await house.store.call_events.of_call(CallId("call_of_nobody")) == ()
