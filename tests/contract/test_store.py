"""What every store keeps to: the same stories on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from centralita.core.clock import ManualClock
from centralita.core.errors import Conflict, InvalidInput, NotFound
from centralita.core.ids import (
    AgentId,
    CallId,
    CaseId,
    CustomerId,
    FlowId,
    IdentityId,
    InteractionId,
    LegId,
    NodeId,
    QueueId,
    RecordingId,
    TaskId,
    UserId,
)
from centralita.core.tasks import Tasks
from centralita.core.wire import Plain
from centralita.store.database import MIGRATIONS, Database, DatabaseUnavailable
from centralita.store.records import (
    AgentRecord,
    ApiTokenRecord,
    QueueRecord,
    RecordingRecord,
    Role,
    SessionRecord,
    TranscriptChannel,
    TranscriptRecord,
    TranscriptWord,
    UserRecord,
)
from centralita.store.store import Store, open_store
from centralita.store.tables import Base
from centralita.timeline.directory import (
    Anonymous,
    Caller,
    Choice,
    Directory,
    Known,
    Provisional,
)
from centralita.timeline.model import (
    CallSummary,
    Case,
    CaseState,
    Channel,
    Customer,
    Direction,
    Identity,
    IdentityKind,
    Interaction,
    Outcome,
    PathStep,
    QueueWait,
    Talk,
    Task,
    TaskKind,
    TaskState,
)
from centralita.timeline.repositories import Annotation, CallFilter
from tests.support.postgres import postgres

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ANA = CustomerId("cus_ana")
CALL = CallId("call_1")
_databases = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/centralita.db"
    return await new_database(request.getfixturevalue("postgres_server"))


async def new_database(server: str) -> str:
    """The URL of an empty database of its own in a running PostgreSQL."""
    name = f"test_{next(_databases)}"
    database = Database(server)
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"CREATE DATABASE {name}"))
    await database.close()
    return server.rsplit("/", 1)[0] + "/" + name


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    yield store
    await store.close()


def customer(ident: str, *phones: str, name: str = "Ana Núñez", days: int = 0) -> Customer:
    customer_id = CustomerId(ident)
    return Customer(
        id=customer_id,
        name=name,
        created_at=NOON + timedelta(days=days),
        language="es",
        identities=tuple(
            Identity(
                id=IdentityId(f"idn_{ident}_{phone}"),
                customer_id=customer_id,
                kind=IdentityKind.PHONE,
                value=phone,
            )
            for phone in phones
        ),
    )


def message(ident: str, minutes: int = 0, external_id: str | None = None) -> Interaction:
    return Interaction(
        id=InteractionId(ident),
        channel=Channel.SMS,
        direction=Direction.IN,
        started_at=NOON + timedelta(minutes=minutes),
        customer_id=ANA,
        body="¿Cuándo llega?",
        external_id=external_id,
    )


def directory(store: Store) -> Directory:
    return Directory(store.customers, ManualClock(NOON), region="ES")


# --- the database -------------------------------------------------------------------------------


async def test_the_migrations_build_exactly_the_tables(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        # The search index is each database's own: FTS5's tables, an index over an expression.
        ours = {"include_name": lambda name, *_: not str(name).startswith("search_index")}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=ours), Base.metadata)
        )

    async with store.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_opening_again_keeps_what_is_there(url: str) -> None:
    first = await open_store(url)
    await first.customers.add(customer("cus_ana"))
    await first.close()
    second = await open_store(url)
    assert await second.customers.get(ANA) == customer("cus_ana")
    await second.close()


async def test_an_upgrade_signs_nobody_out(url: str) -> None:
    def to_0008(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        connection.execute(
            text(
                "INSERT INTO users (id, username, name, role, password_hash, active)"
                " VALUES ('user_eva', 'eva', 'Eva', 'admin', 'x', true)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO sessions (token_hash, user_id, created_at, expires_at)"
                " VALUES ('t1', 'user_eva', '2026-01-05 12:00:00', '2999-01-01 00:00:00')"
            )
        )

    old = Database(url)
    async with old.engine.execution_options(write=True).begin() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.run_sync(to_0008)
    await old.close()
    store = await open_store(url)
    found = await store.sessions.find("t1", datetime.now(UTC), timedelta(minutes=30))
    assert found is not None
    assert found[0].phone is None  # its page may be a phone, and goes on being one
    await store.close()


async def test_two_servers_may_open_a_new_database_at_once(url: str) -> None:
    stores = await asyncio.gather(open_store(url), open_store(url))
    for store in stores:
        await store.ping()
        await store.close()


async def test_writers_from_two_processes_do_not_lose_each_others_work(url: str) -> None:
    one, other = await open_store(url), await open_store(url)
    await asyncio.gather(
        *(
            store.journal.append(CALL, NOON, "tick", {"n": n})
            for n in range(30)
            for store in (one, other)
        )
    )
    assert len(await one.call_events.of_call(CALL)) == 60
    await one.close()
    await other.close()


async def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    await store.agents.put(AgentRecord(agent_id=AgentId("ana"), name="Ana", extension="101"))
    sales = QueueRecord(queue_id=QueueId("sales"), title="Sales", agents=(AgentId("ana"),))
    await store.queues.put(sales)
    with pytest.raises(Conflict):
        await store.queues.put(replace(sales, title="New", agents=(AgentId("nobody"),)))
    assert await store.queues.get(QueueId("sales")) == sales


@pytest.mark.parametrize("bad", ["mysql://host/x", "://", "redis://x"])
async def test_a_url_of_something_else_is_refused_with_an_example(bad: str) -> None:
    with pytest.raises(InvalidInput, match="postgresql://user"):
        await open_store(bad)


async def test_an_unreachable_server_is_reported_as_such() -> None:
    with pytest.raises(DatabaseUnavailable):
        await open_store("postgresql://nobody@127.0.0.1:1/none")


async def test_a_database_that_does_not_exist_is_named(postgres_server: str) -> None:
    with pytest.raises(DatabaseUnavailable, match='database "none" does not exist'):
        await open_store(postgres_server.rsplit("/", 1)[0] + "/none")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await open_store(str(tmp_path / "c.db"))


async def test_connections_that_the_server_cut_are_made_anew(postgres_server: str) -> None:
    store, other = await open_store(postgres_server), await open_store(postgres_server)
    async with other.database.engine.connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await store.ping()
    await store.close()
    await other.close()


async def test_a_new_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = await open_store(str(tmp_path / "sub" / "c.db"))
    await store.customers.add(customer("cus_ana"))
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "sub").iterdir()} == {0o600}
    await store.close()


# --- who is calling -----------------------------------------------------------------------------


async def test_a_known_number_is_its_customer_however_it_is_written(store: Store) -> None:
    ana = await store.customers.add(customer("cus_ana", "+34600111222"))
    who = directory(store).who_is
    for written in ("+34600111222", "600111222", "0034 600 11 12 22", "sip:+34600111222@x;a=b"):
        assert await who(written) == Known(ana, "+34600111222")


async def test_who_is_stored_while_somebody_else_looks_is_one_customer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, look_up = directory(store), store.customers.by_identity
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(kind: IdentityKind, value: str) -> tuple[Customer, ...]:
        found = await look_up(kind, value)
        asked.set()
        await answer.wait()
        return found

    monkeypatch.setattr(store.customers, "by_identity", slowly)

    async def sooner() -> Caller:
        await asked.wait()
        monkeypatch.undo()
        kept = await known.keep(await known.who_is("600111999"))
        answer.set()
        return kept

    late, kept = await asyncio.gather(known.who_is("600111999"), sooner())
    assert late == kept


async def test_an_unknown_number_becomes_one_provisional_customer(store: Store) -> None:
    who = directory(store)
    first, second = await asyncio.gather(who.who_is("699000111"), who.who_is("+34699000111"))
    assert isinstance(first, Provisional)
    assert first == second
    assert first.customer.identities[0].value == "+34699000111"
    assert await store.customers.get(first.customer.id) is None  # a call waits for no writing
    kept = await who.keep(first)
    assert kept == replace(first, new=False)
    assert await who.keep(second) == kept
    assert await directory(store).who_is("699000111") == kept
    assert who.recall("699000111") == kept


async def test_who_makes_a_new_customer_first_makes_the_only_one(store: Store) -> None:
    found, other = [await directory(store).who_is("699000111") for _ in range(2)]
    assert isinstance(found, Provisional) and isinstance(other, Provisional)
    assert found.customer.id != other.customer.id  # of two servers, say
    kept = await directory(store).keep(other)
    assert await directory(store).keep(found) == kept == replace(other, new=False)


async def test_a_provisional_customer_who_gets_a_name_is_known(store: Store) -> None:
    found = await kept(store, "699000111")
    named = await store.customers.save(replace(found.customer, name="Luis", provisional=False))
    assert await directory(store).who_is("699000111") == Known(named, "+34699000111")


async def kept(store: Store, number: str) -> Provisional:
    """A caller who is new, stored."""
    who = directory(store)
    found = await who.keep(await who.who_is(number))
    assert isinstance(found, Provisional)
    return found


async def test_a_shared_number_is_a_choice_never_a_guess(store: Store) -> None:
    ana = await store.customers.add(customer("cus_ana", "+34910000000"))
    leo = await store.customers.add(customer("cus_leo", "+34910000000", name="Leo", days=1))
    assert await directory(store).who_is("910000000") == Choice((ana, leo), "+34910000000")


@pytest.mark.parametrize("withheld", ["", "anonymous", "Anonymous", "sip:anonymous@anonymous.x"])
async def test_an_anonymous_caller_stays_anonymous(store: Store, withheld: str) -> None:
    assert await directory(store).who_is(withheld) == Anonymous()
    assert (await store.customers.search(None, limit=10)).items == ()


async def test_an_extension_has_no_e164_form_and_is_kept_as_it_is(store: Store) -> None:
    found = await directory(store).who_is("sip:101@10.0.0.1")
    assert isinstance(found, Provisional)
    assert found.number == "101"


async def test_merging_a_provisional_customer_moves_all_it_had(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    found = await kept(store, "699000111")
    entry = replace(message("int_1"), customer_id=found.customer.id)
    await store.interactions.add(entry)
    await store.merges.merge(found.customer.id, ANA, NOON, by="user_ana")
    assert await store.customers.get(found.customer.id) == await store.customers.get(ANA)
    assert (await store.interactions.timeline(ANA, limit=5)).items == (message("int_1"),)
    assert isinstance(await directory(store).who_is("699000111"), Known)
    with pytest.raises(NotFound):
        await store.merges.merge(found.customer.id, ANA, NOON, by="user_ana")


async def test_customers_are_found_without_accents_and_by_part_of_a_number(store: Store) -> None:
    ana = await store.customers.add(customer("cus_ana", "+34600111222"))
    await store.customers.add(customer("cus_leo", "+34600999888", name="Leo 100%_x", days=1))
    for words in ("nunez", "ANA N", "600 111", "+34600111"):
        assert (await store.customers.search(words, limit=5)).items == (ana,)
    assert [c.id for c in (await store.customers.search("0%_", limit=5)).items] == ["cus_leo"]
    assert (await store.customers.search("zzz", limit=5)).items == ()


@pytest.mark.parametrize(
    "written",
    ["0034600111222", "+34600111222", "34600111222", "600 111 222", "600.11.12.22", "600-111-222",
     "00 34 600 111 222", "(+34) 600/111222", "nunez ana", "ANA  NÚÑEZ"],
)  # fmt: skip
async def test_customers_are_found_as_people_write_numbers_and_names(
    store: Store, written: str
) -> None:
    ana = await store.customers.add(customer("cus_ana", "+34600111222"))
    await store.customers.add(customer("cus_eva", "+34600999888", name="Ana Ruiz", days=1))
    assert (await store.customers.search(written, limit=5)).items == (ana,)


# --- interactions -------------------------------------------------------------------------------


async def test_a_message_with_a_known_external_id_is_kept_once(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    first, made = await store.interactions.add(message("int_1", external_id="sms-7"))
    again, made_again = await store.interactions.add(message("int_2", external_id="sms-7"))
    assert (made, made_again) == (True, False)
    assert again == first == await store.interactions.by_external_id("sms-7", "sms")


async def test_a_timeline_is_read_in_parts_without_gaps_or_repeats(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    for n in range(7):
        await store.interactions.add(message(f"int_{n}", minutes=n // 3))  # ties in time
    seen: list[str] = []
    part = await store.interactions.timeline(ANA, limit=2)
    seen += [entry.id for entry in part.items]
    while part.next is not None:
        part = await store.interactions.timeline(ANA, limit=2, after=part.next)
        seen += [entry.id for entry in part.items]
    assert seen == ["int_6", "int_5", "int_4", "int_3", "int_2", "int_1", "int_0"]


async def begin(store: Store, caller: str = "600111222", call_id: CallId = CALL) -> Interaction:
    who = await directory(store).keep(await directory(store).who_is(caller))
    return await store.journal.begin_call(call_id, NOON, caller=who, dialled="100")


def summary(call_id: CallId = CALL) -> CallSummary:
    return CallSummary(
        call_id=call_id,
        ended_at=NOON + timedelta(minutes=5),
        answered_at=NOON + timedelta(seconds=1),
        outcome=Outcome.CONVERSATION,
        ended_by="remote_hangup",
        ended_at_place="conversation",
        language="es",
        agent_id=AgentId("ana"),
        queue_id=QueueId("sales"),
        path=(PathStep(node_id=NodeId("menu"), at=NOON, kind="menu", result="ventas"),),
        waits=(
            QueueWait(
                queue_id=QueueId("sales"), since=NOON, waited=timedelta(seconds=7.5), how="answered"
            ),
        ),
        talks=(
            Talk(
                agent_id=AgentId("ana"),
                leg_id=LegId("leg_2"),
                since=NOON,
                talked=timedelta(minutes=4),
            ),
        ),
        learned={"order": "1234", "topic": "sí"},
    )


async def end(store: Store, ended: CallSummary) -> Interaction:
    """End a call; its entry."""
    await store.journal.end_call(ended)
    entry = await store.interactions.by_call(ended.call_id)
    assert entry is not None
    return entry


async def test_a_call_is_in_the_timeline_from_its_arrival_and_complete_at_its_end(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    arrived = await begin(store)
    assert (await store.interactions.timeline(ANA, limit=5)).items == (arrived,)
    assert arrived.ended_at is None
    ended = await end(store, summary())
    assert ended.call is not None
    assert ended.call.waits == summary().waits
    assert ended.call.talks == summary().talks
    assert ended.call.path == summary().path
    assert ended.call.learned == summary().learned
    assert ended.call.answered_at == summary().answered_at


async def test_beginning_and_ending_a_call_twice_changes_nothing(store: Store) -> None:
    first = await begin(store)
    assert await begin(store) == first
    ended = await end(store, summary())
    late = replace(summary(), outcome=Outcome.FAILED, ended_at=NOON + timedelta(hours=1))
    assert await end(store, late) == ended
    with pytest.raises(NotFound):
        await store.journal.end_call(summary(CallId("call_x")))


async def test_what_an_agent_wrote_during_the_call_survives_its_end(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    entry = await begin(store)
    await store.journal.with_agent(CALL, queue_id=QueueId("sales"), agent_id=AgentId("leo"))
    await store.interactions.annotate(entry.id, Annotation(notes="calls back", disposition="sale"))
    ended = await end(store, summary())
    assert (ended.notes, ended.disposition) == ("calls back", "sale")
    assert ended.agent_id == "ana"


async def test_an_agent_resolves_a_choice(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34910000000"))
    await store.customers.add(customer("cus_leo", "+34910000000", name="Leo"))
    entry = await begin(store, "910000000")
    assert entry.customer_id is None
    assert set(entry.candidates) == {"cus_ana", "cus_leo"}
    assigned = await store.interactions.assign(entry.id, ANA)
    assert assigned.customer_id == ANA
    ended = await end(store, summary())
    assert ended.customer_id == ANA
    assert ended.candidates == ()


async def test_calls_that_a_crash_left_open_are_ended_at_their_last_line(store: Store) -> None:
    await begin(store)
    await begin(store, call_id=CallId("call_2"))
    await store.journal.append(CALL, NOON + timedelta(seconds=9), "digit", {"digit": "1"})
    assert await store.journal.close_unfinished(keep=frozenset({CallId("call_2")})) == 1
    ended = await store.interactions.by_call(CALL)
    assert ended is not None
    assert ended.ended_at == NOON + timedelta(seconds=9)
    assert ended.call is not None
    assert (ended.call.outcome, ended.call.ended_by) == (Outcome.FAILED, "interrupted")
    assert [entry.call.call_id for entry in await store.interactions.unfinished_calls()
            if entry.call] == ["call_2"]  # fmt: skip


async def test_a_journal_is_read_in_the_order_of_writing(store: Store) -> None:
    for n in range(3):
        await store.journal.append(CALL, NOON, "digit", {"n": n, "said": "sí"})
    lines = await store.call_events.of_call(CALL)
    assert [(line.seq, line.data["n"]) for line in lines] == [(1, 0), (2, 1), (3, 2)]
    assert lines[0].data["said"] == "sí"


async def test_calls_are_filtered(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    await begin(store)
    await begin(store, "699000111", CallId("call_2"))
    await store.journal.end_call(summary())

    async def ids(**wanted: object) -> list[str]:
        found = await store.interactions.calls(CallFilter(**wanted), limit=9)  # type: ignore[arg-type]
        return [entry.call.call_id for entry in found.items if entry.call is not None]

    assert await ids(customer_id=ANA) == ["call_1"]
    assert await ids(live=True) == ["call_2"]
    assert await ids(agent_id="ana") == ["call_1"]
    assert await ids(number="+34699000111") == ["call_2"]
    assert await ids(outcome=Outcome.CONVERSATION, queue_id="sales", live=False) == ["call_1"]
    assert await ids(since=NOON + timedelta(seconds=1)) == []
    assert len(await ids(since=NOON, until=NOON + timedelta(seconds=1))) == 2


# --- context, cases, tasks ----------------------------------------------------------------------


async def test_the_context_shows_the_open_case_first_and_the_newest_entries(store: Store) -> None:
    ana = await store.customers.add(customer("cus_ana", "+34600111222"))
    for ident, state, day in (("a", "solved", 3), ("b", "open", 1), ("c", "pending", 2)):
        at = NOON + timedelta(days=day)
        await store.cases.add(
            Case(
                id=CaseId(ident),
                customer_id=ANA,
                subject=ident,
                state=CaseState(state),
                opened_at=at,
                updated_at=at,
            )
        )
    for n in range(12):
        await store.interactions.add(message(f"int_{n:02}", minutes=n + 1))
    await begin(store)
    await store.tasks.add(
        Task(
            id=TaskId("task_1"),
            kind=TaskKind.MISSED_CALL,
            state=TaskState.OPEN,
            created_at=NOON,
            customer_id=ANA,
        )
    )
    context = await store.context.context_for(ANA, NOON)
    assert context.customer == ana
    assert [case.id for case in context.cases] == ["b", "c", "a"]
    assert [entry.id for entry in context.recent][:2] == ["int_11", "int_10"]
    assert (context.calls, context.messages, context.open_tasks) == (1, 12, 1)
    with pytest.raises(NotFound):
        await store.context.context_for(CustomerId("cus_none"), NOON)


async def test_a_task_is_done_once_and_can_be_opened_again(store: Store) -> None:
    task = Task(
        id=TaskId("task_1"), kind=TaskKind.VOICEMAIL, state=TaskState.OPEN, created_at=NOON,
        queue_id=QueueId("sales"), caller="+34600111222",
    )  # fmt: skip
    await store.tasks.add(task)
    done = await store.tasks.set_state(task.id, TaskState.DONE, NOON, "ana")
    assert (done.done_by, done.done_at) == ("ana", NOON)
    again = await store.tasks.set_state(task.id, TaskState.DONE, NOON + timedelta(1), "leo")
    assert again.done_by == "ana"
    assert (await store.tasks.list(limit=5, state=TaskState.OPEN)).items == ()
    assert await store.tasks.set_state(task.id, TaskState.OPEN, NOON, "leo") == task
    with pytest.raises(NotFound):
        await store.tasks.set_state(TaskId("task_x"), TaskState.DONE, NOON, "ana")


# --- recordings ---------------------------------------------------------------------------------


async def test_a_task_cancelled_in_the_middle_of_writing_keeps_nobody_else_out(
    store: Store,
) -> None:
    async def write() -> None:
        async with store.transaction():
            await store.journals.advance("journal", await store.journals.applied("journal") + 1)
            await store.journal.append(CALL, NOON, "line")

    for turns in range(0, 120, 3):
        work = Tasks("test")
        task = work.spawn(write(), name="write")
        for _ in range(turns):
            await asyncio.sleep(0)
        await work.close()
        assert task.done()
        async with asyncio.timeout(4):  # less than the database's own patience
            await write()
    lines = await store.call_events.of_call(CALL)
    assert len(lines) == await store.journals.applied("journal") >= 40


async def test_what_is_done_in_one_transaction_is_done_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.transaction():
            await store.journal.append(CALL, NOON, "line")
            await store.journals.advance("journal", 7)
            assert await store.journals.applied("journal") == 7
            raise ZeroDivisionError
    assert await store.journals.applied("journal") == 0
    assert await store.call_events.of_call(CALL) == ()


async def test_a_recording_and_its_transcript_belong_to_the_call(store: Store) -> None:
    await begin(store)
    recording = RecordingRecord(
        recording_id=RecordingId("rec_1"), call_id=CALL, kind="conversation", path="a/b.flac",
        channels=2, duration=timedelta(seconds=61.25), sha256="0" * 64, created_at=NOON,
        agent_id=AgentId("ana"), leg_id=LegId("leg_2"),
    )  # fmt: skip
    await store.recordings.add(recording)
    entry = await store.interactions.by_call(CALL)
    assert entry is not None
    assert entry.recording_ids == ("rec_1",)
    assert await store.recordings.without_transcript() == (recording,)
    word = TranscriptWord(
        text="sí", start=timedelta(seconds=0.5), end=timedelta(seconds=1), confidence=0.9
    )
    transcript = TranscriptRecord(
        recording_id=RecordingId("rec_1"), language="es", text="sí",
        channels=(TranscriptChannel(speaker="caller", text="sí", words=(word,)),),
    )  # fmt: skip
    for _ in range(2):  # a restart may transcribe again
        await store.recordings.put_transcript(transcript)
    assert await store.recordings.transcripts_of_call(CALL) == (transcript,)
    assert await store.recordings.without_transcript() == ()
    await store.recordings.mark_removed(RecordingId("rec_1"))
    assert await store.recordings.of_call(CALL) == (replace(recording, removed=True),)
    assert await store.recordings.older_than(NOON + timedelta(days=1)) == ()


# --- agents, queues, flows, sign-in -------------------------------------------------------------


async def test_agents_and_queues_are_read_as_they_were_written(store: Store) -> None:
    ana = AgentRecord(
        agent_id=AgentId("ana"), name="Ana", extension="101", ha1="a" * 32, skills=("es", "vip")
    )
    leo = AgentRecord(agent_id=AgentId("leo"), name="Leo", extension="102")
    for agent in (leo, ana):
        await store.agents.put(agent)
    sales = QueueRecord(
        queue_id=QueueId("sales"), title="Ventas", language="es",
        agents=(AgentId("leo"), AgentId("ana")), settings={"wrap_up": 30, "skills": ["es"]},
    )  # fmt: skip
    await store.queues.put(sales)
    await store.agents.set_status(AgentId("ana"), "on_break", "lunch")
    assert await store.agents.all() == (replace(ana, status="on_break", reason="lunch"), leo)
    assert await store.queues.all() == (sales,)
    with pytest.raises(Conflict):
        await store.agents.put(replace(ana, agent_id=AgentId("eva")))


async def test_a_flow_answers_with_its_published_version(store: Store) -> None:
    flow = FlowId("main")
    one = await store.flows.add_version(flow, {"nodes": [{"é": 1}]}, at=NOON, by="eva")
    assert one.version == 1
    assert await store.flows.for_number("100") is None
    await store.flows.publish(flow, 1, ["100", "+34910000000"])
    two = await store.flows.add_version(flow, {"nodes": []}, at=NOON)
    answering = await store.flows.for_number("100")
    assert answering is not None
    assert (answering.version, answering.document) == (1, {"nodes": [{"é": 1}]})
    await store.flows.publish(flow, two.version)
    answering = await store.flows.for_number("+34910000000")
    assert answering is not None
    assert answering.version == 2
    assert [(f.version, f.published) for f in await store.flows.versions(flow)] == [
        (2, True),
        (1, False),
    ]
    assert len(await store.flows.all()) == 1
    await store.flows.add_version(FlowId("other"), {}, at=NOON)
    with pytest.raises(Conflict, match="belongs to the flow main"):
        await store.flows.publish(FlowId("other"), 1, ["100"])
    with pytest.raises(NotFound):
        await store.flows.publish(flow, 9)


async def test_a_session_ends_with_its_time_its_sign_out_or_its_user(store: Store) -> None:
    eva = UserRecord(
        user_id=UserId("user_eva"), username="Eva", name="Eva", role=Role.ADMIN, password_hash="x"
    )
    await store.users.put(eva)
    kept = await store.users.by_name(" EVA ")
    assert kept == replace(eva, username="eva")
    for token in ("t1", "t2"):
        await store.sessions.add(
            SessionRecord(
                token_hash=token,
                user_id=eva.user_id,
                created_at=NOON,
                expires_at=NOON + timedelta(hours=1),
                used_at=NOON,
            )
        )
    day, idle = timedelta(days=1), timedelta(minutes=10)
    assert await store.sessions.find("t1", NOON, day) is not None
    assert await store.sessions.find("t1", NOON + timedelta(hours=1), day) is None
    assert await store.sessions.find("t1", NOON + idle, idle) is None
    await store.sessions.used(["t1"], NOON + idle / 2)
    assert set(await store.sessions.good(NOON + idle, idle)) == {"t1"}
    await store.sessions.end("t1")
    assert await store.sessions.find("t1", NOON, day) is None
    await store.users.put(replace(eva, active=False))
    assert await store.sessions.find("t2", NOON, day) is None


async def test_an_api_token_works_until_it_expires_or_is_revoked(store: Store) -> None:
    token = ApiTokenRecord(
        token_id="tok_1", name="crm", role=Role.AGENT, token_hash="h", created_at=NOON,
        expires_at=NOON + timedelta(days=1),
    )  # fmt: skip
    await store.api_tokens.add(token)
    assert await store.api_tokens.find("h", NOON) == token
    assert await store.api_tokens.find("h", NOON + timedelta(days=1)) is None
    await store.api_tokens.revoke("tok_1")
    assert await store.api_tokens.find("h", NOON) is None
    with pytest.raises(NotFound):
        await store.api_tokens.revoke("tok_1")


async def test_settings_are_any_json_value(store: Store) -> None:
    assert await store.settings.get("demo") is None
    values: tuple[Plain, ...] = ("x", 3, None, ["a", {"b": True}])
    for value in values:
        await store.settings.put("demo", value)
        assert await store.settings.get("demo") == value
