"""What becomes of a call whose agent's phone has fallen silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from centralita.core.bus import Bus
from centralita.core.ids import LegId
from centralita.server.silent_phones import SilentPhones
from centralita.telephony.call import EndReason, KeptLeg, LegDirection, LegSilent
from centralita.telephony.fake import FakeCallControl, FakeLeg

_COMES_BACK = 0.05


class House:
    """One agent's phone and one caller, and what watches them."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.control = FakeCallControl()
        self.caller = self.control.arrives("100")
        self.agent = self.control.arrives("101")
        self.phones = SilentPhones(self.control, self.bus, self._is_agents, comes_back=_COMES_BACK)

    def _is_agents(self, leg_id: LegId) -> bool:
        return leg_id == self.agent.leg_id

    def says(self, leg: FakeLeg, *, silent: bool, page: str = "") -> None:
        self.bus.publish(
            LegSilent(leg_id=leg.leg_id, call_id=leg.call_id, silent=silent, page=page)
        )

    async def waits(self) -> None:
        """Longer than a phone may take to come back."""
        await asyncio.sleep(3 * _COMES_BACK)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.phones.close()


async def test_an_agents_phone_that_stays_silent_is_given_up(house: House) -> None:
    house.says(house.agent, silent=True)
    await house.waits()
    assert house.control.ended == {house.agent.leg_id: EndReason.MEDIA_TIMEOUT}


async def test_one_that_comes_back_keeps_the_call(house: House) -> None:
    house.says(house.agent, silent=True)
    house.says(house.agent, silent=False)
    await house.waits()
    assert house.control.ended == {}


async def test_callers_and_pages_are_others_business(house: House) -> None:
    house.says(house.caller, silent=True)
    house.says(house.agent, silent=True, page="201")
    await house.waits()
    assert house.control.ended == {}


@pytest.mark.parametrize("silent", [True, False])
async def test_a_server_that_takes_over_goes_on_waiting(house: House, silent: bool) -> None:
    kept = KeptLeg(
        leg_id=house.agent.leg_id, call_id=house.agent.call_id, direction=LegDirection.OUT,
        answered=True, silent=silent,
    )  # fmt: skip
    house.phones.start([kept, replace(kept, leg_id=house.caller.leg_id)])
    await house.waits()
    assert (house.agent.leg_id in house.control.ended) is silent
    assert house.caller.leg_id not in house.control.ended
