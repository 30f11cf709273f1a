"""The postman's rounds, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from centralita.channels.fake import FakeLedger, FakeSender
from centralita.channels.ledger import Failed, Sent
from centralita.channels.postman import MessageMoved, Postman
from centralita.channels.protocol import Delayed, Letter, Refused, Trouble, Unclear
from centralita.core.bus import Bus
from centralita.core.errors import Unavailable
from centralita.core.ids import MessageId
from centralita.server.health import messages_out
from tests.support.virtual_time import START, LoopClock

VIRTUAL_TIME = True


def letter(ident: str) -> Letter:
    return Letter(
        id=MessageId(ident), to="julia@example.org", subject="", body="Hola", written_at=START
    )


class Office:
    """A postman with fakes, and what is heard of him."""

    def __init__(self, *senders: FakeSender, ledger: FakeLedger | None = None) -> None:
        self.ledger = ledger or FakeLedger()
        self.senders = senders or (FakeSender(),)
        self.email = self.senders[0]
        self.moved: asyncio.Queue[MessageMoved] = asyncio.Queue()
        self.clock = LoopClock()
        bus = Bus()
        bus.subscribe(MessageMoved, self.moved.put_nowait)
        self.postman = Postman(self.senders, self.ledger, bus, self.clock)

    def write(self, ident: str, channel: str = "email") -> Letter:
        written = letter(ident)
        self.ledger.write(channel, written)
        self.postman.wake(channel)
        return written

    def status(self, ident: str) -> str:
        return self.ledger.lines[ident].status


@asynccontextmanager
async def at_work(office: Office) -> AsyncIterator[Office]:
    office.postman.start()
    yield office
    await office.postman.close()


async def test_what_is_written_goes_at_once() -> None:
    async with at_work(Office()) as office:
        await asyncio.sleep(3600)  # nothing to do for an hour
        before = office.clock.now()
        office.write("msg_1")
        moved = await office.moved.get()
        assert moved.verdict == Sent(at=before)
        assert office.status("msg_1") == "sent"
        assert office.postman.results["email", "sent"] == 1


async def test_a_greylisted_letter_is_the_same_one_half_a_minute_later() -> None:
    async with at_work(Office()) as office:
        office.email.refuse(Delayed(Trouble.BUSY, "451 come back"))
        office.write("msg_1")
        await office.moved.get()
        assert office.status("msg_1") == "queued"
        await office.moved.get()
        assert office.clock.now() - START == timedelta(seconds=30)
        assert office.email.tried[0] == office.email.tried[1]


async def test_who_has_no_address_is_not_tried_again_and_holds_up_nobody() -> None:
    async with at_work(Office()) as office:
        office.email.refuse(Refused(Trouble.ADDRESS, "550 no such user"))
        office.write("msg_1")
        office.write("msg_2")
        await office.moved.get()
        await office.moved.get()
        await asyncio.sleep(3 * 86400)
        assert (office.status("msg_1"), office.status("msg_2")) == ("failed", "sent")
        assert len(office.email.tried) == 2


async def test_a_server_that_is_away_is_asked_by_one_letter_and_then_all_go() -> None:
    async with at_work(Office()) as office:
        office.email.refuse(*[Delayed(Trouble.UNREACHABLE, "connection refused")] * 20)
        for n in range(5):
            office.write(f"msg_{n}")
        await office.moved.get()
        await asyncio.sleep(20)
        assert len(office.email.tried) == 1
        assert not office.postman.troubles  # it is not told of yet
        await asyncio.sleep(16 * 60)
        assert office.postman.troubles["email"].since == START
        told = messages_out(office.postman)
        assert not told.ok and told.detail == {"sends": ["email"]}
        assert told.message == (
            "no email has gone since 2026-01-05T09:00:00+00:00 (unreachable); see [email]"
        )
        assert len(office.email.tried) < 20
        while len(office.email.tried) < 20:
            await office.moved.get()
        while len(office.email.taken) < 5:
            await office.moved.get()
        freed = office.clock.now()
        assert sorted(one.id for one in office.email.taken) == [f"msg_{n}" for n in range(5)]
        # The pauses were long by then; the first letter that went freed the others in that moment.
        for line in office.ledger.lines.values():
            assert line.verdict == Sent(at=freed)
        assert not office.postman.troubles and messages_out(office.postman).ok


async def test_a_new_letter_that_goes_through_frees_those_that_wait_for_the_server() -> None:
    async with at_work(Office()) as office:
        away = Delayed(Trouble.UNREACHABLE, "connection refused")
        office.email.answers.extend([away] * 1000)
        office.write("msg_1")
        office.write("msg_2")
        await asyncio.sleep(3 * 3600)  # by now it is asked every ten minutes
        office.email.answers.clear()
        back = office.clock.now()
        assert min(line.due for line in office.ledger.lines.values()) > back
        office.write("msg_3")
        while len(office.email.taken) < 3:
            await office.moved.get()
        assert office.clock.now() == back


async def test_a_letter_that_no_server_can_stand_keeps_no_other_back() -> None:
    async with at_work(Office()) as office:
        office.write("msg_1")
        office.email.unbearable.add("msg_1")
        office.write("msg_2")
        office.write("msg_3")
        await asyncio.sleep(120)
        assert {one.id for one in office.email.taken} == {"msg_2", "msg_3"}
        assert office.status("msg_1") == "queued"


async def test_after_a_day_of_trouble_all_that_waited_have_failed() -> None:
    async with at_work(Office()) as office:
        office.email.refuse(*[Delayed(Trouble.LOGIN, "535")] * 4000)
        office.write("msg_1")
        office.write("msg_2")
        await asyncio.sleep(25 * 3600)
        assert (office.status("msg_1"), office.status("msg_2")) == ("failed", "failed")
        verdict = office.ledger.lines["msg_2"].verdict
        assert isinstance(verdict, Failed) and verdict.trouble is Trouble.LOGIN
        assert office.postman.troubles["email"].trouble is Trouble.LOGIN


async def test_a_slow_mail_server_holds_up_no_sms() -> None:
    email, sms = FakeSender("email"), FakeSender("sms", repeatable=False)
    email.hanging = asyncio.Event()
    async with at_work(Office(email, sms)) as office:
        office.write("msg_1")
        office.write("msg_2", "sms")
        moved = await office.moved.get()
        assert moved.place.message_id == "msg_2" and isinstance(moved.verdict, Sent)
        email.hanging.set()


async def test_a_message_without_a_sender_waits_until_there_is_one() -> None:
    ledger = FakeLedger()
    async with at_work(Office(FakeSender("email"), ledger=ledger)) as office:
        assert office.postman.sends("email") and not office.postman.sends("sms")
        office.write("msg_1", "sms")
        await asyncio.sleep(30 * 86400)
        assert office.status("msg_1") == "queued"
    async with at_work(Office(FakeSender("sms"), ledger=ledger)) as later:
        await later.moved.get()
        assert later.status("msg_1") == "sent"


async def test_the_next_process_repeats_an_email_and_leaves_an_sms_to_a_person() -> None:
    email, sms = FakeSender("email"), FakeSender("sms", repeatable=False)
    email.hanging = sms.hanging = asyncio.Event()
    office = Office(email, sms)
    first = office.write("msg_1")
    office.write("msg_2", "sms")
    office.postman.start()
    while not (email.tried and sms.tried):
        await asyncio.sleep(0)
    await office.postman.close(within=0)
    assert (office.status("msg_1"), office.status("msg_2")) == ("sending", "sending")
    after = Office(FakeSender("email"), FakeSender("sms", repeatable=False), ledger=office.ledger)
    async with at_work(after):
        for _ in range(3):  # again and sent; failed
            await after.moved.get()
        assert (after.status("msg_1"), after.status("msg_2")) == ("sent", "failed")
        assert after.email.taken == [first]
        verdict = after.ledger.lines["msg_2"].verdict
        assert isinstance(verdict, Failed) and verdict.trouble is Trouble.UNCLEAR
        assert not after.senders[1].tried


async def test_an_sms_of_which_nothing_was_heard_is_not_repeated() -> None:
    sms = FakeSender("sms", repeatable=False)
    async with at_work(Office(sms)) as office:
        sms.refuse(Unclear("no answer"))
        office.write("msg_1", "sms")
        await office.moved.get()
        await asyncio.sleep(2 * 86400)
        assert office.status("msg_1") == "failed" and len(sms.tried) == 1


async def test_what_has_gone_is_not_sent_again_while_it_cannot_be_written_down() -> None:
    async with at_work(Office()) as office:
        office.email.hanging = asyncio.Event()
        office.write("msg_1")
        while not office.email.tried:
            await asyncio.sleep(0)
        office.ledger.away = [Unavailable("the database is away")] * 50
        office.email.hanging.set()
        await office.moved.get()
        assert office.status("msg_1") == "sent" and len(office.email.tried) == 1
        assert office.clock.now() - START == timedelta(seconds=250)


async def test_a_database_that_is_away_is_waited_for() -> None:
    office = Office()
    office.ledger.away = [Unavailable("the database is away")] * 3
    office.write("msg_1")
    async with at_work(office):
        await office.moved.get()
        assert office.status("msg_1") == "sent"


async def test_a_message_of_somebody_who_was_erased_meanwhile_is_no_news() -> None:
    async with at_work(Office()) as office:
        office.email.hanging = asyncio.Event()
        gone = office.write("msg_1")
        while not office.email.tried:
            await asyncio.sleep(0)
        office.ledger.erase(gone)
        office.email.hanging.set()
        office.write("msg_2")
        moved = await office.moved.get()
        assert moved.place.message_id == "msg_2"


async def test_a_mistake_of_ours_is_tried_again_and_stops_nobody() -> None:
    async with at_work(Office()) as office:
        office.email.answers.append(ZeroDivisionError())
        office.write("msg_1")
        office.write("msg_2")
        for _ in range(3):
            await office.moved.get()
        assert (office.status("msg_1"), office.status("msg_2")) == ("sent", "sent")


async def test_closing_lets_the_letter_on_its_way_arrive_and_takes_no_other() -> None:
    office = Office()
    office.email.hanging = asyncio.Event()
    office.write("msg_1")
    office.write("msg_2")
    office.postman.start()
    while not office.email.tried:
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(3, office.email.hanging.set)
    await office.postman.close()
    assert (office.status("msg_1"), office.status("msg_2")) == ("sent", "queued")
    assert office.email.closed
