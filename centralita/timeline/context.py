"""What happened before: what an agent sees while the phone rings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from centralita.core.errors import NotFound
from centralita.core.ids import CustomerId
from centralita.core.refusals import Refusal
from centralita.timeline.model import CustomerContext
from centralita.timeline.repositories import (
    CaseRepository,
    CustomerRepository,
    InteractionRepository,
)

RECENT = 10
CASES = 5
WEEK = timedelta(days=7)


class ContextReader:
    """Reads the context of a customer. `together` makes what is read within it one view."""

    def __init__(
        self,
        customers: CustomerRepository,
        interactions: InteractionRepository,
        cases: CaseRepository,
        together: Callable[[], AbstractAsyncContextManager[object]],
    ) -> None:
        self._customers = customers
        self._interactions = interactions
        self._cases = cases
        self._together = together

    async def context_for(self, customer_id: CustomerId, now: datetime) -> CustomerContext:
        """The customer, cases (open first), the last entries (newest first); raises NotFound."""
        async with self._together():
            customer = await self._customers.get(customer_id)
            if customer is None:
                raise NotFound(f"no customer {customer_id}", code=Refusal.NO_SUCH_CUSTOMER)
            recent = await self._interactions.recent(customer_id, RECENT)
            said = await self._interactions.said_in(recent)
            tally = await self._interactions.tally(customer_id, now - WEEK)
            cases = await self._cases.of_customer(customer_id, CASES) if tally.cases else ()
        return CustomerContext(
            customer=customer,
            cases=cases,
            recent=recent,
            calls=tally.calls,
            messages=tally.messages,
            open_tasks=tally.open_tasks,
            said=said,
            contacts_last_week=tally.contacts,
            last_disposition=tally.disposition,
            last_disposition_at=tally.disposition_at,
        )
