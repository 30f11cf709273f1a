"""Where a transfer goes, on whose account, and what sip.conf's [outbound] becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from centralita.core.errors import Conflict, InvalidInput
from centralita.core.ids import AgentId, CallId, LegId
from centralita.core.refusals import Refusal
from centralita.outbound.numbers import Number, read_number
from centralita.outbound.policy import OutboundRefused, Wanted
from centralita.outbound.rules import Reason
from centralita.routing.agent import Agent, AgentProfile, AgentStatus
from centralita.server.adapters import Phones
from centralita.server.config import load_config
from centralita.server.outward import AgentLines, Outward, outbound_rules
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import CallArrived
from centralita.telephony.edge.control import Registration, page_name

ANA = AgentId("agent_ana")
ARRIVED = CallArrived(
    leg_id=LegId("leg_1"), call_id=CallId("call_1"), sip_call_id="x", caller="600111222",
    caller_name="", dialled="100",
)  # fmt: skip


REGISTERED = Registration(
    extension="201",
    contact="sip:201@192.0.2.50:5062",
    user_agent="",
    transport="udp",
    expires=timedelta(minutes=1),
)


class Book:
    """A policy that writes down what it was asked, and refuses Havana."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.withdrawn: list[LegId] = []

    async def permit(self, wanted: Wanted) -> Number:
        await self.foresee(wanted)
        return read_number(wanted.dialled, "ES")

    async def foresee(self, wanted: Wanted) -> None:
        self.asked.append(wanted)
        if "+53" in wanted.dialled:
            raise OutboundRefused(Reason.NOT_ALLOWED, "not there")

    def withdraw(self, leg_id: LegId) -> None:
        self.withdrawn.append(leg_id)


class Floor:
    """Ana at 201, who is at work or not."""

    def __init__(self) -> None:
        self.status = AgentStatus.AVAILABLE

    @property
    def agents(self) -> dict[AgentId, Agent]:
        profile = AgentProfile(
            agent_id=ANA, name="Ana", extension="201", skills={}, queues=frozenset()
        )
        now = datetime(2026, 1, 5, tzinfo=UTC)
        agent = Agent(profile=profile, since=now, idle_since=now)
        return {ANA: replace(agent, status=self.status)}


ACME = "[trunk:acme]\naddresses = 192.0.2.1\nproxy = 192.0.2.1\n"


class Office:
    def __init__(self, folder: Path, trunks: str = ACME) -> None:
        path = folder / "sip.conf"
        path.write_text(trunks)
        self.registered = {"201": REGISTERED}
        self.policy, self.floor = Book(), Floor()
        phones = Phones(load_config(path), lambda: self.registered)
        self.outward = Outward(phones, self.policy, self.floor)

    async def opens(
        self, target: str, *, extension: str = "", agent_id: AgentId | None = None
    ) -> tuple[Attempt, ...]:
        return await self.outward.open(
            target,
            arrived=replace(ARRIVED, extension=extension),
            leg_id=LegId("leg_2"),
            flow="main",
            agent_id=agent_id,
        )


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.mark.parametrize("target", ["201", "sip:201@centralita", "<sip:201@centralita;x=1>"])
async def test_a_phone_of_ours_is_called_without_asking(office: Office, target: str) -> None:
    attempts = await office.opens(target)
    assert {attempt.uri for attempt in attempts} == {"sip:201@centralita"}
    assert {attempt.peer for attempt in attempts} == {"192.0.2.50"}
    assert {attempt.caller for attempt in attempts} == {ARRIVED.caller}
    assert office.policy.asked == []


@pytest.mark.parametrize(
    "target",
    ["911234567", "+34911234567", "tel:+34-91-123-45-67", "sip:911234567@centralita",
     "sip:+34911234567@127.0.0.1;user=phone"],
)  # fmt: skip
async def test_a_number_of_the_outside_is_dialled_as_it_was_judged(
    office: Office, target: str
) -> None:
    attempts = await office.opens(target)
    assert {attempt.uri for attempt in attempts} == {"sip:+34911234567@acme.trunk.invalid"}
    assert {attempt.way for attempt in attempts} == {"acme"}
    (wanted,) = office.policy.asked
    assert (wanted.leg_id, wanted.call_id, wanted.who.key) == ("leg_2", "call_1", "flow:main")


@pytest.mark.parametrize(
    "target",
    ["sip:911234567@evil.example", "sip:+5371234567@evil.example;maddr=centralita", "", "ana",
     "sip:ana@centralita", "911;234", "sip:911234567%40evil@centralita", "911 234 567"],
)  # fmt: skip
async def test_what_is_no_number_of_ours_goes_nowhere(office: Office, target: str) -> None:
    with pytest.raises(InvalidInput):
        await office.opens(target)
    assert office.policy.asked == []


async def test_a_refusal_reaches_whoever_wanted_to_call(office: Office) -> None:
    with pytest.raises(OutboundRefused, match="not there"):
        await office.opens("+5371234567")
    with pytest.raises(OutboundRefused):
        await office.outward.foresee("+5371234567", CallId("call_1"), ANA)
    await office.outward.foresee("201", CallId("call_1"), ANA)


@pytest.mark.parametrize("trunks", ["", "[trunk:comes-in]\naddresses = 192.0.2.1\n"])
async def test_without_a_trunk_an_agent_is_told_so_before_anything_rings(
    tmp_path: Path, trunks: str
) -> None:
    office = Office(tmp_path, trunks)
    outward = replace(office.outward, answers=lambda number: number == "100")
    lines = AgentLines(outward, {})
    for number in ("600111222", "+34911234567", "112"):
        with pytest.raises(Conflict) as told:
            await lines.foresee(number, call_id=CallId("call_1"), agent_id=ANA)
        assert f"{told.value.code}.{told.value.why}" == Refusal.NO_TRUNK
    # What needs none: phones, agents whose phone is away, and flows.
    office.registered.clear()
    for number in ("201", "100"):
        await lines.foresee(number, call_id=CallId("call_1"), agent_id=ANA)


async def test_a_number_that_no_trunk_is_for_is_refused_before_anybody_is_sent_there(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path, ACME + "calls_to = +34, 3XX")
    await office.outward.foresee("911234567", CallId("call_1"), ANA)
    for number in ("+33142345678", "1004"):
        with pytest.raises(InvalidInput, match="name its beginning in calls_to"):
            await office.outward.foresee(number, CallId("call_1"), ANA)
        with pytest.raises(InvalidInput):
            await office.opens(number)
    assert office.policy.withdrawn == ["leg_2", "leg_2"]


async def test_a_call_is_on_the_account_of_the_agent_who_made_or_sent_it(office: Office) -> None:
    await office.opens("911234567", agent_id=ANA)
    await office.opens("911234567", extension="201")
    await office.opens("911234567", extension="299")
    office.floor.status = AgentStatus.LOGGED_OUT
    await office.opens("911234567", extension="201")
    await office.opens("911234567", agent_id=AgentId("agent_gone"))
    assert [(wanted.who.key, wanted.who.signed_in) for wanted in office.policy.asked] == [
        ("agent:agent_ana", True),
        ("agent:agent_ana", True),
        ("flow:main", True),
        ("agent:agent_ana", False),
        ("agent:agent_gone", False),
    ]


@pytest.mark.parametrize(
    ("transport", "srtp", "offers"),
    [
        ("udp", "optional", [False, True]),
        ("tls", "optional", [True, False]),
        ("tls", "off", [False]),
        ("udp", "mandatory", [True]),
    ],
)
async def test_what_a_phone_is_offered_follows_the_way_it_registered(
    tmp_path: Path, transport: str, srtp: str, offers: list[bool]
) -> None:
    path = tmp_path / "sip.conf"
    path.write_text(f"[media]\nsrtp = {srtp}\n")
    phone = replace(REGISTERED, transport=transport)
    phones = Phones(load_config(path), lambda: {"201": phone})
    assert [attempt.encrypted for attempt in phones.find("201")] == offers
    page = replace(phone, page=True)
    both = Phones(load_config(path), lambda: {"201": phone, page_name("201"): page})
    assert [attempt.encrypted for attempt in both.find("201")] == offers
    alone = Phones(load_config(path), lambda: {page_name("201"): page})
    assert [attempt.uri for attempt in alone.find("201")] == ["sip:201~page@centralita"]


def test_the_section_becomes_rules(tmp_path: Path) -> None:
    path = tmp_path / "sip.conf"
    path.write_text(
        "[outbound]\nallow = +34, 1004\ndeny = +34902\ncostly = +34905\nemergency = 016\n"
        "night = 20:00-08:00\nnight_allow = +3491\ntimezone = Europe/Madrid\n"
        "agent_calls = 5\nagent_time = 1h\nconcurrent = 2\n"
        "prices = +34: 0.02, +346: 0.1\nalert_at = 25.50\n"
    )
    rules = outbound_rules(load_config(path))
    assert (rules.region, rules.allow, rules.deny) == ("ES", ("+34", "1004"), ("+34902",))
    assert (rules.costly, rules.emergency) == (("+34905",), ("016",))
    assert (rules.night, rules.night_allow) == ((time(20), time(8)), ("+3491",))
    assert (rules.limits.agent_calls, rules.limits.agent_time) == (5, timedelta(hours=1))
    assert (rules.limits.flow_calls, rules.limits.concurrent) == (300, 2)
    assert rules.prices == {"+34": Decimal("0.02"), "+346": Decimal("0.1")}
    assert rules.alert_at == Decimal("25.50")
    assert str(rules.zone) == "Europe/Madrid"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("allow = Spain", '"Spain" is neither the beginning of a number nor a short one'),
        ("allow = 0034", None),
        ("allow = +0", "write +34 or 1004"),
        ("night = evening", "write 20:00-08:00"),
        ("night = 24:00-08:00", "write 20:00-08:00"),
        ("timezone = Madrid", "write Europe/Madrid"),
        ("prices = +34", "write +34: 0.02"),
        ("prices = +34: -1", "write +34: 0.02"),
        ("alert_at = 25 EUR", "write 25 or 25.50"),
        ("emergency = +112", "write 112"),
        ("concurrent = many", "is not a number from 0 to 1000"),
    ],
)
def test_mistakes_are_named_with_what_would_be_right(
    tmp_path: Path, setting: str, said: str | None
) -> None:
    path = tmp_path / "sip.conf"
    path.write_text(f"[outbound]\n{setting}\n")
    if said is None:
        load_config(path)
        return
    with pytest.raises(InvalidInput) as caught:
        load_config(path)
    assert f"sip.conf:2 [outbound] {setting.split()[0]}" in str(caught.value)
    assert said in str(caught.value)
