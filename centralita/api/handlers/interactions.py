"""Entries of timelines, and cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from msgspec import UNSET

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Forbidden, Handler, Incoming, Principal, Reply, cursor, page
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import CaseId, CustomerId, InteractionId, new_id
from centralita.core.refusals import Refusal
from centralita.store.writing import tidy_tag
from centralita.timeline.identity import normal_identity
from centralita.timeline.model import Case, CaseState, Channel, Direction, Interaction
from centralita.timeline.repositories import Annotation

# Another machine's clock may be ahead of ours by so much.
_AHEAD = timedelta(minutes=5)


class Interactions:
    """What was said, and what it is about."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._store = ports.store
        self._clock = ports.clock
        self._region = ports.settings.region

    def handlers(self) -> dict[str, Handler]:
        return {
            "make_interaction": self.make,
            "interaction": self.get,
            "change_interaction": self.change,
            "assign_customer": self.assign,
            "cases": self.cases,
            "open_case": self.open_case,
            "change_case": self.change_case,
        }

    async def make(self, incoming: Incoming) -> Reply:
        given = incoming.body(s.NewInteraction)
        if given.external_id is not None:
            there = await self._store.interactions.by_external_id(given.external_id, given.channel)
            if there is not None:
                return Reply(views.interaction(there), 200)
        now = self._clock.now()
        started_at = given.started_at or now
        for place, at in (("$.started_at", given.started_at), ("$.ended_at", given.ended_at)):
            if at is not None and at > now + _AHEAD:
                raise InvalidInput(f"{at:%Y-%m-%d %H:%M} is yet to come", place=place)
        if given.ended_at is not None and given.ended_at < started_at:
            raise InvalidInput("lies before started_at", place="$.ended_at")
        customer_id, candidates = await self._whose(given)
        if given.case_id is not None:
            await self._check_case(given.case_id, customer_id)
        direction, who = Direction(given.direction), incoming.who
        interaction_id = InteractionId(new_id("int"))
        by_hand = bool(who.session)
        # Not what it says: that must be gone when the customer wants to be forgotten.
        await self._auditor.enter(
            incoming, Action.INTERACTION_MADE, interaction_id, channel=given.channel,
            direction=given.direction, started_at=started_at.isoformat(), by_hand=by_hand,
        )  # fmt: skip
        entry, made = await self._store.interactions.add(
            Interaction(
                id=interaction_id,
                channel=Channel(given.channel),
                direction=direction,
                started_at=started_at,
                ended_at=given.ended_at or started_at,
                customer_id=customer_id,
                candidates=candidates,
                subject=given.subject,
                body=given.body,
                external_id=given.external_id,
                case_id=CaseId(given.case_id) if given.case_id is not None else None,
                agent_id=None if direction is Direction.IN else who.agent_id,
                created_by=who.user.id,
                created_at=self._clock.now(),
                by_hand=by_hand,
            )
        )
        if made and entry.case_id is not None:
            await self._store.cases.move(entry.case_id, self._clock.now())
        return Reply(views.interaction(entry), 201 if made else 200)

    async def get(self, incoming: Incoming) -> Reply:
        return Reply(views.interaction(await self._existing(incoming)))

    async def change(self, incoming: Incoming) -> Reply:
        patch = incoming.body(s.InteractionPatch)
        entry = await self._existing(incoming)
        _check_may_write(incoming.who, entry)
        if patch.case_id is not UNSET and patch.case_id is not None:
            await self._check_case(patch.case_id, entry.customer_id)
        annotation = Annotation(
            notes=None if patch.notes is UNSET else patch.notes,
            disposition=None if patch.disposition is UNSET else patch.disposition,
            tags=None
            if patch.tags is UNSET
            else tuple(dict.fromkeys(tag for one in patch.tags if (tag := tidy_tag(one)))),
            case_id=None
            if patch.case_id is UNSET or patch.case_id is None
            else CaseId(patch.case_id),
            set_case=patch.case_id is not UNSET,
        )
        changed = await self._store.interactions.annotate(entry.id, annotation)
        if changed.case_id is not None and changed.case_id != entry.case_id:
            await self._store.cases.move(changed.case_id, self._clock.now())
        return Reply(views.interaction(changed))

    async def assign(self, incoming: Incoming) -> Reply:
        given = incoming.body(s.AssignCustomer)
        entry = await self._existing(incoming)
        _check_may_write(incoming.who, entry)
        customer = await self._customer(given.customer_id, "$.customer_id")
        if given.merge and entry.customer_id not in (None, customer):
            former = await self._store.customers.get(CustomerId(entry.customer_id or ""))
            if former is not None and former.provisional and former.id != customer:
                await self._auditor.enter(
                    incoming, Action.CUSTOMERS_MERGED, former.id, into=customer
                )
                user = incoming.who.user
                await self._store.merges.merge(
                    former.id, customer, self._clock.now(), by=user.id, by_name=user.name
                )
        if entry.customer_id != customer:
            await self._auditor.enter(
                incoming, Action.INTERACTION_ASSIGNED, entry.id, customer=customer
            )
        assigned = await self._store.interactions.assign(entry.id, customer)
        return Reply(views.interaction(assigned))

    async def cases(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.CaseQuery)
        part = await self._store.cases.list(
            limit=query.limit,
            after=cursor(query.cursor),
            customer_id=CustomerId(query.customer_id) if query.customer_id is not None else None,
            state=query.state,
        )
        return Reply(page(part, views.case))

    async def open_case(self, incoming: Incoming) -> Reply:
        given, now = incoming.body(s.NewCase), self._clock.now()
        case = Case(
            id=CaseId(new_id("case")),
            customer_id=await self._customer(given.customer_id, "$.customer_id"),
            subject=given.subject,
            state=CaseState.OPEN,
            opened_at=now,
            updated_at=now,
        )
        return Reply(views.case(await self._store.cases.add(case)), 201)

    async def change_case(self, incoming: Incoming) -> Reply:
        patch = incoming.body(s.CasePatch)
        case = await self._store.cases.get(CaseId(incoming.path("id")))
        if case is None:
            raise NotFound(f"no case {incoming.path('id')}", code=Refusal.NO_SUCH_CASE)
        changed = replace(
            case,
            subject=case.subject if patch.subject is UNSET else patch.subject,
            state=case.state if patch.state is UNSET else patch.state,
            updated_at=self._clock.now(),
        )
        return Reply(views.case(await self._store.cases.save(changed)))

    async def _existing(self, incoming: Incoming) -> Interaction:
        entry = await self._store.interactions.get(InteractionId(incoming.path("id")))
        if entry is None:
            raise NotFound(f"no interaction {incoming.path('id')}", code=Refusal.NO_SUCH_CONTACT)
        return entry

    async def _customer(self, given: str, place: str) -> CustomerId:
        customer = await self._store.customers.get(CustomerId(given))
        if customer is None:
            raise InvalidInput(
                "there is no such customer", place=place, code=Refusal.UNKNOWN_CUSTOMER
            )
        return customer.id

    async def _whose(
        self, given: s.NewInteraction
    ) -> tuple[CustomerId | None, tuple[CustomerId, ...]]:
        """The customer of a message, or those who share the address it came from."""
        if given.customer_id is not None:
            return await self._customer(given.customer_id, "$.customer_id"), ()
        if given.identity is None:
            raise InvalidInput("say whose it is: customer_id or identity", place="$")
        try:
            kind, value = normal_identity(given.identity, self._region)
        except InvalidInput as exc:
            raise exc.at("$.identity") from exc
        found = await self._store.customers.by_identity(kind, value)
        match found:
            case ():
                made = await self._store.customers.provisional(kind, value, self._clock.now())
                return made.id, ()
            case (customer,):
                return customer.id, ()
            case _:
                return None, tuple(customer.id for customer in found)

    async def _check_case(self, case_id: str, customer_id: CustomerId | None) -> None:
        case = await self._store.cases.get(CaseId(case_id))
        if case is None or case.customer_id != customer_id:
            raise InvalidInput(
                "this customer has no such case", place="$.case_id", code=Refusal.CASE_OF_ANOTHER
            )


def _check_may_write(who: Principal, entry: Interaction) -> None:
    """Agents write on their own contacts and on those that nobody has taken."""
    talked = {talk.agent_id for talk in entry.call.talks} if entry.call is not None else set()
    if who.is_supervisor or entry.agent_id is None:
        return
    if who.agent_id is None or who.agent_id not in {entry.agent_id, *talked}:
        raise Forbidden("this was another agent's contact", code=Refusal.NOT_YOUR_CONTACT)
