"""The gate over SQLite and PostgreSQL: nobody gets past a limit, at once or by a restart."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.ids import CallId, LegId
from centralita.outbound.gate import Gate
from centralita.outbound.policy import (
    CallCut,
    CallRefused,
    OutboundRefused,
    Running,
    SpendAlert,
    Wanted,
)
from centralita.outbound.rules import Kind, Limits, Originator, Reason, Rules, Usage
from centralita.store.store import Store, open_store
from centralita.telephony.call import EndReason, LegAnswered, LegEnded
from centralita.telephony.fake import FakeCallControl
from tests.contract.test_store import postgres_server, url

__all__ = ["postgres_server", "url"]  # fixtures

NUMBER = "+34911234567"
RULES = Rules(
    region="ES",
    limits=Limits(
        agent_calls=4, agent_time=timedelta(minutes=10), flow_calls=6,
        flow_time=timedelta(minutes=20), calls=8, time=timedelta(minutes=30), concurrent=3,
    ),
    prices={"+34": Decimal("0.60")},
    alert_at=Decimal("3.00"),
)  # fmt: skip


def agent(name: str) -> Originator:
    return Originator(kind=Kind.AGENT, ident=f"agent_{name}")


class Exchange:
    """A gate, and calls through it."""

    def __init__(self, store: Store, rules: Rules = RULES) -> None:
        self.store = store
        self.bus = Bus()
        self.clock = ManualClock()
        self.control = FakeCallControl()
        self.warned: list[LegId] = []
        self.witnessed: list[str] = []
        self.told: list[object] = []
        for kind in (CallRefused, CallCut, SpendAlert):
            self.bus.subscribe(kind, self.told.append)
        self.gate = self.another_gate(rules)
        self._legs = 0

    def another_gate(self, rules: Rules = RULES) -> Gate:
        return Gate(
            rules, self.store.outbound, self.control, self.bus, self.clock, self, warn=self._warn
        )

    async def _warn(self, leg_id: LegId) -> None:
        self.warned.append(leg_id)

    async def refused(self, wanted: Wanted, reason: Reason, message: str) -> None:
        self.witnessed.append(reason.value)

    async def cut(self, running: Running) -> None:
        self.witnessed.append("cut")

    async def calls(self, who: Originator, dialled: str = NUMBER) -> LegId:
        """A permitted leg. Raises OutboundRefused."""
        self._legs += 1
        leg_id = LegId(f"leg_{id(self)}_{self._legs}")
        await self.gate.permit(
            Wanted(leg_id=leg_id, call_id=CallId("call_1"), dialled=dialled, who=who)
        )
        return leg_id

    async def refuses(self, who: Originator, dialled: str = NUMBER) -> Reason:
        with pytest.raises(OutboundRefused) as caught:
            await self.calls(who, dialled)
        return caught.value.reason

    async def answers(self, leg_id: LegId) -> None:
        self.bus.publish(LegAnswered(leg_id=leg_id, call_id=CallId("call_1")))
        await self.gate._notes.join()

    async def ends(self, leg_id: LegId) -> None:
        self.bus.publish(
            LegEnded(leg_id=leg_id, call_id=CallId("call_1"), reason=EndReason.REMOTE_HANGUP)
        )
        await self.gate._notes.join()

    async def talks(self, who: Originator, minutes: float) -> None:
        leg_id = await self.calls(who)
        await self.answers(leg_id)
        self.clock.advance(timedelta(minutes=minutes))
        await self.ends(leg_id)

    async def usage(self, who: Originator) -> Usage:
        now = self.clock.now()
        return await self.store.outbound.usage(who, now, RULES.day_of(now))


@pytest.fixture
async def exchange(url: str) -> AsyncIterator[Exchange]:
    store = await open_store(url)
    exchange = Exchange(store)
    await exchange.gate.open()
    yield exchange
    await exchange.gate.close()
    await store.close()


async def test_calls_and_time_are_counted_by_caller_and_for_all(exchange: Exchange) -> None:
    await exchange.talks(agent("ana"), 4)
    await exchange.ends(await exchange.calls(agent("ana")))  # nobody picked up
    await exchange.talks(agent("leo"), 2)
    usage = await exchange.usage(agent("ana"))
    assert usage == Usage(
        own_calls=2, own_time=timedelta(minutes=4), calls=3, time=timedelta(minutes=6), running=0
    )
    await exchange.gate.look()
    assert exchange.gate.spent == Decimal("3.60")


async def test_limits_hold_and_begin_anew_the_next_day(exchange: Exchange) -> None:
    for _ in range(4):
        await exchange.ends(await exchange.calls(agent("ana")))
    assert await exchange.refuses(agent("ana")) is Reason.CALLS_OF_CALLER
    for name in ("leo", "leo", "leo", "leo"):
        await exchange.ends(await exchange.calls(agent(name)))
    assert await exchange.refuses(agent("eva")) is Reason.CALLS
    assert exchange.witnessed == ["calls_of_caller", "calls"]
    (first, _) = exchange.told
    assert isinstance(first, CallRefused)
    assert (first.who, first.reason) == ("agent_ana", Reason.CALLS_OF_CALLER)
    exchange.clock.advance(timedelta(days=1))
    await exchange.calls(agent("ana"))


async def test_a_call_that_reaches_its_time_is_warned_and_ended(exchange: Exchange) -> None:
    leg = exchange.control.arrives("100")  # stands for the leg that was dialled
    await exchange.gate.permit(
        Wanted(leg_id=leg.leg_id, call_id=leg.call_id, dialled=NUMBER, who=agent("ana"))
    )
    await exchange.answers(leg.leg_id)
    exchange.clock.advance(timedelta(minutes=9, seconds=29))
    await exchange.gate.look()
    assert exchange.warned == []
    exchange.clock.advance(timedelta(seconds=2))
    for _ in range(3):
        await exchange.gate.look()
        await asyncio.sleep(0)
    assert exchange.warned == [leg.leg_id], "once"
    assert leg.leg_id not in exchange.control.ended
    exchange.clock.advance(timedelta(seconds=30))
    await exchange.gate.look()
    assert exchange.control.ended[leg.leg_id] is EndReason.CONVERSATION_ENDED
    assert [type(event) for event in exchange.told if not isinstance(event, SpendAlert)] == [
        CallCut
    ]
    assert exchange.witnessed == ["cut"]
    await exchange.gate._notes.join()
    assert await exchange.refuses(agent("ana")) is Reason.TIME_OF_CALLER
    await exchange.calls(agent("leo"))


async def test_calls_that_go_on_together_use_up_the_time_together(exchange: Exchange) -> None:
    legs = [exchange.control.arrives("100") for _ in range(2)]
    for leg in legs:
        await exchange.gate.permit(
            Wanted(leg_id=leg.leg_id, call_id=leg.call_id, dialled=NUMBER, who=agent("ana"))
        )
        await exchange.answers(leg.leg_id)
    exchange.clock.advance(timedelta(minutes=4, seconds=59))
    await exchange.gate.look()
    assert not exchange.control.ended
    exchange.clock.advance(timedelta(seconds=2))
    await exchange.gate.look()
    assert set(exchange.control.ended) == {leg.leg_id for leg in legs}


async def test_an_emergency_call_is_made_and_goes_on_whatever_has_been_called(
    exchange: Exchange,
) -> None:
    await exchange.talks(agent("ana"), 10)
    assert await exchange.refuses(agent("ana")) is Reason.TIME_OF_CALLER
    leg = exchange.control.arrives("100")
    await exchange.gate.permit(
        Wanted(leg_id=leg.leg_id, call_id=leg.call_id, dialled="112", who=agent("ana"))
    )
    await exchange.answers(leg.leg_id)
    exchange.clock.advance(timedelta(hours=2))
    await exchange.gate.look()
    assert not exchange.control.ended


async def test_spending_is_told_once_a_day(exchange: Exchange) -> None:
    await exchange.talks(agent("ana"), 4)
    await exchange.gate.look()
    assert not exchange.gate.overspent
    await exchange.talks(agent("leo"), 1)
    for _ in range(3):
        await exchange.gate.look()
    assert exchange.gate.overspent
    (alert,) = exchange.told
    assert isinstance(alert, SpendAlert)
    assert (Decimal(alert.spent), alert.threshold) == (3, "3.00")
    exchange.clock.advance(timedelta(days=1))
    await exchange.gate.look()
    assert (exchange.gate.overspent, exchange.gate.spent) == (False, 0)


async def test_counters_survive_a_restart_and_so_do_calls_that_go_on(exchange: Exchange) -> None:
    going_on, lost = await exchange.calls(agent("ana")), await exchange.calls(agent("ana"))
    await exchange.answers(going_on)
    await exchange.answers(lost)
    await exchange.gate.close()
    exchange.clock.advance(timedelta(minutes=2))
    again = exchange.gate = exchange.another_gate()
    await again.open({going_on})
    usage = await exchange.usage(agent("ana"))
    assert (usage.own_calls, usage.running) == (2, 1)
    assert usage.own_time == timedelta(minutes=4), "what nobody saw end counts until now"
    assert again.running == 1
    exchange.clock.advance(timedelta(minutes=3))
    await exchange.ends(going_on)
    assert (await exchange.usage(agent("ana"))).own_time == timedelta(minutes=7)
    await exchange.ends(await exchange.calls(agent("ana")))
    await exchange.ends(await exchange.calls(agent("ana")))
    assert await exchange.refuses(agent("ana")) is Reason.CALLS_OF_CALLER


async def test_a_leg_that_never_was_counts_as_a_call_but_not_as_one_that_goes_on(
    exchange: Exchange,
) -> None:
    exchange.gate.withdraw(await exchange.calls(agent("ana")))
    await exchange.gate._notes.join()
    usage = await exchange.usage(agent("ana"))
    assert (usage.own_calls, usage.running) == (1, 0)


async def test_without_the_database_only_emergencies_go_out(exchange: Exchange) -> None:
    broken = Exchange(exchange.store)

    class Away:
        def __getattr__(self, name: str) -> object:
            async def fails(*_: object) -> object:
                from centralita.store.database import DatabaseUnavailable

                raise DatabaseUnavailable("the database does not serve")

            return fails

    broken.gate._ledger = Away()  # type: ignore[assignment]
    assert await broken.refuses(agent("ana")) is Reason.UNAVAILABLE
    assert await broken.refuses(agent("ana"), "+5371234567") is Reason.NOT_ALLOWED
    await broken.calls(agent("ana"), "112")
    menu = Originator(kind=Kind.FLOW, ident="main")
    assert await broken.refuses(menu, "112") is Reason.NOT_ALLOWED


async def test_foreseeing_refuses_like_permitting_and_counts_nothing(exchange: Exchange) -> None:
    wanted = Wanted(leg_id=LegId(""), call_id=CallId("c"), dialled=NUMBER, who=agent("ana"))
    for _ in range(10):
        await exchange.gate.foresee(wanted)
    assert (await exchange.usage(agent("ana"))).own_calls == 0
    with pytest.raises(OutboundRefused):
        await exchange.gate.foresee(replace(wanted, dialled="803123456"))


# --- at once ------------------------------------------------------------------------------------


async def test_of_fifty_who_ask_at_once_on_two_servers_no_more_get_through_than_may(
    exchange: Exchange, url: str
) -> None:
    store = await open_store(url)
    try:
        other = Exchange(store)
        results = await asyncio.gather(
            *(one.calls(agent(f"a{n}")) for n in range(25) for one in (exchange, other)),
            return_exceptions=True,
        )
        passed = [leg for leg in results if isinstance(leg, str)]
        assert len(passed) == RULES.limits.concurrent
        refusals = [error.reason for error in results if isinstance(error, OutboundRefused)]
        assert refusals == [Reason.CONCURRENT] * 47
    finally:
        await store.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ana", "leo", "eva"]),
        st.integers(0, 6),  # turns of the loop before asking
        st.sampled_from(["ring", "talk", "hang up", "give up", "cancelled"]),
        st.integers(0, 240),  # seconds that pass
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_no_interleaving_exceeds_a_limit(steps: list[tuple[str, int, str, int]]) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(f"sqlite:///{folder}/centralita.db")
            exchange = Exchange(store)
            await exchange.gate.open()
            try:
                await everybody(exchange)
            finally:
                await exchange.gate.close()
                await store.close()

    async def everybody(exchange: Exchange) -> None:
        limits = RULES.limits

        async def one(name: str, turns: int, then: str, seconds: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            try:
                leg_id = await exchange.calls(agent(name))
            except OutboundRefused:
                return
            assert exchange.gate.running <= limits.concurrent
            if then == "give up":
                exchange.gate.withdraw(leg_id)
            elif then != "ring":
                await exchange.answers(leg_id)
                exchange.clock.advance(timedelta(seconds=seconds))
                await exchange.gate.look()
                if then == "hang up":
                    await exchange.ends(leg_id)

        tasks = []
        for name, turns, then, seconds in steps:
            task = asyncio.get_running_loop().create_task(one(name, turns, then, seconds))
            tasks.append(task)
            if then == "cancelled":
                asyncio.get_running_loop().call_soon(task.cancel)
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(result, Exception), result
        await exchange.gate._notes.join()
        running = await exchange.store.outbound.running()
        assert len(running) == exchange.gate.running <= limits.concurrent
        total = await exchange.usage(agent("nobody"))
        assert total.calls <= limits.calls
        for name in ("ana", "leo", "eva"):
            assert (await exchange.usage(agent(name))).own_calls <= limits.agent_calls

    asyncio.run(story())
