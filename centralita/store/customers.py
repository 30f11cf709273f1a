"""Customers and their identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import CustomerId, IdentityId, new_id
from centralita.store.database import Database
from centralita.store.records import Cursor, Part
from centralita.store.sql import containing, insert_new, part
from centralita.store.tables import CaseRow, CustomerRow, IdentityRow, InteractionRow, TaskRow
from centralita.timeline.model import Customer, Identity, IdentityKind, new_provisional
from centralita.timeline.words import folded

# Asked for each call, and made once: to make a statement takes longer than to execute it.
_BY_IDENTITY = (
    select(CustomerRow)
    .join(IdentityRow, IdentityRow.customer_id == CustomerRow.id)
    .where(IdentityRow.kind == bindparam("kind"), IdentityRow.value == bindparam("value"))
    .order_by(CustomerRow.created_at, CustomerRow.id)
)
_IDENTITIES = (
    select(IdentityRow.id, IdentityRow.customer_id, IdentityRow.kind, IdentityRow.value)
    .where(IdentityRow.customer_id.in_(bindparam("customers", expanding=True)))
    .order_by(IdentityRow.kind.desc(), IdentityRow.value)
)


class Customers:
    """Implements timeline.repositories.CustomerRepository, and the lists the API shows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, customer_id: CustomerId) -> Customer | None:
        found = await self.get_many((customer_id,))
        return found[0] if found else None

    async def get_many(self, ids: Sequence[CustomerId]) -> tuple[Customer, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(select(CustomerRow).where(CustomerRow.id.in_(ids)))
            found = {customer.id: customer for customer in await _customers(session, rows)}
        return tuple(found[ident] for ident in ids if ident in found)

    async def by_identity(self, kind: IdentityKind, value: str) -> tuple[Customer, ...]:
        async with self._database.read() as session:
            rows = await session.scalars(_BY_IDENTITY, {"kind": kind.value, "value": value})
            return tuple(await _customers(session, rows))

    async def by_external_id(self, external_id: str) -> Customer | None:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(CustomerRow).where(CustomerRow.external_id == external_id)
            )
            return next(iter(await _customers(session, rows)), None)

    async def search(
        self, text: str | None, *, limit: int, after: Cursor | None = None
    ) -> Part[Customer]:
        """Customers whose name or an identity contains `text`, newest first; all if None."""
        statement = select(CustomerRow)
        if text:
            matches = select(IdentityRow.customer_id).where(
                IdentityRow.value.like(containing(text.casefold().replace(" ", "")), escape="\\")
            )
            statement = statement.where(
                or_(
                    CustomerRow.search.like(containing(folded(text)), escape="\\"),
                    CustomerRow.id.in_(matches),
                )
            )
        async with self._database.read() as session:
            rows, following = await part(
                session, statement, CustomerRow.created_at, CustomerRow.id,
                limit=limit, after=after,
            )  # fmt: skip
            return Part(tuple(await _customers(session, rows)), following)

    async def add(self, customer: Customer) -> Customer:
        async with self._database.write() as session:
            if not await insert_new(session, CustomerRow, _values(customer)):
                raise Conflict(f"there is a customer {customer.external_id or customer.id} already")
            await _add_identities(session, customer)
        return customer

    async def provisional(self, kind: IdentityKind, value: str, at: datetime) -> Customer:
        return await self.keep_provisional(new_provisional(kind, value, at))

    async def keep_provisional(self, customer: Customer) -> Customer:
        (identity,) = customer.identities
        key = f"{identity.kind.value}:{identity.value}"
        async with self._database.write() as session:
            if await insert_new(session, CustomerRow, _values(customer) | {"provisional_for": key}):
                await _add_identities(session, customer)
                return customer
            # Somebody else made one for this identity, or this very one was stored before.
            rows = await session.scalars(
                select(CustomerRow)
                .where(or_(CustomerRow.provisional_for == key, CustomerRow.id == customer.id))
                .order_by(CustomerRow.provisional_for.is_(None))
            )
            return next(iter(await _customers(session, rows)))

    async def save(self, customer: Customer) -> Customer:
        async with self._database.write() as session:
            row = await session.get(CustomerRow, customer.id)
            if row is None:
                raise NotFound(f"no customer {customer.id}")
            row.name, row.search = customer.name, folded(customer.name)
            row.segment, row.language = customer.segment, customer.language
            row.notes, row.provisional = customer.notes, customer.provisional
            if not customer.provisional:
                row.provisional_for = None
            await session.flush()
            await _add_identities(session, customer)
            return next(iter(await _customers(session, (row,))))

    async def merge(self, provisional: CustomerId, into: CustomerId) -> None:
        async with self._database.write() as session:
            former = await session.get(CustomerRow, provisional)
            target = await session.get(CustomerRow, into)
            if former is None or target is None:
                raise NotFound(f"no customer {provisional if former is None else into}")
            if not former.provisional or provisional == into:
                raise Conflict("only a provisional customer can be merged into another one")
            former_identities = await session.scalars(
                select(IdentityRow).where(IdentityRow.customer_id == provisional)
            )
            for identity in former_identities.all():
                await insert_new(
                    session, IdentityRow,
                    {"id": new_id("idn"), "customer_id": into, "kind": identity.kind,
                     "value": identity.value},
                )  # fmt: skip
            for table in (InteractionRow, CaseRow, TaskRow):
                await session.execute(
                    update(table).where(table.customer_id == provisional).values(customer_id=into)
                )
            await session.execute(delete(IdentityRow).where(IdentityRow.customer_id == provisional))
            await session.execute(delete(CustomerRow).where(CustomerRow.id == provisional))


def _values(customer: Customer) -> dict[str, object]:
    return {
        "id": customer.id,
        "name": customer.name,
        "search": folded(customer.name),
        "segment": customer.segment,
        "language": customer.language,
        "notes": customer.notes,
        "provisional": customer.provisional,
        "external_id": customer.external_id,
        "created_at": customer.created_at,
    }


async def _add_identities(session: AsyncSession, customer: Customer) -> None:
    for identity in customer.identities:
        await insert_new(
            session, IdentityRow,
            {"id": identity.id, "customer_id": customer.id, "kind": identity.kind.value,
             "value": identity.value},
        )  # fmt: skip


async def _customers(session: AsyncSession, rows: Iterable[CustomerRow]) -> list[Customer]:
    found = list(rows)
    identities: dict[str, list[Identity]] = {row.id: [] for row in found}
    if found:
        for ident, customer_id, kind, value in await session.execute(
            _IDENTITIES, {"customers": list(identities)}
        ):
            identities[customer_id].append(
                Identity(
                    id=IdentityId(ident),
                    customer_id=CustomerId(customer_id),
                    kind=IdentityKind(kind),
                    value=value,
                )
            )
    return [
        Customer(
            id=CustomerId(row.id),
            name=row.name,
            created_at=row.created_at,
            segment=row.segment,
            language=row.language,
            notes=row.notes,
            provisional=row.provisional,
            external_id=row.external_id,
            identities=tuple(identities[row.id]),
        )
        for row in found
    ]
