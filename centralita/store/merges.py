"""Merging customers, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, InvalidInput, NotFound
from centralita.core.ids import CustomerId, MergeId, new_id
from centralita.core.refusals import Refusal
from centralita.store.customers import customers_of, row_values
from centralita.store.database import Database
from centralita.store.sql import insert_new
from centralita.store.tables import (
    CaseRow,
    CustomerRow,
    IdentityRow,
    InteractionRow,
    MergeMoveRow,
    MergeRow,
    OutboxRow,
    TaskRow,
)
from centralita.timeline.merges import Merge, merged, unmerged
from centralita.timeline.model import Customer

# Everything that is a customer's. A table that gets a customer_id belongs here, too.
MOVING: dict[str, Any] = {
    "interaction": InteractionRow,
    "case": CaseRow,
    "task": TaskRow,
    "message": OutboxRow,
}
_IDENTITY = "identity"


class Merges:
    """Implements the merging of customers; each merge is a record with all that moved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def merge(
        self, former: CustomerId, into: CustomerId, at: datetime, *, by: str, by_name: str = ""
    ) -> Merge:
        """All that `former` has goes to `into`, and `former` is gone until somebody undoes it.

        Raises NotFound, and InvalidInput when they are the same.
        """
        if former == into:
            raise InvalidInput(
                "a customer cannot be merged into itself", place="$.into", code=Refusal.INTO_ITSELF
            )
        async with self._database.write() as session:
            rows = await _locked(session, former, into)
            gone, target = rows[former], rows[into]
            before_gone, before = await customers_of(session, (former, into))
            after = merged(before, before_gone)
            merge_id = new_id("merge")
            session.add(
                MergeRow(
                    id=merge_id, at=at, by=by, by_name=by_name, former_id=former, into_id=into,
                    former=_kept(before_gone, gone), before=_kept(before, target),
                    after=_kept(after, target), undone_at=None, undone_by="", result={},
                )
            )  # fmt: skip
            await session.flush()
            for kind, table in MOVING.items():
                await _note(session, merge_id, kind, table, table.customer_id == former)
                await session.execute(
                    update(table).where(table.customer_id == former).values(customer_id=into)
                )
            await _move_identities(session, merge_id, former, into)
            await session.delete(gone)
            await session.flush()  # before its external_id is given on: that is unique
            _write(target, after)
            return await _merge(session, await _row(session, merge_id))

    async def undo(self, merge_id: MergeId, at: datetime, *, by: str) -> Merge:
        """The former customer is there again, with everything that moved and is still where it
        went. What came later stays where it is. Raises NotFound, or Conflict when it is undone
        already or the customer it went into has been merged away, too."""
        async with self._database.write() as session:
            row = await _row(session, merge_id)
            if row.undone_at is not None:
                raise Conflict("this merge is undone already", code=Refusal.UNDONE_ALREADY)
            target = await session.get(CustomerRow, row.into_id, with_for_update=True)
            if target is None:
                raise Conflict(
                    "the customer it went into has been merged into another one since; "
                    "undo that merge first",
                    code=Refusal.MERGED_ON,
                )
            (now,) = await customers_of(session, (row.into_id,))
            former = _customer(row.former)
            restored = unmerged(now, _customer(row.before), _customer(row.after), former)
            _write(target, restored)
            if restored.provisional:
                target.provisional_for = await _free(
                    session, CustomerRow.provisional_for, row.before["provisional_for"]
                )
            await session.flush()
            await _restore(session, former, row.former)
            stayed = {}
            for kind, table in MOVING.items():
                stays = await _bring_back(session, row, kind, table)
                if stays:
                    stayed[kind] = stays
            await _bring_identities_back(session, row, former)
            unlinked = await _unlink(session, row)
            row.undone_at, row.undone_by = at, by
            row.result = {"stayed": stayed, "unlinked": unlinked}
            await session.flush()
            return await _merge(session, row)

    async def into(self, customer_id: CustomerId, limit: int = 100) -> tuple[Merge, ...]:
        """The merges into a customer, newest first, undone ones among them."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(MergeRow)
                .where(MergeRow.into_id == customer_id)
                .order_by(MergeRow.at.desc(), MergeRow.id.desc())
                .limit(limit)
            )
            return tuple([await _merge(session, row) for row in rows])


async def _locked(session: AsyncSession, *ids: str) -> dict[str, CustomerRow]:
    rows = await session.scalars(
        select(CustomerRow)
        .where(CustomerRow.id.in_(ids))
        .order_by(
            CustomerRow.id
        )  # always the same order: two merges at once must not wait in a ring
        .with_for_update()
    )
    found = {row.id: row for row in rows}
    for ident in ids:
        if ident not in found:
            raise NotFound(f"no customer {ident}", code=Refusal.NO_SUCH_CUSTOMER)
    return found


async def _row(session: AsyncSession, merge_id: str) -> MergeRow:
    row = await session.get(MergeRow, merge_id)
    if row is None:
        raise NotFound(f"no merge {merge_id}")
    return row


async def _note(
    session: AsyncSession, merge_id: str, kind: str, table: Any, condition: Any
) -> None:
    await session.execute(
        insert(MergeMoveRow).from_select(
            ["merge_id", "kind", "object_id"],
            select(literal(merge_id), literal(kind), table.id).where(condition),
        )
    )


async def _move_identities(session: AsyncSession, merge_id: str, former: str, into: str) -> None:
    """Those that both have stay with `into`; the record of the merge has the other ones."""
    has = IdentityRow.__table__.alias()
    both = and_(
        IdentityRow.customer_id == former,
        select(has.c.id)
        .where(
            has.c.customer_id == into,
            has.c.kind == IdentityRow.kind,
            has.c.value == IdentityRow.value,
        )
        .exists(),
    )
    twice = (await session.scalars(select(IdentityRow.id).where(both))).all()
    await session.execute(delete(IdentityRow).where(IdentityRow.id.in_(twice)))
    ours = IdentityRow.customer_id == former
    await _note(session, merge_id, _IDENTITY, IdentityRow, ours)
    await session.execute(update(IdentityRow).where(ours).values(customer_id=into))


async def _restore(session: AsyncSession, former: Customer, kept: dict[str, Any]) -> None:
    values = row_values(former) | {
        "external_id": await _free(session, CustomerRow.external_id, former.external_id),
        "provisional_for": await _free(
            session, CustomerRow.provisional_for, kept["provisional_for"]
        ),
    }
    await session.execute(insert(CustomerRow).values(values))


async def _free(session: AsyncSession, column: Any, value: str | None) -> str | None:
    """`value`, unless somebody has got it in the meantime: it is unique."""
    if value is None:
        return None
    taken = await session.scalar(select(CustomerRow.id).where(column == value))
    return None if taken is not None else value


def _noted(row: MergeRow, kind: str) -> Any:
    return select(MergeMoveRow.object_id).where(
        MergeMoveRow.merge_id == row.id, MergeMoveRow.kind == kind
    )


async def _bring_back(session: AsyncSession, row: MergeRow, kind: str, table: Any) -> int:
    """Move what is still there; returns how many are not."""
    noted = _noted(row, kind)
    moved = await session.scalar(select(func.count()).select_from(noted.subquery())) or 0
    ours = and_(table.customer_id == row.into_id, table.id.in_(noted))
    back = await session.scalar(select(func.count()).select_from(table).where(ours)) or 0
    await session.execute(update(table).where(ours).values(customer_id=row.former_id))
    return moved - back


async def _bring_identities_back(session: AsyncSession, row: MergeRow, former: Customer) -> None:
    await session.execute(
        update(IdentityRow)
        .where(IdentityRow.customer_id == row.into_id, IdentityRow.id.in_(_noted(row, _IDENTITY)))
        .values(customer_id=row.former_id)
    )
    for identity in former.identities:
        await insert_new(
            session, IdentityRow,
            {"id": identity.id, "customer_id": row.former_id, "kind": identity.kind.value,
             "value": identity.value},
        )  # fmt: skip


async def _unlink(session: AsyncSession, row: MergeRow) -> list[str]:
    """Entries whose case is now another customer's leave it; the record says which."""
    apart = (
        await session.scalars(
            select(InteractionRow.id)
            .join(CaseRow, CaseRow.id == InteractionRow.case_id)
            .where(
                or_(*(CaseRow.customer_id == one for one in (row.former_id, row.into_id))),
                InteractionRow.customer_id != CaseRow.customer_id,
            )
        )
    ).all()
    await session.execute(
        update(InteractionRow).where(InteractionRow.id.in_(apart)).values(case_id=None)
    )
    return list(apart)


def _kept(customer: Customer, row: CustomerRow) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(customer)
    return plain | {"provisional_for": row.provisional_for}


def _customer(kept: dict[str, Any]) -> Customer:
    return msgspec.convert(kept, Customer)


def _write(row: CustomerRow, customer: Customer) -> None:
    for name, value in row_values(customer).items():
        setattr(row, name, value)
    if not customer.provisional:
        row.provisional_for = None


async def _merge(session: AsyncSession, row: MergeRow) -> Merge:
    counts: Sequence[Any] = (
        await session.execute(
            select(MergeMoveRow.kind, func.count())
            .where(MergeMoveRow.merge_id == row.id)
            .group_by(MergeMoveRow.kind)
        )
    ).all()
    return Merge(
        id=MergeId(row.id),
        at=row.at,
        by=row.by,
        by_name=row.by_name,
        former=_customer(row.former),
        into=_customer(row.before),
        into_id=CustomerId(row.into_id),
        moved=dict(counts),
        undone_at=row.undone_at,
        undone_by=row.undone_by,
        stayed=row.result.get("stayed", {}),
        unlinked=tuple(row.result.get("unlinked", ())),
    )
