"""A whole API over a store in a file, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry, Counter

from centralita.api import schemas as s
from centralita.api.app import make_app
from centralita.api.eviction import Eviction
from centralita.api.live import LiveHub
from centralita.api.live_messages import AgentChanged
from centralita.api.passwords import Passwords
from centralita.api.ports import AdmittedPage, ApiPorts, ApiSettings
from centralita.api.schemas.oncall import StartedCall
from centralita.audit.head import Head
from centralita.audit.log import AuditLog
from centralita.channels.postman import Postman
from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId, FlowId, QueueId, UserId
from centralita.core.wire import Plain
from centralita.recordings.recorder import Recorder
from centralita.routing.board import Board
from centralita.routing.dispatcher import Dispatcher
from centralita.server.conversations import Conversations
from centralita.store.records import AgentRecord, FlowRecord, QueueRecord, Role, UserRecord
from centralita.store.store import Store, open_store
from centralita.telephony.fake import FakeCallControl
from centralita.timeline.directory import Directory
from centralita.vault.keyring import Keyring
from tests.support.center import Announcements, Phones

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse"
# Argon2's smallest parameters: these tests are not about its strength.
FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

Json = dict[str, Any]


@dataclass
class Floor:
    """The agents, queues and flows behind the API, in memory."""

    hub: LiveHub
    health: s.Health
    wrapping_up: set[str] = field(default_factory=set)
    published_flows: list[FlowRecord] = field(default_factory=list)
    banned: dict[str, s.Ban] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    leaving: list[str] = field(default_factory=list)
    coming_back: list[str] = field(default_factory=list)

    async def set_status(self, agent_id: AgentId, status: s.AgentStatus, reason: str) -> None:
        agent = self.hub.agents[agent_id]
        self.hub.publish(
            AgentChanged(
                agent_id=agent_id,
                name=agent.name,
                extension=agent.extension,
                status=status,
                reason=reason,
                state=agent.state,
                since=NOON,
                registered=True,
            )
        )

    async def finish_wrap_up(self, agent_id: AgentId) -> None:
        if agent_id not in self.wrapping_up:
            raise Conflict("this agent is not in wrap-up")
        self.wrapping_up.discard(agent_id)

    async def extend_wrap_up(self, agent_id: AgentId, by: timedelta) -> None:
        if agent_id not in self.wrapping_up:
            raise Conflict("this agent is not in wrap-up")

    async def report(self) -> s.Health:
        return self.health

    async def validate(
        self, flow_id: FlowId, document: Mapping[str, Plain]
    ) -> Sequence[s.FlowProblem]:
        if "start" in document:
            return ()
        return (s.FlowProblem(place="start", message="a flow needs a start node"),)

    async def all(self) -> Sequence[s.Ban]:
        return list(self.banned.values())

    async def lift(self, address: str, by: str) -> None:
        if self.banned.pop(address, None) is None:
            raise NotFound(f"{address} is not banned")

    async def admit(self, extension: str, device: str, *, take_over: bool) -> AdmittedPage:
        if self.pages.get(extension, device) != device and not take_over:
            raise Conflict("your phone is in use at another computer", code="phone_elsewhere")
        self.pages[extension] = device
        return AdmittedPage(domain="centralita", password="secret", expires_at=NOON)

    async def dismiss(self, extension: str) -> None:
        self.pages.pop(extension, None)

    async def keep_only(self, extensions: Collection[str]) -> None:
        for extension in self.pages.keys() - set(extensions):
            await self.dismiss(extension)

    def leaves(self, extension: str) -> None:
        self.leaving.append(extension)

    async def come_back(self, extension: str) -> None:
        self.coming_back.append(extension)

    async def published(self, flow: FlowRecord) -> None:
        self.published_flows.append(flow)


@dataclass
class Post:
    """Somebody who sends on these channels, or seems to, and remembers when to look."""

    channels: set[str] = field(default_factory=set)
    woken: list[str] = field(default_factory=list)
    postman: Postman | None = None

    def sends(self, channel: str) -> bool:
        return channel in self.channels

    def wake(self, channel: str) -> None:
        self.woken.append(channel)
        if self.postman is not None:
            self.postman.wake(channel)


@dataclass
class TheHouse:
    """Shows out whoever must leave, and counts how often the rest was asked for."""

    eviction: Eviction
    read: int = 0
    spoken_forgotten: int = 0

    async def forget_spoken(self) -> None:
        self.spoken_forgotten += 1

    async def take_changes(self) -> None:
        self.read += 1
        await self.show_out()

    async def show_out(self) -> None:
        await self.eviction.look()


class NobodyCalls:
    """No call that an agent makes."""

    def owner(self, call_id: CallId) -> AgentId | None:
        return None

    def hang_up(self, call_id: CallId) -> None:
        pass

    async def call(
        self, agent_id: AgentId, number: str, queue_id: QueueId, task_id: str | None
    ) -> StartedCall:
        raise NotFound(f"there is no queue {queue_id}")


def nobody_talks(folder: Path) -> Conversations:
    """A house without conversations."""
    control, bus, clock = FakeCallControl(), Bus(), ManualClock(NOON)
    dispatcher = Dispatcher(Board([], []), control, bus, clock, Announcements(), Phones())
    return Conversations(dispatcher.desk, Recorder(control, bus, clock, folder), NobodyCalls())


class Lines:
    """`TrunkReport` that says what it is told."""

    def __init__(self) -> None:
        self.trunks: list[s.Trunk] = []

    def all(self) -> list[s.Trunk]:
        return self.trunks


def healthy() -> s.Health:
    fine = s.Part(ok=True)
    return s.Health(
        status="ok",
        version="1",
        worker=s.WorkerPart(ok=True, max_calls=1000, version="2.17"),
        asr=fine,
        edge=fine,
        database=fine,
        recordings=fine,
        outbound=fine,
        messages=fine,
        sandbox=fine,
        trunks=fine,
    )


@dataclass
class Person:
    """Somebody with a token."""

    client: TestClient[Request, Application]
    token: str

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> ClientResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, path: str, *, status: int = 200, **params: str) -> Json:
        return await self._json("GET", path, None, status, params=params)

    async def post(self, path: str, body: object = None, *, status: int = 200) -> Json:
        return await self._json("POST", path, body, status)

    async def patch(self, path: str, body: object, *, status: int = 200) -> Json:
        return await self._json("PATCH", path, body, status)

    async def put(self, path: str, body: object = None, *, status: int = 200) -> Json:
        return await self._json("PUT", path, body, status)

    async def delete(self, path: str, *, status: int = 204) -> Json:
        return await self._json("DELETE", path, None, status)

    async def _json(self, method: str, path: str, body: object, status: int, **more: Any) -> Json:
        answer = await self.ask(method, f"/api/v1{path}", body, **more)
        text = await answer.text()
        assert answer.status == status, text
        return {} if not text else await answer.json()


class Desk:
    """The API as clients see it, and the parts behind it that a test may need."""

    def __init__(
        self, ports: ApiPorts, floor: Floor, post: Post, house: TheHouse, clock: ManualClock,
        server: TestServer,
    ) -> None:  # fmt: skip
        self.ports = ports
        self.floor = floor
        self.post = post
        self.house = house
        self.clock = clock
        self.store: Store = ports.store
        self.hub = ports.hub
        self.server = server
        self.client = TestClient(server)

    async def sign_in(self, username: str, password: str = PASSWORD) -> Person:
        """Sign in for a token; the page's cookies are not kept."""
        answer = await self.try_sign_in(username, password)
        assert answer.status == 200, await answer.text()
        self.client.session.cookie_jar.clear()
        return Person(self.client, (await answer.json())["token"])

    async def try_sign_in(self, username: str, password: str = PASSWORD) -> ClientResponse:
        return await self.client.post(
            "/api/v1/session", json={"username": username, "password": password}
        )


@asynccontextmanager
async def open_desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A centre with the agents ana and leo, the supervisor sol and the admin eva."""
    store = await open_store(f"sqlite:///{folder}/centralita.db")
    clock, hub, post = ManualClock(NOON), LiveHub(), Post()
    floor = Floor(hub, healthy())
    keyring = Keyring(folder / "keys")
    (folder / "recordings").mkdir()
    registry = CollectorRegistry()
    Counter("centralita_calls", "Calls that arrived", registry=registry)
    api_settings = replace(
        # People here wait for hours between two requests, and stay signed in.
        ApiSettings(
            region="ES", version="1", recordings_dir=folder / "recordings",
            session_idle=timedelta(hours=12),
        ),
        **settings,
    )  # fmt: skip
    house = TheHouse(Eviction(store, hub, floor, clock, api_settings))
    ports = ApiPorts(
        settings=api_settings,
        store=store,
        clock=clock,
        directory=Directory(store.customers, clock, region="ES"),
        hub=hub,
        agents=floor,
        conversations=nobody_talks(folder),
        health=floor,
        flows=floor,
        bans=floor,
        trunks=Lines(),
        phones=floor,
        house=house,
        post=post,
        metrics=registry,
        keyring=keyring,
        audit=AuditLog(store.audit, Head(folder / "audit", keyring), clock),
        passwords=Passwords(FAST),
    )
    await _people(store, hub)
    desk = Desk(ports, floor, post, house, clock, TestServer(make_app(ports)))
    async with desk.client:
        yield desk
    await store.close()


async def _people(store: Store, hub: LiveHub) -> None:
    people = (
        ("ana", "Ana", Role.AGENT, "101"),
        ("leo", "Leo", Role.AGENT, "102"),
        ("sol", "Sol", Role.SUPERVISOR, None),
        ("eva", "Eva", Role.ADMIN, None),
    )
    password_hash = FAST.hash(PASSWORD)
    for username, name, role, extension in people:
        agent_id = AgentId(f"agent_{username}") if extension is not None else None
        if agent_id is not None and extension is not None:
            await store.agents.put(AgentRecord(agent_id=agent_id, name=name, extension=extension))
            hub.publish(
                AgentChanged(
                    agent_id=agent_id, name=name, extension=extension, status="logged_out",
                    state="idle", since=NOON, registered=False,
                )
            )  # fmt: skip
        await store.users.put(
            UserRecord(
                user_id=UserId(f"user_{username}"), username=username, name=name, role=role,
                password_hash=password_hash, agent_id=agent_id,
            )
        )  # fmt: skip
    await store.queues.put(
        QueueRecord(
            queue_id=QueueId("sales"),
            title="Sales",
            agents=(AgentId("agent_ana"), AgentId("agent_leo")),
            settings={"dispositions": ["sold", "calls back"]},
        )
    )
