"""The demonstration's people: agents, queues, customers and what was said before."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from centralita.api.passwords import hash_password
from centralita.core.clock import Clock
from centralita.core.files import write_private
from centralita.core.ids import (
    AgentId,
    CallId,
    CaseId,
    CustomerId,
    FlowId,
    IdentityId,
    InteractionId,
    QueueId,
    UserId,
    new_id,
)
from centralita.core.wire import Plain
from centralita.ivr.documents import read_document
from centralita.server.config import Config
from centralita.server.settings import TrunkConfig
from centralita.store.records import AgentRecord, QueueRecord, Role, UserRecord
from centralita.store.store import Store
from centralita.telephony.edge.config import ha1
from centralita.timeline.identity import normal_identity
from centralita.timeline.model import (
    CallDetails,
    Case,
    CaseState,
    Channel,
    Customer,
    Direction,
    Identity,
    Interaction,
    Outcome,
)

NUMBERS: dict[str, tuple[str, ...]] = {
    "main-es": ("100",),
    "main-en": ("109",),
    "sales": ("110",),
    "support": ("120",),
    "voicemail": ("190",),
}
AGENTS = (
    ("ana", "Ana García", "201", ("english",)),
    ("luis", "Luis Fernández", "202", ()),
    ("marta", "Marta Soler", "203", ("english:2",)),
)
STAFF = (("sofia", "Sofía Vidal", Role.SUPERVISOR), ("admin", "Administración", Role.ADMIN))
_DISPOSITIONS = ["venta", "información", "incidencia", "reclamación", "número equivocado"]
_QUEUES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("sales", "Ventas", ("ana", "luis")),
    ("support", "Soporte", ("ana", "luis", "marta")),
)
# name, phone, email, language, segment
_CUSTOMERS = (
    ("Carmen Ruiz", "+34600111222", "carmen.ruiz@example.com", "es", "premium"),
    ("Javier Ortega", "+34600111333", "javier.ortega@example.com", "es", ""),
    ("Lucía Moreno", "+34600333444", "lucia.moreno@example.com", "es", ""),
    ("Pedro Moreno", "+34600333444", "pedro.moreno@example.com", "es", ""),
    ("Emily Carter", "+447700900123", "emily.carter@example.com", "en", "premium"),
    ("Isabel Navarro", "+34611222333", "isabel.navarro@example.com", "es", ""),
    ("Talleres Hermanos Gil", "+34911234567", "taller@example.com", "es", "empresa"),
    ("Daniel Romero", "+34622333444", "daniel.romero@example.com", "es", ""),
    ("Oliver Smith", "+447700900456", "oliver.smith@example.com", "en", ""),
    ("Marina Costa", "+34633444555", "marina.costa@example.com", "es", "premium"),
    ("Rubén Castro", "+34644555666", "ruben.castro@example.com", "es", ""),
    ("Panadería La Espiga", "+34931234567", "laespiga@example.com", "es", "empresa"),
    ("Elena Prieto", "+34655666777", "elena.prieto@example.com", "es", ""),
    ("Hugo Serrano", "+34666777888", "hugo.serrano@example.com", "es", ""),
    ("Grace Taylor", "+447700900789", "grace.taylor@example.com", "en", ""),
    ("Sara Blanco", "+34677888999", "sara.blanco@example.com", "es", ""),
    ("Tomás Herrero", "+34688999000", "tomas.herrero@example.com", "es", ""),
    ("Clínica Dental Sur", "+34951234567", "clinica@example.com", "es", "empresa"),
    ("Noelia Campos", "+34699000111", "noelia.campos@example.com", "es", ""),
    ("Víctor Lozano", "+34610101010", "victor.lozano@example.com", "es", ""),
)
_SAID = {
    "es": (
        ("Pedido retrasado", "Hola, mi pedido {order} tenía que llegar el lunes. ¿Qué ha pasado?"),
        ("Factura", "Buenos días, necesito la factura del pedido {order}. Gracias."),
        ("Cambio de dirección", "Quisiera cambiar la dirección de entrega del pedido {order}."),
    ),
    "en": (
        ("Late order", "Hello, my order {order} should have come on Monday. Where is it?"),
        ("Invoice", "Good morning, please send me the invoice for order {order}. Thank you."),
        ("New address", "I would like to change the delivery address of order {order}."),
    ),
}
_SMS = {
    "es": "Su pedido {order} sale hoy. Centralita",
    "en": "Your order {order} leaves today. Centralita",
}


def demo_config(config: Config) -> Config:
    """Calls from this machine itself need no password, unless trunks are configured."""
    if config.trunks:
        return config
    here = TrunkConfig(name="demo", addresses=("127.0.0.0/8", "::1/128"), caller_id="from")
    return replace(config, trunks=(here,))


async def found_company(
    store: Store, config: Config, clock: Clock, left: list[str] | None = None
) -> dict[str, dict[str, str]]:
    """Fill an empty store; returns the credentials, which are made once and kept in a file.

    In a store that is in use nothing is changed: what is there already is named in `left`, and
    has no credentials here.
    """
    path = config.data / "demo-credentials.json"
    if path.exists():
        return cast(dict[str, dict[str, str]], json.loads(path.read_text(encoding="utf-8")))
    kept: list[str] = [] if left is None else left
    credentials = await _found_people(store, config, kept)
    there = {queue.queue_id for queue in await store.queues.all()}
    agents = {agent.agent_id for agent in await store.agents.all()}
    for queue_id, title, names in _QUEUES:
        if queue_id in there:
            kept.append(f"queue {queue_id}")
            continue
        serves = (AgentId(f"agent_{name}") for name in names if name in credentials["users"])
        await store.queues.put(
            QueueRecord(
                queue_id=QueueId(queue_id),
                title=title,
                language="es",
                agents=tuple(agent_id for agent_id in serves if agent_id in agents),
                settings={"wrap_up": "30s", "ring_time": "20s", "dispositions": [*_DISPOSITIONS]},
            )
        )
    flows = await store.flows.all()
    if flows:
        # A flow of ours could take a number that another one answers.
        kept.extend(sorted({f"flow {flow.flow_id}" for flow in flows}))
    else:
        await publish_flows(store, Path(__file__).with_name("flows"), NUMBERS, clock.now())
    if (await store.customers.search("", limit=1)).items:
        kept.append("customers")
    else:
        for number, customer in enumerate(_CUSTOMERS):
            region, now = config.sip.region, clock.now()
            await _add_customer(store, number, *customer, region=region, now=now)
    write_private(path, json.dumps(credentials, indent=2).encode())
    return credentials


async def _found_people(store: Store, config: Config, kept: list[str]) -> dict[str, dict[str, str]]:
    """The agents and the staff, but for names and extensions that are somebody's."""
    users: dict[str, str] = {}
    phones: dict[str, str] = {}
    names = {user.username for user in await store.users.all()}
    agents = await store.agents.all()
    taken = {agent.extension for agent in agents} | {agent.agent_id for agent in agents}
    for name, full_name, extension, skills in AGENTS:
        if name in names:
            kept.append(f"user {name}")
            continue
        agent_id = None
        if extension in taken or f"agent_{name}" in taken:
            kept.append(f"phone {extension}")
        else:
            agent_id = AgentId(f"agent_{name}")
            phones[extension] = secrets.token_urlsafe(12)
            await store.agents.put(
                AgentRecord(
                    agent_id=agent_id,
                    name=full_name,
                    extension=extension,
                    ha1=ha1(extension, config.sip.domain, phones[extension]),
                    skills=skills,
                    status="available",
                )
            )
        users[name] = secrets.token_urlsafe(9)
        await _put_user(store, name, full_name, Role.AGENT, users[name], agent_id)
    for name, full_name, role in STAFF:
        if name in names:
            kept.append(f"user {name}")
            continue
        users[name] = secrets.token_urlsafe(9)
        await _put_user(store, name, full_name, role, users[name], None)
    return {"users": users, "phones": phones}


async def publish_flows(
    store: Store, folder: Path, numbers: dict[str, tuple[str, ...]], at: datetime
) -> None:
    """Store and publish the flows of a folder."""
    for document in await asyncio.to_thread(_documents, folder):
        flow_id = FlowId(str(document["flow"]))
        record = await store.flows.add_version(flow_id, document, at=at, by="centralita")
        await store.flows.publish(flow_id, record.version, numbers=numbers.get(flow_id, ()))


def _documents(folder: Path) -> list[dict[str, Plain]]:
    paths = sorted(folder.glob("*.yaml"))
    return [cast(dict[str, Plain], read_document(path)) for path in paths]


async def _put_user(
    store: Store, name: str, full_name: str, role: Role, password: str, agent: AgentId | None
) -> None:
    await store.users.put(
        UserRecord(
            user_id=UserId(f"user_{name}"),
            username=name,
            name=full_name,
            role=role,
            password_hash=hash_password(password),
            agent_id=agent,
        )
    )


async def _add_customer(
    store: Store,
    number: int,
    name: str,
    phone: str,
    email: str,
    language: str,
    segment: str,
    *,
    region: str,
    now: datetime,
) -> None:
    customer_id = CustomerId(new_id("cust"))
    identities = tuple(
        Identity(
            id=IdentityId(new_id("idn")),
            customer_id=customer_id,
            kind=kind,
            value=value,
        )
        for kind, value in (normal_identity(text, region) for text in (phone, email))
    )
    await store.customers.add(
        Customer(
            id=customer_id,
            name=name,
            created_at=now - timedelta(days=300 - number),
            language=language,
            segment=segment,
            identities=identities,
        )
    )
    order = str(4000 + 37 * number)
    subject, text = _SAID[language][number % 3]
    case = None
    if number % 2 == 0:
        case = await store.cases.add(
            Case(
                id=CaseId(new_id("case")),
                customer_id=customer_id,
                subject=f"{subject} {order}",
                state=(CaseState.OPEN, CaseState.PENDING, CaseState.SOLVED)[number // 2 % 3],
                opened_at=now - timedelta(days=3, hours=number),
                updated_at=now - timedelta(days=1, hours=number),
            )
        )
    history = (
        (Channel.EMAIL, Direction.IN, 3, subject, text.format(order=order)),
        (Channel.SMS, Direction.OUT, 2, "", _SMS[language].format(order=order)),
    )
    for channel, direction, days, title, body in history:
        at = now - timedelta(days=days, hours=number)
        await store.interactions.add(
            Interaction(
                id=InteractionId(new_id("int")),
                channel=channel,
                direction=direction,
                started_at=at,
                ended_at=at,
                customer_id=customer_id,
                subject=title,
                body=body,
                external_id=f"demo-{channel.value}-{number}",
                case_id=case.id if case is not None else None,
            )
        )
    at = now - timedelta(days=20, hours=number)
    await store.interactions.add(
        Interaction(
            id=InteractionId(new_id("int")),
            channel=Channel.CALL,
            direction=Direction.IN,
            started_at=at,
            ended_at=at + timedelta(minutes=3),
            customer_id=customer_id,
            external_id=f"demo-call-{number}",
            agent_id=AgentId("agent_ana"),
            queue_id=QueueId("sales"),
            disposition="información",
            call=CallDetails(
                call_id=CallId(new_id("call")),
                caller=phone,
                dialled="100",
                outcome=Outcome.CONVERSATION,
                ended_by="remote_hangup",
                language=language,
            ),
        )
    )
