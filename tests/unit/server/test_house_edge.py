"""The edge is told which phones there are, and told again until it has heard it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.core.ids import AgentId
from centralita.server.config import Config
from centralita.server.house_edge import HouseEdge
from centralita.server.supervisor import Supervisor
from centralita.server.telephony import edge_config
from centralita.store.records import AgentRecord
from centralita.telephony.edge import edge as edge_module
from centralita.telephony.edge.config import EdgeRegistration, EdgeTrunk
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.render import sources_in

ANA = AgentRecord(agent_id=AgentId("agent_ana"), name="Ana", extension="201", ha1="a" * 32)
LEO = AgentRecord(agent_id=AgentId("agent_leo"), name="Leo", extension="202", ha1="b" * 32)


class SleepyEdge(EdgeControl):
    """An edge that does not answer the first few times."""

    def __init__(self, deaf: int) -> None:
        super().__init__(Path("unused"), timeout=timedelta(seconds=1))
        self.deaf = deaf
        self.told: list[str] = []
        self.heard = asyncio.Event()

    async def reload_phones(self) -> None:
        self._hear("phones")

    async def reload_sources(self) -> None:
        self._hear("sources")

    async def forget_phone(self, extension: str, domain: str) -> None:
        self._hear(f"forget {extension}")
        self.heard.set()

    def _hear(self, what: str) -> None:
        if self.deaf > 0:
            self.deaf -= 1
            raise Unavailable("the edge does not answer")
        self.told.append(what)


class Names:
    """A DNS that can be changed, or fall silent."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.silent = False

    async def __call__(self, trunk: EdgeTrunk) -> list[str]:
        if self.silent:
            await asyncio.Event().wait()
        return self.addresses


def house_edge(folder: Path, deaf: int = 0) -> tuple[HouseEdge, SleepyEdge]:
    def nobody(_: Event) -> None:
        pass

    edge = HouseEdge(edge_config(Config(data=folder)), Supervisor(), nobody)
    sleepy = SleepyEdge(deaf)
    edge.control = sleepy
    return edge, sleepy


async def test_phones_that_are_gone_or_have_another_password_are_forgotten(tmp_path: Path) -> None:
    edge, control = house_edge(tmp_path)
    (tmp_path / "run" / "edge" / "db").mkdir(parents=True, exist_ok=True)
    await edge.change_phones([ANA, LEO])
    assert control.told == ["phones"]
    await edge.change_phones([LEO])
    assert control.told == ["phones", "phones", "forget 201"]
    changed = AgentRecord(agent_id=LEO.agent_id, name="Leo", extension="202", ha1="c" * 32)
    await edge.change_phones([changed])
    assert control.told[3:] == ["phones", "forget 202"]
    await edge.close()


async def test_an_edge_that_does_not_answer_is_told_when_it_does(tmp_path: Path) -> None:
    edge, control = house_edge(tmp_path)
    (tmp_path / "run" / "edge" / "db").mkdir(parents=True, exist_ok=True)
    await edge.change_phones([ANA, LEO])
    control.told.clear()
    control.deaf = 2
    await edge.change_phones([LEO])
    assert control.told == []
    await asyncio.wait_for(control.heard.wait(), 5)
    assert control.told == ["phones", "forget 201"]
    await edge.close()


async def test_what_changed_while_the_server_was_away_is_known_from_the_table(
    tmp_path: Path,
) -> None:
    before, _ = house_edge(tmp_path)
    (tmp_path / "run" / "edge" / "db").mkdir(parents=True, exist_ok=True)
    await before.change_phones([ANA, LEO])
    await before.close()
    after, control = house_edge(tmp_path)
    await after.change_phones([LEO])
    assert control.told == ["phones", "forget 201"]
    await after.close()


async def test_calls_may_come_from_wherever_a_registrars_name_leads_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "_LOOKUP_WITHIN", 0.05)
    names, told = Names(), SleepyEdge(0)
    account = EdgeRegistration(
        registrar="sip.example.org", port=5060, username="us", password="secret"
    )
    config = replace(
        edge_config(Config(data=tmp_path)), trunks=(EdgeTrunk(name="acme", registration=account),)
    )
    edge = HouseEdge(config, Supervisor(), lambda _: None, lookup=names)
    edge.control = told
    table = config.folder / "db" / "sources"
    assert not await edge.look_up()  # it is not found yet
    names.addresses = ["192.0.2.1", "2001:db8::a0"]
    assert await edge.look_up()
    assert sources_in(table.read_text()) == {"acme": ["192.0.2.1", "2001:db8:0:0:0:0:0:a0"]}
    told.told.clear()
    assert await edge.look_up()
    assert told.told == []
    # it has moved, and the edge does not hear of it at once
    names.addresses = ["192.0.2.2"]
    told.deaf = 1
    with pytest.raises(Unavailable):
        await edge.look_up()
    assert await edge.look_up()
    assert told.told == ["sources"]
    assert sources_in(table.read_text()) == {"acme": ["192.0.2.2"]}
    # the DNS is down: what was known stays, and nobody waits for it; another start, too
    names.silent = True
    assert not await edge.look_up()
    assert not await HouseEdge(config, Supervisor(), lambda _: None, lookup=names).look_up()
    assert sources_in(table.read_text()) == {"acme": ["192.0.2.2"]}
    await edge.close()
