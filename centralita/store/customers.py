"""Customers and their identities."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Table, and_, bindparam, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import CustomerId, IdentityId
from centralita.core.refusals import Refusal
from centralita.store.database import Database
from centralita.store.records import Cursor, Part
from centralita.store.redirects import redirected
from centralita.store.sql import containing, insert_new, part
from centralita.store.tables import CustomerRow, IdentityRow, MergeRow
from centralita.timeline.model import Customer, Identity, IdentityKind, new_provisional
from centralita.timeline.words import folded

_CUSTOMERS = cast(Table, CustomerRow.__table__)
_IDENTITIES = cast(Table, IdentityRow.__table__)
# Asked for each call, and made once: to make a statement takes longer than to execute it. A row for
# each identity.
_WHOLE = (
    select(
        *_CUSTOMERS.c,
        _IDENTITIES.c.id.label("identity_id"),
        _IDENTITIES.c.kind,
        _IDENTITIES.c.value,
    )
    .outerjoin_from(_CUSTOMERS, _IDENTITIES)
    .order_by(
        _CUSTOMERS.c.created_at,
        _CUSTOMERS.c.id,
        _IDENTITIES.c.kind.desc(),
        _IDENTITIES.c.value,
    )
)
_BY_ID = _WHOLE.where(_CUSTOMERS.c.id == bindparam("customer"))
_WITH_IDENTITY = select(IdentityRow.customer_id).where(
    IdentityRow.kind == bindparam("kind"), IdentityRow.value == bindparam("value")
)
_BY_IDENTITY = _WHOLE.where(_CUSTOMERS.c.id.in_(_WITH_IDENTITY))
_BY_EXTERNAL_ID = _WHOLE.where(_CUSTOMERS.c.external_id == bindparam("external_id"))
_OF_CUSTOMERS = _WHOLE.where(_CUSTOMERS.c.id.in_(bindparam("customers", expanding=True)))
# More words of a name are not looked at.
_WORDS = 12
_NUMBER = re.compile(r"[\d().\-/+]+")


class Customers:
    """Implements timeline.repositories.CustomerRepository, and the lists the API shows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, customer_id: CustomerId) -> Customer | None:
        async with self._database.read() as session:
            found = _customers(await session.execute(_BY_ID, {"customer": customer_id}))
        # One who is not there may have been merged into another.
        found = found or list(await self.get_many((customer_id,)))
        return found[0] if found else None

    async def get_many(self, ids: Sequence[CustomerId]) -> tuple[Customer, ...]:
        async with self._database.read() as session:
            found = {customer.id: customer for customer in await customers_of(session, ids)}
            went = {one: await redirected(session, one) for one in ids if one not in found}
            into = [one for former, one in went.items() if one != former]
            found |= {customer.id: customer for customer in await customers_of(session, into)}
        wanted = dict.fromkeys(CustomerId(went.get(ident, ident)) for ident in ids)
        return tuple(found[ident] for ident in wanted if ident in found)

    async def by_identity(self, kind: IdentityKind, value: str) -> tuple[Customer, ...]:
        async with self._database.read() as session:
            asked = {"kind": kind.value, "value": value}
            return tuple(_customers(await session.execute(_BY_IDENTITY, asked)))

    async def by_external_id(self, external_id: str) -> Customer | None:
        async with self._database.read() as session:
            asked = {"external_id": external_id}
            found = _customers(await session.execute(_BY_EXTERNAL_ID, asked))
            if found:
                return found[0]
            # Who was merged into somebody with another id is still known by the own one.
            former = await session.scalar(
                select(MergeRow.former_id).where(
                    MergeRow.former["external_id"].as_string() == external_id,
                    MergeRow.undone_at.is_(None),
                )
            )
            if former is None:
                return None
            into = await redirected(session, former)
            return next(iter(await customers_of(session, (into,))), None)

    async def search(
        self, text: str | None, *, limit: int, after: Cursor | None = None
    ) -> Part[Customer]:
        """Customers whose name has all words of `text`, in any order, or of whom an identity
        contains it as people write numbers; newest first, all if None."""
        statement = select(CustomerRow)
        if text:
            matches = select(IdentityRow.customer_id).where(
                IdentityRow.value.like(containing(_as_kept(text)), escape="\\")
            )
            words = folded(text).split()[:_WORDS]
            statement = statement.where(
                or_(
                    and_(
                        *(CustomerRow.search.like(containing(word), escape="\\") for word in words)
                    )
                    if words
                    else false(),
                    CustomerRow.id.in_(matches),
                )
            )
        async with self._database.read() as session:
            rows, following = await part(
                session, statement, CustomerRow.created_at, CustomerRow.id,
                limit=limit, after=after,
            )  # fmt: skip
            found = await customers_of(session, [row.id for row in rows])
            return Part(tuple(found), following)

    async def add(self, customer: Customer) -> Customer:
        async with self._database.write() as session:
            if not await insert_new(session, CustomerRow, row_values(customer)):
                raise Conflict(
                    f"there is a customer {customer.external_id or customer.id} already",
                    code=Refusal.CUSTOMER_EXISTS,
                )
            await _add_identities(session, customer)
        return customer

    async def provisional(self, kind: IdentityKind, value: str, at: datetime) -> Customer:
        return await self.keep_provisional(new_provisional(kind, value, at))

    async def keep_provisional(self, customer: Customer) -> Customer:
        (identity,) = customer.identities
        key = f"{identity.kind.value}:{identity.value}"
        async with self._database.write() as session:
            if await insert_new(
                session, CustomerRow, row_values(customer) | {"provisional_for": key}
            ):
                await _add_identities(session, customer)
                return customer
            # Somebody else made one for this identity, or this very one was stored before.
            there = await session.scalars(
                select(CustomerRow.id)
                .where(or_(CustomerRow.provisional_for == key, CustomerRow.id == customer.id))
                .order_by(CustomerRow.provisional_for.is_(None))
            )
            return (await customers_of(session, there.all()))[0]

    async def save(self, customer: Customer) -> Customer:
        async with self._database.write() as session:
            row = await session.get(CustomerRow, customer.id)
            if row is None:
                raise NotFound(f"no customer {customer.id}", code=Refusal.NO_SUCH_CUSTOMER)
            row.name, row.search = customer.name, folded(customer.name)
            row.segment, row.language = customer.segment, customer.language
            row.notes, row.provisional = customer.notes, customer.provisional
            if not customer.provisional:
                row.provisional_for = None
            await session.flush()
            await _add_identities(session, customer)
            return (await customers_of(session, (customer.id,)))[0]


def _as_kept(text: str) -> str:
    """A number in any usual writing as a part of one in E.164; anything else in small letters."""
    bare = "".join(text.casefold().split())
    digits = re.sub(r"\D", "", bare) if _NUMBER.fullmatch(bare) else ""
    return digits.removeprefix("00") or bare


def row_values(customer: Customer) -> dict[str, object]:
    """The columns of a customer."""
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


async def customers_of(session: AsyncSession, ids: Iterable[str]) -> list[Customer]:
    """Those of them that there are, in that order, as the database has them."""
    wanted = list(ids)
    if not wanted:
        return []
    there = _customers(await session.execute(_OF_CUSTOMERS, {"customers": wanted}))
    found = {customer.id: customer for customer in there}
    return [found[CustomerId(ident)] for ident in wanted if ident in found]


def _customers(rows: Iterable[Row[Any]]) -> list[Customer]:
    """What `_WHOLE` finds."""
    by_customer = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row.id)]
    return [
        Customer(
            id=CustomerId(own[0].id),
            name=own[0].name,
            created_at=own[0].created_at,
            segment=own[0].segment,
            language=own[0].language,
            notes=own[0].notes,
            provisional=own[0].provisional,
            external_id=own[0].external_id,
            identities=tuple(
                Identity(
                    id=IdentityId(row.identity_id),
                    customer_id=CustomerId(row.id),
                    kind=IdentityKind(row.kind),
                    value=row.value,
                )
                for row in own
                if row.identity_id is not None
            ),
        )
        for own in by_customer
    ]
