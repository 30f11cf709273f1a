"""The edge is told which phones there are, and told again until it has heard it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from centralita.core.errors import Unavailable
from centralita.core.events import Event
from centralita.core.ids import AgentId
from centralita.server.config import Config
from centralita.server.house_edge import HouseEdge
from centralita.server.supervisor import Supervisor
from centralita.server.telephony import edge_config
from centralita.store.records import AgentRecord
from centralita.telephony.edge.control import EdgeControl

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

    async def forget_phone(self, extension: str, domain: str) -> None:
        self._hear(f"forget {extension}")
        self.heard.set()

    def _hear(self, what: str) -> None:
        if self.deaf > 0:
            self.deaf -= 1
            raise Unavailable("the edge does not answer")
        self.told.append(what)


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
