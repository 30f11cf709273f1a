"""The outbox as the postman needs it: the same stories in memory, on SQLite and on PostgreSQL."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from centralita.channels.fake import FakeLedger
from centralita.channels.ledger import Again, Failed, Ledger, Sent, Verdict
from centralita.channels.protocol import Letter, Trouble
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import CustomerId, InteractionId, MessageId
from centralita.store.store import Store, open_store
from centralita.timeline.model import Channel, Direction
from centralita.timeline.sending import UNSENT, MessageStatus, Sending
from centralita.timeline.templates import OutgoingMessage
from tests.contract.test_search import tables_as_of
from tests.contract.test_store import (  # noqa: F401
    ANA,
    NOON,
    customer,
    message,
    new_database,
    postgres_server,
    store,
    url,
)

SOON = NOON + timedelta(seconds=30)


def written(ident: str, channel: Channel = Channel.SMS, minutes: int = 0) -> OutgoingMessage:
    return OutgoingMessage(
        id=MessageId(ident), interaction_id=InteractionId(f"int_{ident}"), customer_id=ANA,
        channel=channel, to="+34600111222", created_at=NOON + timedelta(minutes=minutes),
        created_by="user_ana",
    )  # fmt: skip


def letter_of(given: OutgoingMessage) -> Letter:
    return Letter(
        id=given.id, to=given.to, subject="", body="¿Cuándo llega?", written_at=given.created_at
    )


async def keep(store: Store, given: OutgoingMessage) -> None:
    entry = replace(
        message(given.interaction_id), direction=Direction.OUT, started_at=given.created_at
    )
    async with store.transaction():
        await store.interactions.add(replace(entry, channel=given.channel))
        await store.outbox.add(given)


@dataclass
class Kept:
    """A ledger, real or not, and how a message gets into it and out again."""

    ledger: Ledger
    store: Store | None = None

    async def write(self, given: OutgoingMessage) -> None:
        if self.store is not None:
            await keep(self.store, given)
        else:
            assert isinstance(self.ledger, FakeLedger)
            self.ledger.write(given.channel.value, letter_of(given))

    async def erase(self, given: OutgoingMessage) -> None:
        if self.store is not None:
            await self.store.erasure.erase(ANA)
        else:
            assert isinstance(self.ledger, FakeLedger)
            self.ledger.erase(letter_of(given))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "memory":
        yield Kept(FakeLedger())
        return
    address = f"sqlite:///{tmp_path}/centralita.db"
    if request.param == "postgresql":
        address = await new_database(request.getfixturevalue("postgres_server"))
    opened = await open_store(address)
    await opened.customers.add(customer("cus_ana"))
    yield Kept(opened.outbox, opened)
    await opened.close()


async def test_a_message_is_taken_once_with_its_text(kept: Kept) -> None:
    given = written("msg_1")
    await kept.write(given)
    assert await kept.ledger.take("email", NOON) is None
    assert await kept.ledger.next_due("email") is None
    assert await kept.ledger.next_due("sms") == NOON
    taken = await kept.ledger.take("sms", NOON)
    assert taken is not None
    assert (taken.letter, taken.tries, taken.since) == (letter_of(given), 1, NOON)
    assert await kept.ledger.take("sms", NOON) is None
    assert await kept.ledger.next_due("sms") is None


async def test_what_has_been_due_longest_goes_first(kept: Kept) -> None:
    for ident, minutes in (("msg_b", 1), ("msg_c", 2), ("msg_a", 3)):
        await kept.write(written(ident, minutes=minutes))
    order = []
    while (taken := await kept.ledger.take("sms", NOON + timedelta(hours=1))) is not None:
        order.append(taken.letter.id)
    assert order == ["msg_b", "msg_c", "msg_a"]


async def test_what_is_not_due_is_left_where_it_is(kept: Kept) -> None:
    await kept.write(written("msg_1", minutes=1))
    assert await kept.ledger.take("sms", NOON) is None
    assert await kept.ledger.next_due("sms") == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("verdict", "due"),
    [
        (Sent(at=NOON), None),
        (Again(at=SOON, trouble=Trouble.BUSY, answer="451 later"), SOON),
        (Failed(trouble=Trouble.ADDRESS, answer="550 nobody"), None),
    ],
)
async def test_how_a_try_ended_is_kept(kept: Kept, verdict: Verdict, due: datetime | None) -> None:
    await kept.write(written("msg_1"))
    taken = await kept.ledger.take("sms", NOON)
    assert taken is not None
    place = await kept.ledger.settle(taken.letter, verdict)
    assert place is not None and place.message_id == "msg_1"
    assert await kept.ledger.next_due("sms") == due
    assert await kept.ledger.left_over("sms") == ()
    again = await kept.ledger.take("sms", SOON)
    assert (again is not None) == (due is not None)
    if again is not None:
        assert (again.tries, again.since, again.letter) == (2, NOON, taken.letter)


async def test_what_was_being_tried_is_found_by_the_next_process(kept: Kept) -> None:
    await kept.write(written("msg_1"))
    await kept.write(written("msg_2", Channel.EMAIL))
    taken = await kept.ledger.take("sms", NOON)
    assert taken is not None
    assert await kept.ledger.left_over("sms") == (taken,)
    assert await kept.ledger.left_over("email") == ()


async def test_what_is_due_waits_for_a_server_in_trouble_and_grows_old_meanwhile(
    kept: Kept,
) -> None:
    for ident, minutes in (("msg_1", 0), ("msg_2", 0), ("msg_3", 60)):
        await kept.write(written(ident, minutes=minutes))
    await kept.write(written("msg_4", Channel.EMAIL))
    taken = await kept.ledger.take("sms", NOON)
    assert taken is not None and taken.letter.id == "msg_1"
    await kept.ledger.hold("sms", NOON, Again(at=SOON, trouble=Trouble.LOGIN, answer="403"))
    assert await kept.ledger.next_due("sms") == SOON
    assert await kept.ledger.next_due("email") == NOON
    assert await kept.ledger.left_over("sms") == (taken,)
    second = await kept.ledger.take("sms", SOON)
    assert second is not None
    assert (second.letter.id, second.tries, second.since) == ("msg_2", 1, NOON)
    assert await kept.ledger.take("sms", SOON) is None  # the third is not due, and was not held
    third = await kept.ledger.take("sms", NOON + timedelta(hours=1))
    assert third is not None and third.since == NOON + timedelta(hours=1)


async def test_when_the_trouble_is_over_what_waited_because_of_it_is_due(kept: Kept) -> None:
    for ident in ("msg_1", "msg_2", "msg_3"):
        await kept.write(written(ident))
    late = NOON + timedelta(hours=1)
    for trouble in (Trouble.BUSY, Trouble.LOGIN):  # of the message, and of the server
        taken = await kept.ledger.take("sms", NOON)
        assert taken is not None
        await kept.ledger.settle(taken.letter, Again(at=late, trouble=trouble, answer=""))
    await kept.ledger.hold("sms", NOON, Again(at=late, trouble=Trouble.LOGIN, answer=""))
    assert await kept.ledger.take("sms", SOON) is None
    await kept.ledger.release("sms", SOON)
    due = [await kept.ledger.take("sms", SOON) for _ in range(3)]
    # Of two that are due together the one goes first that was tried less.
    assert [one.letter.id for one in due if one is not None] == ["msg_3", "msg_2"]


async def test_a_message_that_is_gone_cannot_be_settled(kept: Kept) -> None:
    given = written("msg_1")
    await kept.write(given)
    taken = await kept.ledger.take("sms", NOON)
    assert taken is not None
    await kept.erase(given)
    assert await kept.ledger.settle(taken.letter, Sent(at=NOON)) is None
    assert await kept.ledger.left_over("sms") == ()
    assert await kept.ledger.take("sms", SOON) is None


# --- what the store alone does ------------------------------------------------------------------


async def test_two_who_take_at_once_never_get_the_same_one(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    for n in range(12):
        await keep(store, written(f"msg_{n:02}"))

    async def take_all() -> list[str]:
        mine: list[str] = []
        while (taken := await store.outbox.take("sms", NOON)) is not None:
            mine.append(taken.letter.id)
        return mine

    first, second = await asyncio.gather(take_all(), take_all())
    assert len(first) + len(second) == 12
    assert sorted([*first, *second]) == [f"msg_{n:02}" for n in range(12)]


async def test_the_entry_says_how_far_its_message_is(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await keep(store, written("msg_1"))

    async def sending() -> Sending | None:
        entry = await store.interactions.get(InteractionId("int_msg_1"))
        assert entry is not None
        return entry.sending

    queued = Sending(message_id=MessageId("msg_1"), status=MessageStatus.QUEUED, next_at=NOON)
    assert await sending() == queued
    taken = await store.outbox.take("sms", NOON)
    assert taken is not None
    assert await sending() == replace(queued, status=MessageStatus.SENDING, tries=1)
    again = Again(at=SOON, trouble=Trouble.BUSY, answer="503")
    await store.outbox.settle(taken.letter, again)
    assert await sending() == replace(queued, tries=1, next_at=SOON, trouble="busy")
    assert await store.outbox.take("sms", SOON) is not None
    await store.outbox.settle(taken.letter, Sent(at=SOON))
    assert await sending() == Sending(
        message_id=MessageId("msg_1"), status=MessageStatus.SENT, tries=2, sent_at=SOON
    )
    assert (await store.outbox.list(limit=9, statuses=UNSENT)).items == ()
    assert [one.id for one in (await store.outbox.list(limit=9)).items] == ["msg_1"]


async def test_somebody_tries_again_with_as_much_patience_as_before(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await keep(store, written("msg_1"))
    with pytest.raises(NotFound):
        await store.outbox.retry(MessageId("msg_9"), NOON)
    taken = await store.outbox.take("sms", NOON)
    assert taken is not None
    with pytest.raises(Conflict):  # it is on its way
        await store.outbox.retry(MessageId("msg_1"), NOON)
    await store.outbox.settle(taken.letter, Failed(trouble=Trouble.ADDRESS, answer="550"))
    tomorrow = NOON + timedelta(days=1)
    retried = await store.outbox.retry(MessageId("msg_1"), tomorrow)
    assert (retried.status, retried.trouble, retried.answer, retried.next_at) == (
        MessageStatus.QUEUED, "", "", tomorrow,
    )  # fmt: skip
    taken = await store.outbox.take("sms", tomorrow)
    assert taken is not None and (taken.tries, taken.since) == (1, tomorrow)
    await store.outbox.settle(taken.letter, Sent(at=tomorrow))
    with pytest.raises(Conflict) as caught:
        await store.outbox.retry(MessageId("msg_1"), tomorrow)
    assert caught.value.code == "sent_already"


async def test_a_message_moves_with_its_customer_while_it_is_on_its_way(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await store.customers.add(customer("cus_leo", name="Leo"))
    await keep(store, written("msg_1"))
    taken = await store.outbox.take("sms", NOON)
    assert taken is not None
    made = await store.merges.merge(ANA, CustomerId("cus_leo"), NOON, by="user_ana")
    place = await store.outbox.settle(taken.letter, Sent(at=NOON))
    assert place is not None and place.customer_id == "cus_leo"
    await store.merges.undo(made.id, NOON, by="user_ana")
    (sent,) = (await store.outbox.list(limit=9)).items
    assert (sent.customer_id, sent.status) == (ANA, MessageStatus.SENT)


async def test_a_message_to_a_customer_merged_meanwhile_is_the_other_ones(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await store.customers.add(customer("cus_leo", name="Leo"))
    await store.merges.merge(ANA, CustomerId("cus_leo"), NOON, by="user_ana")
    await keep(store, written("msg_1"))
    (waits,) = (await store.outbox.list(limit=9)).items
    assert waits.customer_id == "cus_leo"


async def test_what_waited_before_there_were_senders_is_due_after_the_upgrade(url: str) -> None:
    await tables_as_of(
        url,
        "0007",
        "INSERT INTO customers (id, name, search, segment, language, notes, provisional,"
        " created_at) VALUES ('cus_ana', 'Ana', 'ana', '', 'es', '', false, '2026-01-05 12:00:00')",
        "INSERT INTO interactions (id, channel, direction, started_at, customer_id, subject, body,"
        " disposition, notes, caller, dialled, candidates, details) VALUES"
        " ('int_1', 'sms', 'out', '2026-01-05 12:00:00', 'cus_ana', '', 'Hola', '', '', '', '',"
        " '[]', '{}')",
        'INSERT INTO outbox (id, interaction_id, customer_id, channel, "to", status, created_at,'
        " created_by) VALUES ('msg_1', 'int_1', 'cus_ana', 'sms', '+34600111222', 'queued',"
        " '2026-01-05 12:00:00', 'user_ana')",
    )
    opened = await open_store(url)
    assert await opened.outbox.next_due("sms") == NOON
    taken = await opened.outbox.take("sms", NOON)
    assert taken is not None
    assert (taken.letter.body, taken.letter.written_at, taken.tries) == ("Hola", NOON, 1)
    await opened.close()
