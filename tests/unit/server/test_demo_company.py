"""The demonstration's company: founded once, and never over people who are there already."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.api.passwords import Passwords
from centralita.core.clock import ManualClock
from centralita.core.ids import AgentId, FlowId, QueueId, UserId
from centralita.server.config import Config
from centralita.server.demo.company import found_company
from centralita.store.records import AgentRecord, QueueRecord, Role, UserRecord
from centralita.store.store import Store, open_store
from tests.support.desk import FAST, NOON


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{tmp_path / 'centralita.db'}")
    yield store
    await store.close()


async def signs_in(store: Store, name: str, password: str) -> bool:
    user = await store.users.by_name(name)
    assert user is not None
    return await Passwords().verify(user.password_hash, password)


async def test_an_empty_folder_gets_people_whose_passwords_are_in_a_private_file(
    store: Store, tmp_path: Path
) -> None:
    left: list[str] = []
    credentials = await found_company(store, Config(data=tmp_path), ManualClock(NOON), left)
    file = tmp_path / "demo-credentials.json"
    assert json.loads(file.read_text()) == credentials
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert left == []
    assert await signs_in(store, "ana", credentials["users"]["ana"])


async def test_a_folder_in_use_keeps_its_people_queues_flows_and_passwords(
    store: Store, tmp_path: Path
) -> None:
    boss = UserRecord(
        user_id=UserId("user_admin"), username="admin", name="La jefa", role=Role.ADMIN,
        password_hash=FAST.hash("hers"),
    )  # fmt: skip
    ana = UserRecord(
        user_id=UserId("user_ana"), username="ana", name="Ana", role=Role.SUPERVISOR,
        password_hash=FAST.hash("hers"),
    )  # fmt: skip
    phone = AgentRecord(agent_id=AgentId("agent_x"), name="Xana", extension="202", ha1="0" * 32)
    sales = QueueRecord(queue_id=QueueId("sales"), title="Ours", agents=(AgentId("agent_x"),))
    await store.users.put(boss)
    await store.users.put(ana)
    await store.agents.put(phone)
    await store.queues.put(sales)
    await store.flows.add_version(FlowId("main-es"), {"flow": "main-es"}, at=NOON)
    left: list[str] = []
    credentials = await found_company(store, Config(data=tmp_path), ManualClock(NOON), left)
    assert left == ["user ana", "phone 202", "user admin", "queue sales", "flow main-es"]
    assert await store.users.get(boss.user_id) == boss
    assert await store.users.get(ana.user_id) == ana
    assert await store.agents.get(phone.agent_id) == phone
    assert await store.queues.get(sales.queue_id) == sales
    assert len(await store.flows.all()) == 1
    assert credentials["users"].keys() == {"luis", "marta", "sofia"}
    assert credentials["phones"].keys() == {"203"}
    support = await store.queues.get(QueueId("support"))
    assert support is not None
    assert support.agents == ("agent_marta",)
    assert await signs_in(store, "luis", credentials["users"]["luis"])
