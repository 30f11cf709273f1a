"""What agents write to customers: from templates, into the outbox, and on its way."""

from __future__ import annotations

import logging

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Forbidden, Handler, Incoming, Principal, Reply, cursor, page
from centralita.api.ports import ApiPorts
from centralita.api.rights import serves, serves_with
from centralita.audit.entry import Action, Outcome
from centralita.channels.sms import MOST_PARTS, parts
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import (
    CaseId,
    CustomerId,
    InteractionId,
    MessageId,
    TemplateId,
    new_id,
)
from centralita.core.refusals import Refusal
from centralita.core.wire import Plain
from centralita.outbound.messages import MessageRefused, decide_message
from centralita.outbound.rules import Rules
from centralita.timeline.model import Channel, Customer, Direction, IdentityKind, Interaction
from centralita.timeline.sending import UNSENT
from centralita.timeline.templates import (
    OutgoingMessage,
    Template,
    TemplateText,
    check,
    fill,
    in_language,
)

log = logging.getLogger(__name__)

_KIND = {Channel.EMAIL: IdentityKind.EMAIL, Channel.SMS: IdentityKind.PHONE}


class TooLong(InvalidInput):
    """More than an SMS can hold."""

    code = "too_long"


class Writing:
    """Templates and messages."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._post = ports.post
        self._auditor = auditor
        self._settings = ports.settings

    def handlers(self) -> dict[str, Handler]:
        return {
            "templates": self.templates,
            "put_template": self.put_template,
            "remove_template": self.remove_template,
            "draft": self.draft,
            "write_message": self.write,
            "outbox": self.outbox,
            "retry_message": self.retry,
            "tags": self.tags,
        }

    async def templates(self, incoming: Incoming) -> Reply:
        items = [views.template(one) for one in await self._store.templates.all()]
        return Reply(s.Page(items=items))

    async def put_template(self, incoming: Incoming) -> Reply:
        given = incoming.body(s.TemplateBody)
        template = Template(
            id=TemplateId(incoming.path("id")),
            channel=Channel(given.channel),
            name=given.name,
            texts=tuple(
                TemplateText(language=one.language, subject=one.subject, body=one.body)
                for one in given.texts
            ),
        )
        check(template)
        await self._auditor.enter(incoming, Action.TEMPLATE_PUT, template.id, name=template.name)
        await self._store.templates.put(template)
        return Reply(views.template(template))

    async def remove_template(self, incoming: Incoming) -> Reply:
        template_id = TemplateId(incoming.path("id"))
        await self._auditor.enter(incoming, Action.TEMPLATE_REMOVED, template_id)
        await self._store.templates.remove(template_id)
        return Reply(None, 204)

    async def draft(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.DraftQuery)
        template = await self._store.templates.get(TemplateId(incoming.path("id")))
        if template is None:
            raise NotFound(f"no template {incoming.path('id')}")
        customer = await self._customer(query.customer_id, "query.customer_id")
        case = await self._store.cases.get(CaseId(query.case_id)) if query.case_id else None
        text = in_language(template, (query.language, customer.language))
        values = {
            "name": customer.name,
            "agent": incoming.who.user.name,
            "case": case.subject if case is not None else "",
        }
        return Reply(
            s.Draft(
                language=text.language,
                subject=fill(text.subject, values),
                body=fill(text.body, values),
                to=_addresses(customer, template.channel),
                will_be_sent=self._post.sends(template.channel.value),
            )
        )

    async def write(self, incoming: Incoming) -> Reply:
        given, now = incoming.body(s.NewMessage), self._clock.now()
        customer = await self._customer(given.customer_id, "$.customer_id")
        channel = Channel(given.channel)
        if given.to not in _addresses(customer, channel):
            raise InvalidInput(
                "is not a number or address of this customer; add it to the customer first",
                place="$.to",
            )
        if channel is Channel.SMS and given.subject:
            raise InvalidInput("an SMS has no subject", place="$.subject")
        if channel is Channel.SMS and parts(given.body) > MOST_PARTS:
            raise TooLong(f"is longer than {MOST_PARTS} SMS together", place="$.body")
        if given.case_id is not None:
            case = await self._store.cases.get(CaseId(given.case_id))
            if case is None or case.customer_id != customer.id:
                raise InvalidInput("this customer has no such case", place="$.case_id")
        message = OutgoingMessage(
            id=MessageId(new_id("msg")),
            interaction_id=InteractionId(new_id("int")),
            customer_id=customer.id,
            channel=channel,
            to=given.to,
            created_at=now,
            created_by=incoming.who.user.id,
            template_id=TemplateId(given.template_id) if given.template_id is not None else None,
        )
        await self._enter(incoming, message)
        async with self._store.transaction():
            # Of many at once, each sees those before it.
            if (refused := await self._refused(message)) is not None:
                raise refused.error()
            await self._store.interactions.add(
                Interaction(
                    id=message.interaction_id,
                    channel=channel,
                    direction=Direction.OUT,
                    started_at=now,
                    ended_at=now,
                    customer_id=customer.id,
                    subject=given.subject,
                    body=given.body,
                    case_id=CaseId(given.case_id) if given.case_id is not None else None,
                    agent_id=incoming.who.agent_id,
                    created_by=incoming.who.user.id,
                    created_at=now,
                )
            )
            await self._store.outbox.add(message)
        self._post.wake(channel.value)
        entry = await self._store.interactions.get(message.interaction_id)
        assert entry is not None
        return Reply(views.interaction(entry), 201)

    async def _refused(self, message: OutgoingMessage) -> MessageRefused | None:
        rules = self._settings.outbound or Rules(region=self._settings.region)
        written = await self._store.outbox.written(
            message.channel, message.created_by, rules.day_of(message.created_at)
        )
        return decide_message(
            rules,
            self._settings.message_limits,
            sms=message.channel is Channel.SMS,
            to=message.to,
            written=written,
        )

    async def _enter(self, incoming: Incoming, message: OutgoingMessage) -> None:
        """Who writes, and not to which number: a person can be erased, the audit log cannot.
        Raises Conflict for what may not be written."""
        refused = await self._refused(message)
        reason: dict[str, Plain] = {} if refused is None else {"reason": refused.reason.value}
        await self._auditor.enter(
            incoming,
            Action.MESSAGE_WRITTEN,
            message.id,
            Outcome.DONE if refused is None else Outcome.REFUSED,
            channel=message.channel.value,
            customer=message.customer_id,
            **reason,
        )
        if refused is not None:
            log.warning("message refused", extra={"user_id": message.created_by, **reason})
            raise refused.error()

    async def outbox(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.OutboxQuery)
        part = await self._store.outbox.list(
            limit=query.limit,
            after=cursor(query.cursor),
            statuses=UNSENT if query.status is None else (query.status,),
        )
        return Reply(page(part, views.message))

    async def retry(self, incoming: Incoming) -> Reply:
        message_id = MessageId(incoming.path("id"))
        await self._check_may_retry(incoming.who, message_id)
        message = await self._store.outbox.retry(message_id, self._clock.now())
        self._post.wake(message.channel.value)
        return Reply(views.message(message))

    async def _check_may_retry(self, who: Principal, message_id: MessageId) -> None:
        """Agents send on what they have written, or a colleague of one of their queues."""
        if who.is_supervisor:
            return
        message = await self._store.outbox.get(message_id)
        if message.created_by == who.user.id:
            return
        entry = await self._store.interactions.get(message.interaction_id)
        author = entry.agent_id if entry is not None else None
        queues = await self._store.queues.all()
        if not (
            serves_with(queues, who.agent_id, author)
            or (entry is not None and serves(queues, who.agent_id, entry.queue_id))
        ):
            raise Forbidden(
                "this is the message of another queue's agent; a supervisor may send it on",
                code=Refusal.NOT_YOUR_MESSAGE,
            )

    async def tags(self, incoming: Incoming) -> Reply:
        query = incoming.query(s.TagQuery)
        found = await self._store.tags.in_use(query.q, query.limit)
        return Reply(s.Page(items=[s.Tag(tag=tag, used=used) for tag, used in found]))

    async def _customer(self, given: str, place: str) -> Customer:
        customer = await self._store.customers.get(CustomerId(given))
        if customer is None:
            raise InvalidInput("there is no such customer", place=place)
        return customer


def _addresses(customer: Customer, channel: Channel) -> list[str]:
    kind = _KIND[channel]
    return [identity.value for identity in customer.identities if identity.kind is kind]
