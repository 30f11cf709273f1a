"""An import without its writing: what it would add, as long as nobody else writes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from centralita.timeline.model import Customer, IdentityKind, Interaction, new_provisional


class CustomersToImport(Protocol):
    """What an import needs of customers; `timeline.repositories.CustomerRepository` has it."""

    async def by_identity(self, kind: IdentityKind, value: str) -> tuple[Customer, ...]: ...

    async def by_external_id(self, external_id: str) -> Customer | None: ...

    async def add(self, customer: Customer) -> Customer: ...

    async def provisional(self, kind: IdentityKind, value: str, at: datetime) -> Customer: ...


class EntriesToImport(Protocol):
    """What an import needs of the entries."""

    async def add(self, interaction: Interaction) -> tuple[Interaction, bool]: ...


class KnownEntries(Protocol):
    """Who knows what is there already."""

    async def by_external_id(self, external_id: str, channel: str) -> Interaction | None: ...


class RehearsedCustomers:
    """Those that there are, and those that would have been added."""

    def __init__(self, there: CustomersToImport) -> None:
        self._there = there
        self._added: dict[str, Customer] = {}
        self._by_identity: dict[tuple[IdentityKind, str], tuple[Customer, ...]] = {}

    async def by_identity(self, kind: IdentityKind, value: str) -> tuple[Customer, ...]:
        there = await self._there.by_identity(kind, value)
        return (*there, *self._by_identity.get((kind, value), ()))

    async def by_external_id(self, external_id: str) -> Customer | None:
        added = self._added.get(external_id)
        return added if added is not None else await self._there.by_external_id(external_id)

    async def add(self, customer: Customer) -> Customer:
        if customer.external_id is not None:
            self._added[customer.external_id] = customer
        self._remember((customer,))
        return customer

    async def provisional(self, kind: IdentityKind, value: str, at: datetime) -> Customer:
        customer = new_provisional(kind, value, at)
        self._remember((customer,))
        return customer

    def _remember(self, customers: Iterable[Customer]) -> None:
        for customer in customers:
            for one in customer.identities:
                place = one.kind, one.value
                self._by_identity[place] = (*self._by_identity.get(place, ()), customer)


class RehearsedEntries:
    """Counts what would have been added."""

    def __init__(self, there: KnownEntries) -> None:
        self._there = there
        self._added: set[tuple[str, str]] = set()

    async def add(self, interaction: Interaction) -> tuple[Interaction, bool]:
        ident, channel = interaction.external_id or "", interaction.channel.value
        if (channel, ident) in self._added:
            return interaction, False
        there = await self._there.by_external_id(ident, channel)
        if there is not None:
            return there, False
        self._added.add((channel, ident))
        return interaction, True
