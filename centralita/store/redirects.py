"""Where a customer is now who may have been merged into another one."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.store.tables import CustomerRow, MergeRow

# Asked for each call, and made once. The lock keeps a merge from taking the customer away between
# this question and the row that refers to them; SQLite has one writer, and no such lock.
_THERE = (
    select(CustomerRow.id)
    .where(CustomerRow.id == bindparam("customer"))
    .with_for_update(read=True, key_share=True)
)
_WENT_TO = select(MergeRow.into_id).where(
    MergeRow.former_id == bindparam("customer"), MergeRow.undone_at.is_(None)
)


async def current(session: AsyncSession, customer_id: str | None) -> str | None:
    """The customer to whom something of `customer_id` is to be written."""
    if customer_id is None:
        return None
    if await session.scalar(_THERE, {"customer": customer_id}) is not None:
        return customer_id
    return await redirected(session, customer_id)


async def redirected(session: AsyncSession, customer_id: str) -> str:
    """Where a customer went who is not there any more; the same one when nobody knows."""
    seen = {customer_id}
    while (into := await session.scalar(_WENT_TO, {"customer": customer_id})) is not None:
        if into in seen:
            break
        seen.add(into)
        customer_id = into
    return customer_id
