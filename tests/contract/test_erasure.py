"""Erasing a person, on SQLite and on PostgreSQL: no table knows them any more."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import (
    CallId,
    CaseId,
    CustomerId,
    MessageId,
    QueueId,
    RecordingId,
    TaskId,
)
from centralita.store.records import RecordingRecord, TranscriptChannel, TranscriptRecord
from centralita.store.store import Store
from centralita.store.tables import Base, OutboundCallRow
from centralita.timeline.model import (
    Case,
    CaseState,
    Channel,
    Direction,
    Task,
    TaskKind,
    TaskState,
)
from centralita.timeline.templates import OutgoingMessage
from tests.contract.test_store import (  # noqa: F401
    ANA,
    CALL,
    NOON,
    begin,
    customer,
    message,
    postgres_server,
    store,
    summary,
    url,
)

# Each stands in one place only, so that a trace tells where it was left.
SECRETS = (
    "Zafiro", "600111222", "600333444", "esmeralda", "topacio", "rubí", "ámbar", "ópalo",
    "turquesa", "granate", "cuarzo", "perla", "ágata", "amatista", "jade",
)  # fmt: skip


async def a_life(store: Store) -> None:
    """Ana with a trace in every table that can hold one, merged from two."""
    ana = replace(customer("cus_ana", "+34600111222", name="Ana Zafiro"), notes="esmeralda")
    await store.customers.add(ana)
    other = replace(customer("cus_old", "+34600333444", name="topacio"), external_id="crm-7")
    await store.customers.add(other)
    await store.merges.merge(other.id, ANA, NOON, by="user_sofia", by_name="Sofía")
    case = Case(
        id=CaseId("case_1"), customer_id=ANA, subject="rubí", state=CaseState.OPEN,
        opened_at=NOON, updated_at=NOON,
    )  # fmt: skip
    await store.cases.add(case)
    note = replace(message("int_sms", external_id="sms-1"), body="ámbar", notes="ópalo")
    await store.interactions.add(replace(note, case_id=case.id))
    entry = await begin(store)
    await store.journal.append(CALL, NOON, "heard_in_call", {"text": "turquesa"})
    learned = {"asked": "granate"}
    await store.journal.end_call(replace(summary(), learned=learned))
    await store.recordings.add(
        RecordingRecord(
            recording_id=RecordingId("rec_1"), call_id=CALL, kind="conversation",
            path="2026/rec_1.flac", channels=2, duration=timedelta(seconds=3), sha256="0" * 64,
            created_at=NOON,
        )
    )  # fmt: skip
    said = TranscriptChannel(speaker="caller", text="cuarzo", words=())
    await store.recordings.put_transcript(
        TranscriptRecord(
            recording_id=RecordingId("rec_1"), language="es", text="cuarzo", channels=(said,)
        )
    )
    await store.tasks.add(
        Task(
            id=TaskId("task_1"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN, created_at=NOON,
            queue_id=QueueId("sales"), customer_id=ANA, interaction_id=entry.id, call_id=CALL,
            caller="+34600111222", text="perla",
        )
    )  # fmt: skip
    out = replace(message("int_out"), direction=Direction.OUT, subject="ágata")
    await store.interactions.add(out)
    await store.outbox.add(
        OutgoingMessage(
            id=MessageId("msg_1"), interaction_id=out.id, customer_id=ANA, channel=Channel.SMS,
            to="+34600111222", created_at=NOON, created_by="user_ana", answer="jade: no such user",
        )
    )  # fmt: skip
    async with store.database.write() as session:
        session.add(
            OutboundCallRow(
                leg_id="leg_9", call_id=CALL, originator="agent:ana", number="+34600111222",
                emergency=False, price_micros=0, started_at=NOON, answered_at=None, ended_at=NOON,
                seconds=0.0, cost_micros=0,
            )
        )  # fmt: skip


async def everything(store: Store) -> str:
    """All rows of all tables as text, but for the audit log, which keeps ids alone."""
    found = []
    async with store.database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name != "audit":
                for row in await session.execute(select(table)):
                    found.append(f"{table.name}: {tuple(row)}")
        if store.database.is_sqlite:
            names = await session.scalars(
                text("SELECT name FROM sqlite_master WHERE sql LIKE '%fts5%' OR name LIKE '%fts%'")
            )
            for name in names.all():
                for row in await session.execute(text(f'SELECT * FROM "{name}"')):
                    found.append(f"{name}: {tuple(row)}")
    return "\n".join(found)


async def test_nothing_of_a_person_is_left_and_the_facts_stay(store: Store) -> None:
    await store.customers.add(customer("cus_leo", "+34699000000", name="Leo"))
    leos = replace(message("int_leo"), customer_id=CustomerId("cus_leo"), body="hola de Leo")
    await store.interactions.add(leos)
    shared = replace(message("int_shared"), customer_id=None, body="quién sabe")
    await store.interactions.add(replace(shared, candidates=(ANA, CustomerId("cus_leo"))))
    await a_life(store)
    before = await everything(store)
    assert "Zafiro" in before and "cuarzo" in before and "topacio" in before
    (recording,) = await store.erasure.recordings(ANA)
    assert recording.path == "2026/rec_1.flac"
    erased = await store.erasure.erase(ANA)
    assert (erased.interactions, erased.recordings, erased.cases, erased.tasks, erased.merges) == (
        3, 1, 1, 1, 1,
    )  # fmt: skip
    assert set(erased.identities) == {"+34600111222", "+34600333444"}
    after = await everything(store)
    assert [secret for secret in SECRETS if secret.lower() in after.lower()] == []
    assert str(ANA) not in after and "cus_old" not in after
    kept = await store.interactions.by_call(CALL)
    assert kept is not None and kept.call is not None
    assert kept.call.outcome == summary().outcome
    assert (kept.started_at, kept.agent_id, kept.queue_id) == (NOON, "ana", "sales")
    assert await store.customers.get(ANA) is None
    # Nobody else notices.
    found = (await store.interactions.timeline(CustomerId("cus_leo"), limit=5)).items
    assert [entry.body for entry in found] == ["hola de Leo"]
    whose = await store.interactions.get(shared.id)
    assert whose is not None and whose.candidates == ("cus_leo",)


async def test_who_is_erased_and_calls_again_is_somebody_new(store: Store) -> None:
    await a_life(store)
    await store.erasure.erase(ANA)
    entry = await begin(store, call_id=CallId("call_new"))
    assert entry.customer_id is not None and entry.customer_id != ANA


async def test_nobody_is_erased_while_on_the_phone(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    await begin(store)
    for refused in (store.erasure.recordings, store.erasure.erase):
        with pytest.raises(Conflict, match="a call with this customer goes on"):
            await refused(ANA)
    await store.journal.end_call(summary())
    assert (await store.erasure.erase(ANA)).interactions == 1
    with pytest.raises(NotFound):
        await store.erasure.erase(ANA)
