"""Merging customers and taking it back, on SQLite and on PostgreSQL: nothing is ever lost."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from centralita.core.errors import CentralitaError, Conflict, InvalidInput
from centralita.core.ids import CaseId, CustomerId, IdentityId, InteractionId, MergeId, TaskId
from centralita.store.merges import MOVING
from centralita.store.store import Store, open_store
from centralita.store.tables import (
    Base,
    CaseRow,
    CustomerRow,
    IdentityRow,
    InteractionRow,
    TaskRow,
)
from centralita.timeline.model import (
    Case,
    CaseState,
    Customer,
    Identity,
    IdentityKind,
    Task,
    TaskKind,
    TaskState,
)
from tests.contract.test_store import (  # noqa: F401
    ANA,
    NOON,
    customer,
    directory,
    kept,
    message,
    postgres_server,
    store,
    url,
)

LEO = CustomerId("cus_leo")
TABLES = (CustomerRow, IdentityRow, InteractionRow, CaseRow, TaskRow)


async def merge(store: Store, former: str, into: str) -> MergeId:
    made = await store.merges.merge(CustomerId(former), CustomerId(into), NOON, by="user_ana")
    return made.id


async def undo(store: Store, merge_id: str) -> Any:
    return await store.merges.undo(MergeId(merge_id), NOON, by="Ana")


async def dump(store: Store, prefix: str = "") -> dict[str, list[tuple[Any, ...]]]:
    """Every row that a merge may touch."""
    async with store.database.read() as session:
        found = {}
        for table in TABLES:
            rows = await session.execute(select(*table.__table__.columns).order_by(table.id))
            found[table.__tablename__] = [
                tuple(row) for row in rows.all() if prefix == "" or prefix in str(tuple(row))
            ]
        return found


async def two(store: Store) -> None:
    """Ana and Leo, who share a phone; each with an entry in a case, and a task."""
    await store.customers.add(
        replace(customer("cus_ana", "+34910000000", "+34600111222"), notes="Paga al mes")
    )
    leo = customer("cus_leo", "+34910000000", "+34600333444", name="Leo")
    await store.customers.add(replace(leo, notes="Llama tarde", segment="VIP", external_id="x-1"))
    for who in (ANA, LEO):
        await store.cases.add(
            Case(
                id=CaseId(f"case_{who}"), customer_id=who, subject="S", state=CaseState.OPEN,
                opened_at=NOON, updated_at=NOON,
            )
        )  # fmt: skip
        await store.interactions.add(
            replace(message(f"int_{who}"), customer_id=who, case_id=CaseId(f"case_{who}"))
        )
        await store.tasks.add(
            Task(
                id=TaskId(f"task_{who}"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
                created_at=NOON, customer_id=who,
            )
        )  # fmt: skip


async def test_all_that_a_customer_has_goes_along(store: Store) -> None:
    await two(store)
    made = await store.merges.merge(LEO, ANA, NOON, by="user_ana", by_name="Ana")
    assert made.moved == {"interaction": 1, "case": 1, "task": 1, "identity": 1}
    ana = await store.customers.get(ANA)
    assert ana is not None
    assert {one.value for one in ana.identities} == {
        "+34910000000", "+34600111222", "+34600333444",
    }  # fmt: skip
    assert (ana.name, ana.segment, ana.notes) == ("Ana Núñez", "VIP", "Paga al mes\n\nLlama tarde")
    timeline = await store.interactions.timeline(ANA, limit=9)
    assert {entry.id for entry in timeline.items} == {"int_cus_ana", "int_cus_leo"}
    assert (await store.interactions.tally(ANA, NOON)).open_tasks == 2
    assert len(await store.cases.of_customer(ANA, 9)) == 2
    # Who asks for the former one by an old link, or from another system, finds the one there is.
    assert await store.customers.get(LEO) == ana
    assert await store.customers.by_external_id("x-1") == ana
    (listed,) = await store.merges.into(ANA)
    assert listed == made
    assert (listed.former.name, listed.into.notes) == ("Leo", "Paga al mes")


async def test_a_merge_that_is_undone_leaves_no_trace(store: Store) -> None:
    await two(store)
    before = await dump(store)
    merge_id = await merge(store, LEO, ANA)
    assert await dump(store) != before
    undone = await undo(store, merge_id)
    assert await dump(store) == before
    assert (undone.undone_by, undone.stayed, undone.unlinked) == ("Ana", {}, ())
    with pytest.raises(Conflict, match="undone already"):
        await undo(store, merge_id)


async def test_what_came_later_stays_where_it_is(store: Store) -> None:
    await two(store)
    await store.customers.add(customer("cus_eva", name="Eva"))
    merge_id = await merge(store, LEO, ANA)
    # A new entry about the case that was Leo's, one moved on to Eva, a name and notes changed.
    await store.interactions.add(replace(message("int_new"), case_id=CaseId("case_cus_leo")))
    await store.tasks.add(
        Task(
            id=TaskId("task_new"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
            created_at=NOON, customer_id=ANA,
        )
    )  # fmt: skip
    await store.interactions.assign(InteractionId("int_cus_leo"), CustomerId("cus_eva"))
    ana = await store.customers.get(ANA)
    assert ana is not None
    await store.customers.save(replace(ana, name="Ana N.", notes=ana.notes + "\n\nNuevo"))
    undone = await undo(store, merge_id)
    assert undone.stayed == {"interaction": 1}
    assert undone.unlinked == ("int_new",)
    ana, leo = await store.customers.get(ANA), await store.customers.get(LEO)
    assert ana is not None and leo is not None
    assert (ana.name, ana.notes, ana.segment) == ("Ana N.", "Paga al mes\n\nNuevo", "")
    assert (leo.name, leo.notes, leo.external_id) == ("Leo", "Llama tarde", "x-1")
    entry = await store.interactions.get(InteractionId("int_new"))
    assert entry is not None and (entry.customer_id, entry.case_id) == (ANA, None)
    entry = await store.interactions.get(InteractionId("int_cus_leo"))
    assert entry is not None and entry.customer_id == "cus_eva"


async def test_what_is_written_for_a_customer_who_was_merged_goes_where_they_went(
    store: Store,
) -> None:
    await two(store)
    await store.customers.add(customer("cus_eva", name="Eva"))
    await merge(store, LEO, ANA)
    await merge(store, ANA, "cus_eva")
    # A call that had begun with Leo before.
    entry, made = await store.interactions.add(replace(message("int_late"), customer_id=LEO))
    assert made and entry.customer_id == "cus_eva"
    assert await store.interactions.get(InteractionId("int_late")) == entry
    task = await store.tasks.add(
        Task(
            id=TaskId("task_late"), kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
            created_at=NOON, customer_id=LEO,
        )
    )  # fmt: skip
    assert task.customer_id == "cus_eva"


async def test_merges_on_top_of_each_other_are_undone_from_the_last(store: Store) -> None:
    await two(store)
    await store.customers.add(customer("cus_eva", name="Eva"))
    before = await dump(store)
    first = await merge(store, LEO, ANA)
    second = await merge(store, ANA, "cus_eva")
    with pytest.raises(Conflict, match="undo that merge first"):
        await undo(store, first)
    await undo(store, second)
    await undo(store, first)
    assert await dump(store) == before


async def test_a_provisional_customer_is_one_again_after_the_undo(store: Store) -> None:
    await two(store)
    found = await kept(store, "699000111")
    before = await dump(store)
    merge_id = await merge(store, found.customer.id, ANA)
    await undo(store, merge_id)
    assert await dump(store) == before
    # And a full one that goes into a provisional one makes that a full one.
    await merge(store, LEO, found.customer.id)
    named = await store.customers.get(found.customer.id)
    assert named is not None and (named.name, named.provisional) == ("Leo", False)
    assert (await directory(store).who_is("699000111")).customer == named  # type: ignore[union-attr]


async def test_a_customer_is_not_merged_into_itself(store: Store) -> None:
    await two(store)
    with pytest.raises(InvalidInput):
        await merge(store, ANA, ANA)


# --- any sequence -------------------------------------------------------------------------------

PEOPLE = range(4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)),
        st.tuples(st.just("undo"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("entry"), st.sampled_from(PEOPLE), st.booleans()),
        st.tuples(st.just("task"), st.sampled_from(PEOPLE), st.just(0)),
        st.tuples(st.just("assign"), st.integers(0, 9), st.sampled_from(PEOPLE)),
        st.tuples(st.just("notes"), st.sampled_from(PEOPLE), st.integers(0, 9)),
    ),
    max_size=9,
)
_examples = itertools.count()


class World:
    """Some customers of one example, with ids of their own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.mark = f"w{next(_examples)}x"
        self.merges: list[MergeId] = []
        self.undone: set[MergeId] = set()
        self.entries: list[str] = []
        self.tasks: list[str] = []

    def person(self, number: int) -> CustomerId:
        return CustomerId(f"cus_{self.mark}{number}")

    async def begin(self) -> None:
        for number in PEOPLE:
            who = self.person(number)
            # Each shares a phone with the next.
            phones = (f"+{self.mark}{number}", f"+{self.mark}{(number + 1) % len(PEOPLE)}")
            await self.store.customers.add(
                Customer(
                    id=who, name=f"N{number}" if number else "", created_at=NOON,
                    notes=f"Nota {number}" if number % 2 else "", provisional=number == 0,
                    external_id=f"{self.mark}{number}" if number % 2 else None,
                    identities=tuple(
                        Identity(
                            id=IdentityId(f"idn_{who}_{phone}"), customer_id=who,
                            kind=IdentityKind.PHONE, value=phone,
                        )
                        for phone in phones
                    ),
                )
            )  # fmt: skip
            await self.store.cases.add(
                Case(
                    id=CaseId(f"case_{self.mark}{number}"), customer_id=who, subject="S",
                    state=CaseState.OPEN, opened_at=NOON, updated_at=NOON,
                )
            )  # fmt: skip
            await self.entry(who, in_case=True)

    async def entry(self, who: CustomerId, *, in_case: bool) -> None:
        owner = await self.store.customers.get(who)
        assert owner is not None
        cases = await self.store.cases.of_customer(owner.id, 9)
        entry = message(f"int_{self.mark}{len(self.entries)}", minutes=len(self.entries))
        case_id = cases[0].id if in_case and cases else None
        await self.store.interactions.add(replace(entry, customer_id=who, case_id=case_id))
        self.entries.append(entry.id)

    async def step(self, step: tuple[str, Any, Any]) -> None:
        match step:
            case "merge", former, into:
                self.merges.append(await merge(self.store, self.person(former), self.person(into)))
            case "undo", number, _ if number < len(self.merges):
                await undo(self.store, self.merges[number])
                self.undone.add(self.merges[number])
            case "entry", who, in_case:
                await self.entry(self.person(who), in_case=in_case)
            case "task", who, _:
                task_id = TaskId(f"task_{self.mark}{len(self.tasks)}")
                await self.store.tasks.add(
                    Task(
                        id=task_id, kind=TaskKind.MISSED_CALL, state=TaskState.OPEN,
                        created_at=NOON, customer_id=self.person(who),
                    )
                )  # fmt: skip
                self.tasks.append(task_id)
            case "assign", number, who if number < len(self.entries):
                owner = await self.store.customers.get(self.person(who))
                assert owner is not None
                await self.store.interactions.assign(InteractionId(self.entries[number]), owner.id)
            case "notes", who, number:
                owner = await self.store.customers.get(self.person(who))
                assert owner is not None
                await self.store.customers.save(replace(owner, notes=owner.notes + str(number)))

    async def nothing_is_lost(self) -> None:
        found = await dump(self.store, self.mark)
        people = {row[0] for row in found["customers"]}
        entries = await self._entries()
        assert sorted(entries) == sorted(self.entries)
        assert {row[0] for row in found["tasks"]} == set(self.tasks)
        cases = {row[0]: row[1] for row in found["cases"]}
        assert len(cases) == len(PEOPLE)
        assert set(cases.values()) <= people
        for customer_id, case_id in entries.values():
            assert customer_id in people
            assert case_id is None or cases[case_id] == customer_id
        # Each number still finds somebody, and each customer is there or leads to one who is.
        for number in PEOPLE:
            phone = f"+{self.mark}{number}"
            assert await self.store.customers.by_identity(IdentityKind.PHONE, phone)
            assert await self.store.customers.get(self.person(number)) is not None
        active = len(self.merges) - len(self.undone)
        assert len(people) == len(PEOPLE) - active

    async def _entries(self) -> dict[str, tuple[str | None, str | None]]:
        async with self.store.database.read() as session:
            rows = await session.execute(
                select(InteractionRow.id, InteractionRow.customer_id, InteractionRow.case_id).where(
                    InteractionRow.id.like(f"int_{self.mark}%")
                )
            )
            return {ident: (customer_id, case_id) for ident, customer_id, case_id in rows.all()}


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_no_sequence_of_merges_and_undoings_loses_anything(
    url: str, runner: asyncio.Runner
) -> None:
    store = runner.run(open_store(url))

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(STEPS, st.sampled_from(PEOPLE), st.sampled_from(PEOPLE))
    def check(steps: list[tuple[str, Any, Any]], former: int, into: int) -> None:
        async def example() -> None:
            world = World(store)
            await world.begin()
            for step in steps:
                try:
                    await world.step(step)
                except CentralitaError:  # no such customer now, merged on, undone already
                    continue
            await world.nothing_is_lost()
            # Whatever happened before: to merge and to undo is to have done nothing.
            before = await dump(store, world.mark)
            try:
                merge_id = await merge(store, world.person(former), world.person(into))
            except CentralitaError:
                return
            await undo(store, merge_id)
            assert await dump(store, world.mark) == before

        runner.run(example())

    check()
    runner.run(store.close())


def test_every_table_that_is_a_customers_moves_in_a_merge() -> None:
    ours = {
        table.name for table in Base.metadata.sorted_tables if "customer_id" in table.columns
    } - {"identities"}  # which move in their own way
    assert {table.__tablename__ for table in MOVING.values()} == ours
