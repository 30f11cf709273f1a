"""What the postman relies on in every sender: the one in memory is held to the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from centralita.channels.email import EmailSender, MailServer
from centralita.channels.fake import FakeSender
from centralita.channels.mailbox import Mailbox
from centralita.channels.protocol import Delayed, Letter, Refused, Sender, Trouble
from centralita.channels.sms import KannelSender
from centralita.core.ids import MessageId
from tests.support.kannel import KannelImitation, imitation, settings
from tests.support.mail import Mailroom, mail_server
from tests.support.server import free_port


@dataclass
class World:
    """A sender, and the server at its other end."""

    sender: Sender
    to: str
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def comes(self) -> None:
        """The server is there from now on."""

    def refuses(self) -> None:
        """It does not know the next address."""
        raise NotImplementedError

    def delays(self) -> None:
        """It wants to be asked again."""
        raise NotImplementedError

    def bodies(self) -> list[str]:
        """What has gone."""
        raise NotImplementedError


class Memory(World):
    def __init__(self) -> None:
        self.fake = FakeSender()
        super().__init__(self.fake, "julia@example.org")
        self.fake.refuse(Delayed(Trouble.UNREACHABLE, "nobody is there"))

    def refuses(self) -> None:
        self.fake.refuse(Refused(Trouble.ADDRESS, "nobody lives there"))

    def delays(self) -> None:
        self.fake.refuse(Delayed(Trouble.BUSY, "come back"))

    def bodies(self) -> list[str]:
        return [letter.body for letter in self.fake.taken]


class Smtp(World):
    def __init__(self) -> None:
        self.room = Mailroom(free_port())
        server = MailServer(
            host="127.0.0.1", port=self.room.port, security="none",
            sender=Mailbox(address="hola@talleres.example"),
        )  # fmt: skip
        super().__init__(EmailSender(server), "julia@example.org")

    async def comes(self) -> None:
        await self.stack.enter_async_context(mail_server(room=self.room))

    def refuses(self) -> None:
        self.room.at_rcpt.append("550 5.1.1 No such user")

    def delays(self) -> None:
        self.room.at_rcpt.append("451 4.7.1 Greylisted")

    def bodies(self) -> list[str]:
        found = []
        while not self.room.delivered.empty():
            found.append(self.room.delivered.get_nowait().mail.get_content().strip())
        return found


class Sms(World):
    def __init__(self) -> None:
        self.room = KannelImitation(free_port())
        super().__init__(KannelSender(settings(self.room.port)), "+34600111222")

    async def comes(self) -> None:
        await self.stack.enter_async_context(imitation(room=self.room))

    def refuses(self) -> None:
        self.room.answers.append((403, "Not routable. Do not try again."))

    def delays(self) -> None:
        self.room.answers.append((503, "Temporal failure, try again later."))

    def bodies(self) -> list[str]:
        found = []
        while not self.room.out.empty():
            found.append(self.room.out.get_nowait()[2])
        return found


@pytest.fixture(params=[Memory, Smtp, Sms])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world: World = request.param()
    async with world.stack:
        yield world
        await world.sender.close()


def letter(world: World, body: str) -> Letter:
    return Letter(
        id=MessageId("msg_1"), to=world.to, subject="", body=body,
        written_at=datetime(2026, 1, 5, 12, 0, tzinfo=UTC),
    )  # fmt: skip


async def test_a_server_that_is_away_takes_the_same_letter_when_it_is_back(world: World) -> None:
    hello = letter(world, "Hola")
    with pytest.raises(Delayed) as caught:
        await world.sender.send(hello)
    assert caught.value.trouble is Trouble.UNREACHABLE and caught.value.trouble.of_server
    await world.comes()
    await world.sender.send(hello)
    assert world.bodies() == ["Hola"]


async def test_an_answer_is_about_one_letter_only(world: World) -> None:
    if isinstance(world, Memory):
        world.fake.answers.clear()
    await world.comes()
    world.refuses()
    with pytest.raises(Refused) as refused:
        await world.sender.send(letter(world, "uno"))
    assert refused.value.trouble is Trouble.ADDRESS
    world.delays()
    with pytest.raises(Delayed) as delayed:
        await world.sender.send(letter(world, "dos"))
    assert delayed.value.trouble is Trouble.BUSY and not delayed.value.trouble.of_server
    await world.sender.send(letter(world, "tres"))
    assert world.bodies() == ["tres"]
    assert str(refused.value) and str(delayed.value)  # the operator reads something


async def test_a_sender_says_what_it_is(world: World) -> None:
    assert world.sender.channel in ("email", "sms")
    # What may be repeated is what the other end can tell from another one.
    assert world.sender.repeatable == (world.sender.channel == "email")
