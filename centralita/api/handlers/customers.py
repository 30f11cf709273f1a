"""Customers, their timeline, their context."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec
from msgspec import UNSET

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply, cursor, page
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import CustomerId, IdentityId, InteractionId, new_id
from centralita.core.refusals import Refusal
from centralita.store.records import Part
from centralita.timeline.identity import caller_identity, normal_email, normal_phone
from centralita.timeline.model import Customer, Identity, IdentityKind


class Customers:
    """Who we talk to."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._store = ports.store
        self._clock = ports.clock
        self._region = ports.settings.region

    def handlers(self) -> dict[str, Handler]:
        return {
            "customers": self.list,
            "make_customer": self.make,
            "customer": self.get,
            "change_customer": self.change,
            "customer_timeline": self.timeline,
            "customer_context": self.context,
            "search": self.search,
        }

    async def list(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.CustomerQuery)
        if query.identity is not None:
            text = query.identity.strip()
            # In a query string "+" stands for a blank: give the number its sign back.
            if query.identity.startswith(" ") and text.isdigit():
                text = "+" + text
            if "@" in text:
                kind, value = IdentityKind.EMAIL, text.lower()
            else:
                kind, value = IdentityKind.PHONE, caller_identity(text, self._region)
            found = await self._store.customers.by_identity(kind, value)
            return Reply(page(Part(found, None), views.customer))
        part = await self._store.customers.search(
            query.q, limit=query.limit, after=cursor(query.cursor)
        )
        return Reply(page(part, views.customer))

    async def get(self, incoming: Incoming) -> Reply:
        return Reply(views.customer(await self._existing(incoming)))

    async def make(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(s.NewCustomer)
        customer_id = CustomerId(new_id("cus"))
        customer = Customer(
            id=customer_id,
            name=wanted.name,
            created_at=self._clock.now(),
            segment=wanted.segment,
            language=wanted.language,
            notes=wanted.notes,
            identities=self._identities(customer_id, wanted.identities, "$.identities"),
        )
        return Reply(views.customer(await self._store.customers.add(customer)), 201)

    async def change(self, incoming: Incoming) -> Reply:
        patch = incoming.body(s.CustomerPatch)
        customer = await self._existing(incoming)
        added = patch.add_identities
        changed = replace(
            customer,
            name=customer.name if patch.name is UNSET else patch.name,
            segment=customer.segment if patch.segment is UNSET else patch.segment,
            language=customer.language if patch.language is UNSET else patch.language,
            notes=customer.notes if patch.notes is UNSET else patch.notes,
            provisional=customer.provisional and patch.name is UNSET,
            identities=()
            if added is UNSET
            else self._identities(customer.id, added, "$.add_identities"),
        )
        # Which fields, and not what is in them: a person can be erased, the audit log cannot.
        await self._auditor.enter(
            incoming, Action.CUSTOMER_CHANGED, customer.id,
            fields=[name for name, value in msgspec.structs.asdict(patch).items()
                    if value is not UNSET],
        )  # fmt: skip
        return Reply(views.customer(await self._store.customers.save(changed)))

    async def timeline(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.TimelineQuery)
        customer = await self._existing(incoming)
        part = await self._store.interactions.timeline(
            customer.id,
            limit=query.limit,
            after=cursor(query.cursor),
            channel=query.channel,
            since=InteractionId(query.since) if query.since is not None else None,
        )
        return Reply(page(part, views.interaction))

    async def search(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.SearchQuery)
        part = await self._store.search(
            query.q,
            limit=query.limit,
            after=cursor(query.cursor),
            customer_id=CustomerId(query.customer_id) if query.customer_id is not None else None,
            channel=query.channel,
        )
        return Reply(page(part, views.search_hit))

    async def context(self, incoming: Incoming) -> Reply:
        customer_id = CustomerId(incoming.path("id"))
        context = await self._store.context.context_for(customer_id, self._clock.now())
        return Reply(views.context(context))

    async def _existing(self, incoming: Incoming) -> Customer:
        customer = await self._store.customers.get(CustomerId(incoming.path("id")))
        if customer is None:
            raise NotFound(f"no customer {incoming.path('id')}", code=Refusal.NO_SUCH_CUSTOMER)
        return customer

    def _identities(
        self, customer_id: CustomerId, given: Iterable[s.NewIdentity], place: str
    ) -> tuple[Identity, ...]:
        identities = []
        for number, identity in enumerate(given):
            try:
                value = (
                    normal_email(identity.value)
                    if identity.kind is IdentityKind.EMAIL
                    else normal_phone(identity.value, self._region)
                )
            except InvalidInput as exc:
                raise exc.at(f"{place}[{number}].value") from exc
            identities.append(
                Identity(
                    id=IdentityId(new_id("idn")),
                    customer_id=customer_id,
                    kind=identity.kind,
                    value=value,
                )
            )
        return tuple(identities)
